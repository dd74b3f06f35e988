//! What serves requests.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Answer, Retransmission, TransportKind};
use crate::base::DisconnectCause;
use crate::codec::{Message, ResultCode};

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

/// An address in the log.
pub(super) struct Shown(pub(super) Option<SocketAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => SocketAddr::new(address.ip().to_canonical(), address.port()).fmt(f),
            None => f.write_str("inside the process"),
        }
    }
}

/// Text of a peer in the log: no longer than a line can bear.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
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
    /// A newer connection of the same peer took its place, from this address.
    Replaced(Option<SocketAddr>),
    /// The election went to the other connection (RFC 6733 §5.6.4).
    ElectionLost,
    /// A connection of the same Origin-Host is open and kept (4003).
    AlreadyOpen {
        /// Where the connection that is kept comes from.
        kept: Option<SocketAddr>,
        /// Whether this one came from another host.
        from_elsewhere: bool,
    },
    /// CER or CEA was refused.
    Refused {
        /// Result-Code.
        code: ResultCode,
        /// The reason, with the AVP where one is to blame.
        why: String,
    },
    /// Something took longer than its timer.
    TimedOut(&'static str),
    /// It had not said who it is, and a newer connection needed its place.
    Evicted,
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
            Self::Replaced(by) => {
                write!(f, "a newer connection of the peer, from {}, took its place", Shown(*by))
            }
            Self::ElectionLost => f.write_str("another connection of the peer is kept"),
            Self::AlreadyOpen { kept, from_elsewhere } => {
                write!(
                    f,
                    "refused with {}: the connection from {} is open under this Origin-Host and is kept",
                    ResultCode::ELECTION_LOST,
                    Shown(*kept)
                )?;
                f.write_str(if *from_elsewhere {
                    "; two nodes have one identity (give each an Identity of its own), or the peer has moved"
                } else {
                    "; the peer has come back and is let in once the old connection proves dead, \
                     or two nodes have one identity"
                })
            }
            Self::Refused { code, why } => write!(f, "refused with {code}: {why}"),
            Self::TimedOut(what) => write!(f, "timed out: {what}"),
            Self::Evicted => f.write_str("it made room for a newer connection before it said who it is"),
            Self::Protocol(what) => write!(f, "not as the protocol has it: {what}"),
            Self::Transport(what) => write!(f, "the transport failed: {what}"),
            Self::Aborted => f.write_str("the connection's task was ended"),
        }
    }
}
