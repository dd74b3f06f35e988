//! Which sequence numbers a USIM accepts, TS 33.102 annex C.2, with the values of annex C.3.2.

/// Bits of IND, TS 33.102 annex C.3.2: 32 entries in the array.
pub const IND_BITS: u32 = 5;

/// Entries of the array, one an IND.
pub const ENTRIES: usize = 1 << IND_BITS;

/// The largest jump accepted, Δ of TS 33.102 annex C.2.1, with the value of annex C.3.2.
pub const DELTA: u64 = 1 << 28;

/// A sequence number of 48 bits: SEQ (43) ‖ IND (5), TS 33.102 annex C.1.1.1 and C.3.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Sqn(u64);

impl Sqn {
    /// The largest SEQ: 43 bits.
    pub const MAX_SEQ: u64 = (1 << (48 - IND_BITS)) - 1;

    /// From its six octets.
    #[must_use]
    pub fn from_octets(octets: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = octets;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// From its parts; bits beyond 43 of `seq` and beyond 5 of `ind` do not count.
    #[must_use]
    pub fn new(seq: u64, ind: u8) -> Self {
        Self((seq & Self::MAX_SEQ) << IND_BITS | u64::from(ind) & (ENTRIES as u64 - 1))
    }

    /// Its six octets.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// As a number of 48 bits.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// SEQ, the upper 43 bits.
    #[must_use]
    pub fn seq(self) -> u64 {
        self.0 >> IND_BITS
    }

    /// IND, the lower 5 bits: the entry that the number belongs to.
    #[must_use]
    pub fn ind(self) -> u8 {
        (self.0 & (ENTRIES as u64 - 1)) as u8
    }
}

impl std::fmt::Debug for Sqn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.seq(), self.ind())
    }
}

impl std::fmt::Display for Sqn {
    /// SEQ and IND in decimal: `4711/3`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Why a sequence number is not accepted. Each is a synchronisation failure (TS 33.102 §6.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFresh {
    /// SEQ − SEQ_MS > Δ, annex C.2.1.
    #[error("the sequence number jumps further than Δ (TS 33.102 annex C.2.1)")]
    Jump,
    /// SEQ ≤ SEQ_MS(IND), annex C.2.2: used, or passed over, in its entry.
    #[error("the sequence number is not above its entry of the array (TS 33.102 annex C.2.2)")]
    Used,
    /// SEQ_MS − SEQ ≥ L, annex C.2.3.
    #[error("the sequence number is older than the age limit L (TS 33.102 annex C.2.3)")]
    Old,
}

/// The array SEQ_MS(i): the highest SEQ accepted with each IND (TS 33.102 annex C.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqnArray {
    seq: [u64; ENTRIES],
    delta: u64,
    age: Option<u64>,
}

impl Default for SqnArray {
    fn default() -> Self {
        Self { seq: [0; ENTRIES], delta: DELTA, age: None }
    }
}

impl SqnArray {
    /// With another Δ than [`DELTA`] (annex C.2.1).
    #[must_use]
    pub fn with_delta(mut self, delta: u64) -> Self {
        self.delta = delta;
        self
    }

    /// With an age limit L (annex C.2.3), which is optional there and off by default here.
    #[must_use]
    pub fn with_age_limit(mut self, limit: u64) -> Self {
        self.age = Some(limit);
        self
    }

    /// SQN_MS: the highest sequence number accepted, whose SEQ is SEQ_MS (annex C.2.1). 0 before the first.
    #[must_use]
    pub fn highest(&self) -> Sqn {
        (0u8..)
            .zip(self.seq)
            .map(|(ind, seq)| Sqn::new(seq, ind))
            .filter(|sqn| sqn.seq() > 0)
            .max()
            .unwrap_or_default()
    }

    /// SEQ_MS(i) of each IND; 0 where none was accepted.
    #[must_use]
    pub fn entries(&self) -> &[u64; ENTRIES] {
        &self.seq
    }

    /// Accepts `sqn` and remembers it, or says why not and remembers nothing.
    ///
    /// # Errors
    /// The condition of annex C.2 that does not hold, checked in the order of its clauses.
    pub fn accept(&mut self, sqn: Sqn) -> Result<(), NotFresh> {
        let highest = self.highest().seq();
        let entry = &mut self.seq[usize::from(sqn.ind())];
        if sqn.seq().saturating_sub(highest) > self.delta {
            return Err(NotFresh::Jump);
        }
        if self.age.is_some_and(|limit| highest.saturating_sub(sqn.seq()) >= limit) {
            return Err(NotFresh::Old);
        }
        if sqn.seq() <= *entry {
            return Err(NotFresh::Used);
        }
        *entry = sqn.seq();
        Ok(())
    }

    /// Puts back an entry that was saved; out of range is refused with `false`.
    pub(crate) fn restore(&mut self, ind: u8, seq: u64) -> bool {
        match self.seq.get_mut(usize::from(ind)) {
            Some(entry) if seq <= Sqn::MAX_SEQ => {
                *entry = seq;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(accepted: &[(u64, u8)]) -> SqnArray {
        let mut array = SqnArray::default();
        for (seq, ind) in accepted {
            array.accept(Sqn::new(*seq, *ind)).unwrap();
        }
        array
    }

    #[test]
    fn seq_and_ind_are_43_and_5_bits() {
        let sqn = Sqn::from_octets([0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x07]);
        assert_eq!((sqn.seq(), sqn.ind()), (0xff9b_b4d0_b607 >> 5, 7));
        assert_eq!(Sqn::new(sqn.seq(), sqn.ind()), sqn);
        assert_eq!(sqn.octets(), [0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x07]);
    }

    #[test]
    fn a_replay_is_refused() {
        let mut array = array(&[(1, 0)]);
        assert_eq!(array.accept(Sqn::new(1, 0)), Err(NotFresh::Used));
    }

    #[test]
    fn entries_of_other_inds_do_not_make_a_number_stale() {
        let mut array = array(&[(100, 0), (50, 1), (75, 2)]);
        assert_eq!(array.accept(Sqn::new(49, 1)), Err(NotFresh::Used));
        assert_eq!(array.accept(Sqn::new(51, 1)), Ok(()));
        assert_eq!(array.accept(Sqn::new(100, 3)), Ok(()));
    }

    #[test]
    fn a_jump_of_delta_is_accepted_and_one_more_refused() {
        let mut array = array(&[(7, 4)]);
        assert_eq!(array.accept(Sqn::new(7 + DELTA + 1, 4)), Err(NotFresh::Jump));
        assert_eq!(array.accept(Sqn::new(7 + DELTA, 5)), Ok(()));
        assert_eq!(array.accept(Sqn::new(7 + DELTA + 1, 4)), Ok(()));
    }

    #[test]
    fn the_age_limit_refuses_what_the_entry_alone_would_accept() {
        let mut limited = array(&[(1000, 0)]).with_age_limit(10);
        assert_eq!(limited.accept(Sqn::new(990, 1)), Err(NotFresh::Old));
        assert_eq!(limited.accept(Sqn::new(991, 1)), Ok(()));
        assert_eq!(array(&[(1000, 0)]).accept(Sqn::new(990, 1)), Ok(()));
    }

    #[test]
    fn sqn_ms_is_the_highest_number_accepted_in_any_entry() {
        assert_eq!(SqnArray::default().highest(), Sqn::default());
        assert_eq!(array(&[(9, 3), (12, 1), (11, 30)]).highest(), Sqn::new(12, 1));
        assert_eq!(array(&[(12, 1), (12, 9)]).highest(), Sqn::new(12, 9));
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let mut array = array(&[(9, 3)]);
        let before = array.clone();
        for sqn in [Sqn::new(9, 3), Sqn::new(10 + DELTA, 3)] {
            assert!(array.accept(sqn).is_err());
        }
        assert_eq!(array, before);
    }
}
