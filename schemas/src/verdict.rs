//! The PVA's verdict on a platform (seed, section 5 step 13), signed. CDDL: `schemas/cddl/verdict.cddl`.

use serde::{Deserialize, Serialize};

use crate::{
    cbor::{self, CborError},
    identity::{DeviceId, SupplierId, TreId},
    octets::Octets,
};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Content type in its COSE_Sign1.
pub const CONTENT_TYPE: &str = "application/vnd.callhome.verdict+cbor";

/// Why a platform is not to be trusted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The evidence cannot be read, or its version is not known.
    Malformed,
    /// Signed by another key than the platform's.
    WrongSignature,
    /// No such platform is enrolled.
    UnknownPlatform,
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate has expired, or is not of our CA.
    CertificateNotGood,
    /// The nonce is not one that this PVA gave, or has been used.
    Replayed,
    /// Evidence or nonce is too old, or from the future.
    Stale,
    /// The measured state is not among the reference values.
    StateNotAccepted,
    /// Debugging is enabled, or the boot was not a verified one.
    NotSecure,
    /// Device, TRE or supplier are not those that are enrolled, or that the relying party accepts.
    IdentityMismatch,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// [`VERSION`].
    pub version: u32,
    /// Whether the platform is genuine, whole and in an accepted state.
    pub good: bool,
    /// Why not; empty if good.
    pub reasons: Vec<Reason>,
    /// Words for people.
    pub detail: String,
    /// The nonce that was asked about.
    pub nonce: Octets,
    /// SHA-256 of the evidence that was judged.
    pub evidence: Octets,
    /// Who it is, if the evidence is signed by its platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// Its TRE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tre_id: Option<TreId>,
    /// Its supplier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<SupplierId>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Name of the reference value that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The platform certificate, DER: what an RNCP may be encrypted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_certificate: Option<Octets>,
    /// Seconds since 1970 UTC.
    pub issued: u64,
    /// Not to be relied upon after, seconds since 1970 UTC.
    pub expires: u64,
}

impl Verdict {
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
