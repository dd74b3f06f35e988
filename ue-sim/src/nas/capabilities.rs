//! The security algorithms of a UE.

/// Algorithms that a UE says it has: octets 3 and 4 of the UE network capability, bit 8 for number 0
/// (TS 24.301 §9.9.3.34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// EEA0 to EEA7.
    pub ciphering: u8,
    /// EIA0 to EIA7. EIA0 is for emergency calls alone (TS 33.401 §5.1.4.1): a UE that names it still refuses it.
    pub integrity: u8,
}

impl Default for Capabilities {
    /// EEA0 to EEA3 and EIA1 to EIA3.
    fn default() -> Self {
        Self { ciphering: 0xf0, integrity: 0x70 }
    }
}

impl Capabilities {
    pub(super) fn ciphers(self, number: u8) -> bool {
        number < 8 && self.ciphering & (0x80 >> number) != 0
    }

    pub(super) fn protects(self, number: u8) -> bool {
        number < 8 && self.integrity & (0x80 >> number) != 0
    }
}
