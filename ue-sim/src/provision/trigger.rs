//! Which RNCTs a device takes (docs/PROVISIONING.md): for its PCID, newer than those it has taken, not expired, and signed
//! by somebody whose certificate has the purpose *trigger*.

use schemas::{
    cose::{self},
    rnct::{CONTENT_TYPE, Rnct},
    trust::Purpose,
};

use crate::tre::{Conversation, Reason, Tre, TreError, reason_of, reason_of_cbor};

/// What became of an RNCT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is kept, and to be followed.
    New(Rnct),
    /// It is the one that was taken last, sent again: nothing starts twice.
    Again(Rnct),
}

impl Taken {
    /// The RNCT.
    #[must_use]
    pub fn rnct(&self) -> &Rnct {
        match self {
            Self::New(rnct) | Self::Again(rnct) => rnct,
        }
    }
}

/// An RNCT is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// It is not good.
    #[error("{reason}: {detail}")]
    Refused {
        /// A word.
        reason: Reason,
        /// A sentence.
        detail: String,
    },
    /// It is good, and cannot be kept.
    #[error(transparent)]
    Device(TreError),
}

impl TriggerError {
    fn refused(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Refused { reason, detail: detail.into() }
    }
}

impl Tre {
    /// Takes a signed RNCT if it is good at `now` (seconds since 1970 UTC): it is durable when this returns. One that comes
    /// while another provisioning is under way takes its place, unless that has only to be reported.
    ///
    /// # Errors
    /// Why not.
    pub fn take_rnct(&self, signed: &[u8], now: u64) -> Result<Taken, TriggerError> {
        let signed = cose::verify(signed, CONTENT_TYPE, self.anchors(), Purpose::Trigger, now)
            .map_err(|error| TriggerError::refused(reason_of(&error), error.to_string()))?;
        let rnct = Rnct::decode(&signed.payload)
            .map_err(|error| TriggerError::refused(reason_of_cbor(&error), error.to_string()))?;
        if rnct.pcid != self.pcid() {
            return Err(TriggerError::refused(Reason::NotForMe, "the RNCT is for another PCID"));
        }
        // Sent again: the disk need not hear of it.
        if self.read(|state| state.newest == Some(rnct.id) && state.sequence == Some(rnct.sequence)) {
            return Ok(Taken::Again(rnct));
        }
        // Looked at and kept under one lock: of two that come at once, only one is new.
        let taken = self.commit(|state| {
            if state.newest == Some(rnct.id) && state.sequence == Some(rnct.sequence) {
                return Ok(Taken::Again(rnct.clone()));
            }
            if state.sequence.is_some_and(|newest| rnct.sequence <= newest) {
                return Err(TreError::refused(Reason::Replayed, "the RNCT is older than one that was taken"));
            }
            if rnct.expires <= now {
                return Err(TreError::refused(
                    Reason::Expired,
                    "the RNCT has expired; is the device's clock right?",
                ));
            }
            state.sequence = Some(rnct.sequence);
            state.newest = Some(rnct.id);
            match &state.conversation {
                None => {
                    let rnct = rnct.clone();
                    state.conversation = Some(Conversation { rnct, session: None, ended: None });
                }
                Some(_) => state.waiting = Some(rnct.clone()),
            }
            Ok(Taken::New(rnct.clone()))
        });
        taken.map_err(|error| match error {
            TreError::Refused { reason, detail } => TriggerError::Refused { reason, detail },
            error => TriggerError::Device(error),
        })
    }
}
