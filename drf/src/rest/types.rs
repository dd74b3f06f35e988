//! What the API takes and gives, as JSON.

use std::net::SocketAddr;

use schemas::{
    identity::{DeviceId, OperatorId, Pcid, Plmn, SupplierId},
    rncp::Kind,
};
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    claim::ClaimCode,
    desk::{Changes, Description},
    resolution::{ImsiRange, Rule, Why},
    store,
    trigger::{self, State},
};

/// A time of the database.
pub(super) fn time(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A device to be registered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Who it is; no other device has it.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// What it is.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub model: Option<String>,
    /// Whose it is.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub subscriber: Option<String>,
    /// What its subscriber proves ownership with; a stored one stays if none is given.
    #[serde(default)]
    pub claim_code: Option<ClaimCode>,
}

impl From<NewDevice> for Description {
    fn from(new: NewDevice) -> Self {
        let NewDevice { device_id, supplier, model, subscriber, claim_code } = new;
        Self { device_id, supplier, model, subscriber, claim_code }
    }
}

/// A line of an import.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedDevice {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who it is; no other device has it.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// What it is.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub model: Option<String>,
    /// Whose it is.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub subscriber: Option<String>,
    /// What its subscriber proves ownership with.
    #[serde(default)]
    pub claim_code: Option<ClaimCode>,
}

/// What to change of a device, as a JSON Merge Patch (RFC 7396): what is missing stays, `null` takes away
/// what a device can be without.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePatch {
    /// Another identity.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub device_id: Option<DeviceId>,
    /// Another supplier.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub supplier: Option<SupplierId>,
    /// Another model.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub model: Option<Option<String>>,
    /// Another subscriber.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub subscriber: Option<Option<String>>,
    /// Another claim code.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ClaimCode>)]
    pub claim_code: Option<Option<ClaimCode>>,
}

/// A field that is there. `null` is a value of it only where its own type has room for that: what cannot be taken away is
/// not silently left.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl From<DevicePatch> for Changes {
    fn from(patch: DevicePatch) -> Self {
        let DevicePatch { device_id, supplier, model, subscriber, claim_code } = patch;
        Self { device_id, supplier, model, subscriber, claim_code }
    }
}

/// What binds a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// The operator has a contract.
    Contract,
    /// The subscriber has chosen it.
    Claim,
    /// A rule.
    Rule,
}

impl From<&Why> for Binding {
    fn from(why: &Why) -> Self {
        match why {
            Why::Contract => Self::Contract,
            Why::Claim => Self::Claim,
            Why::Rule(_) => Self::Rule,
        }
    }
}

/// A device of the registry.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Device {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who it is.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// What it is.
    pub model: Option<String>,
    /// Whose it is.
    pub subscriber: Option<String>,
    /// Whether a claim code is stored.
    pub claimable: bool,
    /// Operator that it goes to.
    pub operator: Option<OperatorId>,
    /// By what.
    pub bound_by: Option<Binding>,
    /// Operator whose subscriber it is now.
    pub current_operator: Option<OperatorId>,
    /// When it was registered.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Device {
    /// A device as it is shown.
    #[must_use]
    pub fn new((device, bound): crate::desk::Found) -> Self {
        Self {
            pcid: device.pcid,
            device_id: device.device_id,
            supplier: device.supplier,
            model: device.model,
            subscriber: device.subscriber,
            claimable: device.claim_code.is_some(),
            bound_by: bound.as_ref().map(|(_, why)| why.into()),
            operator: bound.map(|(operator, _)| operator),
            current_operator: device.current,
            created_at: time(device.created_at),
            updated_at: time(device.updated_at),
        }
    }
}

/// Who has a contract.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The operator; an operator's own token may leave it out.
    #[serde(default)]
    pub operator: Option<OperatorId>,
    /// The device's claim code: what an operator's own token has to show of a device that does not go to it already.
    #[serde(default)]
    pub claim_code: Option<ClaimCode>,
}

/// Where a device goes (step 7).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Resolution {
    /// Whose subscriber it is to become.
    pub operator: OperatorId,
    /// Server URL of the DPF.
    pub dpf: String,
    /// By what.
    pub why: Binding,
    /// Name of the rule, if it is one.
    pub rule: Option<String>,
}

/// A subscriber's choice: a device by `pcid` or `device_id`, not both.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Which device, by its PCID.
    #[serde(default)]
    pub pcid: Option<Pcid>,
    /// Which device, by its identity.
    #[serde(default)]
    pub device_id: Option<DeviceId>,
    /// Proof that it is the subscriber's.
    pub claim_code: ClaimCode,
    /// Whom the subscriber chooses.
    pub operator: OperatorId,
}

/// What was chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Claimed {
    /// The device.
    pub pcid: Pcid,
    /// The operator.
    pub operator: OperatorId,
}

/// An operator, to be stored.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOperator {
    /// What people call it, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// Its networks.
    #[serde(default)]
    #[schema(value_type = Vec<Plmn>, max_items = 64)]
    pub plmns: Vec<Plmn>,
    /// Server URL of its own DPF, https; without, the registry's.
    #[serde(default)]
    #[schema(max_length = 500, pattern = "^https://[!-~]+$")]
    pub dpf: Option<String>,
}

/// An operator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Operator {
    /// Its identity.
    pub id: OperatorId,
    /// What people call it.
    pub name: String,
    /// Its networks.
    pub plmns: Vec<Plmn>,
    /// Server URL of its own DPF.
    pub dpf: Option<String>,
}

impl From<store::Operator> for Operator {
    fn from(operator: store::Operator) -> Self {
        let store::Operator { id, name, plmns, dpf } = operator;
        Self { id, name, plmns, dpf }
    }
}

/// A rule, to be stored.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// The lowest that fits decides.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub priority: u32,
    /// Devices of this supplier; of any, if not given.
    #[serde(default)]
    pub supplier: Option<SupplierId>,
    /// Devices with these PCIDs; with any, if not given.
    #[serde(default)]
    pub range: Option<ImsiRange>,
    /// Where they go.
    pub operator: OperatorId,
}

/// A rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleShown {
    /// Its name.
    pub id: String,
    /// The lowest that fits decides.
    pub priority: i64,
    /// Devices of this supplier.
    pub supplier: Option<SupplierId>,
    /// Devices with these PCIDs.
    pub range: Option<ImsiRange>,
    /// Where they go.
    pub operator: OperatorId,
}

impl From<Rule> for RuleShown {
    fn from(rule: Rule) -> Self {
        let Rule { id, priority, supplier, range, operator } = rule;
        Self { id, priority, supplier, range, operator }
    }
}

/// A trigger and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
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
    /// Where it is sent; `null`: it is for a device that asks.
    #[schema(value_type = Option<String>)]
    pub address: Option<SocketAddr>,
    /// What became of it.
    pub state: State,
    /// How often it was sent.
    pub attempts: u32,
    /// What was wrong last.
    pub last_error: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// Until when it is good.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// When something last became of it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Trigger {
    /// A trigger as it is shown at `now`: one whose time has passed is expired, whether or not anybody has noticed.
    #[must_use]
    pub fn new(trigger: trigger::Trigger, now: i64) -> Self {
        let late = trigger.state.is_open() && trigger.expires_at <= now;
        Self {
            id: trigger.id,
            pcid: trigger.pcid,
            operator: trigger.operator,
            kind: trigger.kind,
            sequence: trigger.sequence,
            address: trigger.address.filter(|address| address.port() != 0),
            state: if late { State::Expired } else { trigger.state },
            attempts: trigger.attempts,
            last_error: trigger.last_error,
            issued_at: time(trigger.issued_at),
            expires_at: time(trigger.expires_at),
            updated_at: time(trigger.updated_at),
        }
    }
}
