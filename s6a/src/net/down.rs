//! Why a connection has ended.

use std::fmt;
use std::net::SocketAddr;

use super::shown::Shown;
use crate::base::DisconnectCause;
use crate::codec::ResultCode;

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
