//! CoAP messages that come twice (RFC 7252 §4.5): a retransmission gets the answer that was given, and does nothing again.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long a message ID stands for the same message: EXCHANGE_LIFETIME, RFC 7252 §4.8.2.
pub(super) const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// Exchanges that are remembered at most; a device gets one message at a time, so more is somebody's flood.
const MAX: usize = 256;

/// The answers given lately.
#[derive(Debug, Default)]
pub(super) struct Exchanges(HashMap<(SocketAddr, u16), (Instant, Vec<u8>)>);

impl Exchanges {
    /// The answer that this message got.
    pub(super) fn answer(&self, peer: SocketAddr, id: u16, now: Instant) -> Option<&[u8]> {
        let (at, answer) = self.0.get(&(peer, id))?;
        (now.saturating_duration_since(*at) < EXCHANGE_LIFETIME).then_some(answer)
    }

    /// Remembers it.
    pub(super) fn remember(&mut self, peer: SocketAddr, id: u16, answer: Vec<u8>, now: Instant) {
        if self.0.len() >= MAX {
            self.0.retain(|_, (at, _)| now.saturating_duration_since(*at) < EXCHANGE_LIFETIME);
        }
        if self.0.len() >= MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
        self.0.insert((peer, id), (now, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_remembered_for_its_lifetime_and_the_memory_is_bounded() {
        let peer: SocketAddr = "192.0.2.1:5683".parse().unwrap();
        let start = Instant::now();
        let mut exchanges = Exchanges::default();
        exchanges.remember(peer, 1, b"one".to_vec(), start);
        assert_eq!(exchanges.answer(peer, 1, start), Some(b"one".as_slice()));
        assert_eq!(exchanges.answer("192.0.2.2:5683".parse().unwrap(), 1, start), None);
        assert_eq!(exchanges.answer(peer, 1, start + EXCHANGE_LIFETIME), None);
        for id in 0..2000 {
            exchanges.remember(peer, id, Vec::new(), start + Duration::from_millis(u64::from(id) + 1));
        }
        assert!(exchanges.0.len() <= MAX);
        assert!(exchanges.answer(peer, 1999, start).is_some());
    }
}
