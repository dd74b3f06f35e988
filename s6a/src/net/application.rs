//! What serves requests.

use std::sync::Arc;

use super::{Answer, Down, PeerInfo, Retransmission};
use crate::codec::Message;

/// Serves the requests that passed the checks of the base protocol (RFC 6733 §6.1, §7.1).
pub trait Application: Send + Sync + 'static {
    /// One request for us from a peer that is open. Runs on the connection's task and must not block: what
    /// cannot be answered at once takes [`Answer::later`].
    fn request(&self, from: &Arc<PeerInfo>, request: &Message<'_>, answer: Answer<'_>);

    /// An answer that nobody waits for: its request was given up, or never was. It is dropped (RFC 6733 §3,
    /// Hop-by-Hop Identifier).
    fn answer_unmatched(&self, _from: &Arc<PeerInfo>, _answer: &Message<'_>) {}

    /// Whether answers to this command are kept for a retransmission of its request (RFC 6733 §3, T). Where an answer
    /// holds keys, and asking once more leads to one as good, it should not be: then each request is executed.
    fn keeps_answers_to(&self, _command: u32) -> bool {
        true
    }

    /// A request with the T bit has come, and what it turned out to be.
    fn retransmitted(&self, _from: &Arc<PeerInfo>, _command: u32, _as: Retransmission) {}

    /// A peer is open.
    fn peer_up(&self, _peer: &Arc<PeerInfo>) {}

    /// A peer that was open is not any more.
    fn peer_down(&self, _peer: &Arc<PeerInfo>, _why: &Down) {}
}
