//! Step 14: an RNCP (seed, section 3.2) from what a device is given. Sensitive parts are encrypted to the platform key,
//! the manifest is signed.

use schemas::{
    cbor::{self, CborError},
    cose::{self, CoseError, Signer},
    identity::{DeviceId, OperatorId, Pcid, Plmn, TreId},
    rncp::{self, CONTENT_TYPE, CREDENTIALS, Credentials, Kind, Manifest, Part, PartKind, part_aad},
    trust::Leaf,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Name of the part that holds [`Profile`].
pub const PROFILE: &str = "profile";

/// What the part `profile` holds, CBOR: nothing secret, the same for all devices of a plan, so that it seldom travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `schemas::rncp::VERSION`.
    pub version: u32,
    /// APN of the service.
    pub apn: String,
    /// The operator's network.
    pub home_plmn: Plmn,
    /// The operator's name, for people.
    pub operator_name: String,
}

/// A part that the plan adds.
#[derive(Clone)]
pub struct Extra {
    /// Its name.
    pub name: String,
    /// Executable or data.
    pub kind: PartKind,
    /// Other operators' RNCPs may refer to it.
    pub shared: bool,
    /// It is encrypted to the platform.
    pub sensitive: bool,
    /// Its octets.
    pub content: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extra({}, {} octets)", self.name, self.content.len())
    }
}

/// What is composed.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Name of the RNCP.
    pub rncp: Uuid,
    /// Whose subscriber it makes.
    pub operator: &'a OperatorId,
    /// For which device.
    pub device_id: &'a DeviceId,
    /// For which TRE.
    pub tre_id: &'a TreId,
    /// The PCID that the device came with.
    pub pcid: Pcid,
    /// The provisioning session.
    pub session: Uuid,
    /// What for.
    pub kind: Kind,
    /// The RNCP that it takes the place of.
    pub replaces: Option<Uuid>,
    /// Seconds since 1970 UTC.
    pub issued: u64,
    /// Seconds since 1970 UTC.
    pub expires: u64,
    /// The subscription.
    pub credentials: &'a Credentials,
    /// What is not secret of it.
    pub profile: &'a Profile,
    /// What the plan adds.
    pub extras: &'a [Extra],
    /// The platform certificate that the PVA found good.
    pub platform: &'a Leaf,
}

/// An RNCP, ready to travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The signed manifest.
    pub manifest: Vec<u8>,
    /// Its parts, in its order.
    pub parts: Vec<Vec<u8>>,
}

/// It cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// Encrypting or signing.
    #[error("the RNCP cannot be encrypted or signed: {0}")]
    Cose(#[from] CoseError),
    /// Writing.
    #[error("the RNCP cannot be written: {0}")]
    Cbor(#[from] CborError),
}

/// Composes it: `credentials`, `profile`, then what the plan adds.
///
/// # Errors
/// If the system gives no random numbers, or names contradict each other.
pub fn compose(order: &Order<'_>, signer: &Signer) -> Result<Composed, ComposeError> {
    let seal =
        |name: &str, plain: &[u8]| cose::encrypt(plain, &part_aad(order.rncp, name), &order.platform.key);
    let credentials = seal(CREDENTIALS, &order.credentials.encode()?)?;
    let profile = cbor::encode(order.profile)?;
    let mut named = vec![
        Part::of(CREDENTIALS, PartKind::Credentials, &credentials, true, false),
        Part::of(PROFILE, PartKind::Data, &profile, false, false),
    ];
    let mut parts = vec![credentials, profile];
    for extra in order.extras {
        let wire = if extra.sensitive { seal(&extra.name, &extra.content)? } else { extra.content.to_vec() };
        named.push(Part::of(
            &extra.name,
            extra.kind,
            &wire,
            extra.sensitive,
            extra.shared && !extra.sensitive,
        ));
        parts.push(wire);
    }
    let manifest = Manifest {
        version: rncp::VERSION,
        rncp: order.rncp,
        operator: order.operator.clone(),
        device_id: order.device_id.clone(),
        tre_id: order.tre_id.clone(),
        pcid: order.pcid,
        session: order.session,
        kind: order.kind,
        replaces: order.replaces,
        issued: order.issued,
        expires: order.expires,
        parts: named,
    };
    let encoded = manifest.encode()?;
    // What the device would refuse is not sent.
    Manifest::decode(&encoded)?;
    Ok(Composed { manifest: signer.sign(CONTENT_TYPE, encoded)?, parts })
}
