//! What the routes take and give. Requests refuse fields that they do not know; no type has room for a key.

use schemas::{
    identity::{DeviceId, Imsi, OperatorId, Pcid, Plmn, SupplierId, TreId},
    rest::provisioning::Refusal,
    rncp::{Kind, PartKind},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    clock::shown,
    model::{self, NumberKind, State, SubscriptionState, Terms},
    store::parts::PartInfo,
};

/// A range, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNumberRange {
    /// Of what.
    pub kind: NumberKind,
    /// The first number, digits. An IMSI begins with the operator's MCC and MNC.
    #[schema(pattern = "^[0-9]{5,15}$", examples("999010000000001"))]
    pub first: String,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64)]
    pub count: u64,
    /// The DPF allots them by the operator's rules; the operator does not.
    #[serde(default)]
    pub delegated: bool,
    /// None is handed out any more.
    #[serde(default)]
    pub closed: bool,
}

/// A range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NumberRange {
    /// Its name.
    pub id: String,
    /// Of what.
    pub kind: NumberKind,
    /// The first number.
    pub first: String,
    /// How many.
    pub count: u64,
    /// How many of them were handed out at least once.
    pub used: u64,
    /// The DPF allots them.
    pub delegated: bool,
    /// None is handed out any more.
    pub closed: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl From<model::NumberRange> for NumberRange {
    fn from(range: model::NumberRange) -> Self {
        let model::NumberRange { id, kind, first, count, next, delegated, closed, created_at } = range;
        Self { id, kind, first, count, used: next, delegated, closed, created_at: shown(created_at) }
    }
}

/// A contract, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContract {
    /// Who made the device: the PVA's verdict has to say so. Without, whom the first good verdict names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<SupplierId>,
    /// What is agreed.
    pub terms: Terms,
    /// Nothing is provisioned for now.
    #[serde(default)]
    pub suspended: bool,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contract {
    /// For which device.
    pub device_id: DeviceId,
    /// Who made it, as soon as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<SupplierId>,
    /// What is agreed.
    pub terms: Terms,
    /// Nothing is provisioned for now.
    pub suspended: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl From<model::Contract> for Contract {
    fn from(contract: model::Contract) -> Self {
        let model::Contract { device_id, supplier, terms, suspended, created_at, updated_at } = contract;
        let (created_at, updated_at) = (shown(created_at), shown(updated_at));
        Self { device_id, supplier, terms, suspended, created_at, updated_at }
    }
}

/// A part, without its octets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Executable or data.
    pub kind: PartKind,
    /// RNCPs of other operators may refer to it.
    pub shared: bool,
    /// It is encrypted to the platform.
    pub sensitive: bool,
    /// Octets.
    pub size: u64,
    /// SHA-256, 64 hexadecimal digits; of a sensitive part before it is encrypted.
    pub digest: String,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl From<PartInfo> for Part {
    fn from(part: PartInfo) -> Self {
        let PartInfo { name, kind, shared, sensitive, size, digest, updated_at } = part;
        Self { name, kind, shared, sensitive, size, digest, updated_at: shown(updated_at) }
    }
}

/// What the operator accepts, and for how long things are kept. Times are seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Which operator.
    pub operator: OperatorId,
    /// Its network.
    #[schema(value_type = String)]
    pub plmn: Plmn,
    /// Suppliers that are accepted; all, if empty.
    pub suppliers: Vec<SupplierId>,
    /// Platform states that are accepted; all that the PVA accepts, if empty.
    pub states: Vec<String>,
    /// Evidence may be this old.
    pub max_age: u64,
    /// The DPF asks the PVA again before the download.
    pub validate_before_download: bool,
    /// An RNCP may be installed so long after it was made.
    pub package_lifetime: u64,
    /// A report has to come within this.
    pub report_within: u64,
    /// Numbers of a session that failed rest so long.
    pub quarantine: u64,
    /// K is deleted so long after the HSS has it and the device has reported.
    pub key_retention: u64,
    /// The new IMSI may attach before the device's report has come.
    pub attach_before_report: bool,
}

/// One of our subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The RNCP that is installed.
    pub rncp: Option<Uuid>,
    /// When it was prepared.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl From<model::Subscription> for Subscription {
    fn from(one: model::Subscription) -> Self {
        Self {
            imsi: one.imsi,
            msisdn: one.msisdn,
            device_id: one.device_id,
            tre_id: one.tre_id,
            pcid: one.pcid,
            terms: one.terms,
            state: one.state,
            rncp: one.rncp,
            created_at: shown(one.created_at),
            updated_at: shown(one.updated_at),
        }
    }
}

/// A session, as the operator's people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
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
    /// The IMSI that it gives.
    pub imsi: Option<Imsi>,
    /// The RNCP.
    pub rncp: Option<Uuid>,
    /// Why it came to nothing.
    pub refusal: Option<Refusal>,
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last went on.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl From<model::Session> for SessionView {
    fn from(session: model::Session) -> Self {
        Self {
            id: session.id,
            state: session.state,
            pcid: session.pcid,
            device_id: session.device_id,
            tre_id: session.tre_id,
            kind: session.kind,
            imsi: session.imsi,
            rncp: session.rncp,
            refusal: session.refusal,
            created_at: shown(session.created_at),
            updated_at: shown(session.updated_at),
        }
    }
}
