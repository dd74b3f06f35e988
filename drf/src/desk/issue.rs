//! Making triggers, in the transaction that gives rise to them.

use std::net::SocketAddr;

use schemas::{identity::Pcid, rest::credential::CredentialPatch, rncp::Kind};
use service::outbox;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Desk, ICF_PATIENCE, Refused};
use crate::{
    outbound::{CredentialChange, TO_DEVICE, TO_ICF},
    store::{self, Device, NoticeState, Operator},
    trigger::{self, Order, State, Trigger},
};

/// What for, and where to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ask {
    /// For what; without, it follows of whose the device is.
    pub kind: Option<Kind>,
    /// Where to; nowhere: the device has asked, or will.
    pub address: Option<SocketAddr>,
    /// Whether the device is in 3GPP access.
    pub over_3gpp: bool,
    /// Who has asked for it.
    pub request: Option<Uuid>,
}

impl Ask {
    /// The answer to a device in non-3GPP access.
    pub(super) fn answer() -> Self {
        Self::default()
    }
}

impl Desk {
    /// Makes a trigger and sends it on its way; it takes the place of any before.
    pub(super) async fn issue(
        &self,
        tx: &mut SqliteConnection,
        device: &Device,
        operator: &Operator,
        ask: Ask,
    ) -> Result<Trigger, Refused> {
        let now = self.now();
        store::close_open(&mut *tx, device.pcid, "a newer trigger has taken its place", now).await?;
        let sequence = store::next_sequence(&mut *tx, device.pcid, now).await?;
        let kind = ask.kind.unwrap_or_else(|| trigger::kind_of(device.current.as_ref(), &operator.id));
        let order = Order {
            pcid: device.pcid,
            sequence,
            operator: operator.id.clone(),
            dpf: operator.dpf.clone(),
            kind,
            over_3gpp: ask.over_3gpp,
            now: (now / 1000).unsigned_abs(),
        };
        let made = trigger::make(&self.policy.terms, &self.signer, order)?;
        let nowhere = "no address is known where the device takes triggers: it has to ask";
        let trigger = Trigger {
            id: made.rnct.id,
            pcid: device.pcid,
            operator: operator.id.clone(),
            kind,
            sequence,
            rnct: made.signed,
            address: ask.address,
            over_3gpp: ask.over_3gpp,
            state: State::Pending,
            attempts: 0,
            last_error: ask.address.is_none().then(|| nowhere.to_owned()).filter(|_| ask.request.is_some()),
            issued_at: now,
            expires_at: i64::try_from(made.rnct.expires.saturating_mul(1000)).unwrap_or(i64::MAX),
            updated_at: now,
        };
        store::insert_trigger(&mut *tx, &trigger, ask.request).await?;
        if ask.address.is_some() {
            let id = trigger.id.to_string();
            let message = outbox::Message {
                topic: TO_DEVICE,
                key: &id,
                body: id.as_bytes(),
                give_up_after: self.policy.terms.lifetime,
            };
            outbox::enqueue(tx, &message).await?;
        }
        self.metrics.triggers.with_label_values(&["issued"]).inc();
        tracing::info!(pcid = %device.pcid, operator = %operator.id, sequence, id = %trigger.id, "trigger");
        Ok(trigger)
    }

    /// A device has arrived, or was bound: makes the trigger that waits for both, and makes again one that named
    /// another operator. `false`: nothing waits, or the device has no operator.
    pub(super) async fn follow(&self, tx: &mut SqliteConnection, pcid: Pcid) -> Result<bool, Refused> {
        let Some(device) = store::device(&mut *tx, pcid).await? else { return Ok(false) };
        let Some(resolved) = self.resolved(&mut *tx, &device).await? else { return Ok(false) };
        let operator = &resolved.operator;
        let waiting = store::waiting(&mut *tx, pcid).await?;
        let Some(waiting) = waiting else {
            let open = store::open_trigger(&mut *tx, pcid, self.now()).await?;
            let Some(open) = open.filter(|open| open.operator != operator.id) else { return Ok(false) };
            let ask = Ask { kind: None, address: open.address, over_3gpp: open.over_3gpp, request: None };
            self.issue(tx, &device, operator, ask).await?;
            return Ok(true);
        };
        // R13 (seed, section 5 step 8): the PCID points to the registration operator, and is just used on.
        if waiting.over_3gpp && operator.id == self.policy.operator {
            self.keep(&mut *tx, &device, waiting.id).await?;
            store::set_notice_state(tx, waiting.id, NoticeState::Kept).await?;
        } else {
            let address = Some(waiting.address);
            let ask = Ask { kind: None, address, over_3gpp: waiting.over_3gpp, request: None };
            self.issue(&mut *tx, &device, operator, ask).await?;
            store::set_notice_state(tx, waiting.id, NoticeState::Triggered).await?;
        }
        Ok(true)
    }

    async fn keep(&self, tx: &mut SqliteConnection, device: &Device, notice: Uuid) -> Result<(), Refused> {
        let now = self.now();
        store::close_open(&mut *tx, device.pcid, "the device keeps its PCID", now).await?;
        store::set_current(&mut *tx, device.pcid, &self.policy.operator, now).await?;
        let patch =
            CredentialPatch { profile: Some(self.policy.full_profile.clone()), ..CredentialPatch::default() };
        self.tell_icf(tx, &format!("profile/{notice}"), device.pcid, patch).await?;
        tracing::info!(pcid = %device.pcid, profile = self.policy.full_profile, "the device keeps its PCID");
        Ok(())
    }

    /// Has a credential changed at the ICF, if there is one.
    pub(super) async fn tell_icf(
        &self,
        tx: &mut SqliteConnection,
        key: &str,
        imsi: Pcid,
        patch: CredentialPatch,
    ) -> Result<(), Refused> {
        if !self.policy.icf {
            tracing::warn!(%imsi, "there is no [icf] in the configuration: the credential stays as it is");
            return Ok(());
        }
        let body = serde_json::to_vec(&CredentialChange { imsi, patch }).map_err(Refused::internal)?;
        let message = outbox::Message { topic: TO_ICF, key, body: &body, give_up_after: ICF_PATIENCE };
        outbox::enqueue(tx, &message).await?;
        Ok(())
    }
}
