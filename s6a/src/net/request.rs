//! Requests of our own, RFC 6733 §6.1.1 to §6.1.3 and §5.5.4.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::duplicates::set_hop_by_hop;
use super::link::Link;
use super::mailbox::NotPut;
use super::shared::Shared;
use super::{Destination, Onward, OwnedMessage};
use crate::codec::{CommandFlags, Message};

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No open peer is, or leads to, the destination.
    #[error("no peer is connected that is the destination or leads to it")]
    NoPeer,
    /// No answer within [`Timers::request`](super::Timers), or [`Onward::within`].
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The connection went, and no other leads there.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// Too many requests wait already.
    #[error("too many requests to the peer are waiting already")]
    Busy,
    /// What `encode` wrote is no request with the ids it was given.
    #[error("the request was not encoded as one request with the ids it was given")]
    Malformed,
}

/// Takes the entry away when the request's future is done or dropped.
struct Registered<'l> {
    link: &'l Arc<Link>,
    hop_by_hop: u32,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.link.waiting().remove(&self.hop_by_hop);
    }
}

pub(super) async fn request(
    shared: &Shared,
    to: Destination<'_>,
    encode: impl FnOnce(&mut Vec<u8>, u32, u32),
) -> Result<OwnedMessage, RequestError> {
    let within = shared.config.timers.request;
    send(shared, |not| shared.registry.route(to, not), within, encode).await
}

pub(super) async fn onward(
    shared: &Shared,
    onward: Onward<'_>,
    encode: impl FnOnce(&mut Vec<u8>, u32),
) -> Result<OwnedMessage, RequestError> {
    let route = |not| shared.registry.route_onward(onward, not);
    send(shared, route, onward.within, |out, hop_by_hop, _| encode(out, hop_by_hop)).await
}

/// Sends over what `route` gives, and once more when that is lost; `route` is told which connection has failed.
async fn send(
    shared: &Shared,
    route: impl Fn(Option<u64>) -> Option<Arc<Link>>,
    within: Duration,
    encode: impl FnOnce(&mut Vec<u8>, u32, u32),
) -> Result<OwnedMessage, RequestError> {
    let deadline = Instant::now() + within;
    let mut link = route(None).ok_or(RequestError::NoPeer)?;
    let mut octets = Vec::with_capacity(512);
    let mut hop_by_hop = link.next_hop_by_hop();
    encode(&mut octets, hop_by_hop, shared.next_end_to_end());
    if !Message::parse(&octets).is_ok_and(|m| m.header.is_request() && m.header.hop_by_hop == hop_by_hop) {
        return Err(RequestError::Malformed);
    }
    loop {
        match timeout_at(deadline, once(shared, &link, hop_by_hop, &octets)).await {
            Err(_) => return Err(RequestError::TimedOut),
            Ok(Err(RequestError::Disconnected)) => {
                // §5.5.4: failover to another connection, marked as possibly sent before (§3, T).
                link = route(Some(link.id)).ok_or(RequestError::Disconnected)?;
                hop_by_hop = link.next_hop_by_hop();
                set_hop_by_hop(&mut octets, hop_by_hop);
                octets[4] |= CommandFlags::RETRANSMITTED.0;
            }
            Ok(result) => return result,
        }
    }
}

async fn once(
    shared: &Shared,
    link: &Arc<Link>,
    hop_by_hop: u32,
    octets: &[u8],
) -> Result<OwnedMessage, RequestError> {
    let (sender, receiver) = oneshot::channel();
    {
        let mut waiting = link.waiting();
        if waiting.len() >= shared.config.limits.own_requests {
            return Err(RequestError::Busy);
        }
        waiting.insert(hop_by_hop, sender);
    }
    let _registered = Registered { link, hop_by_hop };
    link.mailbox.request(octets, shared.config.limits.write_buffer).map_err(|why| match why {
        NotPut::Full => RequestError::Busy,
        NotPut::Gone => RequestError::Disconnected,
    })?;
    receiver.await.map_err(|_| RequestError::Disconnected)
}
