//! Sequence numbers: SQN = SEQ ‖ IND (TS 33.102 §C.1.1.1).
//!
//! Vectors wait at the node that asked for them while others are used elsewhere. A USIM refuses a SEQ only
//! if one as high came with the same IND (§C.2.2), so each pair of ICF instance and requesting node has an
//! IND of its own (§C.1.2), which the store remembers.

use std::fmt;

/// SQN, 48 bits, as AUTN and AUTS carry it in six octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sqn(u64);

impl Sqn {
    /// The largest, 2^48 − 1.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// From a number, which must be below 2^48.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// From six octets, most significant first.
    #[must_use]
    pub const fn from_octets([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Six octets, most significant first.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Conceals it with an AK, or reveals it: SQN ⊕ AK (TS 33.102 §6.3.2, §6.3.3).
    #[must_use]
    pub const fn xor(self, ak: Self) -> Self {
        Self(self.0 ^ ak.0)
    }

    /// As a number, below 2^48.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Sqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqn({:012x})", self.0)
    }
}

/// How a subscriber's 48 bits divide into SEQ and IND. It is a property of the USIM: IND selects a cell of
/// the array in which it keeps the highest SEQ seen (TS 33.102 §C.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    ind_bitlen: u8,
}

impl Layout {
    /// The widest IND that is taken. TS 33.102 fixes no bound; wider arrays than this no USIM has, and SEQ
    /// keeps at least 32 bits, more than Δ.
    pub const MAX_IND_BITLEN: u8 = 16;

    /// With so many bits of IND, at most [`Self::MAX_IND_BITLEN`].
    ///
    /// # Errors
    /// If there are more.
    pub const fn new(ind_bitlen: u8) -> Result<Self, LayoutError> {
        if ind_bitlen > Self::MAX_IND_BITLEN { Err(LayoutError) } else { Ok(Self { ind_bitlen }) }
    }

    /// Bits of IND.
    #[must_use]
    pub const fn ind_bitlen(self) -> u8 {
        self.ind_bitlen
    }

    /// How many values IND has.
    #[must_use]
    pub const fn ind_values(self) -> u32 {
        1 << self.ind_bitlen
    }

    /// The largest SEQ: 2^43 − 1 where IND has five bits.
    #[must_use]
    pub const fn max_seq(self) -> u64 {
        Sqn::MAX.0 >> self.ind_bitlen
    }

    /// SEQ ‖ IND; none where one of them is wider than its field.
    #[must_use]
    pub const fn sqn(self, seq: u64, ind: u32) -> Option<Sqn> {
        if seq > self.max_seq() || ind >= self.ind_values() {
            return None;
        }
        Some(Sqn(seq << self.ind_bitlen | ind as u64))
    }

    /// SEQ of a SQN.
    #[must_use]
    pub const fn seq(self, sqn: Sqn) -> u64 {
        sqn.0 >> self.ind_bitlen
    }

    /// IND of a SQN.
    #[must_use]
    pub const fn ind(self, sqn: Sqn) -> u32 {
        (sqn.0 & (self.ind_values() as u64 - 1)) as u32
    }
}

impl Default for Layout {
    /// Five bits of IND, as TS 33.102 §C.3 has it.
    fn default() -> Self {
        Self { ind_bitlen: 5 }
    }
}

/// More bits of IND than [`Layout::MAX_IND_BITLEN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ind_bitlen is 0 to 16 (TS 33.102 §C.3 has 5); set it to what the subscriber's USIM uses")]
pub struct LayoutError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sqn_of_35_208_set_1_divides_into_seq_and_ind() {
        let sqn = Sqn::from_octets([0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x07]);
        let layout = Layout::default();
        assert_eq!((layout.seq(sqn), layout.ind(sqn)), (0xff9b_b4d0_b607 >> 5, 7));
        assert_eq!(layout.max_seq(), (1 << 43) - 1);
        assert_eq!(format!("{sqn:?}"), "Sqn(ff9bb4d0b607)");
    }

    #[test]
    fn what_does_not_fit_is_no_sqn() {
        let layout = Layout::default();
        assert_eq!(Sqn::new(1 << 48), None);
        assert_eq!(layout.sqn(1 << 43, 0), None);
        assert_eq!(layout.sqn(1, 32), None);
        assert_eq!(layout.sqn((1 << 43) - 1, 31), Some(Sqn::MAX));
        assert_eq!(Layout::new(17), Err(LayoutError));
    }

    proptest! {
        #[test]
        fn sqn_and_its_parts_convert_both_ways(value in 0..1u64 << 48, bits in 0..=16u8) {
            let (sqn, layout) = (Sqn::new(value).unwrap(), Layout::new(bits).unwrap());
            prop_assert_eq!(Sqn::from_octets(sqn.octets()), sqn);
            prop_assert_eq!(layout.sqn(layout.seq(sqn), layout.ind(sqn)), Some(sqn));
        }
    }
}
