//! Step 7: the RNCT, built and signed. Pure: what is to be said in, what is sent out.

use std::{fmt, net::SocketAddr, time::Duration};

use schemas::{
    cbor::CborError,
    cose::{CoseError, Signer},
    identity::{OperatorId, Pcid},
    rncp::Kind,
    rnct::{self, M2mContext, NapDef, Rnct},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the configuration says of every RNCT.
#[derive(Debug, Clone)]
pub struct Terms {
    /// DPF of operators that have none of their own.
    pub dpf: String,
    /// How long one is good.
    pub lifetime: Duration,
    /// Connectivity parameters, for 3GPP access.
    pub napdef: Option<NapDef>,
    /// Context of the M2M application.
    pub m2m: Option<M2mContext>,
}

/// What is to be said.
#[derive(Debug, Clone)]
pub struct Order {
    /// To whom.
    pub pcid: Pcid,
    /// Higher than in any before.
    pub sequence: u64,
    /// Whose subscriber the device is to become.
    pub operator: OperatorId,
    /// That operator's DPF, if it has its own.
    pub dpf: Option<String>,
    /// For what.
    pub kind: Kind,
    /// Whether the device is in 3GPP access: it is told how to get connected.
    pub over_3gpp: bool,
    /// Seconds since 1970 UTC.
    pub now: u64,
}

/// An RNCT as it is kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What was signed.
    pub rnct: Rnct,
    /// COSE_Sign1.
    pub signed: Vec<u8>,
}

/// No RNCT could be made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// CBOR.
    #[error("the RNCT cannot be written: {0}")]
    Cbor(#[from] CborError),
    /// COSE.
    #[error("the RNCT cannot be signed: {0}")]
    Cose(#[from] CoseError),
}

/// Builds and signs an RNCT.
///
/// # Errors
/// If it cannot be written or signed.
pub fn make(terms: &Terms, signer: &Signer, order: Order) -> Result<Made, NotMade> {
    let rnct = Rnct {
        version: rnct::VERSION,
        id: Uuid::new_v4(),
        pcid: order.pcid,
        sequence: order.sequence,
        issued: order.now,
        expires: order.now.saturating_add(terms.lifetime.as_secs()),
        napdef: terms.napdef.clone().filter(|_| order.over_3gpp),
        dpf: order.dpf.unwrap_or_else(|| terms.dpf.clone()),
        kind: order.kind,
        operator: order.operator,
        m2m: terms.m2m.clone(),
    };
    let signed = signer.sign(rnct::CONTENT_TYPE, rnct.encode()?)?;
    Ok(Made { rnct, signed })
}

/// What provisioning is for when a device is attached with its PCID: whoever has no operator yet, or has lost what its
/// operator gave, begins; another operator takes over.
#[must_use]
pub fn kind_of(current: Option<&OperatorId>, resolved: &OperatorId) -> Kind {
    match current {
        Some(current) if current != resolved => Kind::Change,
        _ => Kind::Initial,
    }
}

/// What became of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On its way, or kept for a device that asks.
    Pending,
    /// The device has fetched it.
    Delivered,
    /// The device has said that it takes it (2.04).
    Acknowledged,
    /// The device has refused it; `last_error` says with what.
    Rejected,
    /// Too old, or a newer one has taken its place.
    Expired,
}

impl State {
    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Acknowledged, Self::Rejected, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether the device may still take it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Delivered)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind, as it is stored.
#[must_use]
pub fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Initial => "initial",
        Kind::Update => "update",
        Kind::Change => "change",
    }
}

/// Reads what [`kind_text`] wrote.
#[must_use]
pub fn kind_from(text: &str) -> Option<Kind> {
    [Kind::Initial, Kind::Update, Kind::Change].into_iter().find(|kind| kind_text(*kind) == text)
}

/// A trigger, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The RNCT's id.
    pub id: Uuid,
    /// Whose.
    pub pcid: Pcid,
    /// Whose subscriber the device is to become.
    pub operator: OperatorId,
    /// For what.
    pub kind: Kind,
    /// The RNCT's sequence.
    pub sequence: u64,
    /// COSE_Sign1.
    pub rnct: Vec<u8>,
    /// Where it is sent; nowhere: it is for a device that asks.
    pub address: Option<SocketAddr>,
    /// Whether it was made for 3GPP access.
    pub over_3gpp: bool,
    /// What became of it.
    pub state: State,
    /// How often it was sent.
    pub attempts: u32,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// Milliseconds since 1970 UTC.
    pub issued_at: i64,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}
