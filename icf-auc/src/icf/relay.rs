//! Ordinary IMSIs of a network that is shared with provisional ones: their requests go on to the HSS that has them, and
//! that HSS's requests go on to the node that serves them.
//!
//! An MME chooses its HSS by the IMSI's network and names us as Destination-Host, so that we are a proxy on the way up
//! (RFC 6733 §2.8.2: the destination becomes the HSS) and a relay on the way down (§2.8.1: nothing but the routing
//! AVPs is touched). In both, Origin-Host, Session-Id and End-to-End id stay, Route-Record grows (§6.1.9), the
//! Hop-by-Hop id is of the connection (§6.1.9, §6.2.2), and answers pass as they are.
//!
//! [`route`] says where a request goes, [`passage`] what it looks like then, [`courier`] takes it there and back;
//! [`reset`] is the one request that goes to many.

pub mod courier;
pub mod metrics;
pub mod passage;
pub mod places;
pub mod reset;
pub mod route;
pub mod split;

use std::{sync::Arc, time::Duration};

use s6a::{
    base::Routing,
    codec::{CommandFlags, DecodeError, Message, ResultCode},
    net::{Answer, Application, Down, Node, PeerInfo, Retransmission},
};

use self::{
    courier::Courier,
    reset::Behind,
    route::{Decision, Direction, Route},
    split::Split,
};
use super::application::S6a;
use crate::config;

/// Least and most of `relay.timeout`.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// Most of `relay.pending`: as many as one connection takes (`s6a::net::Limits::own_requests`).
const MOST_PENDING: usize = 65_536;

/// Whether a configuration can be.
///
/// # Errors
/// Which key cannot.
pub fn check(config: &config::Relay) -> Result<(), String> {
    Split::new(config)?;
    if !(TIMEOUT.0..=TIMEOUT.1).contains(&config.timeout.0) {
        return Err("relay.timeout: 100 ms to 60 s; below what MME and HSS wait".into());
    }
    if !(1..=MOST_PENDING).contains(&config.pending) {
        return Err(format!("relay.pending: 1 to {MOST_PENDING} requests each way"));
    }
    Ok(())
}

/// [`S6a`] with the other HSS behind it.
#[derive(Debug)]
pub struct Relay {
    inner: S6a,
    route: Arc<Route>,
    courier: Arc<Courier>,
    behind: Arc<Behind>,
}

impl Relay {
    /// In front of what serves our own IMSIs.
    ///
    /// # Errors
    /// Which key of the configuration cannot be.
    pub fn new(inner: S6a, config: &config::Relay) -> Result<Self, String> {
        check(config)?;
        let route = Route {
            hss: config.hss.clone(),
            realm: config.realm.clone(),
            origin: (inner.0.origin_host.clone(), inner.0.origin_realm.clone()),
            split: Split::new(config)?,
        };
        let courier = Courier::new(config.pending, config.timeout.0, inner.0.metrics.relay.clone());
        Ok(Self { inner, route: Arc::new(route), courier: Arc::new(courier), behind: Arc::default() })
    }

    /// The node to send with, once it runs.
    pub fn runs(&self, node: &Arc<Node>) {
        self.courier.runs(node);
    }
}

/// RFC 6733 §3: what has no P bit must not be passed on; and all commands of TS 29.272 §7.2 have it, so that one
/// without is not as its command says.
fn without_p() -> DecodeError {
    DecodeError::new(ResultCode::INVALID_HDR_BITS, "a request of S6a has the P bit")
}

impl Application for Relay {
    fn request(&self, from: &Arc<PeerInfo>, message: &Message<'_>, answer: Answer<'_>) {
        let routing = match Routing::read(message) {
            Ok(routing) => routing,
            Err(error) => return answer.refuse(&error),
        };
        let decision = match self.route.decide(&from.identity, message.header.command, &routing) {
            Ok(Decision::Here) => return self.inner.request(from, message, answer),
            Ok(decision) => decision,
            Err(code) => return answer.refuse(code),
        };
        if !message.header.flags.has(CommandFlags::PROXIABLE) {
            return answer.refuse(&without_p());
        }
        let (courier, from) = (self.courier.clone(), from.clone());
        match decision {
            Decision::Here => {}
            Decision::On(direction, next) => {
                if direction == Direction::Up {
                    self.behind.note(&from, message.header.command, &routing);
                }
                let later = answer.later();
                tokio::spawn(async move { courier.carry(direction, &from.identity, next, later).await });
            }
            Decision::EveryNode(realm) => {
                let (behind, route, later) = (self.behind.clone(), self.route.clone(), answer.later());
                tokio::spawn(async move {
                    let of = (from.identity.as_str(), realm.as_deref());
                    reset::every_node(&courier, &behind, &route, of, later).await;
                });
            }
        }
    }

    fn answer_unmatched(&self, from: &Arc<PeerInfo>, answer: &Message<'_>) {
        self.inner.answer_unmatched(from, answer);
    }

    fn keeps_answers_to(&self, command: u32) -> bool {
        self.inner.keeps_answers_to(command)
    }

    fn retransmitted(&self, from: &Arc<PeerInfo>, command: u32, what: Retransmission) {
        self.inner.retransmitted(from, command, what);
    }

    fn peer_up(&self, peer: &Arc<PeerInfo>) {
        self.inner.peer_up(peer);
    }

    fn peer_down(&self, peer: &Arc<PeerInfo>, why: &Down) {
        self.inner.peer_down(peer, why);
    }
}

#[cfg(test)]
mod tests {
    use service::config::Span;

    use super::*;

    #[test]
    fn limits_that_cannot_be_are_said_by_their_key() {
        let good = || config::Relay { prefixes: vec!["99970".into()], ..config::Relay::to("h.r", "r") };
        check(&good()).unwrap();
        for ms in [0, 99, 60_001] {
            let timeout = Span(Duration::from_millis(ms));
            assert!(check(&config::Relay { timeout, ..good() }).unwrap_err().contains("relay.timeout"));
        }
        for pending in [0, MOST_PENDING + 1] {
            assert!(check(&config::Relay { pending, ..good() }).unwrap_err().contains("relay.pending"));
        }
    }
}
