//! Secrets that neither print nor log.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A 128-bit secret: the subscriber key K, OP or OPc (TS 35.206 §2.3). Wiped when dropped, compared in
/// constant time; Debug shows no bit of it, and it has neither Display nor Serialize.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key128([u8; 16]);

impl Key128 {
    /// Takes 16 octets.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Reads 32 hexadecimal digits.
    ///
    /// # Errors
    /// If the text is anything else; the text is not repeated.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut octets = [0; 16];
        hex::decode_to_slice(text.trim(), &mut octets).map_err(|_| KeyError)?;
        Ok(Self(octets))
    }

    /// The secret itself, for the algorithm that needs it. Keep it out of anything that prints.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for Key128 {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key128 {}

impl fmt::Debug for Key128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key128(…)")
    }
}

/// A text is not a 128-bit key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 hexadecimal digits (128 bits)")]
pub struct KeyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let key = Key128::from_hex("465b5ce8b199b49faa5f0a2ee238a6bc").unwrap();
        assert_eq!(format!("{key:?}"), "Key128(…)");
    }

    #[test]
    fn refuses_other_lengths() {
        assert_eq!(Key128::from_hex("465b"), Err(KeyError));
        assert_eq!(Key128::from_hex(&"g".repeat(32)), Err(KeyError));
    }
}
