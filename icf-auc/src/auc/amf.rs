//! The Authentication Management Field (TS 33.102 annex H).

use std::fmt;

/// Authentication Management Field, 16 bits (TS 33.102 annex H). Bit 0, the most significant, is the AMF
/// separation bit; the vectors set it themselves, so that a credential's AMF decides the other 15 only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amf([u8; 2]);

/// Bit 0 of the AMF (TS 33.102 annex H).
const SEPARATION_BIT: u8 = 0x80;

impl Amf {
    /// 8000: separation bit alone, what E-UTRAN takes (TS 33.401 §6.1.1).
    pub const EUTRAN: Self = Self([SEPARATION_BIT, 0]);
    /// 0000: what f1* of a resynchronisation takes (TS 33.102 §6.3.3).
    pub const RESYNC: Self = Self([0, 0]);

    /// From its two octets.
    #[must_use]
    pub const fn new(octets: [u8; 2]) -> Self {
        Self(octets)
    }

    /// Its two octets.
    #[must_use]
    pub const fn octets(self) -> [u8; 2] {
        self.0
    }

    /// Whether the separation bit is set.
    #[must_use]
    pub const fn separation_bit(self) -> bool {
        self.0[0] & SEPARATION_BIT != 0
    }

    /// The same field with the separation bit as given: 1 for a vector of EPS, 0 for one of UTRAN and GERAN
    /// (TS 33.401 §6.1.1, TS 33.102 annex H).
    #[must_use]
    pub const fn with_separation_bit(self, set: bool) -> Self {
        let first = if set { self.0[0] | SEPARATION_BIT } else { self.0[0] & !SEPARATION_BIT };
        Self([first, self.0[1]])
    }
}

impl Default for Amf {
    fn default() -> Self {
        Self::EUTRAN
    }
}

impl fmt::Debug for Amf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amf({:02x}{:02x})", self.0[0], self.0[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separation_bit_is_the_first_of_the_amf() {
        let amf = Amf::new([0x39, 0xb9]);
        assert!(!amf.separation_bit());
        assert_eq!(amf.with_separation_bit(true), Amf::new([0xb9, 0xb9]));
        assert_eq!(amf.with_separation_bit(true).with_separation_bit(false), amf);
    }
}
