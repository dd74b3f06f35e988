//! Numbers and keys.

use std::sync::Arc;

use schemas::rncp::Kind;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Sho, ShoError, Step};
use crate::{
    config::UpdateKeys,
    keys::SubscriberKeys,
    model::{NumberKind, Numbering, Session, State, Subscription, Terms},
    policy::refusal,
    store::{
        StoreError, numbers,
        sessions::{self, Allotted},
        subscriptions,
    },
};

/// Numbers of a kind that one device may have at a time: the one in use, the next, and those of sessions whose withdrawal is
/// under way. Whatever a device reports, it does not use up a range.
const MAX_NUMBERS: u64 = 8;

/// What stands between a session and its numbers.
pub(super) enum Lack {
    /// There is nothing to update.
    Subscription,
    /// All numbers are handed out.
    Numbers(NumberKind),
    /// The device has as many as one device may have.
    Share(NumberKind),
    /// We failed.
    Ours(ShoError),
}

impl<E: Into<ShoError>> From<E> for Lack {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

impl Sho {
    /// From validated to allocated; to delegated, if the DPF makes the RNCP.
    pub(super) async fn allocate(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        if let Some(step) = self.out_of_date(session).await? {
            return Ok(step);
        }
        let (sho, validated) = (Arc::clone(self), session.clone());
        let done = self.store.db.transact(async move |tx| sho.allocate_in(tx, &validated).await);
        self.allocated(session, done.await).await
    }

    /// As [`allocate`](Self::allocate), in the caller's transaction. Of what is lacking nothing is kept: neither one number
    /// of two nor the end of the sessions before.
    pub(super) async fn allocate_in(&self, tx: &mut SqliteConnection, session: &Session) -> Result<(), Lack> {
        let terms =
            session.terms.clone().ok_or_else(|| StoreError::Damaged("a session without terms".into()))?;
        self.supersede(&mut *tx, session).await?;
        if terms.rule.is_some() {
            self.advance(tx, session, State::Delegated).await?;
        } else if self.advance(&mut *tx, session, State::Allocated).await? {
            self.allot(tx, session, &terms).await?;
        }
        Ok(())
    }

    /// What follows from [`allocate_in`](Self::allocate_in), which `session` was in before.
    pub(super) async fn allocated(
        self: &Arc<Self>,
        session: &Session,
        done: Result<(), Lack>,
    ) -> Result<Step, ShoError> {
        let refusal = match done {
            Ok(()) => {
                // Sessions before it may have ended.
                self.outbox.wake();
                return Ok(Step::Taken);
            }
            Err(Lack::Ours(error)) => return Err(error),
            Err(Lack::Subscription) => refusal(
                "nothing-to-update",
                "the device has no subscription of this operator that could be updated; it has to be provisioned first",
                false,
            ),
            Err(Lack::Numbers(kind)) => {
                let kind = kind.as_str();
                tracing::error!(kind, "all numbers are handed out: add a range (PUT /v1/number-ranges/…)");
                refusal("no-numbers", format!("the operator has no {kind} left; it has to add a range"), true)
            }
            Err(Lack::Share(kind)) => {
                let kind = kind.as_str();
                tracing::warn!(device = %session.device_id, kind, "a device uses up numbers: it gets no more for now");
                let detail =
                    format!("the device has {MAX_NUMBERS} {kind}s from sessions that are not withdrawn yet");
                refusal("too-many-numbers", detail, true)
            }
        };
        self.refuse(session, refusal).await
    }

    /// A number for the session: one that the device had before, as far as it has come back.
    async fn number(
        &self,
        tx: &mut SqliteConnection,
        kind: NumberKind,
        session: &Session,
    ) -> Result<String, Lack> {
        let device = session.device_id.as_str();
        let before = numbers::held(&mut *tx, kind, device).await?;
        let number = numbers::allocate(&mut *tx, kind, device, session.id, self.clock.now()).await?;
        let number = number.ok_or(Lack::Numbers(kind))?;
        // One that it had already changes nothing.
        let more = numbers::held(&mut *tx, kind, device).await? > before;
        if more && before >= MAX_NUMBERS { Err(Lack::Share(kind)) } else { Ok(number) }
    }

    /// A device is provisioned by its latest session: those before it end.
    async fn supersede(&self, tx: &mut SqliteConnection, session: &Session) -> Result<(), ShoError> {
        for other in sessions::open_of(&mut *tx, &session.device_id).await? {
            // Which is the later one, is told by when they came; of two at once one has to be.
            let earlier = (other.created_at, other.id) < (session.created_at, session.id);
            if other.id == session.id || !earlier {
                continue;
            }
            let detail = format!("the device has begun another session, {}", session.id);
            let spent = other.state == State::Answered;
            self.end(&mut *tx, &other, &refusal("superseded", detail, false), spent).await?;
        }
        Ok(())
    }

    async fn allot(&self, tx: &mut SqliteConnection, session: &Session, terms: &Terms) -> Result<(), Lack> {
        let rncp = Uuid::now_v7();
        let current = subscriptions::active(&mut *tx, &session.device_id).await?;
        if current.is_none() && session.kind == Kind::Update {
            return Err(Lack::Subscription);
        }
        if let Some(current) = &current
            && let Some((numbering, keys)) = self.kept(&mut *tx, session, current).await?
        {
            let allotted = Allotted {
                rncp,
                numbering,
                imsi: current.imsi,
                msisdn: current.msisdn.clone(),
                previous: current.session,
                replaces_imsi: None,
                generated: false,
            };
            let sealed = keys.seal(&self.store.keyring, session.id)?;
            sessions::set_allotted(tx, session.id, &allotted, &sealed, keys.amf).await?;
            return Ok(());
        }
        let now = self.clock.now();
        let imsi = self.number(&mut *tx, NumberKind::Imsi, session).await?;
        let imsi = imsi.parse().map_err(|_| StoreError::Damaged(format!("IMSI {imsi:?}")))?;
        let mut msisdn = None;
        if terms.msisdn {
            msisdn = Some(self.number(&mut *tx, NumberKind::Msisdn, session).await?);
        }
        subscriptions::prepare(&mut *tx, session, imsi, msisdn.as_deref(), terms, now).await?;
        let keys = SubscriberKeys::generate()?;
        let sealed = keys.seal(&self.store.keyring, session.id)?;
        let allotted = Allotted {
            rncp,
            numbering: Numbering::New,
            imsi,
            msisdn,
            previous: current.as_ref().and_then(|current| current.session),
            replaces_imsi: current.map(|current| current.imsi),
            generated: false,
        };
        sessions::set_allotted(tx, session.id, &allotted, &sealed, keys.amf).await?;
        Ok(())
    }

    /// Whether the device keeps its IMSI, and with which keys. It does as long as the keys that it has now are still
    /// here: should the new RNCP not arrive, the HSS has to have them again. Without them the device gets a new IMSI,
    /// and the old one works until the new RNCP is installed.
    async fn kept(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
        current: &Subscription,
    ) -> Result<Option<(Numbering, SubscriberKeys)>, ShoError> {
        let Some(previous) = current.session else { return Ok(None) };
        let Some(keys) = sessions::keys(tx, &self.store.keyring, previous).await? else { return Ok(None) };
        // A device that comes for its first RNCP again has lost the keys: it gets new ones.
        if session.kind == Kind::Update && self.policy.update_keys == UpdateKeys::Keep {
            return Ok(Some((Numbering::Keep, keys)));
        }
        Ok(Some((Numbering::Rekey, SubscriberKeys::generate()?)))
    }
}
