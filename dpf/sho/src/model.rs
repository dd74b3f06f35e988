//! What an SHO knows: numbers, contracts, sessions, subscriptions.

mod number;
mod session;
mod terms;

pub use number::{NumberError, NumberKind, NumberRange, nth};
pub use session::{Numbering, Received, Session, State};
pub use terms::{Ambr, Contract, PdnType, Terms, TermsError, is_apn, is_part_name};

use schemas::identity::{DeviceId, Imsi, Pcid, TreId};
use uuid::Uuid;

/// Whether a subscription is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionState {
    /// Its RNCP is on its way.
    Prepared,
    /// Its RNCP is installed.
    Active,
    /// It is no more.
    Withdrawn,
}

impl SubscriptionState {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One of our subscribers. Its keys are with the session that made them.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// IMSI.
    pub imsi: Imsi,
    /// MSISDN, digits.
    pub msisdn: Option<String>,
    /// The device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// The PCID that it came with.
    pub pcid: Pcid,
    /// What was agreed when it was provisioned.
    pub terms: Terms,
    /// Whether it is in use.
    pub state: SubscriptionState,
    /// The session whose RNCP is installed.
    pub session: Option<Uuid>,
    /// That RNCP.
    pub rncp: Option<Uuid>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}
