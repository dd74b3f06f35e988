//! How much of what strangers cause is written down: whoever can be refused without end must not fill the disk.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::Trail;

/// Lets so many through at once and then one a second: for entries of the audit log that a device, or somebody who says
/// that it is one, can cause by itself. What is not let through belongs into a metric and the log.
#[derive(Debug)]
pub struct Trickle {
    burst: u32,
    state: Mutex<Option<(u32, Instant)>>,
    left_out: AtomicU64,
}

/// Entries that strangers can cause which the audit log of a role takes at once.
pub const ENTRIES_AT_ONCE: u32 = 200;

/// How often one more is let through.
const EVERY: Duration = Duration::from_secs(1);

impl Trickle {
    /// Lets `burst` through at once.
    #[must_use]
    pub const fn new(burst: u32) -> Self {
        Self { burst, state: Mutex::new(None), left_out: AtomicU64::new(0) }
    }

    /// Whether one more may be written down now.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.allows_at(Instant::now())
    }

    /// What is written down: `outcome`, and how many were left out before it, if `allowed`; else it is counted and `None`.
    #[must_use]
    pub fn entry(&self, allowed: bool, outcome: &str) -> Option<String> {
        if !allowed {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        match self.left_out.swap(0, Ordering::Relaxed) {
            0 => Some(outcome.to_owned()),
            left_out => Some(format!("{outcome} ({left_out} before this are not written down: too many)")),
        }
    }

    /// Writes an entry (as [`Trail::record`]) that a stranger can cause without end, if one more may be written; else, and
    /// where it cannot be written, it is in the log.
    pub async fn record(&self, trail: &dyn Trail, [who, action, target, outcome]: [&str; 4]) {
        let Some(outcome) = self.entry(self.allows(), outcome) else {
            tracing::warn!(who, action, target, outcome, "not in the audit log: there are too many entries");
            return;
        };
        if let Err(error) = trail.record(who, action, target, &outcome).await {
            tracing::error!(who, action, target, outcome, error, "the audit log cannot be written");
        }
    }

    fn allows_at(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = state.unwrap_or((self.burst, now));
        let gained = now.saturating_duration_since(since).as_secs();
        let left = left.saturating_add(u32::try_from(gained).unwrap_or(u32::MAX)).min(self.burst);
        // What is left of a second counts for the next.
        let since =
            since.checked_add(EVERY.saturating_mul(u32::try_from(gained).unwrap_or(u32::MAX))).unwrap_or(now);
        let allowed = left > 0;
        *state = Some((left.saturating_sub(1), since));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_in_the_next_entry() {
        let trickle = Trickle::new(1);
        assert_eq!(trickle.entry(true, "refused").as_deref(), Some("refused"));
        assert_eq!([trickle.entry(false, "refused"), trickle.entry(false, "refused")], [None, None]);
        let next = trickle.entry(true, "refused").unwrap();
        assert!(next.starts_with("refused (2 before this"), "{next}");
        assert_eq!(trickle.entry(true, "refused").as_deref(), Some("refused"));
    }

    #[test]
    fn a_burst_goes_through_and_then_one_a_second() {
        let (trickle, start) = (Trickle::new(10), Instant::now());
        let through = |after: u64, tries: u32| {
            (0..tries).filter(|_| trickle.allows_at(start + Duration::from_millis(after))).count()
        };
        assert_eq!(through(0, 1000), 10);
        assert_eq!(through(999, 1000), 0);
        assert_eq!(through(2500, 1000), 2);
        assert_eq!(through(3000, 1000), 1, "half a second was left");
        assert_eq!(through(1_000_000, 1000), 10, "no more than the burst is saved up");
    }
}
