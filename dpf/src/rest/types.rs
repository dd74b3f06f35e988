//! What REST takes and gives.

use schemas::{
    identity::{DeviceId, OperatorId, Pcid, Plmn, TreId},
    rest::provisioning::{ProvisioningResult, Refusal, SessionState},
    rncp::Kind,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    machine::State,
    model::{Rule, Session, instant},
    store::StepRow,
};

/// A provisioning session. It holds no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Its name.
    pub id: Uuid,
    /// Whose subscriber the device is to become.
    pub operator: OperatorId,
    /// PCID of the device.
    pub pcid: Pcid,
    /// The device.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// What for.
    pub kind: Kind,
    /// The RNCT that it follows.
    pub trigger: Uuid,
    /// Where it is.
    pub state: SessionState,
    /// The RNCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rncp: Option<Uuid>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ProvisioningResult>,
    /// The device's word for why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was refused, failed or has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Refusal>,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it came to where it is.
    #[serde(with = "time::serde::rfc3339")]
    pub entered_at: OffsetDateTime,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// What happened, in order; in a listing it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<StepView>>,
}

impl SessionView {
    /// Of a session.
    #[must_use]
    pub fn new(session: Session, history: Option<Vec<StepRow>>) -> Self {
        Self {
            id: session.id,
            operator: session.operator,
            pcid: session.pcid,
            device_id: session.device_id,
            tre_id: session.tre_id,
            kind: session.kind,
            trigger: session.trigger,
            state: session.state.shown(),
            rncp: session.rncp,
            result: session.result,
            reason: session.reason,
            problem: session.refusal,
            created_at: instant(session.created_at),
            entered_at: instant(session.entered_at),
            expires_at: instant(session.expires_at),
            history: history.map(|steps| steps.into_iter().map(StepView::new).collect()),
        }
    }
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What.
    pub step: String,
    /// The state afterwards, finer than the session's own: also `generating` and `validating`.
    pub state: String,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl StepView {
    fn new(row: StepRow) -> Self {
        let state: State = row.state;
        Self { at: instant(row.at), step: row.step, state: state.as_str().to_owned(), detail: row.detail }
    }
}

/// A rule: what RNCPs are made of for an operator (R17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// The first IMSI of those that the operator hands over; each is given to one device.
    #[schema(value_type = String, pattern = "^[0-9]{6,15}$")]
    pub first_imsi: Pcid,
    /// The last, of as many digits.
    #[schema(value_type = String, pattern = "^[0-9]{6,15}$")]
    pub last_imsi: Pcid,
    /// The operator's network; the IMSIs begin with it.
    #[schema(value_type = String, pattern = "^[0-9]{3}-[0-9]{2,3}$")]
    pub home_plmn: Plmn,
    /// APN of the service (TS 23.003 §9.1).
    #[schema(
        max_length = 63,
        pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
    )]
    pub apn: String,
    /// AMF, four hexadecimal digits (TS 33.102 annex H); `8000` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-fA-F]{4}$")]
    pub amf: Option<String>,
}

/// A rule, and how far it has been used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Whose.
    pub operator: OperatorId,
    /// The rule itself.
    pub rule: RuleBody,
    /// How many numbers it has given away.
    pub given: u64,
}

impl RuleView {
    /// Of a rule.
    #[must_use]
    pub fn new(rule: Rule, given: u64) -> Self {
        let body = RuleBody {
            first_imsi: rule.first_imsi,
            last_imsi: rule.last_imsi,
            home_plmn: rule.home_plmn,
            apn: rule.apn,
            amf: Some(hex::encode(rule.amf)),
        };
        Self { name: rule.name, operator: rule.operator, rule: body, given }
    }
}
