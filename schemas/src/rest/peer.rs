//! Diameter peers.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{
    ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Schema, Type},
};

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

/// A reset: serving nodes are asked to send ULR again (TS 29.272 §5.2.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// Leading digits of the IMSIs it is about (User-Id, TS 29.272 §7.3.50); empty: all.
    #[serde(default)]
    #[schema(schema_with = user_ids)]
    pub user_ids: Vec<String>,
}

fn user_ids() -> Schema {
    let digits = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,15}$"));
    ArrayBuilder::new()
        .items(digits)
        .max_items(Some(100))
        .description(Some(
            "Leading digits of the IMSIs it is about (User-Id, TS 29.272 §7.3.50); empty: all.",
        ))
        .into()
}

/// What became of a reset at one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetResult {
    /// The peer.
    pub peer: String,
    /// The result of its RSA, or why there is none.
    pub outcome: String,
}
