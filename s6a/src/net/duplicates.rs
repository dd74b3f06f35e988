//! Retransmitted requests, RFC 6733 §3 (T flag, End-to-End id) and §5.5.4.
//!
//! After a failover a request may come a second time, with the T bit; Origin-Host and End-to-End id tell that it is the
//! same. It must not be executed twice, so recent answers are kept in rings of octets, reused without allocation, and a
//! duplicate of a request that is still being worked on waits for its answer.
//!
//! Origin-Host, End-to-End id and T are whatever the sender writes. An answer is therefore given only to the peer whose
//! request it answered (the identity of the connection, RFC 6733 §5.3; behind a relay that is the relay), and only if the
//! request is the same octet by octet behind its header. Everything else is executed: a request that really comes a second
//! time by another way costs a second execution, which requests of S6a allow (TS 29.272: the same ULR, PUR or NOR leads to
//! the same state), and one that is made up gains nothing. Of commands whose answers hold keys, nothing is kept at all
//! ([`Application::keeps_answers_to`](super::Application::keeps_answers_to)).

use std::collections::{HashMap, VecDeque, hash_map};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::link::Link;
use crate::codec::{CommandFlags, Header};

#[cfg(test)]
mod tests;

const SHARDS: usize = 16;

/// How many peers may have entries under one Origin-Host, End-to-End id and command; those of further ones are not kept.
const SAME_KEY: u8 = 4;

/// Origin-Host as 64 bits under a key of this process, which nobody outside can make collide; End-to-End id;
/// command; which of the [`SAME_KEY`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    host: u64,
    end_to_end: u32,
    command: u32,
    nth: u8,
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(
            self.host
                ^ (u64::from(self.end_to_end) << 24)
                ^ u64::from(self.command)
                ^ u64::from(self.nth) << 60,
        );
    }
}

/// The host's half is random already: one multiplication spreads the rest.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64(u64::from(*octet));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

/// Who has sent a request, by hashes of [`Duplicates::host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sender {
    /// The peer whose connection it came over.
    pub(super) peer: u64,
    /// The request's Origin-Host.
    pub(super) origin: u64,
}

/// A request that was begun; given back with its answer.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Where the answer is kept, and the entry's serial number; `None`: it is not.
    entry: Option<(Key, u64)>,
}

impl Ticket {
    /// For a request whose answer is not kept.
    pub(super) const NOT_KEPT: Self = Self { entry: None };
}

/// Who else waits for an answer, with the hop-by-hop id it has to have there.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) link: Arc<Link>,
    pub(super) hop_by_hop: u32,
}

struct Entry {
    serial: u64,
    peer: u64,
    /// Hash of what is behind the request's header.
    content: u64,
    state: State,
}

enum State {
    Running { waiters: Vec<Waiter> },
    Done { at: Instant, start: usize, end: usize },
}

impl Entry {
    /// Whether a new request of this peer may take its place.
    fn gives_way(&self, peer: u64, content: u64, now: Instant, age: Duration) -> bool {
        match &self.state {
            // Whoever waits gets the answer to what he has asked.
            State::Running { waiters } => {
                self.peer == peer && (waiters.is_empty() || self.content == content)
            }
            State::Done { at, .. } => self.peer == peer || now.saturating_duration_since(*at) > age,
        }
    }
}

/// What a request with the T bit turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retransmission {
    /// It was answered with the kept answer, or will be with that to the request under way.
    Known,
    /// Nothing is kept of it: it was executed.
    New,
    /// The peer has used its Origin-Host and End-to-End id for another request before: it was executed.
    Changed,
    /// Another peer has sent a request with this Origin-Host and End-to-End id: it was executed. After a failover of a
    /// node behind relays this is in order; else somebody tries to get what is another's.
    OfAnotherPeer,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Begun {
    /// Execute it and give the ticket back; with what a request with the T bit turned out to be.
    Execute(Ticket, Option<Retransmission>),
    /// It has been answered before: the answer was appended.
    Answered,
    /// It is being executed: its answer will come to the mailbox.
    Waiting,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Key, Entry, BuildHasherDefault<Fold>>,
    /// Kept answers from the oldest on: key, serial, start, end in the ring.
    order: VecDeque<(Key, u64, usize, usize)>,
    ring: Vec<u8>,
    next: usize,
    serial: u64,
}

impl Shard {
    fn drop_oldest(&mut self) {
        if let Some((key, serial, ..)) = self.order.pop_front()
            && self
                .entries
                .get(&key)
                .is_some_and(|e| e.serial == serial && matches!(e.state, State::Done { .. }))
        {
            self.entries.remove(&key);
        }
    }

    /// A place of `length` octets in the ring of at most `limit`.
    fn place(&mut self, length: usize, limit: usize) -> Option<usize> {
        if length > limit {
            return None;
        }
        if self.next + length > limit {
            // To the start; what lies behind the end is older than what lies there.
            while self.order.front().is_some_and(|(.., start, _)| *start >= self.next) {
                self.drop_oldest();
            }
            self.next = 0;
        }
        let (start, end) = (self.next, self.next + length);
        while self.order.front().is_some_and(|(.., s, e)| *s < end && *e > start) {
            self.drop_oldest();
        }
        if self.ring.len() < end {
            self.ring.resize(end, 0);
        }
        self.next = end;
        Some(start)
    }
}

pub(super) struct Duplicates {
    shards: [Mutex<Shard>; SHARDS],
    keys: RandomState,
    age: Duration,
    /// Octets of each shard's ring.
    octets: usize,
}

impl std::fmt::Debug for Duplicates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duplicates").finish_non_exhaustive()
    }
}

impl Duplicates {
    /// Keeps answers for `age`, in `octets` over all peers.
    pub(super) fn new(age: Duration, octets: usize) -> Self {
        Self { shards: Default::default(), keys: RandomState::new(), age, octets: octets / SHARDS }
    }

    /// An identity as the other functions want it; names differing in case only are one host.
    pub(super) fn host(&self, origin_host: &[u8]) -> u64 {
        let mut folded = [0; 256];
        let length = origin_host.len().min(folded.len());
        let folded = &mut folded[..length];
        folded.copy_from_slice(&origin_host[..length]);
        folded.make_ascii_lowercase();
        self.keys.hash_one((&*folded, origin_host.len()))
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        self.shards[key.host as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come whose answer is to be kept; `content` is what is behind its header. A waiter is made only if it
    /// is needed.
    pub(super) fn begin(
        &self,
        sender: Sender,
        header: &Header,
        content: &[u8],
        now: Instant,
        waiter: impl FnOnce() -> Waiter,
        out: &mut Vec<u8>,
    ) -> Begun {
        let content = self.keys.hash_one(content);
        let first =
            Key { host: sender.origin, end_to_end: header.end_to_end, command: header.command, nth: 0 };
        let keys = (0..SAME_KEY).map(|nth| Key { nth, ..first });
        let mut shard = self.shard(first);
        let shard = &mut *shard;
        let mut retransmission = None;
        if header.flags.has(CommandFlags::RETRANSMITTED) {
            let mut found = Retransmission::New;
            for key in keys.clone() {
                let Some(entry) = shard.entries.get_mut(&key) else { continue };
                if entry.peer != sender.peer {
                    // What the peer itself has sent says more.
                    if found == Retransmission::New {
                        found = Retransmission::OfAnotherPeer;
                    }
                    continue;
                }
                if entry.content != content {
                    found = Retransmission::Changed;
                    continue;
                }
                match &mut entry.state {
                    State::Running { waiters } => {
                        waiters.push(waiter());
                        return Begun::Waiting;
                    }
                    State::Done { at, start, end } if now.saturating_duration_since(*at) <= self.age => {
                        let answer = out.len();
                        out.extend_from_slice(&shard.ring[*start..*end]);
                        set_hop_by_hop(&mut out[answer..], header.hop_by_hop);
                        return Begun::Answered;
                    }
                    State::Done { .. } => {}
                }
            }
            retransmission = Some(found);
        }
        shard.serial += 1;
        let serial = shard.serial;
        let new =
            || Entry { serial, peer: sender.peer, content, state: State::Running { waiters: Vec::new() } };
        for key in keys {
            match shard.entries.entry(key) {
                hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(new());
                }
                hash_map::Entry::Occupied(mut before)
                    if before.get().gives_way(sender.peer, content, now, self.age) =>
                {
                    let before = before.insert(new());
                    if let State::Running { waiters } = before.state
                        && !waiters.is_empty()
                        && let Some(entry) = shard.entries.get_mut(&key)
                    {
                        // The same request once more. Whoever waits must not wait for ever.
                        entry.state = State::Running { waiters };
                    }
                }
                hash_map::Entry::Occupied(_) => continue,
            }
            return Begun::Execute(Ticket { entry: Some((key, serial)) }, retransmission);
        }
        Begun::Execute(Ticket::NOT_KEPT, retransmission)
    }

    /// The answer to a request: kept, and sent to those who wait for it.
    pub(super) fn finish(&self, ticket: &Ticket, answer: &[u8], now: Instant) {
        let Some((key, serial)) = ticket.entry else { return };
        let waiters = {
            let mut shard = self.shard(key);
            let shard = &mut *shard;
            let running = |e: &Entry| e.serial == serial && matches!(e.state, State::Running { .. });
            if !shard.entries.get(&key).is_some_and(running) {
                // The peer has used its End-to-End id again meanwhile.
                return;
            }
            let place = shard.place(answer.len(), self.octets);
            let before = match (place, shard.entries.get_mut(&key)) {
                (Some(start), Some(entry)) => {
                    let end = start + answer.len();
                    shard.ring[start..end].copy_from_slice(answer);
                    shard.order.push_back((key, serial, start, end));
                    Some(std::mem::replace(&mut entry.state, State::Done { at: now, start, end }))
                }
                _ => shard.entries.remove(&key).map(|entry| entry.state),
            };
            match before {
                Some(State::Running { waiters }) => waiters,
                _ => Vec::new(),
            }
        };
        for waiter in waiters {
            let mut answer = answer.to_vec();
            set_hop_by_hop(&mut answer, waiter.hop_by_hop);
            waiter.link.mailbox.answer(&answer);
        }
    }
}

/// Puts another hop-by-hop id into an encoded message.
pub(super) fn set_hop_by_hop(message: &mut [u8], hop_by_hop: u32) {
    if let Some(field) = message.get_mut(12..16) {
        field.copy_from_slice(&hop_by_hop.to_be_bytes());
    }
}
