//! The lease of an instance: one process at a time is `icf.instance` of a database, since each instance has INDs of its
//! own (TS 33.102 §C.1.2).
//!
//! No wall clock is compared. Who wants an instance that a process seems to have puts a *claim* into its row, and
//! watches the row for [`TAKE_OVER_AFTER`] of its own monotonic clock: a holder that lives answers within
//! [`RENEW_INTERVAL`], and the claim is refused. The holder looks at its row every [`RENEW_INTERVAL`], and may hand out
//! numbers for [`VALID_FOR`] after the beginning of a look that found it the holder and no claim (or answered the
//! claim). So numbers end before anybody can take over, as long as the two clocks run at the same speed within a third:
//! that is the whole assumption.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How often a holder looks at its row.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How long after the beginning of a look the holder may hand out numbers.
pub const VALID_FOR: Duration = Duration::from_secs(10);
/// How long a claim has to stay unanswered before another process takes over.
pub const TAKE_OVER_AFTER: Duration = Duration::from_secs(15);

/// Whether this process may hand out numbers of its instance; asked for each answer, so without a lock or a system call.
#[derive(Debug)]
pub struct InstanceLease {
    /// What times are counted from.
    origin: Instant,
    /// Milliseconds after `origin`.
    valid_until: AtomicU64,
    lost: AtomicBool,
}

impl InstanceLease {
    /// A lease that was taken or renewed by a look that began at `begun`.
    #[must_use]
    pub fn since(begun: Instant) -> Self {
        let lease = Self { origin: begun, valid_until: AtomicU64::new(0), lost: AtomicBool::new(false) };
        lease.extend(begun);
        lease
    }

    /// A lease that does not end: of a store that no other process can open.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { origin: Instant::now(), valid_until: AtomicU64::new(u64::MAX), lost: AtomicBool::new(false) }
    }

    /// Whether numbers may be handed out now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid_at(Instant::now())
    }

    /// As [`is_valid`](Self::is_valid), at a time that is not in the future.
    #[must_use]
    pub fn is_valid_at(&self, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX);
        now < self.valid_until.load(Ordering::Acquire) && !self.lost.load(Ordering::Acquire)
    }

    /// A look that began at `begun` found this process the holder.
    pub fn extend(&self, begun: Instant) {
        let until = begun.saturating_duration_since(self.origin) + VALID_FOR;
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.valid_until.fetch_max(until, Ordering::AcqRel);
    }

    /// Another process is the holder; this cannot be undone.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether another process is known to be the holder.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_by_itself_before_anybody_may_take_over_and_lasts_longer_when_renewed() {
        let begun = Instant::now();
        let lease = InstanceLease::since(begun);
        assert!(lease.is_valid_at(begun) && lease.is_valid_at(begun + VALID_FOR - RENEW_INTERVAL));
        assert!(!lease.is_valid_at(begun + VALID_FOR));
        assert!(VALID_FOR + VALID_FOR / 3 < TAKE_OVER_AFTER && RENEW_INTERVAL * 3 < VALID_FOR);
        lease.extend(begun + RENEW_INTERVAL);
        // An older look that ends later takes nothing away.
        lease.extend(begun);
        assert!(
            lease.is_valid_at(begun + VALID_FOR) && !lease.is_valid_at(begun + VALID_FOR + RENEW_INTERVAL)
        );
    }

    #[test]
    fn a_lost_lease_stays_lost_also_if_it_is_renewed() {
        let lease = InstanceLease::since(Instant::now());
        lease.lose();
        lease.extend(Instant::now());
        assert!(lease.is_lost() && !lease.is_valid());
        assert!(InstanceLease::unlimited().is_valid());
    }
}
