//! What the PVA knows: suppliers, accepted states, platforms and their certificates.

mod revocation;

use std::{fmt, str::FromStr};

use schemas::identity::{DeviceId, SupplierId, TreId};
use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

pub use revocation::{Revocation, RevocationReason};

/// A supplier of devices (seed, section 2.5), which may enrol platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplier {
    /// Who.
    pub id: SupplierId,
    /// Its name among people.
    pub name: String,
    /// Whether it may enrol platforms. What it has enrolled stays as it is.
    pub enrols: bool,
    /// What the identities of its devices begin with; no other supplier's begin so. Empty: no identities are its own, and it
    /// may enrol only as long as no other supplier may.
    pub devices: Vec<DeviceId>,
}

impl Supplier {
    /// Whether an identity is one of this supplier's own.
    #[must_use]
    pub fn owns(&self, device: &DeviceId) -> bool {
        self.devices.iter().any(|prefix| device.as_str().starts_with(prefix.as_str()))
    }
}

/// A name that fits into a path: of a model, or of a system state. 1 to 64 of `A-Z a-z 0-9 . _ : -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Label(Box<str>);

/// A text is no [`Label`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a model or the name of a state is 1 to 64 of A-Z a-z 0-9 . _ : -")]
pub struct LabelError;

impl Label {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let fit = |octet: u8| octet.is_ascii_alphanumeric() || b"._:-".contains(&octet);
        // A path of "." or ".." is not what it seems.
        if !(1..=64).contains(&text.len()) || !text.bytes().all(fit) || [".", ".."].contains(&text) {
            return Err(LabelError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A system state that is accepted of a model: what a supplier says its devices boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceValue {
    /// Whose.
    pub supplier: SupplierId,
    /// Of which model.
    pub model: Label,
    /// What the state is called: a relying party may ask for some states alone.
    pub name: Label,
    /// SHA-256 over what is booted, as the device measures it.
    pub boot_digest: [u8; 32],
    /// `swname` (RFC 9711 §4.2.6).
    pub software: String,
    /// `swversion` (RFC 9711 §4.2.7).
    pub software_version: String,
    /// `hwversion` (RFC 9711 §4.2.5); any if not given.
    pub hardware_version: Option<String>,
}

/// An enrolled platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Its TRE.
    pub tre_id: TreId,
    /// The device.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// As the reference values name it.
    pub model: Label,
    /// SubjectPublicKeyInfo of the platform key, DER.
    pub public_key: Vec<u8>,
    /// The batch that it came with.
    pub enrolment: Uuid,
    /// Its revocation, if it is revoked; its certificates are revoked with it.
    pub revocation: Option<Revocation>,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_at: i64,
}

/// A platform certificate that was issued here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Serial number, content octets.
    pub serial: Vec<u8>,
    /// Whose.
    pub tre_id: TreId,
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// SubjectPublicKeyInfo in it, DER.
    pub public_key: Vec<u8>,
    /// When it was issued, seconds since 1970 UTC.
    pub issued_at: i64,
    /// `notAfter`, seconds since 1970 UTC.
    pub expires_at: i64,
    /// Its revocation, if it is revoked.
    pub revocation: Option<Revocation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_into_a_path() {
        assert_eq!("Meter-3000.b:1_x".parse::<Label>().unwrap().as_str(), "Meter-3000.b:1_x");
        for bad in ["", ".", "..", "a/b", "a b", "ü", &"a".repeat(65)] {
            assert_eq!(bad.parse::<Label>(), Err(LabelError), "{bad}");
        }
    }
}
