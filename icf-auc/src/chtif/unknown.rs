//! PCIDs that nobody knows, remembered for a while.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use schemas::identity::Imsi;

/// A bounded memory of what was asked for in vain. All are kept equally long, so the order in which they came
/// is the order in which they go; when it is full the oldest goes early and is asked for again.
#[derive(Debug)]
pub(super) struct Unknown {
    order: VecDeque<(Instant, Imsi)>,
    present: HashSet<Imsi>,
    kept: Duration,
    most: usize,
}

impl Unknown {
    /// Remembers up to `most` for `kept` each.
    pub(super) fn new(kept: Duration, most: usize) -> Self {
        Self { order: VecDeque::new(), present: HashSet::new(), kept, most }
    }

    /// Whether it was unknown not long ago.
    pub(super) fn contains(&mut self, imsi: Imsi, now: Instant) -> bool {
        self.forget(|(since, _), kept| now.saturating_duration_since(*since) >= kept);
        self.present.contains(&imsi)
    }

    /// It is unknown now.
    pub(super) fn insert(&mut self, imsi: Imsi, now: Instant) {
        if self.contains(imsi, now) {
            return;
        }
        while self.order.len() >= self.most.max(1) {
            let mut first = true;
            self.forget(|_, _| std::mem::take(&mut first));
        }
        self.order.push_back((now, imsi));
        self.present.insert(imsi);
    }

    /// Forgets the oldest as long as `gone` says so.
    fn forget(&mut self, mut gone: impl FnMut(&(Instant, Imsi), Duration) -> bool) {
        while self.order.front().is_some_and(|oldest| gone(oldest, self.kept)) {
            if let Some((_, imsi)) = self.order.pop_front() {
                self.present.remove(&imsi);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imsi(n: u64) -> Imsi {
        "999710000000000".parse::<Imsi>().unwrap().checked_add(n).unwrap()
    }

    #[test]
    fn is_forgotten_after_its_time_and_not_before() {
        let mut unknown = Unknown::new(Duration::from_secs(60), 10);
        let now = Instant::now();
        unknown.insert(imsi(1), now);
        assert!(unknown.contains(imsi(1), now + Duration::from_secs(59)));
        assert!(!unknown.contains(imsi(2), now));
        // Heard again meanwhile, it goes when it would have gone.
        unknown.insert(imsi(1), now + Duration::from_secs(30));
        assert!(!unknown.contains(imsi(1), now + Duration::from_secs(60)));
        assert!(unknown.order.is_empty() && unknown.present.is_empty());
    }

    #[test]
    fn the_oldest_makes_room_and_the_others_stay() {
        let mut unknown = Unknown::new(Duration::from_secs(60), 3);
        let now = Instant::now();
        for n in 1..=4 {
            unknown.insert(imsi(n), now);
        }
        assert!(!unknown.contains(imsi(1), now));
        assert!((2..=4).all(|n| unknown.contains(imsi(n), now)));
        assert_eq!((unknown.order.len(), unknown.present.len()), (3, 3));
    }
}
