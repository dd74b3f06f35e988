//! Diameter peers.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// How a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerState {
    /// Configured, not connected.
    Down,
    /// Connected; capabilities are being exchanged (RFC 6733 §5.3).
    Connecting,
    /// Open (RFC 6733 §5.6).
    Open,
    /// The watchdog has no answer (RFC 3539 §3.4).
    Suspect,
    /// Being taken down (RFC 6733 §5.4).
    Closing,
}

/// A Diameter peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its DiameterIdentity.
    pub identity: String,
    /// Its realm, once it has told.
    pub realm: Option<String>,
    /// How it is.
    pub state: PeerState,
    /// Transport address in use, as `tcp://127.0.0.1:3868`.
    pub address: Option<String>,
    /// Since when it is in this state.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
}
