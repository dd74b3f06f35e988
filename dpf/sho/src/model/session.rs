//! A provisioning session, and the states that it goes through.

use schemas::{
    identity::{DeviceId, Imsi, Pcid, TreId},
    rest::provisioning::{ProvisioningRequest, Refusal},
    rncp::{self, Kind},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Terms;

/// How far a session is. Each change is a transaction of its own, so that after a crash it goes on where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Step 10: the request is here.
    Received,
    /// Steps 11 to 13: the PVA found the platform good, and the policy accepts it.
    Validated,
    /// The DPF makes the RNCP by our rule (R17), and is to tell us what it holds.
    Delegated,
    /// It has numbers and keys.
    Allocated,
    /// Step 14: the RNCP is encrypted and signed.
    Composed,
    /// The HSS knows the subscription.
    Published,
    /// Step 15: the DPF may provision. From here on the RNCP may be in a device.
    Answered,
    /// Step 19: it is installed; the HSS is to be told.
    Reported,
    /// Done.
    Closed,
    /// It came to nothing; what was done is being undone.
    Withdrawing,
    /// It came to nothing, and nothing is left of it.
    Withdrawn,
    /// Refused before anything was done.
    Refused,
}

impl State {
    /// All, in order.
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Validated,
        Self::Delegated,
        Self::Allocated,
        Self::Composed,
        Self::Published,
        Self::Answered,
        Self::Reported,
        Self::Closed,
        Self::Withdrawing,
        Self::Withdrawn,
        Self::Refused,
    ];

    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Validated => "validated",
            Self::Delegated => "delegated",
            Self::Allocated => "allocated",
            Self::Composed => "composed",
            Self::Published => "published",
            Self::Answered => "answered",
            Self::Reported => "reported",
            Self::Closed => "closed",
            Self::Withdrawing => "withdrawing",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
        }
    }

    /// From what the database has.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the RNCP has not left us yet, and may still.
    #[must_use]
    pub fn before_answer(self) -> bool {
        matches!(
            self,
            Self::Received
                | Self::Validated
                | Self::Delegated
                | Self::Allocated
                | Self::Composed
                | Self::Published
        )
    }
}

/// What becomes of the numbers that a device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// It gets numbers of its own.
    New,
    /// IMSI and K stay.
    Keep,
    /// The IMSI stays, K is new.
    Rekey,
}

impl Numbering {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Keep => "keep",
            Self::Rekey => "rekey",
        }
    }

    /// From what the database has.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::New, Self::Keep, Self::Rekey].into_iter().find(|one| one.as_str() == text)
    }
}

/// A session, without its secrets and large fields.
#[derive(Debug, Clone)]
pub struct Session {
    /// The DPF's name for it.
    pub id: Uuid,
    /// How far it is.
    pub state: State,
    /// PCID of the device.
    pub pcid: Pcid,
    /// The device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// What for.
    pub kind: Kind,
    /// The nonce of the evidence.
    pub nonce: Vec<u8>,
    /// SHA-256 of the evidence.
    pub evidence_digest: Vec<u8>,
    /// The terms that it is provisioned by.
    pub terms: Option<Terms>,
    /// The platform certificate that the verdict names, DER.
    pub platform_certificate: Option<Vec<u8>>,
    /// The verdict is not to be relied upon after, milliseconds since 1970 UTC.
    pub verdict_expires: Option<i64>,
    /// The RNCP.
    pub rncp: Option<Uuid>,
    /// What becomes of the numbers.
    pub numbering: Option<Numbering>,
    /// IMSI.
    pub imsi: Option<Imsi>,
    /// MSISDN.
    pub msisdn: Option<String>,
    /// The session whose RNCP this one replaces.
    pub previous: Option<Uuid>,
    /// An IMSI that goes out of use with it.
    pub replaces_imsi: Option<Imsi>,
    /// The DPF made the RNCP.
    pub generated: bool,
    /// The package is good until, milliseconds since 1970 UTC.
    pub expires_at: Option<i64>,
    /// Why it came to nothing.
    pub refusal: Option<Refusal>,
    /// When the answer was given, milliseconds since 1970 UTC.
    pub answered_at: Option<i64>,
    /// Withdrawn, and nobody can say that the device has not got it.
    pub spent: bool,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}

impl Session {
    /// Whether this is the request that the session was opened with.
    #[must_use]
    pub fn is_of(&self, request: &ProvisioningRequest) -> bool {
        self.pcid == request.pcid
            && self.device_id == request.device_id
            && self.tre_id == request.tre_id
            && self.kind == request.kind
            && self.nonce == request.nonce.0
            && self.evidence_digest == rncp::digest(request.evidence.as_ref())
    }
}

/// What came of a request's arrival.
#[derive(Debug, Clone)]
pub enum Received {
    /// The session, new or as it was.
    Session(Box<Session>),
    /// A session of that name is of another device or another request.
    Other,
}
