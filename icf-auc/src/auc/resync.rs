//! Resynchronisation (TS 33.102 §6.3.5): the AUTS is verified first, and nothing changes before that; then
//! it is decided whether our sequence numbers must move.

use subtle::ConstantTimeEq;

use super::{
    amf::Amf,
    functions::PreparedKeys,
    sqn::{Layout, Sqn},
};

/// Δ: a USIM refuses a SEQ more than this above its own, so that nobody can drive it to the end of the
/// number space (TS 33.102 §C.2.1, §C.3.2; 2^28 in all profiles of §C.3).
pub const DELTA: u64 = 1 << 28;

/// AUTS = SQN_MS ⊕ AK* ‖ MAC-S, 14 octets (TS 33.102 §6.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auts(pub [u8; 14]);

/// What Re-Synchronization-Info carries: RAND ‖ AUTS (TS 29.272 §7.3.15). It is exactly 30 octets; one of
/// another length cannot be written down here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResynchronizationInfo {
    /// The challenge that the USIM found out of range, 128 bits.
    pub rand: [u8; 16],
    /// What the USIM answered.
    pub auts: Auts,
}

impl ResynchronizationInfo {
    /// Length of the AVP's data in octets.
    pub const LEN: usize = 30;
}

impl From<&[u8; ResynchronizationInfo::LEN]> for ResynchronizationInfo {
    fn from(octets: &[u8; ResynchronizationInfo::LEN]) -> Self {
        let mut info = Self { rand: [0; 16], auts: Auts([0; 14]) };
        info.rand.copy_from_slice(&octets[..16]);
        info.auts.0.copy_from_slice(&octets[16..]);
        info
    }
}

/// The MAC-S of an AUTS is not the subscriber's: it was forged, damaged, or belongs to another RAND or K.
/// Nothing may change on its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the AUTS does not verify: its MAC-S is not this subscriber's for this RAND (TS 33.102 §6.3.5)")]
pub struct MacSFailure;

/// Verifies an AUTS and gives SQN_MS, the highest SQN that the USIM has accepted: SQN_MS = AUTS ⊕ f5*(RAND),
/// MAC-S = f1*(SQN_MS, RAND, AMF 0000) (TS 33.102 §6.3.3, §6.3.5). MAC-S is compared in constant time.
///
/// # Errors
/// If MAC-S is wrong.
pub fn verify(keys: &PreparedKeys, info: &ResynchronizationInfo) -> Result<Sqn, MacSFailure> {
    let [c0, c1, c2, c3, c4, c5, mac_s @ ..] = info.auts.0;
    let ak = Sqn::from_octets(keys.f5_star(&info.rand));
    let sqn_ms = Sqn::from_octets([c0, c1, c2, c3, c4, c5]).xor(ak);
    let expected = keys.f1_star(&info.rand, sqn_ms, Amf::RESYNC);
    if bool::from(expected.ct_eq(&mac_s)) { Ok(sqn_ms) } else { Err(MacSFailure) }
}

/// What a verified SQN_MS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// The next number of ours is acceptable as it is: SEQ_MS < SEQ ≤ SEQ_MS + Δ. Nothing is reset
    /// (TS 33.102 §6.3.5 steps 2 and 3): an old AUTS replayed has no effect.
    Keep,
    /// The USIM is ahead: numbers go on above `seq_ms`, and every lease below is void.
    Raise {
        /// SEQ of SQN_MS.
        seq_ms: u64,
    },
    /// The USIM is behind by more than Δ and would refuse every number of ours for ever. §6.3.5 step 5
    /// resets to SQN_MS here too, which lets SEQs come again that were handed out; none of those above
    /// `seq_ms` was ever accepted. It takes a store restored or imported wrongly, as leases skip far less
    /// (see [`lease`](super::lease)), so the caller should say it loudly.
    Lower {
        /// SEQ of SQN_MS.
        seq_ms: u64,
    },
    /// SQN_MS is genuine but leaves fewer than Δ numbers before the space ends. A USIM cannot be led there
    /// (each step is at most Δ), so its memory is damaged, or K is in wrong hands; to follow would wear
    /// out the credential for every device that is given it after this one. Nothing changes: the device
    /// needs another credential.
    NearEnd {
        /// How many numbers would be left.
        left: u64,
    },
}

/// Decides what becomes of our numbers; `next_seq` is the SEQ that the next vector would take, wherever it
/// comes from: the lease in hand, or one above what the store has reserved.
#[must_use]
pub fn decide(layout: Layout, sqn_ms: Sqn, next_seq: u64) -> Resync {
    let seq_ms = layout.seq(sqn_ms);
    if next_seq > seq_ms && next_seq - seq_ms <= DELTA && next_seq <= layout.max_seq() {
        return Resync::Keep;
    }
    let left = layout.max_seq() - seq_ms;
    if left < DELTA {
        Resync::NearEnd { left }
    } else if next_seq <= seq_ms {
        Resync::Raise { seq_ms }
    } else {
        Resync::Lower { seq_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: fn() -> Layout = Layout::default;

    fn at(seq_ms: u64) -> Sqn {
        LAYOUT().sqn(seq_ms, 31).unwrap()
    }

    #[test]
    fn a_next_seq_that_the_usim_accepts_is_kept() {
        assert_eq!(decide(LAYOUT(), at(41), 42), Resync::Keep);
        assert_eq!(decide(LAYOUT(), at(41), 41 + DELTA), Resync::Keep);
    }

    #[test]
    fn a_usim_that_is_ahead_raises_seq() {
        for next in [1, 41, 42] {
            assert_eq!(decide(LAYOUT(), at(42), next), Resync::Raise { seq_ms: 42 });
        }
    }

    #[test]
    fn a_usim_behind_by_more_than_delta_lowers_seq() {
        assert_eq!(decide(LAYOUT(), at(41), 42 + DELTA), Resync::Lower { seq_ms: 41 });
    }

    #[test]
    fn sqn_ms_near_the_end_is_not_followed() {
        let max = LAYOUT().max_seq();
        assert_eq!(decide(LAYOUT(), at(max), 1), Resync::NearEnd { left: 0 });
        assert_eq!(decide(LAYOUT(), at(max - DELTA + 1), 1), Resync::NearEnd { left: DELTA - 1 });
        assert_eq!(decide(LAYOUT(), at(max - DELTA), 1), Resync::Raise { seq_ms: max - DELTA });
        // Were we there ourselves, there would be nothing to repair.
        assert_eq!(decide(LAYOUT(), at(max - 1), max), Resync::Keep);
        assert_eq!(decide(LAYOUT(), at(max), max + 1), Resync::NearEnd { left: 0 });
    }
}
