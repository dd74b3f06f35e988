//! Retransmitted requests, RFC 6733 §3 (T flag, End-to-End id) and §5.5.4.
//!
//! After a failover a request may come a second time, with the T bit, over whatever connection; Origin-Host and
//! End-to-End id tell that it is the same. It must not be executed twice, so recent answers are kept in rings
//! of octets, reused without allocation, and a duplicate of a request that is still being worked on waits for
//! its answer.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::slot::Link;
use crate::codec::{CommandFlags, Header};

#[cfg(test)]
mod tests;

const SHARDS: usize = 16;

/// Origin-Host as 64 bits under a key of this process, which nobody outside can make collide; End-to-End id;
/// command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    host: u64,
    end_to_end: u32,
    command: u32,
}

impl std::hash::Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.host ^ (u64::from(self.end_to_end) << 24) ^ u64::from(self.command));
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

/// A request that was begun; given back with its answer.
#[derive(Debug)]
pub(super) struct Ticket {
    key: Key,
    serial: u64,
}

/// Who else waits for an answer, with the hop-by-hop id it has to have there.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) link: Arc<Link>,
    pub(super) hop_by_hop: u32,
}

enum Entry {
    Running { serial: u64, waiters: Vec<Waiter> },
    Done { serial: u64, at: Instant, start: usize, end: usize },
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Begun {
    /// Execute it and give the ticket back.
    Execute(Ticket),
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
            && matches!(self.entries.get(&key), Some(Entry::Done { serial: s, .. }) if *s == serial)
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

    /// An Origin-Host as the other functions want it; names differing in case only are one host.
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

    /// A request has come; a waiter is made only if it is needed.
    pub(super) fn begin(
        &self,
        host: u64,
        header: &Header,
        now: Instant,
        waiter: impl FnOnce() -> Waiter,
        out: &mut Vec<u8>,
    ) -> Begun {
        let key = Key { host, end_to_end: header.end_to_end, command: header.command };
        let mut shard = self.shard(key);
        let shard = &mut *shard;
        if header.flags.has(CommandFlags::RETRANSMITTED) {
            match shard.entries.get_mut(&key) {
                Some(Entry::Running { waiters, .. }) => {
                    waiters.push(waiter());
                    return Begun::Waiting;
                }
                Some(Entry::Done { at, start, end, .. })
                    if now.saturating_duration_since(*at) <= self.age =>
                {
                    let answer = out.len();
                    out.extend_from_slice(&shard.ring[*start..*end]);
                    set_hop_by_hop(&mut out[answer..], header.hop_by_hop);
                    return Begun::Answered;
                }
                _ => {}
            }
        }
        shard.serial += 1;
        let serial = shard.serial;
        let before = shard.entries.insert(key, Entry::Running { serial, waiters: Vec::new() });
        if let Some(Entry::Running { waiters: still, .. }) = before
            && !still.is_empty()
        {
            // The peer has used its End-to-End id again. Whoever waits must not wait for ever.
            shard.entries.insert(key, Entry::Running { serial, waiters: still });
        }
        Begun::Execute(Ticket { key, serial })
    }

    /// The answer to a request: kept, and sent to those who wait for it.
    pub(super) fn finish(&self, ticket: &Ticket, answer: &[u8], now: Instant) {
        let waiters = {
            let mut shard = self.shard(ticket.key);
            let shard = &mut *shard;
            let (key, serial) = (ticket.key, ticket.serial);
            if !matches!(shard.entries.get(&key), Some(Entry::Running { serial: s, .. }) if *s == serial) {
                // The peer has used its End-to-End id again meanwhile.
                return;
            }
            let entry = match shard.place(answer.len(), self.octets) {
                Some(start) => {
                    let end = start + answer.len();
                    shard.ring[start..end].copy_from_slice(answer);
                    shard.order.push_back((key, serial, start, end));
                    shard.entries.insert(key, Entry::Done { serial, at: now, start, end })
                }
                None => shard.entries.remove(&key),
            };
            match entry {
                Some(Entry::Running { waiters, .. }) => waiters,
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
