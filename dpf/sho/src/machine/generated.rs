//! R17: a DPF made the RNCP by the operator's rules, and tells what it holds.

use std::sync::Arc;

use schemas::{
    cose,
    rest::provisioning::Generated,
    rncp::{CREDENTIALS, Credentials, part_aad},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Sho, ShoError, Step};
use crate::{
    keys::SubscriberKeys,
    model::{NumberKind, Numbering, Session, State},
    store::{
        StoreError, numbers,
        sessions::{self, Allotted},
        subscriptions,
    },
};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The HSS knows the subscription.
    Known,
    /// Ask again: an HSS is away.
    Later(String),
    /// There is no such session.
    Unknown,
    /// It contradicts what is known or agreed.
    Conflict(String),
    /// It does not open, or is not what it should be.
    Wrong(String),
}

impl Sho {
    /// Takes the credentials that a DPF has generated, as often as they come.
    ///
    /// # Errors
    /// If we fail.
    pub async fn generated(self: &Arc<Self>, id: Uuid, generated: &Generated) -> Result<Taken, ShoError> {
        let _turn = self.sessions.take(id).await;
        let found = {
            let mut reader = self.store.db.readers.acquire().await?;
            sessions::find(&mut reader, id).await?
        };
        let Some(mut session) = found else { return Ok(Taken::Unknown) };
        if session.state == State::Delegated {
            if let Err(no) = self.adopt(&session, generated).await? {
                let (Taken::Conflict(what) | Taken::Wrong(what)) = &no else { return Ok(no) };
                self.audit(&session.device_id, "provisioning.generated", id, &format!("refused: {what}"))
                    .await;
                return Ok(no);
            }
            session = self.session(id).await?;
        }
        if !session.generated || session.rncp != Some(generated.rncp) {
            return Ok(Taken::Conflict("the session is not one that the DPF generates this RNCP for".into()));
        }
        while matches!(session.state, State::Composed | State::Published) {
            if let Step::Wait(why) = self.step_of(&session).await? {
                return Ok(Taken::Later(why));
            }
            session = self.session(id).await?;
        }
        match &session.refusal {
            None => Ok(Taken::Known),
            Some(refusal) => Ok(Taken::Conflict(refusal.detail.clone())),
        }
    }

    /// From delegated to composed.
    async fn adopt(&self, session: &Session, generated: &Generated) -> Result<Result<(), Taken>, ShoError> {
        let wrong = |what: &str| Ok(Err(Taken::Wrong(what.to_owned())));
        let Some(key) = &self.operator.sealing_key else {
            return Ok(Err(Taken::Conflict(
                "sho.sealing_key is not configured: nothing generated is taken".into(),
            )));
        };
        let terms =
            session.terms.clone().ok_or_else(|| StoreError::Damaged("a session without terms".into()))?;
        if terms.rule.as_deref() != Some(&generated.rule) {
            return wrong("it is made by another rule than the contract's");
        }
        let aad = part_aad(generated.rncp, CREDENTIALS);
        let Ok(opened) = cose::decrypt(generated.credentials.as_ref(), &aad, key) else {
            return wrong("the credentials are not encrypted to the operator's sealing key for this RNCP");
        };
        let Ok(credentials) = Credentials::decode(&opened) else {
            return wrong("what was encrypted is no credentials of a version known here");
        };
        if credentials.home_plmn != self.operator.plmn {
            return wrong("the credentials are of another network");
        }
        let keys = SubscriberKeys { k: credentials.k(), opc: credentials.opc(), amf: credentials.amf };
        let mut tx = self.store.db.write().await?;
        if !self.advance(&mut tx, session, State::Composed).await? {
            return Ok(Err(Taken::Conflict("the session has gone on meanwhile".into())));
        }
        let allotted = match self.allot_generated(&mut tx, session, generated.rncp, &credentials).await {
            Ok(allotted) => allotted,
            Err(ShoError::Store(StoreError::Conflict(what))) => return Ok(Err(Taken::Conflict(what))),
            Err(error) => return Err(error),
        };
        if allotted.numbering == Numbering::New {
            let msisdn = allotted.msisdn.as_deref();
            subscriptions::prepare(&mut tx, session, allotted.imsi, msisdn, &terms, self.clock.now()).await?;
        }
        let sealed = keys.seal(&self.store.keyring, session.id)?;
        sessions::set_allotted(&mut tx, session.id, &allotted, &sealed, keys.amf).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    async fn allot_generated(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
        rncp: Uuid,
        credentials: &Credentials,
    ) -> Result<Allotted, ShoError> {
        let current = subscriptions::active(&mut *tx, &session.device_id).await?;
        let (imsi, device) = (credentials.imsi, session.device_id.as_str());
        let same = current.as_ref().is_some_and(|current| current.imsi == imsi);
        if !same {
            numbers::take_delegated(&mut *tx, NumberKind::Imsi, &imsi.to_string(), device, session.id)
                .await?;
            if let Some(msisdn) = &credentials.msisdn {
                numbers::take_delegated(tx, NumberKind::Msisdn, msisdn, device, session.id).await?;
            }
        }
        Ok(Allotted {
            rncp,
            numbering: if same { Numbering::Rekey } else { Numbering::New },
            imsi,
            msisdn: credentials.msisdn.clone(),
            previous: current.as_ref().and_then(|current| current.session),
            replaces_imsi: current.map(|current| current.imsi).filter(|_| !same),
            generated: true,
        })
    }
}
