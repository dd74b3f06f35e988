//! RNCP: what makes a device an operator's subscriber (seed, section 3.2). A signed manifest names the parts by the
//! digest they travel with; sensitive parts are encrypted to the TRE's platform key. CDDL: `schemas/cddl/rncp.cddl`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    cbor::{self, CborError},
    identity::{DeviceId, Imsi, OperatorId, Pcid, Plmn, TreId},
    octets::Octets,
    secret::Key128,
};

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;
/// Content type of the manifest in its COSE_Sign1.
pub const CONTENT_TYPE: &str = "application/vnd.callhome.rncp+cbor";
/// Name of the part that holds [`Credentials`].
pub const CREDENTIALS: &str = "credentials";
/// Octets of one part at most.
pub const MAX_PART: u64 = 64 << 20;
/// Parts of one RNCP at most.
pub const MAX_PARTS: usize = 64;

/// What provisioning is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The first RNCP of a device (seed, section 5).
    Initial,
    /// The same operator replaces what is there (section 4.3).
    Update,
    /// Another operator takes over (section 7).
    Change,
}

/// What a part is (seed, section 3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// Keys and identities.
    Credentials,
    /// Algorithms, file systems, access control.
    Executable,
    /// File contents, policy.
    Data,
}

/// One part, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Unlike every other name of this RNCP: 1 to 64 of `a-z 0-9 . -`.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// SHA-256 of the part as it travels.
    pub digest: Octets,
    /// Octets as it travels.
    pub size: u64,
    /// It travels as COSE_Encrypt to the platform key.
    pub sensitive: bool,
    /// RNCPs of other operators may refer to it too. A sensitive part never is.
    pub shared: bool,
}

impl Part {
    /// The part that travels as these octets.
    #[must_use]
    pub fn of(name: &str, kind: PartKind, wire: &[u8], sensitive: bool, shared: bool) -> Self {
        let digest = Octets(digest(wire).to_vec());
        Self { name: name.to_owned(), kind, digest, size: wire.len() as u64, sensitive, shared }
    }

    /// Whether these are the octets that the manifest means.
    #[must_use]
    pub fn is(&self, wire: &[u8]) -> bool {
        wire.len() as u64 == self.size && digest(wire) == *self.digest.as_ref()
    }

    /// Its digest in 64 hexadecimal digits.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        hex::encode(self.digest.as_ref())
    }
}

/// SHA-256, by which parts are known.
#[must_use]
pub fn digest(wire: &[u8]) -> [u8; 32] {
    Sha256::digest(wire).into()
}

/// What binds a sensitive part to its place: external AAD of its COSE_Encrypt.
#[must_use]
pub fn part_aad(rncp: Uuid, name: &str) -> Vec<u8> {
    [rncp.as_bytes().as_slice(), name.as_bytes()].concat()
}

/// The signed table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub rncp: Uuid,
    /// Whose subscriber it makes.
    pub operator: OperatorId,
    /// For which device, and nobody else.
    pub device_id: DeviceId,
    /// For which TRE.
    pub tre_id: TreId,
    /// The PCID that the device came with.
    pub pcid: Pcid,
    /// The provisioning session it was made for.
    pub session: Uuid,
    /// What for.
    pub kind: Kind,
    /// The RNCP that it takes the place of: for an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uuid>,
    /// Made at, seconds since 1970 UTC.
    pub issued: u64,
    /// Not to be installed after, seconds since 1970 UTC.
    pub expires: u64,
    /// What it consists of.
    pub parts: Vec<Part>,
}

impl Manifest {
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
    /// Malformed, of another version, or inconsistent.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        let manifest: Self = cbor::decode_versioned(octets, VERSION)?;
        if manifest.parts.len() > MAX_PARTS {
            return Err(CborError::Invalid("an RNCP has at most 64 parts"));
        }
        for (at, part) in manifest.parts.iter().enumerate() {
            let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(&c);
            if part.name.is_empty() || part.name.len() > 64 || !part.name.bytes().all(letter) {
                return Err(CborError::Invalid("the name of a part is 1 to 64 of a-z 0-9 . -"));
            }
            if manifest.parts.iter().take(at).any(|other| other.name == part.name) {
                return Err(CborError::Invalid("two parts have the same name"));
            }
            if part.digest.as_ref().len() != 32 {
                return Err(CborError::Invalid("the digest of a part is SHA-256, 32 octets"));
            }
            if part.size > MAX_PART {
                return Err(CborError::Invalid("a part has at most 64 MiB"));
            }
            if part.sensitive && part.shared {
                return Err(CborError::Invalid("a sensitive part is never shared"));
            }
            if part.kind == PartKind::Credentials && !part.sensitive {
                return Err(CborError::Invalid("credentials are always sensitive"));
            }
        }
        Ok(manifest)
    }
}

/// What the part `credentials` holds once it is decrypted: a subscription's USIM. Wiped when dropped; Debug shows no key.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// [`VERSION`].
    pub version: u32,
    /// The operator's IMSI for the device.
    #[zeroize(skip)]
    pub imsi: Imsi,
    /// K, 16 octets (TS 35.206).
    k: Bytes16,
    /// OPc, 16 octets (TS 35.206).
    opc: Bytes16,
    /// AMF, 2 octets (TS 33.102 annex H).
    pub amf: [u8; 2],
    /// MSISDN, digits.
    #[zeroize(skip)]
    pub msisdn: Option<String>,
    /// APN of the operational service.
    #[zeroize(skip)]
    pub apn: String,
    /// The operator's network.
    #[zeroize(skip)]
    pub home_plmn: Plmn,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Bytes16([u8; 16]);

impl Serialize for Bytes16 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes16 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = zeroize::Zeroizing::new(Octets::deserialize(deserializer)?.0);
        let octets =
            octets.as_slice().try_into().map_err(|_| serde::de::Error::custom("a key is 16 octets"))?;
        Ok(Self(octets))
    }
}

impl Credentials {
    /// Of a subscription.
    #[must_use]
    pub fn new(imsi: Imsi, k: &Key128, opc: &Key128, amf: [u8; 2], apn: String, home_plmn: Plmn) -> Self {
        let (k, opc) = (Bytes16(*k.expose()), Bytes16(*opc.expose()));
        Self { version: VERSION, imsi, k, opc, amf, msisdn: None, apn, home_plmn }
    }

    /// K.
    #[must_use]
    pub fn k(&self) -> Key128 {
        Key128::new(self.k.0)
    }

    /// OPc.
    #[must_use]
    pub fn opc(&self) -> Key128 {
        Key128::new(self.opc.0)
    }

    /// As CBOR, to be encrypted.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn encode(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, CborError> {
        cbor::encode(self).map(zeroize::Zeroizing::new)
    }

    /// From what was decrypted.
    ///
    /// # Errors
    /// Malformed, or of another version.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        cbor::decode_versioned(octets, VERSION)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.imsi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            version: VERSION,
            rncp: Uuid::from_u128(1),
            operator: "sho-a".parse().unwrap(),
            device_id: "meter-1".parse().unwrap(),
            tre_id: "tre-1".parse().unwrap(),
            pcid: "999710000000001".parse().unwrap(),
            session: Uuid::from_u128(2),
            kind: Kind::Initial,
            replaces: None,
            issued: 1,
            expires: 2,
            parts: vec![
                Part::of(CREDENTIALS, PartKind::Credentials, b"sealed", true, false),
                Part::of("profile", PartKind::Data, b"apn", false, false),
            ],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let written = manifest();
        assert_eq!(Manifest::decode(&written.encode().unwrap()).unwrap(), written);
        assert!(written.parts[0].is(b"sealed") && !written.parts[0].is(b"sealeD"));
    }

    #[test]
    fn another_version_is_told_from_a_malformed_one() {
        let mut other = manifest();
        other.version = 2;
        assert!(matches!(
            Manifest::decode(&other.encode().unwrap()),
            Err(CborError::Version { found: 2, known: 1 })
        ));
        assert!(matches!(Manifest::decode(b"\xff"), Err(CborError::Malformed(_))));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let changes: [fn(&mut Manifest); 5] = [
            |m| m.parts[1].name = CREDENTIALS.into(),
            |m| m.parts[0].sensitive = false,
            |m| m.parts[0].shared = true,
            |m| m.parts[1].digest = Octets(vec![0; 31]),
            |m| m.parts[1].name = "../etc".into(),
        ];
        for change in changes {
            let mut manifest = manifest();
            change(&mut manifest);
            assert!(matches!(Manifest::decode(&manifest.encode().unwrap()), Err(CborError::Invalid(_))));
        }
    }

    #[test]
    fn credentials_show_no_key() {
        let (k, opc) = (Key128::new([0xaa; 16]), Key128::new([0xbb; 16]));
        let plmn = "999-01".parse().unwrap();
        let credentials =
            Credentials::new("999010000000001".parse().unwrap(), &k, &opc, [0x80, 0], "iot".into(), plmn);
        let read = Credentials::decode(&credentials.encode().unwrap()).unwrap();
        assert!(read.k() == k && read.opc() == opc && read.imsi == credentials.imsi);
        assert_eq!(format!("{read:?}"), "Credentials(999010000000001)");
    }
}
