//! How much one source may ask of a server that strangers reach, in bounded memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Milliseconds since a beginning that the caller chooses.
pub type Millis = u64;

/// What counts as one source: an IPv4 address, or the /64 that a host has of IPv6 (RFC 4291 §2.5.4): within it, addresses
/// cost nothing.
#[must_use]
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

/// A bucket for each source, refilled with time; sources beyond the bound share one.
#[derive(Debug)]
pub struct Buckets {
    burst: u64,
    per_second: u64,
    most: usize,
    buckets: HashMap<IpAddr, Bucket>,
    shared: Bucket,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at: Millis,
}

impl Bucket {
    /// What is missing, if it is not enough.
    fn take(&mut self, amount: u64, now: Millis, burst: u64, per_second: u64) -> Result<(), u64> {
        let gained = now.saturating_sub(self.at).saturating_mul(per_second) / 1000;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(burst);
            self.at = now;
        }
        let missing = amount.saturating_sub(self.left);
        if missing > 0 {
            return Err(missing);
        }
        self.left -= amount;
        Ok(())
    }
}

impl Buckets {
    /// `burst` at once and `per_second` in the long run for each of `most` sources.
    #[must_use]
    pub fn new(burst: u64, per_second: u64, most: usize) -> Self {
        let shared = Bucket { left: burst, at: 0 };
        Self { burst, per_second, most: most.max(1), buckets: HashMap::new(), shared }
    }

    /// Whether `address` may have `amount` now; then it counts.
    pub fn allows(&mut self, address: IpAddr, amount: usize, now: Millis) -> bool {
        self.take(address, amount as u64, now).is_ok()
    }

    /// Takes `amount` from what `address` has.
    ///
    /// # Errors
    /// Milliseconds until it has so much.
    fn take(&mut self, address: IpAddr, amount: u64, now: Millis) -> Result<(), Millis> {
        let (burst, rate) = (self.burst, self.per_second);
        let address = source(address);
        if !self.buckets.contains_key(&address) && self.buckets.len() >= self.most {
            // Who is full again has been quiet: it needs no bucket to be remembered.
            self.buckets.retain(|_, bucket| bucket.take(burst, now, burst, rate).is_err());
        }
        let bucket = if self.buckets.len() >= self.most && !self.buckets.contains_key(&address) {
            &mut self.shared
        } else {
            self.buckets.entry(address).or_insert(Bucket { left: burst, at: now })
        };
        let missing = bucket.take(amount, now, burst, rate);
        missing.map_err(|missing| missing.saturating_mul(1000).div_ceil(rate.max(1)))
    }

    /// What was taken was not used.
    fn give_back(&mut self, address: IpAddr, amount: u64) {
        let bucket = self.buckets.get_mut(&source(address)).unwrap_or(&mut self.shared);
        bucket.left = bucket.left.saturating_add(amount).min(self.burst);
    }
}

/// Wrong passwords of one source that are heard at once,
const GUESSES: u64 = 10;
/// and how long it takes until one more is, milliseconds.
const EVERY: u64 = 30_000;
/// Sources that are told apart.
const SOURCES: usize = 8192;

/// How long somebody is kept waiting for the outcome of others' passwords.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts wrong passwords by where they come from. A right one costs nothing, so that many devices behind one address are
/// not in each other's way; while wrong ones have used up what the address has, right ones wait too: which they are, nobody
/// knows before they are tried.
#[derive(Debug)]
pub struct Guesses {
    state: Mutex<State>,
    ended: Notify,
    began: Instant,
}

#[derive(Debug)]
struct State {
    buckets: Buckets,
    /// Passwords that are being tried, by source.
    tried: HashMap<IpAddr, u32>,
}

/// No more passwords are heard.
#[derive(Debug, PartialEq, Eq)]
struct Full {
    /// How long, if none of those that are being tried is right.
    wait: Duration,
    /// Whether some are being tried.
    tried: bool,
}

impl Default for Guesses {
    fn default() -> Self {
        // A guess costs what it takes to come back.
        let state = State { buckets: Buckets::new(GUESSES * EVERY, 1000, SOURCES), tried: HashMap::new() };
        Self { state: Mutex::new(state), ended: Notify::new(), began: Instant::now() }
    }
}

impl Guesses {
    /// Somebody at `from` shows a password. It counts as wrong until it is [forgiven](Guess::forgive), so that as many at
    /// a time are no more than one after the other; who comes while others are being tried waits for those.
    ///
    /// # Errors
    /// How long it will not be heard.
    pub async fn begin(&self, from: IpAddr) -> Result<Guess<'_>, Duration> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            // Before the look, so that an end between the two is not missed.
            let ended = self.ended.notified();
            let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let full = match self.begin_at(from, now) {
                Ok(guess) => return Ok(guess),
                Err(full) => full,
            };
            if !full.tried || tokio::time::timeout_at(deadline, ended).await.is_err() {
                return Err(full.wait);
            }
        }
    }

    fn begin_at(&self, from: IpAddr, now: Millis) -> Result<Guess<'_>, Full> {
        let from = source(from);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = state.tried.contains_key(&from);
        let taken = state.buckets.take(from, EVERY, now);
        taken.map_err(|wait| Full { wait: Duration::from_millis(wait), tried })?;
        *state.tried.entry(from).or_default() += 1;
        Ok(Guess { guesses: self, from, right: false })
    }
}

/// A password that is being tried.
#[derive(Debug)]
#[must_use = "it counts as wrong unless it is forgiven"]
pub struct Guess<'a> {
    guesses: &'a Guesses,
    from: IpAddr,
    right: bool,
}

impl Guess<'_> {
    /// It was right, or nobody could say.
    pub fn forgive(mut self) {
        self.right = true;
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        let mut state = self.guesses.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.right {
            state.buckets.give_back(self.from, EVERY);
        }
        if let Some(tried) = state.tried.get_mut(&self.from) {
            *tried -= 1;
            if *tried == 0 {
                state.tried.remove(&self.from);
            }
        }
        drop(state);
        self.guesses.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_more_than_its_share() {
        let mut limit = Buckets::new(1000, 100, 4);
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert!((0..10).all(|_| limit.allows(a, 100, 0)));
        assert!(!limit.allows(a, 100, 0));
        assert!(limit.allows(b, 100, 0), "another address has its own");
        assert!(limit.allows(a, 100, 1000) && !limit.allows(a, 100, 1000));
    }

    #[test]
    fn memory_is_bounded_and_strangers_share() {
        let mut limit = Buckets::new(1000, 100, 4);
        let allowed = (0..100_u32).filter(|n| limit.allows(IpAddr::from(n.to_be_bytes()), 500, 0)).count();
        assert!(limit.buckets.len() <= 4);
        assert_eq!(allowed, 4 + 2);
    }

    #[test]
    fn a_source_of_ipv6_is_its_64_and_a_mapped_address_is_its_ipv4() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[test]
    fn wrong_passwords_are_counted_by_source_and_right_ones_are_not() {
        let guesses = Guesses::default();
        let (bad, good) = ("2001:db8::1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..GUESSES {
            drop(guesses.begin_at(bad, 0).unwrap());
        }
        // From the next address of the same network.
        let full = guesses.begin_at("2001:db8::2".parse().unwrap(), 0).unwrap_err();
        assert_eq!(full, Full { wait: Duration::from_millis(EVERY), tried: false });
        assert_eq!(guesses.begin_at(bad, EVERY / 2).unwrap_err().wait, Duration::from_millis(EVERY / 2));
        guesses.begin_at(bad, EVERY).unwrap().forgive();
        drop(guesses.begin_at(bad, EVERY).unwrap());
        guesses.begin_at(bad, EVERY).unwrap_err();
        for _ in 0..1000 {
            guesses.begin_at(good, 0).unwrap().forgive();
        }
        // All at a time.
        let open: Vec<_> = (0..2 * GUESSES).map(|_| guesses.begin_at(good, 0)).collect();
        assert_eq!(open.iter().filter(|begun| begun.is_ok()).count() as u64, GUESSES);
        assert!(open.last().unwrap().as_ref().is_err_and(|full| full.tried));
        drop(open);
        assert!(guesses.state.lock().unwrap().tried.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_right_ones_at_a_time_wait_for_each_other_and_are_all_heard() {
        let guesses = std::sync::Arc::new(Guesses::default());
        let from: IpAddr = "10.0.0.1".parse().unwrap();
        let all = (0..100).map(|_| {
            let guesses = std::sync::Arc::clone(&guesses);
            tokio::spawn(async move {
                let guess = guesses.begin(from).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
                guess.forgive();
            })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
    }
}
