//! What the roles tell one another between the seed's steps 6 and 19 (docs/PROVISIONING.md).

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    identity::{DeviceId, OperatorId, Pcid, Plmn, SupplierId, TreId},
    octets::Octets,
    rncp::Kind,
};

/// Step 6: a device is attached with its PCID, and this is its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The same for every time the notice is sent.
    pub id: Uuid,
    /// Who.
    pub pcid: Pcid,
    /// Where: the address assigned by the subscription (TS 29.272 §7.3.36).
    #[schema(value_type = String, pattern = "^[0-9A-Fa-f.:]{2,45}$")]
    pub address: IpAddr,
    /// Visited network.
    pub visited_plmn: Plmn,
    /// Origin-Host of the serving node.
    pub serving_node: String,
    /// IMEI, if the serving node told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imei: Option<String>,
    /// When the location update was.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Step 6 in non-3GPP access: a device says where it is. Its address is the connection's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who it is.
    pub device_id: DeviceId,
    /// Port where it takes triggers over CoAP; without, it takes the RNCT of the answer alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coap_port: Option<u16>,
}

/// The RNCT for a device that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RnctAnswer {
    /// The signed RNCT (COSE_Sign1).
    pub rnct: Octets,
}

/// Asks the DRF to trigger a device (again).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerRequest {
    /// The same for every time it is sent.
    pub id: Uuid,
    /// Whom.
    pub pcid: Pcid,
    /// For what.
    pub kind: Kind,
    /// The operator that asks for it: one that the device does not belong to any more is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorId>,
    /// Where the device takes triggers now, if it is not where the last notice said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}$")]
    pub address: Option<SocketAddr>,
}

/// Step 19 towards the DRF: what became of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Provisioned {
    /// The DPF's session.
    pub session: Uuid,
    /// Which device it was: the PCID is what it said of itself, this is what its platform certificate says. Another
    /// than the one that is registered with the PCID is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// Whose subscriber the device is now, or would have been.
    pub operator: OperatorId,
    /// How it ended.
    pub result: ProvisioningResult,
    /// Why it is not installed, or not to be relied upon: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// How provisioning ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProvisioningResult {
    /// The RNCP is installed and activated.
    Installed,
    /// The device could not install it; it is as it was before.
    Failed,
    /// The operator, or its policy, refused.
    Refused,
    /// The device did not come back in time.
    Expired,
}

/// Step 9: a device opens a session. The same `trigger` again gives the same session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who it is.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// `id` of the RNCT that it follows.
    pub trigger: Uuid,
    /// What the RNCT said: for what, and whose subscriber it is to become.
    pub kind: Kind,
    /// The operator that the RNCT named.
    pub operator: OperatorId,
}

/// Where a provisioning session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// Evidence is awaited (step 9).
    Opened,
    /// The operator has it (steps 10 to 15).
    Relaying,
    /// The operator refused.
    Refused,
    /// The manifest is there (step 16 can begin).
    Authorised,
    /// Parts were agreed on, and travel.
    Downloading,
    /// The device has reported (step 18).
    Reported,
    /// The operator knows (step 19).
    Closed,
    /// It cannot go on; `problem` says why.
    Failed,
    /// The device did not come back.
    Expired,
}

/// A provisioning session, as the device sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its name.
    pub id: Uuid,
    /// Where it is.
    pub state: SessionState,
    /// What evidence has to hold: 8 to 64 octets (RFC 9711 §4.1).
    pub nonce: Octets,
    /// After this it is expired.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Why it was refused or failed: a code of [`Refusal`] or of the DPF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Refusal>,
}

/// Why something is refused, in a form that both ends can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// A word for programs, such as `platform-revoked`, `no-contract`.
    pub code: String,
    /// A sentence for people, with what to do.
    pub detail: String,
    /// Whether the same may be tried again later.
    pub retry: bool,
}

/// The parts that the device has already, by SHA-256 (64 hexadecimal digits).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HaveParts {
    /// Digests, of parts of the same operator or of parts that are `shared`.
    pub have: Vec<String>,
}

/// The parts that have to travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedParts {
    /// In the order of the manifest.
    pub needed: Vec<NeedPart>,
}

/// A part that has to travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedPart {
    /// SHA-256, 64 hexadecimal digits.
    pub digest: String,
    /// Octets.
    pub size: u64,
}

/// A nonce of the PVA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Nonce {
    /// 32 octets.
    pub nonce: Octets,
    /// When it is forgotten.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Step 10: device and TRE, relayed to their operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvisioningRequest {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who.
    pub device_id: DeviceId,
    /// Its TRE.
    pub tre_id: TreId,
    /// First, update, or change of operator.
    pub kind: Kind,
    /// The nonce that the session gave.
    pub nonce: Octets,
    /// Evidence: EAT as CWT, signed by the platform key.
    pub evidence: Octets,
}

/// Steps 14 and 15: the operator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum ProvisioningAnswer {
    /// Provision this.
    Authorised {
        /// The RNCP.
        package: Package,
    },
    /// The DPF may make the RNCP by the operator's rules (R17).
    Generate {
        /// Name of the rule.
        rule: String,
        /// The platform certificate that the PVA found good, DER.
        platform_certificate: Octets,
    },
    /// Do not.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// An RNCP on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// Its name.
    pub rncp: Uuid,
    /// The signed manifest (COSE_Sign1).
    pub manifest: Octets,
    /// The parts that the manifest names, as they travel.
    pub parts: Vec<Octets>,
    /// The DPF has to ask the PVA again before the download.
    pub validate_before_download: bool,
    /// Until when it may be provisioned.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Step 19: how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvisioningReport {
    /// How it ended.
    pub result: ProvisioningResult,
    /// Which RNCP.
    pub rncp: Uuid,
    /// What the device signed, if it came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Octets>,
    /// More, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// R17: what a DPF made by the operator's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// Its name.
    pub rncp: Uuid,
    /// The rule.
    pub rule: String,
    /// The credentials (`rncp::Credentials`) as COSE_Encrypt to the operator's sealing key, AAD as a part's named `credentials`.
    pub credentials: Octets,
}

/// An RNCP in the field is to be updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRequest {
    /// The same for every time it is sent.
    pub id: Uuid,
    /// Whose.
    pub pcid: Pcid,
    /// The operator that asks.
    pub operator: OperatorId,
    /// Where the device takes triggers now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}$")]
    pub address: Option<SocketAddr>,
}

/// Step 11: is this platform genuine, and in a state that I accept?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidationRequest {
    /// The provisioning session.
    pub session: Uuid,
    /// What the check is for: one answer for each `session` and `check`, however often it is asked.
    pub check: ValidationCheck,
    /// The nonce that the evidence has to hold.
    pub nonce: Octets,
    /// The evidence.
    pub evidence: Octets,
    /// What the relying party requires.
    #[serde(default)]
    pub requirements: Requirements,
}

/// What a validation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationCheck {
    /// Whether to provision (steps 11 to 13).
    Provisioning,
    /// Again before the download (seed, section 4.3).
    Download,
    /// At any other time.
    OnRequest,
}

/// What an operator requires of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// Evidence may be this old, seconds; the PVA's own limit if not given.
    pub max_age: Option<u32>,
    /// Names of reference values that are accepted; all that the PVA accepts if empty.
    pub states: Vec<String>,
    /// Suppliers that are accepted; all if empty.
    pub suppliers: Vec<SupplierId>,
}

/// Step 13: the PVA's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// The signed verdict (COSE_Sign1).
    pub verdict: Octets,
}

/// Whose call-home triple is this?
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TripleCheck {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for TripleCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TripleCheck({})", self.username)
    }
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TripleOwner {
    /// The PCID that it was issued with.
    pub pcid: Pcid,
}
