//! Leases of SEQs: what an ICF instance may hand out from memory after the store has reserved it durably.
//!
//! The store keeps, for each IMSI, `seq_reserved`: the highest SEQ ever promised to anybody, 0 at first. A
//! lease is the range above it, written down *before* a vector is made from it. Whoever crashes loses the
//! rest of its lease: numbers are skipped, none comes twice. A USIM accepts a jump up to Δ = 2^28
//! (TS 33.102 §C.2.1), so what may be skipped between two authentications is bounded: a lease has at most
//! [`LeasePolicy::MAX`] = 2^16 numbers, and it takes 4,096 crashes in a row, each on a fresh lease of
//! the largest size, before a USIM that saw none of them had to resynchronise.

use std::{fmt, ops::Range};

use super::sqn::Layout;

/// A range of SEQs, in ascending order, never empty. There is no copy of one: it is granted once or lost.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    first: u64,
    last: u64,
}

impl Lease {
    /// A range that the store has reserved; `None` for an empty one.
    #[must_use]
    pub fn new(reserved: Range<u64>) -> Option<Self> {
        (reserved.start < reserved.end).then(|| Self { first: reserved.start, last: reserved.end - 1 })
    }

    /// The lowest SEQ.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The highest SEQ: the store's new `seq_reserved`.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}

impl Layout {
    /// The lease of `size` SEQs above `seq_reserved`, to be made durable by writing down
    /// [`Lease::last`] as the new `seq_reserved`. It is shorter where the number space ends; a `size` of 0
    /// counts as 1.
    ///
    /// # Errors
    /// If no SEQ is left: SEQ never wraps, since a USIM would refuse what comes after (TS 33.102 §C.1.1.1,
    /// §C.2.1).
    pub fn lease_after(self, seq_reserved: u64, size: u32) -> Result<Lease, SeqExhausted> {
        let max = self.max_seq();
        if seq_reserved >= max {
            return Err(SeqExhausted);
        }
        let last = seq_reserved.saturating_add(u64::from(size.max(1))).min(max);
        Ok(Lease { first: seq_reserved + 1, last })
    }
}

/// Every SEQ of a credential has been promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credential has no sequence number left (SEQ never wraps, TS 33.102 §C.2.1); issue another one")]
pub struct SeqExhausted;

/// Hands out the SEQs of one subscriber inside one ICF instance.
///
/// Whatever the order of calls: what it hands out ascends strictly and lies inside a lease that was granted
/// and not voided. It holds up to two leases, so that the next can be granted before the first is used up.
#[derive(Clone)]
pub struct SeqAllocator {
    /// First is used first; an empty range is a free place.
    leases: [Range<u64>; 2],
    /// What is granted must lie at or above: one more than the highest SEQ ever granted or voided here.
    floor: u64,
    max_seq: u64,
}

impl SeqAllocator {
    /// Without a lease.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        // SEQ 0 is never used: a new USIM has SEQ_MS 0, and accepts only what is greater.
        Self { leases: [0..0, 0..0], floor: 1, max_seq: layout.max_seq() }
    }

    /// Adds a lease that is durable.
    ///
    /// # Errors
    /// If a number in it may have been handed out already, is too low for the USIM since a
    /// resynchronisation, or does not fit SEQ, or if there is no room; nothing has changed then.
    pub fn grant(&mut self, lease: Lease) -> Result<(), GrantError> {
        let Lease { first, last } = lease;
        if first < self.floor || last < first {
            return Err(GrantError::NotAbove { floor: self.floor });
        }
        if last > self.max_seq {
            return Err(GrantError::TooWide);
        }
        let end = last + 1;
        let [now, next] = &mut self.leases;
        if now.is_empty() {
            *now = first..end;
        } else if next.is_empty() && now.end == first {
            now.end = end;
        } else if next.is_empty() {
            *next = first..end;
        } else if next.end == first {
            next.end = end;
        } else {
            return Err(GrantError::Full);
        }
        self.floor = end;
        Ok(())
    }

    /// Takes `n` SEQs, ascending; none at all where fewer are left.
    pub fn take(&mut self, n: u32) -> Option<Taken> {
        if self.left() < u64::from(n) {
            return None;
        }
        let [now, next] = &mut self.leases;
        let from_now = cut(now, u64::from(n));
        let from_next = cut(next, u64::from(n) - (from_now.end - from_now.start));
        if now.is_empty() {
            *now = std::mem::replace(next, 0..0);
        }
        Some(Taken { parts: [from_now, from_next] })
    }

    /// How many SEQs can be taken.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.leases.iter().map(|lease| lease.end - lease.start).sum()
    }

    /// The SEQ that [`Self::take`] would give next; for [`resync::decide`](super::resync::decide).
    #[must_use]
    pub fn peek(&self) -> Option<u64> {
        let [now, _] = &self.leases;
        if now.is_empty() { None } else { Some(now.start) }
    }

    /// Gives up all leases. What was in them is never handed out, also if it is granted again.
    pub fn void(&mut self) {
        self.leases = [0..0, 0..0];
    }

    /// Gives up all leases, and refuses those still on their way that start at `seq_ms` or below: after a
    /// resynchronisation, or when another instance has done one, the USIM would not accept them.
    pub fn void_through(&mut self, seq_ms: u64) {
        self.void();
        self.floor = self.floor.max(seq_ms.saturating_add(1));
    }
}

/// Cuts up to `n` numbers off the front of a range.
fn cut(range: &mut Range<u64>, n: u64) -> Range<u64> {
    let middle = range.end.min(range.start + n);
    let cut = range.start..middle;
    range.start = middle;
    cut
}

impl fmt::Debug for SeqAllocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [now, next] = &self.leases;
        write!(f, "SeqAllocator({now:?}, {next:?}, floor {})", self.floor)
    }
}

/// SEQs taken, ascending. What is not used of them is lost, never given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "SEQs that are taken and not used are skipped"]
pub struct Taken {
    parts: [Range<u64>; 2],
}

impl Iterator for Taken {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let [now, next] = &mut self.parts;
        now.next().or_else(|| next.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.parts.iter().map(|part| part.end - part.start).sum::<u64>();
        usize::try_from(left).map_or((usize::MAX, None), |left| (left, Some(left)))
    }
}

/// Why a lease is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// It starts below what was granted or voided before.
    #[error(
        "the lease starts below SEQ {floor}: numbers in it may have been handed out, or are too low for the USIM"
    )]
    NotAbove {
        /// The lowest SEQ that could be granted.
        floor: u64,
    },
    /// It has a SEQ that the subscriber's layout cannot express.
    #[error("the lease reaches beyond the subscriber's SEQ space; check its ind_bitlen")]
    TooWide,
    /// Two leases are in hand that it does not continue.
    #[error("two leases are in hand already; use one up, or void them, first")]
    Full,
}

/// How large the leases of one IMSI are: small at first, so that ten million idle IMSIs burn few numbers,
/// then twice as large each time, so that a busy one needs few durable writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    first: u32,
    max: u32,
}

impl LeasePolicy {
    /// The largest lease that can be configured, 2^16 SEQs (see the module for the bound that follows).
    pub const MAX: u32 = 1 << 16;

    /// Leases of `first` SEQs, doubling up to `max`; 1 ≤ first ≤ max ≤ [`Self::MAX`].
    ///
    /// # Errors
    /// If that does not hold.
    pub const fn new(first: u32, max: u32) -> Result<Self, LeasePolicyError> {
        if first == 0 || first > max || max > Self::MAX {
            return Err(LeasePolicyError { first, max });
        }
        Ok(Self { first, max })
    }

    /// The largest lease.
    #[must_use]
    pub const fn max(self) -> u32 {
        self.max
    }
}

impl Default for LeasePolicy {
    fn default() -> Self {
        Self { first: 4, max: 1024 }
    }
}

/// A lease policy that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "leases of {first} up to {max} SEQs: the first must be 1 or more, the largest at least that, and at most 65536"
)]
pub struct LeasePolicyError {
    first: u32,
    max: u32,
}

/// The size of an IMSI's next lease. It lives as long as the IMSI is cached: an IMSI that fell out of the
/// cache was idle, and starts small again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseSize {
    last: u32,
}

impl LeaseSize {
    /// The size of the lease before, 0 at first.
    #[must_use]
    pub fn last(self) -> u32 {
        self.last
    }

    /// How many SEQs to reserve now that `wanted` are asked for: at least as many, if the policy's maximum
    /// allows.
    pub fn next(&mut self, policy: LeasePolicy, wanted: u32) -> u32 {
        let grown = if self.last == 0 { policy.first } else { self.last.saturating_mul(2) };
        self.last = grown.max(wanted).min(policy.max);
        self.last
    }
}
