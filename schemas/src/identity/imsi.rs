//! IMSI, TS 23.003 §2.2.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// International Mobile Subscriber Identity: 6 to 15 decimal digits (TS 23.003 §2.2), leading zeros kept.
///
/// Held in eight bytes (the number, and how many digits it is written with), so that it is `Copy`
/// and hashes as one word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Imsi(u64);

/// The top byte holds the number of digits; 15 digits need 50 bits.
const LEN_SHIFT: u32 = 56;
const VALUE: u64 = (1 << LEN_SHIFT) - 1;

impl Imsi {
    /// Fewest digits accepted: MCC (3), MNC (2) and at least one of MSIN.
    pub const MIN_DIGITS: usize = 6;
    /// Most digits, TS 23.003 §2.2.
    pub const MAX_DIGITS: usize = 15;

    /// Parses ASCII decimal digits, as the User-Name AVP carries them (TS 29.272 §5.2.2.1.1).
    ///
    /// # Errors
    /// What is wrong with the digits; the text itself is not repeated.
    pub fn from_digits(digits: &[u8]) -> Result<Self, ImsiError> {
        if !(Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&digits.len()) {
            return Err(ImsiError::Length(digits.len()));
        }
        let mut value = 0u64;
        for (at, digit) in digits.iter().enumerate() {
            if !digit.is_ascii_digit() {
                return Err(ImsiError::NotADigit(at + 1));
            }
            value = value * 10 + u64::from(digit - b'0');
        }
        Ok(Self((digits.len() as u64) << LEN_SHIFT | value))
    }

    /// Number of decimal digits, 6 to 15.
    #[must_use]
    pub fn digits(self) -> usize {
        (self.0 >> LEN_SHIFT) as usize
    }

    /// The digits as a number, without leading zeros.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 & VALUE
    }

    /// The IMSI `offset` further in the numbering plan, with as many digits.
    ///
    /// `None` when the number would need more digits.
    #[must_use]
    pub fn checked_add(self, offset: u64) -> Option<Self> {
        let value = self.number().checked_add(offset)?;
        (value < 10u64.pow(self.digits() as u32)).then_some(Self(self.0 & !VALUE | value))
    }

    /// Whether the IMSI starts with the given digits, as an MCC and MNC (`"99971"`).
    #[must_use]
    pub fn has_prefix(self, digits: &str) -> bool {
        self.to_string().starts_with(digits)
    }
}

impl FromStr for Imsi {
    type Err = ImsiError;

    fn from_str(text: &str) -> Result<Self, ImsiError> {
        Self::from_digits(text.as_bytes())
    }
}

impl fmt::Display for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number(), width = self.digits())
    }
}

impl fmt::Debug for Imsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Imsi {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Imsi {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not an IMSI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImsiError {
    /// Not 6 to 15 digits.
    #[error("an IMSI has 6 to 15 digits (TS 23.003 §2.2), this has {0} characters")]
    Length(usize),
    /// A character is not a decimal digit; its position, from 1.
    #[error("an IMSI has decimal digits only (TS 23.003 §2.2), character {0} is not one")]
    NotADigit(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_leading_zeros() {
        let imsi: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(imsi.to_string(), "001010000000001");
        assert_eq!(imsi.checked_add(9).unwrap().to_string(), "001010000000010");
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!("99971".parse::<Imsi>(), Err(ImsiError::Length(5)));
        assert_eq!("9997100000000012".parse::<Imsi>(), Err(ImsiError::Length(16)));
        assert_eq!("99971000000000a".parse::<Imsi>(), Err(ImsiError::NotADigit(15)));
    }

    #[test]
    fn the_numbering_plan_ends() {
        assert_eq!("999999999999999".parse::<Imsi>().unwrap().checked_add(1), None);
    }
}
