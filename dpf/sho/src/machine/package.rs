//! Steps 14 and 15: the RNCP is composed, and, once the HSS knows the subscription, handed over.

use std::sync::Arc;

use schemas::{
    identity::Imsi,
    rncp::{self, Credentials, Kind},
    trust::Leaf,
};
use sqlx::SqliteConnection;

use super::{Sho, ShoError, Step};
use crate::{
    clock::{milliseconds, seconds},
    compose::{Order, Profile, compose},
    keys::SubscriberKeys,
    model::{Session, State, Terms},
    policy::refusal,
    store::{StoreError, parts, sessions},
};

/// Octets of an RNCP at most: what a DPF reads of our answer is 16 MiB, in base64.
const MAX_RNCP: usize = 11 << 20;

impl Sho {
    /// What an HSS and a device are told of a subscription.
    pub(super) fn apn(&self, terms: &Terms) -> String {
        terms.apn.clone().unwrap_or_else(|| self.operator.apn.clone())
    }

    /// IMSI, terms and keys of a session that has them.
    pub(super) async fn allotted(
        &self,
        session: &Session,
    ) -> Result<(Imsi, Terms, SubscriberKeys), ShoError> {
        let mut reader = self.store.db.readers.acquire().await?;
        let keys = sessions::keys(&mut reader, &self.store.keyring, session.id).await?;
        let (Some(imsi), Some(terms), Some(keys)) = (session.imsi, session.terms.clone(), keys) else {
            return Err(StoreError::Damaged(format!("session {} has no numbers or keys", session.id)).into());
        };
        Ok((imsi, terms, keys))
    }

    /// From allocated to composed.
    pub(super) async fn compose(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        if let Some(step) = self.out_of_date(session).await? {
            return Ok(step);
        }
        let (imsi, terms, keys) = self.allotted(session).await?;
        let mut extras = Vec::with_capacity(terms.parts.len());
        let mut replaces = None;
        {
            let mut reader = self.store.db.readers.acquire().await?;
            for name in &terms.parts {
                match parts::load(&mut reader, &self.store.keyring, name).await? {
                    Some(extra) => extras.push(extra),
                    None => {
                        drop(reader);
                        let detail = format!("the plan names a part {name} that the operator does not have");
                        return self.refuse(session, refusal("part-missing", detail, true)).await;
                    }
                }
            }
            if session.kind == Kind::Update
                && let Some(previous) = session.previous
            {
                replaces = sessions::find(&mut reader, previous).await?.and_then(|previous| previous.rncp);
            }
        }
        if extras.iter().map(|extra| extra.content.len()).sum::<usize>() > MAX_RNCP {
            let detail = format!("the parts of the plan are larger than {MAX_RNCP} octets together");
            return self.refuse(session, refusal("package-too-large", detail, true)).await;
        }
        let apn = self.apn(&terms);
        let plmn = self.operator.plmn;
        let mut credentials = Credentials::new(imsi, &keys.k, &keys.opc, keys.amf, apn.clone(), plmn);
        credentials.msisdn.clone_from(&session.msisdn);
        let profile = Profile {
            version: rncp::VERSION,
            apn,
            home_plmn: plmn,
            operator_name: self.operator.name.clone(),
        };
        let platform = Leaf::parse(session.platform_certificate.as_deref().unwrap_or_default())?;
        let now = self.clock.now();
        let expires_at = now.saturating_add(milliseconds(self.policy.package_lifetime.0));
        let composed = compose(
            &Order {
                rncp: session.rncp.ok_or_else(|| StoreError::Damaged("a session without an RNCP".into()))?,
                operator: &self.operator.id,
                device_id: &session.device_id,
                tre_id: &session.tre_id,
                pcid: session.pcid,
                session: session.id,
                kind: session.kind,
                replaces,
                issued: seconds(now),
                expires: seconds(expires_at),
                credentials: &credentials,
                profile: &profile,
                extras: &extras,
                platform: &platform,
            },
            &self.operator.signer,
        )?;
        let session = session.clone();
        let done = self.transact(async move |sho, tx| {
            if sho.advance(&mut *tx, &session, State::Composed).await? {
                sessions::set_composed(tx, session.id, &composed, expires_at).await?;
            }
            Ok(Step::Taken)
        });
        done.await
    }

    /// From published to answered: from here on a device may have it.
    pub(super) async fn authorise(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        // What a DPF generated is in its hands already.
        if !session.generated
            && let Some(step) = self.out_of_date(session).await?
        {
            return Ok(step);
        }
        let session = session.clone();
        self.transact(async move |sho, tx| sho.authorise_in(tx, &session).await).await
    }

    /// As [`authorise`](Self::authorise), in the caller's transaction.
    pub(super) async fn authorise_in(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
    ) -> Result<Step, ShoError> {
        if self.advance(&mut *tx, session, State::Answered).await? {
            sessions::set_answered(&mut *tx, session.id, self.clock.now()).await?;
            let outcome = if session.generated { "generated by the DPF" } else { "authorised" };
            self.note(tx, session, "provisioning.authorise", outcome).await?;
        }
        Ok(Step::Taken)
    }
}
