//! Claim codes: what a subscriber proves with that a device is theirs.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use schemas::identity::Pcid;
use serde::{Deserialize, Deserializer, de};
use service::database::SealedColumn;
use service::sealed::{Keyring, Place, SealError};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};
use zeroize::Zeroizing;

/// Octets of salt.
const SALT: usize = 16;
/// Octets of HMAC-SHA-256.
const HASH: usize = 32;
/// Where it is sealed.
const COLUMN: &str = "device/claim_code";

/// What of a DRF's database is sealed.
pub const SEALED: &[SealedColumn] =
    &[SealedColumn { table: "device", key: "pcid", column: "claim_code", place: COLUMN, sealed: "true" }];

/// Wrong codes of one token for one device before it is not heard any more for a while.
pub const FAILURES: i64 = 5;
/// How long that is counted, and lasts, milliseconds.
pub const WINDOW: i64 = 15 * 60 * 1000;
/// Devices that are counted at a time for each token; beyond, the count of the fewest wrong codes is forgotten.
pub const MAX_COUNTED: i64 = 10_000;

/// A claim code: 8 to 64 visible ASCII characters. Neither Debug nor an error shows it; wiped when dropped.
#[derive(Clone)]
pub struct ClaimCode(Zeroizing<String>);

/// Not a claim code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a claim code is 8 to 64 visible ASCII characters")]
pub struct NoClaimCode;

impl FromStr for ClaimCode {
    type Err = NoClaimCode;

    fn from_str(text: &str) -> Result<Self, NoClaimCode> {
        let good = (8..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        if good { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NoClaimCode) }
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode(…)")
    }
}

impl<'de> Deserialize<'de> for ClaimCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever stood there is not repeated, not even where it was no text at all.
        let text = String::deserialize(deserializer).map(Zeroizing::new);
        text.ok().and_then(|text| text.parse().ok()).ok_or_else(|| de::Error::custom(NoClaimCode))
    }
}

impl PartialSchema for ClaimCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("8 to 64 visible ASCII characters; taken, never given"))
            .pattern(Some("^[!-~]{8,64}$"))
            .write_only(true)
            .into()
    }
}

impl ToSchema for ClaimCode {}

fn hash(salt: &[u8], code: &ClaimCode) -> [u8; HASH] {
    // A key of any length is a key of HMAC (RFC 2104 §2).
    let mut octets = [0; HASH];
    if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(salt) {
        mac.update(code.0.as_bytes());
        octets.copy_from_slice(&mac.finalize().into_bytes());
    }
    octets
}

/// What is stored of a code: a fresh salt and the salted hash, sealed, so that whoever has the database alone cannot
/// try codes.
///
/// # Errors
/// If the system gives no random numbers.
pub fn seal(keys: &Keyring, pcid: Pcid, code: &ClaimCode) -> Result<Vec<u8>, SealError> {
    let mut record = Zeroizing::new([0; SALT + HASH]);
    if getrandom::fill(&mut record[..SALT]).is_err() {
        return Err(SealError::CannotSeal { place: COLUMN.to_owned() });
    }
    let hashed = hash(&record[..SALT], code);
    record[SALT..].copy_from_slice(&hashed);
    keys.seal(Place { column: COLUMN, row: &pcid.to_string() }, record.as_slice())
}

/// Whether this is the code. Takes as long whether or not there is a stored one, and wherever it differs.
///
/// # Errors
/// If what is stored does not open.
pub fn matches(
    keys: &Keyring,
    pcid: Pcid,
    stored: Option<&[u8]>,
    code: &ClaimCode,
) -> Result<bool, SealError> {
    let record = match stored {
        Some(stored) => keys.open(Place { column: COLUMN, row: &pcid.to_string() }, stored)?,
        None => Zeroizing::new(vec![0; SALT + HASH]),
    };
    let (salt, wanted) = record.split_at_checked(SALT).unwrap_or((&[], &[]));
    let same = bool::from(hash(salt, code).ct_eq(wanted));
    Ok(same & stored.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_again_and_not_shown() {
        let keys = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
        let (pcid, other) = ("999710000000001".parse().unwrap(), "999710000000002".parse().unwrap());
        let code: ClaimCode = "K7F2-9QXA".parse().unwrap();
        let stored = seal(&keys, pcid, &code).unwrap();
        assert!(matches(&keys, pcid, Some(&stored), &code).unwrap());
        assert!(!matches(&keys, pcid, Some(&stored), &"K7F2-9QXB".parse().unwrap()).unwrap());
        assert!(!matches(&keys, pcid, None, &code).unwrap());
        assert!(matches(&keys, other, Some(&stored), &code).is_err(), "sealed for its row");
        assert_ne!(stored, seal(&keys, pcid, &code).unwrap(), "salted");
        assert_eq!(format!("{code:?}"), "ClaimCode(…)");
        for bad in ["short", "with space", "ümlaut-code", &"a".repeat(65)] {
            let error = serde_json::from_value::<ClaimCode>(bad.into()).unwrap_err().to_string();
            assert!(!error.contains(bad), "{error}");
        }
    }
}
