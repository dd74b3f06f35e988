//! Places for requests that wait for somebody else's answer: bounded in all, in octets, and for each peer, so that one
//! that floods costs the others nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Octets of a request that one place holds; a longer one takes several. Those of S6a fit, by far.
const OCTETS: usize = 4096;

/// The places of one direction.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<String, usize>,
}

/// A request's places; dropped, they are free again.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    peer: String,
    count: usize,
}

impl Places {
    /// So many, of which no peer gets more than half.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing that runs under the lock leaves the numbers half-changed.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request of this length from the peer takes; `None`: too much waits already, in all or of this peer.
    pub fn take(self: &Arc<Self>, peer: &str, octets: usize) -> Option<Place> {
        let share = self.most.div_ceil(2);
        let count = (1 + octets / OCTETS).min(share);
        let mut taken = self.lock();
        let of_peer = taken.by_peer.get(peer).copied().unwrap_or_default();
        if taken.all + count > self.most || of_peer + count > share {
            return None;
        }
        taken.all += count;
        taken.by_peer.insert(peer.to_owned(), of_peer + count);
        drop(taken);
        Some(Place { places: self.clone(), peer: peer.to_owned(), count })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(self.count);
        if let Some(of_peer) = taken.by_peer.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(self.count);
            if *of_peer == 0 {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_gets_more_than_half_and_all_together_get_no_more_than_there_are() {
        let places = Arc::new(Places::new(5));
        let of = |peer: &str, count: usize| -> Vec<Place> {
            (0..count).map_while(|_| places.take(peer, 300)).collect()
        };
        let one = of("one", 9);
        assert_eq!(one.len(), 3);
        let two = of("two", 9);
        assert_eq!(two.len(), 2, "five are taken");
        drop(one);
        assert_eq!(of("two", 9).len(), 1, "three of five are its share");
        drop(two);
        assert_eq!(places.lock().all, 0);
        assert!(places.lock().by_peer.is_empty(), "nothing is kept of who is gone");
        assert_eq!(Arc::new(Places::new(1)).take("one", 1).map(|place| place.count), Some(1));
    }

    #[test]
    fn a_long_request_takes_several_and_never_more_than_a_share() {
        let places = Arc::new(Places::new(40));
        let long = places.take("one", 60_000).unwrap();
        assert_eq!(long.count, 15);
        assert!(places.take("one", 60_000).is_none());
        assert_eq!(places.take("one", 4095).unwrap().count, 1);
        let few = Arc::new(Places::new(4));
        assert_eq!(few.take("one", 60_000).unwrap().count, 2);
    }
}
