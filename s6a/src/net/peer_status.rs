//! What is told of a peer.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::{Counters, TransportKind};
use crate::peer::State;

/// A peer as `GET /v1/peers` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Origin-Host.
    pub identity: String,
    /// Origin-Realm, if it is configured or was told.
    pub realm: Option<String>,
    /// State of RFC 6733 §5.6.
    pub state: State,
    /// Whether the watchdog suspects the connection (RFC 3539 §3.4.1).
    pub suspect: bool,
    /// What the open connection is carried by.
    pub transport: Option<TransportKind>,
    /// Its other end.
    pub address: Option<SocketAddr>,
    /// Open since.
    pub since: Option<SystemTime>,
    /// Origin-State-Id of the peer.
    pub origin_state_id: Option<u32>,
    /// Product-Name of the peer.
    pub product_name: Option<String>,
    /// Messages on the open connection.
    pub counters: Counters,
}
