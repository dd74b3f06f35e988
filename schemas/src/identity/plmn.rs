//! PLMN identity, TS 23.003 §2.2, in the coding of TS 24.008 §10.5.1.3.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// MCC and MNC as the three octets that Visited-PLMN-Id carries (TS 29.272 §7.3.9) and that KASME is
/// bound to (TS 33.401 annex A.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Plmn([u8; 3]);

/// Filler of the MNC's third digit where it has two (TS 24.008 §10.5.1.3).
const FILLER: u8 = 0xf;

impl Plmn {
    /// From the three coded octets.
    ///
    /// # Errors
    /// If a nibble is neither a decimal digit nor, for the MNC's third digit, the filler.
    pub fn from_octets(octets: [u8; 3]) -> Result<Self, PlmnError> {
        let [a, b, c] = octets;
        let digits = [a & 15, a >> 4, b & 15, c & 15, c >> 4];
        let third = b >> 4;
        if digits.iter().any(|d| *d > 9) || (third > 9 && third != FILLER) {
            return Err(PlmnError::Octets);
        }
        Ok(Self(octets))
    }

    /// The three coded octets.
    #[must_use]
    pub fn octets(self) -> [u8; 3] {
        self.0
    }

    /// Mobile Country Code, three digits.
    #[must_use]
    pub fn mcc(self) -> String {
        let [a, b, _] = self.0;
        format!("{}{}{}", a & 15, a >> 4, b & 15)
    }

    /// Mobile Network Code, two or three digits.
    #[must_use]
    pub fn mnc(self) -> String {
        let [_, b, c] = self.0;
        match b >> 4 {
            FILLER => format!("{}{}", c & 15, c >> 4),
            third => format!("{}{}{third}", c & 15, c >> 4),
        }
    }
}

impl FromStr for Plmn {
    type Err = PlmnError;

    /// Reads `MCC-MNC` (`999-71`) or the digits run together (`99971`, `310410`).
    fn from_str(text: &str) -> Result<Self, PlmnError> {
        let joined = match text.split_once('-') {
            Some((mcc, mnc)) if mcc.len() == 3 => format!("{mcc}{mnc}"),
            Some(_) => return Err(PlmnError::Text),
            None => text.to_owned(),
        };
        if !(joined.len() == 5 || joined.len() == 6) || !joined.bytes().all(|c| c.is_ascii_digit()) {
            return Err(PlmnError::Text);
        }
        let mut d = [FILLER; 6];
        for (slot, c) in d.iter_mut().zip(joined.bytes()) {
            *slot = c - b'0';
        }
        Ok(Self([d[1] << 4 | d[0], d[5] << 4 | d[2], d[4] << 4 | d[3]]))
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mcc(), self.mnc())
    }
}

impl fmt::Debug for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Plmn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Plmn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why something is not a PLMN identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlmnError {
    /// Octets that TS 24.008 §10.5.1.3 does not allow.
    #[error("not a PLMN identity of TS 24.008 §10.5.1.3: a digit is above 9")]
    Octets,
    /// Text of another form.
    #[error("a PLMN is written MCC-MNC, with three and two or three digits, as in 999-71")]
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_two_and_three_digit_mncs() {
        for (text, octets) in
            [("999-71", [0x99, 0xf9, 0x17]), ("310-410", [0x13, 0x00, 0x14]), ("001-01", [0x00, 0xf1, 0x10])]
        {
            let plmn: Plmn = text.parse().unwrap();
            assert_eq!(plmn.octets(), octets, "{text}");
            assert_eq!(plmn.to_string(), text);
            assert_eq!(Plmn::from_octets(octets), Ok(plmn));
        }
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!(Plmn::from_octets([0xa9, 0xf9, 0x17]), Err(PlmnError::Octets));
        assert_eq!("99-971".parse::<Plmn>(), Err(PlmnError::Text));
        assert_eq!("9997".parse::<Plmn>(), Err(PlmnError::Text));
    }
}
