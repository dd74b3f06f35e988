//! Requests that come in blocks (RFC 7959 §2.5): an RNCT with its signer's certificate may be larger than one datagram
//! should be.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use coap_lite::{CoapOption, Packet, ResponseType};

use super::exchanges::EXCHANGE_LIFETIME;

/// Octets of an RNCT at most.
pub(super) const MAX_BODY: usize = 16 << 10;
/// Bodies under way at most.
const MAX: usize = 16;

/// Bodies under way.
#[derive(Debug, Default)]
pub(super) struct Blocks(HashMap<SocketAddr, (Instant, Vec<u8>)>);

/// What is to be done with a request.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// It is whole.
    Whole(Vec<u8>),
    /// More is to come, or it is refused: answer this.
    Answer(ResponseType),
}

impl Blocks {
    /// Takes a request's payload, whole or a block.
    pub(super) fn take(&mut self, peer: SocketAddr, packet: &Packet, now: Instant) -> Body {
        let Some(option) = packet.get_first_option(CoapOption::Block1) else {
            return if packet.payload.len() > MAX_BODY {
                Body::Answer(ResponseType::RequestEntityTooLarge)
            } else {
                Body::Whole(packet.payload.clone())
            };
        };
        // RFC 7959 §2.2: an uint of at most 3 octets, NUM (20 bits), M, SZX; SZX 7 is reserved.
        if option.len() > 3 {
            return Body::Answer(ResponseType::BadOption);
        }
        let value = option.iter().fold(0u32, |value, octet| value << 8 | u32::from(*octet));
        let (number, more, size) = ((value >> 4) as usize, value & 8 != 0, 16usize << (value & 7));
        if value & 7 == 7 || (more && packet.payload.len() != size) || packet.payload.len() > size {
            return Body::Answer(ResponseType::BadRequest);
        }
        let mut body = match (number, self.0.remove(&peer)) {
            (0, _) => Vec::new(),
            (_, Some((at, body))) if now.saturating_duration_since(at) < EXCHANGE_LIFETIME => body,
            _ => return Body::Answer(ResponseType::RequestEntityIncomplete),
        };
        if number * size != body.len() {
            return Body::Answer(ResponseType::RequestEntityIncomplete);
        }
        body.extend_from_slice(&packet.payload);
        if body.len() > MAX_BODY {
            return Body::Answer(ResponseType::RequestEntityTooLarge);
        }
        if !more {
            return Body::Whole(body);
        }
        self.make_room(now);
        self.0.insert(peer, (now, body));
        Body::Answer(ResponseType::Continue)
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MAX {
            return;
        }
        let lifetime: Duration = EXCHANGE_LIFETIME;
        self.0.retain(|_, (at, _)| now.saturating_duration_since(*at) < lifetime);
        if self.0.len() >= MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u32, more: bool, szx: u32, payload: &[u8]) -> Packet {
        let mut packet = Packet::new();
        let value = number << 4 | u32::from(more) << 3 | szx;
        packet.add_option(CoapOption::Block1, value.to_be_bytes()[1..].to_vec());
        packet.payload = payload.to_vec();
        packet
    }

    #[test]
    fn blocks_in_order_are_a_body_and_anything_else_is_refused() {
        let (peer, now) = ("192.0.2.1:5683".parse().unwrap(), Instant::now());
        let mut blocks = Blocks::default();
        let more = Body::Answer(ResponseType::Continue);
        assert_eq!(blocks.take(peer, &block(0, true, 0, &[1; 16]), now), more);
        assert_eq!(blocks.take(peer, &block(1, true, 0, &[2; 16]), now), more);
        let whole = [[1; 16].as_slice(), &[2; 16], &[3; 5]].concat();
        assert_eq!(blocks.take(peer, &block(2, false, 0, &[3; 5]), now), Body::Whole(whole));
        // A block in the middle that nothing came before; a gap; a short one with more to come; SZX 7.
        let incomplete = Body::Answer(ResponseType::RequestEntityIncomplete);
        assert_eq!(blocks.take(peer, &block(2, false, 0, &[3; 5]), now), incomplete);
        assert_eq!(blocks.take(peer, &block(0, true, 0, &[1; 16]), now), more);
        assert_eq!(blocks.take(peer, &block(2, true, 0, &[1; 16]), now), incomplete);
        let bad = Body::Answer(ResponseType::BadRequest);
        assert_eq!(blocks.take(peer, &block(0, true, 0, &[1; 15]), now), bad);
        assert_eq!(blocks.take(peer, &block(0, false, 7, &[1; 16]), now), bad);
    }

    #[test]
    fn bodies_are_bounded() {
        let (peer, now) = ("192.0.2.1:5683".parse().unwrap(), Instant::now());
        let mut blocks = Blocks::default();
        let answers: Vec<Body> =
            (0..17).map(|number| blocks.take(peer, &block(number, true, 6, &[0; 1024]), now)).collect();
        assert_eq!(answers[15], Body::Answer(ResponseType::Continue));
        assert_eq!(answers[16], Body::Answer(ResponseType::RequestEntityTooLarge));
        for host in 0..100 {
            blocks.take(SocketAddr::from(([192, 0, 2, host], 1)), &block(0, true, 0, &[1; 16]), now);
        }
        assert!(blocks.0.len() <= MAX);
    }
}
