//! Waiting between attempts to connect.

use std::time::Duration;

use super::Jitter;

/// Doubles from `first` to `longest` with a quarter of jitter, so that the peers of a node that comes back
/// do not all knock at once. RFC 6733 §2.1 recommends Tc = 30 s; starting lower finds a restarted peer sooner.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    jitter: Jitter,
}

impl Backoff {
    /// Waits of `first`, twice that, … up to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration, jitter: Jitter) -> Self {
        Self { first, longest, next: first, jitter }
    }

    /// The wait before the next attempt.
    pub fn failed(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        self.jitter.spread(wait, wait / 4).min(self.longest)
    }

    /// After a connection that came to be open: the next wait is the first again.
    pub fn succeeded(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 60, Jitter::new(1));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let wait = backoff.failed();
            let expected = second * expected;
            assert!(wait >= expected - expected / 4 && wait <= expected + expected / 4, "{wait:?}");
            assert!(wait <= second * 60);
        }
        backoff.succeeded();
        assert!(backoff.failed() <= second * 5 / 4);
    }
}
