//! How much one address may ask: a server on UDP answers whoever the sender says it is (RFC 7252 §11.3).

use std::{collections::HashMap, net::IpAddr};

use super::Millis;

/// A bucket of octets for each address, refilled with time; addresses beyond the bound share one.
#[derive(Debug)]
pub struct Limit {
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
    fn take(&mut self, octets: u64, now: Millis, burst: u64, per_second: u64) -> bool {
        let gained = now.saturating_sub(self.at).saturating_mul(per_second) / 1000;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(burst);
            self.at = now;
        }
        let enough = self.left >= octets;
        if enough {
            self.left -= octets;
        }
        enough
    }
}

impl Limit {
    /// `burst` octets at once and `per_second` in the long run for each of `most` addresses.
    #[must_use]
    pub fn new(burst: u64, per_second: u64, most: usize) -> Self {
        let shared = Bucket { left: burst, at: 0 };
        Self { burst, per_second, most: most.max(1), buckets: HashMap::new(), shared }
    }

    /// Whether `octets` may be sent to `address` now; then they count.
    pub fn allows(&mut self, address: IpAddr, octets: usize, now: Millis) -> bool {
        let (burst, rate) = (self.burst, self.per_second);
        if !self.buckets.contains_key(&address) && self.buckets.len() >= self.most {
            // Who is full again has been quiet: it needs no bucket to be remembered.
            self.buckets.retain(|_, bucket| !bucket.take(burst, now, burst, rate));
        }
        let octets = octets as u64;
        if self.buckets.len() >= self.most && !self.buckets.contains_key(&address) {
            return self.shared.take(octets, now, burst, rate);
        }
        let bucket = self.buckets.entry(address).or_insert(Bucket { left: burst, at: now });
        bucket.take(octets, now, burst, rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_more_than_its_share() {
        let mut limit = Limit::new(1000, 100, 4);
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert!((0..10).all(|_| limit.allows(a, 100, 0)));
        assert!(!limit.allows(a, 100, 0));
        assert!(limit.allows(b, 100, 0), "another address has its own");
        assert!(limit.allows(a, 100, 1000) && !limit.allows(a, 100, 1000));
    }

    #[test]
    fn memory_is_bounded_and_strangers_share() {
        let mut limit = Limit::new(1000, 100, 4);
        let allowed = (0..100_u32).filter(|n| limit.allows(IpAddr::from(n.to_be_bytes()), 500, 0)).count();
        assert!(limit.buckets.len() <= 4);
        assert_eq!(allowed, 4 + 2);
    }
}
