//! Which connections may wait until they are identified by a CER: bounded in all and by source, with room of their own for
//! the addresses of known peers, and for the newest at the cost of the oldest.
//!
//! Whoever holds connections and says nothing must not keep peers out. A peer says who it is within milliseconds; so
//! where there is no room left, the connection that has waited longest makes room, first among those of the source that
//! has most. Nobody is turned away, and a source that floods is in nobody's way but its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// What counts as one source: an IPv4 address, or the /64 that a host has of IPv6 (RFC 4291 §2.5.4): within it, addresses
/// cost nothing.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// Connections that wait, by age and by source; `T` is how one is told to go.
#[derive(Debug)]
pub(super) struct WaitingRoom<T> {
    most: usize,
    most_per_source: usize,
    next: u64,
    /// From the oldest on.
    waiting: BTreeMap<u64, (IpAddr, T)>,
    by_source: HashMap<IpAddr, usize>,
}

impl<T> WaitingRoom<T> {
    /// For `most` connections, of which one source has `most_per_source` at most; both at least 1.
    pub(super) fn new(most: usize, most_per_source: usize) -> Self {
        Self {
            most: most.max(1),
            most_per_source: most_per_source.max(1),
            next: 0,
            waiting: BTreeMap::new(),
            by_source: HashMap::new(),
        }
    }

    /// Lets one more in; with its number, and who has to go for it.
    pub(super) fn enter(&mut self, address: IpAddr, handle: T) -> (u64, Option<T>) {
        let source = source(address);
        let of_source = self.by_source.get(&source).copied().unwrap_or_default();
        let crowded = if of_source >= self.most_per_source {
            Some(source)
        } else if self.waiting.len() >= self.most {
            // Of sources that have equally many, any: its oldest has waited as long as it needed to.
            self.by_source.iter().max_by_key(|(_, count)| **count).map(|(source, _)| *source)
        } else {
            None
        };
        let oldest = crowded.and_then(|crowded| {
            self.waiting.iter().find(|(_, (source, _))| *source == crowded).map(|(number, _)| *number)
        });
        let evicted = oldest.and_then(|number| self.leave(number));
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (source, handle));
        *self.by_source.entry(source).or_default() += 1;
        (number, evicted)
    }

    /// It is identified, or gone.
    pub(super) fn leave(&mut self, number: u64) -> Option<T> {
        let (source, handle) = self.waiting.remove(&number)?;
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        Some(handle)
    }
}

/// The two rooms of a node: that of strangers' addresses, and that of the addresses of configured peers.
#[derive(Debug)]
pub(super) struct Admission {
    known: HashSet<IpAddr>,
    rooms: [Mutex<WaitingRoom<CancellationToken>>; 2],
}

impl Admission {
    /// `known` are the addresses of configured peers.
    pub(super) fn new(known: impl IntoIterator<Item = IpAddr>, most: usize, most_per_source: usize) -> Self {
        Self {
            known: known.into_iter().map(|address| address.to_canonical()).collect(),
            rooms: [(); 2].map(|()| Mutex::new(WaitingRoom::new(most, most_per_source))),
        }
    }

    fn room(&self, room: usize) -> MutexGuard<'_, WaitingRoom<CancellationToken>> {
        self.rooms[room].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection from this address wait; one that has waited longer may have to go for it.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Waiting {
        let room = usize::from(self.known.contains(&address.to_canonical()));
        let evicted = CancellationToken::new();
        let (number, goes) = self.room(room).enter(address, evicted.clone());
        if let Some(goes) = goes {
            goes.cancel();
        }
        Waiting { admission: Arc::clone(self), room, number, evicted }
    }
}

/// A connection that waits to be identified; its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    admission: Arc<Admission>,
    room: usize,
    number: u64,
    /// Cancelled when the connection has to make room.
    pub(super) evicted: CancellationToken,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.admission.room(self.room).leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_source_that_has_its_share_makes_room_for_itself() {
        let mut room = WaitingRoom::new(10, 3);
        for n in 0..3 {
            assert_eq!(room.enter(ip(1), n).1, None);
        }
        assert_eq!(room.enter(ip(2), 100).1, None);
        for n in 3..100 {
            assert_eq!(room.enter(ip(1), n).1, Some(n - 3), "its own oldest");
        }
        assert_eq!(room.waiting.len(), 4);
    }

    #[test]
    fn a_full_room_lets_the_newest_in_at_the_cost_of_the_source_that_has_most() {
        let mut room = WaitingRoom::new(10, 8);
        let lone = room.enter(ip(1), 1000).0;
        for n in 0..8 {
            room.enter(ip(2), n);
        }
        room.enter(ip(3), 2000);
        // Full. Whoever comes is let in, and those of the crowd go, the oldest first.
        for n in 0..6 {
            assert_eq!(room.enter(ip(10 + n), 3000).1, Some(i32::from(n)));
        }
        assert_eq!(room.leave(lone), Some(1000), "it was not in the way");
    }

    #[test]
    fn ten_thousand_sources_of_one_connection_each_do_not_keep_anybody_out() {
        let mut room = WaitingRoom::new(256, 64);
        let mut gone = 0;
        for n in 0..10_000_u32 {
            gone += usize::from(room.enter(IpAddr::from(n.to_be_bytes()), n).1.is_some());
        }
        assert_eq!((gone, room.waiting.len(), room.by_source.len()), (10_000 - 256, 256, 256));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source_and_nothing_is_remembered_of_whoever_left() {
        let mut room = WaitingRoom::new(10, 1);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(room.enter(at("2001:db8::1"), 1).1, None);
        assert_eq!(room.enter(at("2001:db8::2"), 2).1, Some(1));
        let (number, _) = room.enter(at("2001:db8:0:1::1"), 3);
        assert_eq!(room.leave(number), Some(3));
        assert_eq!(room.leave(number), None);
        room.leave(1);
        assert!(room.waiting.is_empty() && room.by_source.is_empty());
    }

    #[test]
    fn known_addresses_have_room_of_their_own() {
        let admission = Arc::new(Admission::new([ip(1)], 4, 4));
        let known = admission.enter(ip(1));
        let strangers: Vec<_> = (0..100).map(|_| admission.enter(ip(2))).collect();
        assert!(!known.evicted.is_cancelled());
        assert_eq!(strangers.iter().filter(|stranger| !stranger.evicted.is_cancelled()).count(), 4);
        drop(strangers);
        assert!(admission.room(0).waiting.is_empty());
        assert_eq!(admission.room(1).waiting.len(), 1);
    }
}
