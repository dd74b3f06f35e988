//! Randomness for timers only; nothing secret comes from here.

use std::time::Duration;

/// A small deterministic generator (SplitMix64): tests give the seed, drivers take one from the system.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts the sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `around` moved by at most `by` to either side, never below zero.
    pub fn spread(&mut self, around: Duration, by: Duration) -> Duration {
        // 32 random bits as a fraction of 2 * by.
        let fraction = (self.bits() >> 32) as u32;
        let width = by.saturating_mul(2);
        let offset = Duration::from_nanos(
            u64::try_from((width.as_nanos() * u128::from(fraction)) >> 32).unwrap_or(u64::MAX),
        );
        (around + offset).saturating_sub(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_stays_within_its_bounds_and_varies() {
        let (around, by) = (Duration::from_secs(30), Duration::from_secs(2));
        let mut jitter = Jitter::new(7);
        let drawn: Vec<_> = (0..1000).map(|_| jitter.spread(around, by)).collect();
        assert!(drawn.iter().all(|d| *d >= around - by && *d <= around + by));
        assert!(drawn.iter().any(|d| *d < around - by / 2) && drawn.iter().any(|d| *d > around + by / 2));
        assert_eq!(jitter.spread(around, Duration::ZERO), around);
    }
}
