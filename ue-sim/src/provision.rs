//! How an operator's RNCP comes into the device: the RNCT (seed, section 5 step 8) over CoAP or asked for, and the
//! conversation with the DPF (steps 9, 16, 17, 18). docs/PROVISIONING.md is the contract.
//!
//! Everything that must not be lost is in the TRE's state before it is answered or acted on: the RNCT before it is
//! acknowledged, the report before it is sent. So a device that is switched off at any moment goes on with [`resume`].

mod blocks;
mod client;
mod coap;
mod conversation;
mod download;
mod event;
mod exchanges;
mod patience;
mod trigger;

#[cfg(test)]
mod tests;

use schemas::{
    identity::{Imsi, OperatorId},
    rest::provisioning::Refusal,
    rnct::Rnct,
};
use uuid::Uuid;

use crate::tre::{Reason, Tre};

pub use client::ClientError;
pub(crate) use client::{CallError, Content, DeviceClient};
pub use coap::{Listening, RnctListener};
pub use conversation::Provisioner;
pub use event::{Events, Exchange, ProvisionEvent, Step};
pub use patience::Options;
pub use trigger::{Taken, TriggerError};

/// How a provisioning ended for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The RNCP is installed and activated.
    Installed {
        /// The RNCP.
        rncp: Uuid,
        /// Whose.
        operator: OperatorId,
        /// The device's IMSI there.
        imsi: Imsi,
        /// The DPF has the report; if not, it does not know the session any more.
        reported: bool,
    },
    /// It is not; the device is as before.
    Failed {
        /// The word of the report, as [`Reason`] has them.
        reason: String,
        /// A sentence.
        detail: String,
        /// The DPF has the report.
        reported: bool,
    },
    /// The operator or the DPF refused; the device is as before.
    Refused(Refusal),
    /// The DPF cannot be reached, or does not come to an end. The device goes on with [`resume`].
    Unfinished {
        /// What is in the way.
        why: String,
    },
    /// The device has not taken that RNCT, or has a newer one.
    NotTaken,
}

impl Outcome {
    fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed { reason: reason.word().to_owned(), detail: detail.into(), reported: false }
    }
}

/// Follows an RNCT that the device has taken, to its end or as far as it comes; tells each step. If the report of an
/// earlier one is still to be accepted, that comes first.
pub async fn provision(tre: &Tre, rnct: &Rnct, events: &Events) -> Outcome {
    provision_with(tre, rnct, events, Options::default()).await
}

/// As [`provision`], with other patience or another way.
pub async fn provision_with(tre: &Tre, rnct: &Rnct, events: &Events, options: Options) -> Outcome {
    let provisioner = Provisioner::new(tre.clone(), events.clone(), options);
    loop {
        let ours = tre.read(|state| {
            let open = state.conversation.as_ref().map(|conversation| conversation.rnct.id);
            open == Some(rnct.id) || state.waiting.as_ref().map(|waiting| waiting.id) == Some(rnct.id)
        });
        if !ours {
            return Outcome::NotTaken;
        }
        match provisioner.next().await {
            Some((id, outcome)) if id == rnct.id => return outcome,
            Some((_, outcome @ Outcome::Unfinished { .. })) => return outcome,
            Some(_) => {}
            None => return Outcome::NotTaken,
        }
    }
}

/// Goes on with the provisioning that was under way when the device stopped; `None` if there is none.
pub async fn resume(tre: &Tre, events: &Events) -> Option<Outcome> {
    Provisioner::new(tre.clone(), events.clone(), Options::default()).run().await
}

/// Runs what waits for the disk where waiting does no harm.
pub(crate) async fn on_disk<T: Send + 'static>(
    tre: &Tre,
    work: impl FnOnce(&Tre) -> Result<T, crate::tre::TreError> + Send + 'static,
) -> Result<T, crate::tre::TreError> {
    let tre = tre.clone();
    match tokio::task::spawn_blocking(move || work(&tre)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            // A fault of ours has to show in the caller's task as well.
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and the caller with it.
            Err(_) => Err(crate::tre::TreError::Unsure),
        },
    }
}
