//! What the DRF's outbox holds: its topics, and the body of each.

use schemas::{identity::Imsi, rest::credential::CredentialPatch};
use serde::{Deserialize, Serialize};

/// Topic: an RNCT for a device; key and body are the RNCT's id.
pub const TO_DEVICE: &str = "rnct";
/// Topic: a change of a credential at the ICF; the body is a [`CredentialChange`] as JSON.
pub const TO_ICF: &str = "icf";

/// A change of a credential at the ICF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialChange {
    /// IMSI of the credential.
    pub imsi: Imsi,
    /// What to change.
    pub patch: CredentialPatch,
}
