//! A batch of platforms that a supplier enrols with the PVA before manufacture (seed, section 2.6), signed by the
//! supplier. CDDL: `schemas/cddl/enrolment.cddl`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cbor::{self, CborError},
    identity::{DeviceId, SupplierId, TreId},
    octets::Octets,
};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Content type in its COSE_Sign1.
pub const CONTENT_TYPE: &str = "application/vnd.callhome.enrolment+cbor";
/// Platforms in one batch at most.
pub const MAX_PLATFORMS: usize = 4096;

/// One platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// The device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// Model, as the reference values name it.
    pub model: String,
    /// SubjectPublicKeyInfo (DER) of the platform key, P-256.
    pub public_key: Octets,
}

/// The batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// [`VERSION`].
    pub version: u32,
    /// Its name: the same batch sent again is answered alike.
    pub id: Uuid,
    /// Whose.
    pub supplier: SupplierId,
    /// Seconds since 1970 UTC.
    pub issued: u64,
    /// Who is in it.
    pub platforms: Vec<Platform>,
}

impl Enrolment {
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
    /// Malformed, of another version, or too many.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        let enrolment: Self = cbor::decode_versioned(octets, VERSION)?;
        if enrolment.platforms.len() > MAX_PLATFORMS {
            return Err(CborError::Invalid("an enrolment has at most 4096 platforms; send several"));
        }
        Ok(enrolment)
    }
}
