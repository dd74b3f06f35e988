//! What serves requests.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Answer, TransportKind};
use crate::base::DisconnectCause;
use crate::codec::Message;

/// Serves the requests that passed the checks of the base protocol (RFC 6733 §6.1, §7.1).
pub trait Application: Send + Sync + 'static {
    /// One request for us from a peer that is open. Runs on the connection's task and must not block: what
    /// cannot be answered at once takes [`Answer::later`].
    fn request(&self, from: &Arc<PeerInfo>, request: &Message<'_>, answer: Answer<'_>);

    /// An answer that nobody waits for: its request was given up, or never was. It is dropped (RFC 6733 §3,
    /// Hop-by-Hop Identifier).
    fn answer_unmatched(&self, _from: &Arc<PeerInfo>, _answer: &Message<'_>) {}

    /// A peer is open.
    fn peer_up(&self, _peer: &Arc<PeerInfo>) {}

    /// A peer that was open is not any more.
    fn peer_down(&self, _peer: &Arc<PeerInfo>, _why: &Down) {}
}

/// A peer as its CER or CEA has described it, on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Origin-Host; as configured, where the peer is.
    pub identity: String,
    /// Origin-Realm.
    pub realm: String,
    /// The other end, where the transport has addresses.
    pub address: Option<SocketAddr>,
    /// What it is connected over.
    pub transport: TransportKind,
    /// Product-Name.
    pub product_name: String,
    /// Vendor-Id.
    pub vendor_id: u32,
    /// Origin-State-Id; a later one means that the peer has lost its state (RFC 6733 §8.16).
    pub origin_state_id: Option<u32>,
    /// Whether it forwards for others (RFC 6733 §2.4).
    pub relay: bool,
    /// Since when.
    pub since: SystemTime,
    /// Tells this node's connections apart.
    pub connection: u64,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// The peer closed the transport without DPR.
    Closed,
    /// The peer sent a DPR (RFC 6733 §5.4).
    Disconnected(DisconnectCause),
    /// We sent a DPR.
    Stopped(DisconnectCause),
    /// DWRs were not answered (RFC 3539 §3.4.1).
    Watchdog,
    /// A newer connection of the same peer took its place.
    Replaced,
    /// The election went to the other connection (RFC 6733 §5.6.4), or one was open already.
    ElectionLost,
    /// CER or CEA was refused, with the Result-Code and the reason.
    Refused(String),
    /// Something took longer than its timer.
    TimedOut(&'static str),
    /// What was received is not Diameter, or not as it has to be.
    Protocol(String),
    /// The transport failed.
    Transport(String),
    /// The task ended otherwise.
    Aborted,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed the connection without DPR"),
            Self::Disconnected(cause) => write!(f, "the peer disconnected: {cause:?}"),
            Self::Stopped(cause) => write!(f, "disconnected by this node: {cause:?}"),
            Self::Watchdog => f.write_str("the peer did not answer the watchdog"),
            Self::Replaced => f.write_str("a newer connection of the peer took its place"),
            Self::ElectionLost => f.write_str("another connection of the peer is kept"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::TimedOut(what) => write!(f, "timed out: {what}"),
            Self::Protocol(what) => write!(f, "not as the protocol has it: {what}"),
            Self::Transport(what) => write!(f, "the transport failed: {what}"),
            Self::Aborted => f.write_str("the connection's task was ended"),
        }
    }
}
