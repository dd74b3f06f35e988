//! RNCT: what sends a device to the DPF (seed, section 5 step 8). CDDL: `schemas/cddl/rnct.cddl`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cbor::{self, CborError},
    identity::{OperatorId, Pcid},
    rncp::Kind,
};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Content type in its COSE_Sign1.
pub const CONTENT_TYPE: &str = "application/vnd.callhome.rnct+cbor";
/// CoAP Content-Format of a COSE_Sign1 (RFC 9052 §11.3.2, `application/cose; cose-type="cose-sign1"`).
pub const CONTENT_FORMAT: u16 = 18;
/// Path of the resource that takes triggers on a device, and of the one that gives them on the DRF.
pub const COAP_PATH: &str = "rnct";

/// How to get connected: the NAPDEF of OMA Client Provisioning 1.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NapDef {
    /// NAPID.
    pub id: String,
    /// NAME.
    pub name: String,
    /// BEARER, as OMA names it: `GSM-GPRS`, `WLAN`, …
    pub bearer: String,
    /// NAP-ADDRESS: the APN.
    pub address: String,
    /// NAP-ADDRTYPE: `APN`.
    pub address_type: String,
}

/// What the device's application is to do when it is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct M2mContext {
    /// Which application.
    pub application: String,
    /// Where its service is.
    pub url: String,
}

/// The trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rnct {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub id: Uuid,
    /// For whom, and nobody else.
    pub pcid: Pcid,
    /// Rises with each RNCT for a PCID: an older one is a replay.
    pub sequence: u64,
    /// Seconds since 1970 UTC.
    pub issued: u64,
    /// Not to be followed after, seconds since 1970 UTC.
    pub expires: u64,
    /// IP connectivity parameters; none in non-3GPP access, where the device is connected already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub napdef: Option<NapDef>,
    /// Server URL of the DPF, https.
    pub dpf: String,
    /// Context of the RNCP provisioning: what for.
    pub kind: Kind,
    /// Context of the RNCP provisioning: whose subscriber the device is to become.
    pub operator: OperatorId,
    /// Context of the M2M application's provisioning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m2m: Option<M2mContext>,
}

impl Rnct {
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
    /// Malformed, of another version, or without an https URL.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        let rnct: Self = cbor::decode_versioned(octets, VERSION)?;
        if !rnct.dpf.starts_with("https://") {
            return Err(CborError::Invalid("the DPF's URL has to begin with https://"));
        }
        Ok(rnct)
    }
}
