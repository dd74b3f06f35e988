//! The Echo option (RFC 9175 §2): who asks for more than it sends has to show that it is reachable at its address.
//!
//! A datagram's source is easily forged, and an RNCT is many times as long as the request for it. So a request for one from an
//! endpoint that has not been heard of for a while is answered 4.01 with an Echo value (§2.3, §2.4 case 3), which only
//! its addressee can send back. Values are computed, not kept (§2.3, appendix A case 2): forged requests cost no memory.

use std::{collections::HashMap, net::SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Millis;

/// How long an Echo value may take to come back: EXCHANGE_LIFETIME would be longer than any client waits.
const VALUE_LIFETIME: Millis = 60_000;
/// How long an endpoint that sent its value back is believed to be there, so that the blocks of one answer need no values.
const REACHABLE_LIFETIME: Millis = 120_000;
/// Endpoints that are remembered as reachable; others have to echo each time.
const MAX_ENDPOINTS: usize = 8192;
/// Octets of a value: when it was made, in four, and of its MAC eight (§5.1: 64 bits of MAC suffice for this purpose).
const VALUE_LENGTH: usize = 12;

/// Which endpoints are reachable at the addresses that they send from.
#[derive(Debug)]
pub struct Reachability {
    key: [u8; 32],
    reachable_until: HashMap<SocketAddr, Millis>,
}

impl Reachability {
    /// With a random key of this process: values of another one are not accepted.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, reachable_until: HashMap::new() }
    }

    /// The value that shows, sent back soon, that `endpoint` is reachable.
    #[must_use]
    pub fn value(&self, endpoint: SocketAddr, now: Millis) -> Vec<u8> {
        let made = u32::try_from(now / 1000).unwrap_or(u32::MAX).to_be_bytes();
        let mut value = made.to_vec();
        if let Some(mac) = self.mac(endpoint, made) {
            value.extend(mac.finalize().into_bytes().iter().take(VALUE_LENGTH - made.len()));
        }
        value
    }

    /// Whether `endpoint` is known to be reachable, by the Echo value of its request or by an earlier one.
    pub fn is_reachable(&mut self, endpoint: SocketAddr, value: Option<&[u8]>, now: Millis) -> bool {
        if self.reachable_until.get(&endpoint).is_some_and(|until| *until > now) {
            return true;
        }
        if !value.is_some_and(|value| self.is_value(endpoint, value, now)) {
            return false;
        }
        if self.reachable_until.len() >= MAX_ENDPOINTS {
            self.reachable_until.retain(|_, until| *until > now);
        }
        if self.reachable_until.len() < MAX_ENDPOINTS {
            self.reachable_until.insert(endpoint, now.saturating_add(REACHABLE_LIFETIME));
        }
        true
    }

    fn is_value(&self, endpoint: SocketAddr, value: &[u8], now: Millis) -> bool {
        let Some((made, tag)) = value.split_first_chunk::<4>() else { return false };
        let age = now.checked_sub(Millis::from(u32::from_be_bytes(*made)) * 1000);
        value.len() == VALUE_LENGTH
            && age.is_some_and(|age| age <= VALUE_LIFETIME)
            && self.mac(endpoint, *made).is_some_and(|mac| mac.verify_truncated_left(tag).is_ok())
    }

    fn mac(&self, endpoint: SocketAddr, made: [u8; 4]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&made);
        mac.update(endpoint.to_string().as_bytes());
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_good_at_its_own_address_and_for_a_while() {
        let mut reachability = Reachability::new([7; 32]);
        let (device, other): (SocketAddr, SocketAddr) =
            ("10.0.0.1:5683".parse().unwrap(), "10.0.0.1:5684".parse().unwrap());
        let value = reachability.value(device, 5_500);
        assert_eq!(value.len(), VALUE_LENGTH);
        assert!(!reachability.is_reachable(other, Some(&value), 6_000), "another port is another endpoint");
        assert!(!reachability.is_reachable(device, Some(&value), 66_000), "too late");
        assert!(!reachability.is_reachable(device, Some(&value), 4_000), "from the future");
        for bad in [&value[..11], &[&value[..], &[0]].concat(), &[0; 12], &[]] {
            assert!(!reachability.is_reachable(device, Some(bad), 6_000));
        }
        assert!(!reachability.is_reachable(device, None, 6_000));
        assert!(reachability.is_reachable(device, Some(&value), 6_000));
        assert!(reachability.is_reachable(device, None, 100_000), "for the blocks that follow");
        assert!(!reachability.is_reachable(device, None, 126_001));
        assert!(!Reachability::new([8; 32]).is_reachable(device, Some(&value), 6_000), "of another process");
    }

    #[test]
    fn memory_is_bounded() {
        let mut reachability = Reachability::new([7; 32]);
        for n in 0..10_000_u32 {
            let endpoint = SocketAddr::from((n.to_be_bytes(), 5683));
            let value = reachability.value(endpoint, 0);
            assert!(reachability.is_reachable(endpoint, Some(&value), 1));
        }
        assert!(reachability.reachable_until.len() <= MAX_ENDPOINTS);
    }
}
