//! A peer as it has described itself.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::TransportKind;

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
