//! What a device reports after step 17, signed by its platform key. CDDL: `schemas/cddl/report.cddl`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cbor::{self, CborError},
    identity::{DeviceId, TreId},
};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Content type in its COSE_Sign1.
pub const CONTENT_TYPE: &str = "application/vnd.callhome.report+cbor";

/// How the installation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallResult {
    /// Installed and activated.
    Installed,
    /// Not; the device is as it was before.
    Failed,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallReport {
    /// [`VERSION`].
    pub version: u32,
    /// The session.
    pub session: Uuid,
    /// The RNCP.
    pub rncp: Uuid,
    /// Who reports.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// How it went.
    pub result: InstallResult,
    /// Why it failed: a word such as `wrong-digest`, `storage-full`, `not-for-me`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds since 1970 UTC.
    pub at: u64,
}

impl InstallReport {
    /// As CBOR, to be signed.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn encode(&self) -> Result<Vec<u8>, CborError> {
        cbor::encode(self)
    }

    /// From what was signed.
    ///
    /// # Errors
    /// Malformed, or of another version.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        cbor::decode_versioned(octets, VERSION)
    }
}
