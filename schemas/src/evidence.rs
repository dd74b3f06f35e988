//! Evidence: an Entity Attestation Token (RFC 9711) as CWT claims (RFC 8392), signed by the platform key.
//! CDDL: `schemas/cddl/evidence.cddl`.
//!
//! Registered claims have their labels of the CWT registry; ours are private (below -65536, RFC 8392 §9.1).

use ciborium::Value;

use crate::{
    cbor::{self, CborError},
    identity::{DeviceId, Pcid, SupplierId, TreId},
    octets::Octets,
};

/// Media type, and content type in its COSE_Sign1 (RFC 9782).
pub const CONTENT_TYPE: &str = "application/eat+cwt";
/// `eat_profile` (RFC 9711 §4.3.2): which claims are there, and version 1 of them.
pub const PROFILE: &str = "tag:callhome.example,2026:evidence:1";
const PROFILE_STEM: &str = "tag:callhome.example,2026:evidence:";

/// Labels of claims.
mod label {
    pub const SUB: i64 = 2; // RFC 8392 §3.1.2
    pub const IAT: i64 = 6; // RFC 8392 §3.1.6
    pub const NONCE: i64 = 10; // RFC 9711 §4.1
    pub const UEID: i64 = 256; // RFC 9711 §4.2.1
    pub const HWMODEL: i64 = 259; // RFC 9711 §4.2.4
    pub const HWVERSION: i64 = 260; // RFC 9711 §4.2.5
    pub const DBGSTAT: i64 = 263; // RFC 9711 §4.2.9
    pub const PROFILE: i64 = 265; // RFC 9711 §4.3.2
    pub const BOOTCOUNT: i64 = 267; // RFC 9711 §4.2.11
    pub const SWNAME: i64 = 270; // RFC 9711 §4.2.6
    pub const SWVERSION: i64 = 271; // RFC 9711 §4.2.7
    pub const TRE_ID: i64 = -70_001;
    pub const PCID: i64 = -70_002;
    pub const SUPPLIER: i64 = -70_003;
    pub const BOOT_DIGEST: i64 = -70_004;
    pub const VERIFIED_BOOT: i64 = -70_005;
}

/// `dbgstat`, RFC 9711 §4.2.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debugging {
    /// Debugging is possible.
    Enabled,
    /// It is not now.
    Disabled,
    /// It has not been since the start.
    DisabledSinceBoot,
    /// The device's owner cannot enable it any more.
    DisabledPermanently,
    /// Nobody can.
    DisabledFullyAndPermanently,
}

impl Debugging {
    fn code(self) -> i64 {
        match self {
            Self::Enabled => 0,
            Self::Disabled => 1,
            Self::DisabledSinceBoot => 2,
            Self::DisabledPermanently => 3,
            Self::DisabledFullyAndPermanently => 4,
        }
    }

    fn of(code: i64) -> Option<Self> {
        Some(match code {
            0 => Self::Enabled,
            1 => Self::Disabled,
            2 => Self::DisabledSinceBoot,
            3 => Self::DisabledPermanently,
            4 => Self::DisabledFullyAndPermanently,
            _ => return None,
        })
    }
}

/// The claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// `eat_nonce`: what the verifier gave, 8 to 64 octets.
    pub nonce: Octets,
    /// `iat`: seconds since 1970 UTC.
    pub issued: u64,
    /// `sub`: the device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// The PCID that it came with.
    pub pcid: Pcid,
    /// Its maker.
    pub supplier: SupplierId,
    /// `hwmodel`.
    pub model: String,
    /// `hwversion`.
    pub hardware_version: String,
    /// `swname`.
    pub software: String,
    /// `swversion`.
    pub software_version: String,
    /// SHA-256 over what was booted, measured.
    pub boot_digest: [u8; 32],
    /// Whether what was booted had been verified.
    pub verified_boot: bool,
    /// `dbgstat`.
    pub debugging: Debugging,
    /// `bootcount`.
    pub boot_count: u64,
}

impl Evidence {
    /// `ueid` (RFC 9711 §4.2.1) of type RAND (0x01): 16 octets of SHA-256 of the device identity.
    fn ueid(&self) -> Vec<u8> {
        let digest = crate::rncp::digest(self.device_id.as_str().as_bytes());
        [&[1], &digest[..16]].concat()
    }

    /// As CBOR, to be signed.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn encode(&self) -> Result<Vec<u8>, CborError> {
        let text = |text: &str| Value::Text(text.to_owned());
        let claims = [
            (label::SUB, text(self.device_id.as_str())),
            (label::IAT, Value::from(self.issued)),
            (label::NONCE, Value::Bytes(self.nonce.0.clone())),
            (label::UEID, Value::Bytes(self.ueid())),
            (label::HWMODEL, Value::Bytes(self.model.clone().into_bytes())),
            (label::HWVERSION, Value::Array(vec![text(&self.hardware_version)])),
            (label::DBGSTAT, Value::from(self.debugging.code())),
            (label::PROFILE, text(PROFILE)),
            (label::BOOTCOUNT, Value::from(self.boot_count)),
            (label::SWNAME, text(&self.software)),
            (label::SWVERSION, Value::Array(vec![text(&self.software_version)])),
            (label::TRE_ID, text(self.tre_id.as_str())),
            (label::PCID, text(&self.pcid.to_string())),
            (label::SUPPLIER, text(self.supplier.as_str())),
            (label::BOOT_DIGEST, Value::Bytes(self.boot_digest.to_vec())),
            (label::VERIFIED_BOOT, Value::Bool(self.verified_boot)),
        ];
        cbor::encode(&Value::Map(claims.map(|(label, value)| (Value::from(label), value)).to_vec()))
    }

    /// From what was signed. Claims that are not known are passed over (RFC 9711 §4).
    ///
    /// # Errors
    /// Malformed, of another profile, or a claim is missing or wrong.
    pub fn decode(octets: &[u8]) -> Result<Self, CborError> {
        let Value::Map(claims) = cbor::decode::<Value>(octets)? else {
            return Err(CborError::Invalid("evidence is a map of claims"));
        };
        let claims = Claims(claims);
        match claims.text(label::PROFILE, "eat_profile (265)")? {
            PROFILE => {}
            other => {
                let version = other.strip_prefix(PROFILE_STEM).and_then(|version| version.parse().ok());
                return Err(version.map_or(
                    CborError::Invalid("eat_profile (265): the profile is not Callhome's"),
                    |found| CborError::Version { found, known: 1 },
                ));
            }
        }
        let nonce = claims.bytes(label::NONCE, "eat_nonce (10): 8 to 64 octets")?;
        if !(8..=64).contains(&nonce.len()) {
            return Err(CborError::Invalid("eat_nonce (10): 8 to 64 octets"));
        }
        let debugging = claims.number(label::DBGSTAT, "dbgstat (263)")?;
        let evidence = Self {
            nonce: nonce.into(),
            issued: claims.unsigned(label::IAT, "iat (6)")?,
            device_id: claims.name(label::SUB, "sub (2): a device identity")?,
            tre_id: claims.name(label::TRE_ID, "-70001: a TRE identity")?,
            pcid: claims.name(label::PCID, "-70002: a PCID")?,
            supplier: claims.name(label::SUPPLIER, "-70003: a supplier's identity")?,
            model: String::from_utf8(claims.bytes(label::HWMODEL, "hwmodel (259)")?.to_vec())
                .map_err(|_| CborError::Invalid("hwmodel (259): UTF-8"))?,
            hardware_version: claims.first(label::HWVERSION, "hwversion (260)")?.to_owned(),
            software: claims.text(label::SWNAME, "swname (270)")?.to_owned(),
            software_version: claims.first(label::SWVERSION, "swversion (271)")?.to_owned(),
            boot_digest: claims
                .bytes(label::BOOT_DIGEST, "-70004: SHA-256 of what was booted")?
                .try_into()
                .map_err(|_| CborError::Invalid("-70004: SHA-256 of what was booted, 32 octets"))?,
            verified_boot: claims
                .get(label::VERIFIED_BOOT)
                .and_then(Value::as_bool)
                .ok_or(CborError::Invalid("-70005: whether the boot was verified"))?,
            debugging: Debugging::of(debugging).ok_or(CborError::Invalid("dbgstat (263): 0 to 4"))?,
            boot_count: claims.unsigned(label::BOOTCOUNT, "bootcount (267)")?,
        };
        if claims.bytes(label::UEID, "ueid (256)")? != evidence.ueid() {
            return Err(CborError::Invalid("ueid (256): not that of the device identity"));
        }
        Ok(evidence)
    }
}

struct Claims(Vec<(Value, Value)>);

impl Claims {
    /// The claim, if it is there once.
    fn get(&self, label: i64) -> Option<&Value> {
        let mut found = self.0.iter().filter(|(key, _)| *key == Value::from(label));
        let (_, value) = found.next()?;
        if found.next().is_some() { None } else { Some(value) }
    }

    fn text(&self, label: i64, what: &'static str) -> Result<&str, CborError> {
        self.get(label).and_then(Value::as_text).ok_or(CborError::Invalid(what))
    }

    fn bytes(&self, label: i64, what: &'static str) -> Result<&[u8], CborError> {
        self.get(label).and_then(Value::as_bytes).map(Vec::as_slice).ok_or(CborError::Invalid(what))
    }

    fn number(&self, label: i64, what: &'static str) -> Result<i64, CborError> {
        let number = self.get(label).and_then(Value::as_integer).ok_or(CborError::Invalid(what))?;
        i64::try_from(number).map_err(|_| CborError::Invalid(what))
    }

    fn unsigned(&self, label: i64, what: &'static str) -> Result<u64, CborError> {
        let number = self.get(label).and_then(Value::as_integer).ok_or(CborError::Invalid(what))?;
        u64::try_from(number).map_err(|_| CborError::Invalid(what))
    }

    fn name<T: std::str::FromStr>(&self, label: i64, what: &'static str) -> Result<T, CborError> {
        self.text(label, what)?.parse().map_err(|_| CborError::Invalid(what))
    }

    /// The first of an array of texts: hwversion and swversion may carry a scheme after it.
    fn first(&self, label: i64, what: &'static str) -> Result<&str, CborError> {
        let array = self.get(label).and_then(Value::as_array).ok_or(CborError::Invalid(what))?;
        array.first().and_then(Value::as_text).ok_or(CborError::Invalid(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            nonce: Octets(vec![7; 32]),
            issued: 1_800_000_000,
            device_id: "meter-1".parse().unwrap(),
            tre_id: "tre-1".parse().unwrap(),
            pcid: "999710000000001".parse().unwrap(),
            supplier: "acme".parse().unwrap(),
            model: "meter".into(),
            hardware_version: "1".into(),
            software: "fw".into(),
            software_version: "1.0".into(),
            boot_digest: [9; 32],
            verified_boot: true,
            debugging: Debugging::DisabledSinceBoot,
            boot_count: 3,
        }
    }

    #[test]
    fn evidence_is_read_as_it_was_written() {
        assert_eq!(Evidence::decode(&evidence().encode().unwrap()).unwrap(), evidence());
    }

    #[test]
    fn a_claim_that_is_missing_twice_or_wrong_is_named() {
        let Value::Map(claims) = cbor::decode::<Value>(&evidence().encode().unwrap()).unwrap() else {
            panic!()
        };
        for at in 0..claims.len() {
            let mut less = claims.clone();
            less.remove(at);
            let error = Evidence::decode(&cbor::encode(&Value::Map(less)).unwrap()).unwrap_err();
            assert!(matches!(error, CborError::Invalid(_)), "{at}: {error}");
            let mut twice = claims.clone();
            twice.push(claims[at].clone());
            assert!(Evidence::decode(&cbor::encode(&Value::Map(twice)).unwrap()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_later_profile_is_a_version_and_another_is_not_ours() {
        let Value::Map(mut claims) = cbor::decode::<Value>(&evidence().encode().unwrap()).unwrap() else {
            panic!()
        };
        let profile = claims.iter_mut().find(|(key, _)| *key == Value::from(label::PROFILE)).unwrap();
        profile.1 = Value::Text(format!("{PROFILE_STEM}2"));
        let octets = cbor::encode(&Value::Map(claims)).unwrap();
        assert_eq!(Evidence::decode(&octets), Err(CborError::Version { found: 2, known: 1 }));
    }
}
