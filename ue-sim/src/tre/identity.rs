//! What is embedded in a device at manufacture (seed, sections 3.1 and 3.2.3), and what it measures of itself.

use std::fmt;

use schemas::{
    cbor,
    cose::PrivateKey,
    evidence::Debugging,
    identity::{DeviceId, Pcid, SupplierId, TreId},
    octets::Octets,
    secret::Key128,
    trust::{Anchors, Leaf},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::TreError;

/// Everything that a device leaves the factory with. Debug shows no key.
#[derive(Debug)]
pub struct Manufacture {
    /// Who it is.
    pub device_id: DeviceId,
    /// Its trusted environment.
    pub tre_id: TreId,
    /// Its provisional connectivity identity.
    pub pcid: Pcid,
    /// Who makes it.
    pub supplier: SupplierId,
    /// Signs evidence and reports, opens RNCP parts.
    pub platform_key: PrivateKey,
    /// Its certificate and what leads to it, DER, leaf first; empty if it is to ask for one with the triple.
    pub platform_chain: Vec<Vec<u8>>,
    /// The service root and any other authority to trust, PEM.
    pub anchors: String,
    /// Where to call home, and as whom; needed only without a platform certificate.
    pub triple: Option<Triple>,
    /// The provisional credential; not needed in non-3GPP access.
    pub provisional: Option<Provisional>,
    /// What it measures at its first start.
    pub measured: Measured,
}

impl Manufacture {
    /// Sees that what is embedded can be used.
    pub(super) fn check(&self) -> Result<(), TreError> {
        Anchors::from_pem(self.anchors.as_bytes())?;
        self.measured.check()?;
        if self.platform_chain.is_empty() {
            return if self.triple.is_some() { Ok(()) } else { Err(TreError::NotCertified) };
        }
        check_chain(&self.platform_chain, &self.platform_key, &self.tre_id, &self.device_id)
    }
}

/// Sees that a platform certificate is of this key, TRE and device.
pub(super) fn check_chain(
    chain: &[Vec<u8>],
    key: &PrivateKey,
    tre: &TreId,
    device: &DeviceId,
) -> Result<(), TreError> {
    let leaf = Leaf::parse(chain.first().ok_or(TreError::NotCertified)?)?;
    if leaf.key != key.public() {
        return Err(TreError::WrongCertificate("it is of another key"));
    }
    if leaf.tre_id().as_ref() != Some(tre) {
        return Err(TreError::WrongCertificate("its common name is not this TRE's identity"));
    }
    if leaf.device_id.as_ref() != Some(device) {
        return Err(TreError::WrongCertificate("its SAN URI is not this device's identity"));
    }
    Ok(())
}

/// The manufacturing triple (seed, section 3.1, example 1). Debug does not show the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Triple {
    /// The DRF's device side.
    pub url: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Triple({} at {})", self.username, self.url)
    }
}

/// The keys of the provisional credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisional {
    /// K.
    pub k: Key128,
    /// OPc.
    pub opc: Key128,
}

/// What the device measures of itself. In a real device this is done by its boot chain; here it is said by whoever
/// simulates the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Model of the hardware.
    pub model: String,
    /// Version of the hardware.
    pub hardware_version: String,
    /// Name of the software.
    pub software: String,
    /// Version of the software.
    pub software_version: String,
    /// SHA-256 over what was booted.
    pub boot_digest: [u8; 32],
    /// Whether what was booted had been verified.
    pub verified_boot: bool,
    /// Whether it can be debugged.
    pub debugging: DebugStatus,
}

impl Measured {
    pub(super) fn check(&self) -> Result<(), TreError> {
        let texts = [&self.model, &self.hardware_version, &self.software, &self.software_version];
        if texts.iter().any(|text| text.is_empty() || text.len() > 128) {
            return Err(TreError::Measured("model, software and versions have 1 to 128 octets"));
        }
        Ok(())
    }
}

/// `dbgstat` (RFC 9711 §4.2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "as evidence::Debugging, which has no form on disk")]
pub enum DebugStatus {
    Enabled,
    Disabled,
    DisabledSinceBoot,
    DisabledPermanently,
    DisabledFullyAndPermanently,
}

impl From<DebugStatus> for Debugging {
    fn from(status: DebugStatus) -> Self {
        match status {
            DebugStatus::Enabled => Self::Enabled,
            DebugStatus::Disabled => Self::Disabled,
            DebugStatus::DisabledSinceBoot => Self::DisabledSinceBoot,
            DebugStatus::DisabledPermanently => Self::DisabledPermanently,
            DebugStatus::DisabledFullyAndPermanently => Self::DisabledFullyAndPermanently,
        }
    }
}

/// What is in the file `identity`.
pub(super) struct Identity {
    pub(super) device_id: DeviceId,
    pub(super) tre_id: TreId,
    pub(super) pcid: Pcid,
    pub(super) supplier: SupplierId,
    pub(super) platform_key: PrivateKey,
    pub(super) anchors: String,
    pub(super) triple: Option<Triple>,
    pub(super) provisional: Option<Provisional>,
}

impl From<Manufacture> for Identity {
    fn from(device: Manufacture) -> Self {
        Self {
            device_id: device.device_id,
            tre_id: device.tre_id,
            pcid: device.pcid,
            supplier: device.supplier,
            platform_key: device.platform_key,
            anchors: device.anchors,
            triple: device.triple,
            provisional: device.provisional,
        }
    }
}

/// Its form on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    device_id: DeviceId,
    tre_id: TreId,
    pcid: Pcid,
    supplier: SupplierId,
    platform_key: Octets,
    anchors: String,
    triple: Option<Triple>,
    provisional: Option<[Octets; 2]>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.platform_key.0.zeroize();
        for key in self.provisional.iter_mut().flatten() {
            key.0.zeroize();
        }
    }
}

/// Version of the file.
const VERSION: u32 = 1;

impl Identity {
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TreError> {
        let key = |key: &Key128| Octets(key.expose().to_vec());
        let stored = Stored {
            version: VERSION,
            device_id: self.device_id.clone(),
            tre_id: self.tre_id.clone(),
            pcid: self.pcid,
            supplier: self.supplier.clone(),
            platform_key: Octets(self.platform_key.to_pkcs8()?.to_vec()),
            anchors: self.anchors.clone(),
            triple: self.triple.clone(),
            provisional: self.provisional.as_ref().map(|both| [key(&both.k), key(&both.opc)]),
        };
        Ok(Zeroizing::new(cbor::encode(&stored)?))
    }

    pub(super) fn decode(octets: &[u8]) -> Result<Self, TreError> {
        const WHAT: TreError = TreError::Damaged("the device's identity");
        let stored: Stored = cbor::decode_versioned(octets, VERSION).map_err(|_| WHAT)?;
        let key = |octets: &Octets| Some(Key128::new(octets.as_ref().try_into().ok()?));
        let provisional = match &stored.provisional {
            None => None,
            Some([k, opc]) => Some(Provisional { k: key(k).ok_or(WHAT)?, opc: key(opc).ok_or(WHAT)? }),
        };
        Ok(Self {
            device_id: stored.device_id.clone(),
            tre_id: stored.tre_id.clone(),
            pcid: stored.pcid,
            supplier: stored.supplier.clone(),
            platform_key: PrivateKey::from_pkcs8(stored.platform_key.as_ref())?,
            anchors: stored.anchors.clone(),
            triple: stored.triple.clone(),
            provisional,
        })
    }
}
