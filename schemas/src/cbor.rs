//! CBOR (RFC 8949) of the formats that roles share: bounded in depth, whole, and with a version that is looked at first.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Nesting that is read at most: our own formats have less than half of it.
const DEPTH: usize = 16;
/// Octets that are read at most.
const MAX: usize = 1 << 20;

/// Not what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Not this format at all.
    #[error("malformed CBOR: {0}")]
    Malformed(String),
    /// Of a version that is not known here.
    #[error(
        "unsupported version {found}: version {known} is known here; one of the two sides has to be updated"
    )]
    Version {
        /// What it says.
        found: u64,
        /// What is known.
        known: u32,
    },
    /// Well-formed, but not allowed.
    #[error("not allowed: {0}")]
    Invalid(&'static str),
}

/// As CBOR.
///
/// # Errors
/// If the value has no form in CBOR.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CborError> {
    let mut out = Vec::with_capacity(512);
    ciborium::into_writer(value, &mut out).map_err(|error| CborError::Malformed(error.to_string()))?;
    Ok(out)
}

/// From CBOR, all of it.
///
/// # Errors
/// Malformed, too deep, too large, or followed by something else.
pub fn decode<T: DeserializeOwned>(octets: &[u8]) -> Result<T, CborError> {
    if octets.len() > MAX {
        return Err(CborError::Malformed(format!("{} octets, at most {MAX} are read", octets.len())));
    }
    let mut rest = octets;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH).map_err(|error| {
        CborError::Malformed(match error {
            ciborium::de::Error::Io(_) => "it ends early".to_owned(),
            ciborium::de::Error::Syntax(at) => format!("octet {at}"),
            ciborium::de::Error::RecursionLimitExceeded => "nested too deeply".to_owned(),
            // What serde says may repeat a value; none of our secrets is text, and texts are cut.
            ciborium::de::Error::Semantic(_, what) => what.chars().take(200).collect(),
        })
    })?;
    if !rest.is_empty() {
        return Err(CborError::Malformed(format!("{} octets follow", rest.len())));
    }
    Ok(value)
}

/// From CBOR with a `version`, which is looked at before anything else.
///
/// # Errors
/// As [`decode`]; [`CborError::Version`] if it is not `known`.
pub fn decode_versioned<T: DeserializeOwned>(octets: &[u8], known: u32) -> Result<T, CborError> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let head: Head = decode(octets)?;
    if head.version != u64::from(known) {
        return Err(CborError::Version { found: head.version, known });
    }
    decode(octets)
}
