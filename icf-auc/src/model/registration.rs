//! Which serving node a subscriber is registered with.

use std::net::IpAddr;

use schemas::identity::{Imsi, Plmn};
use serde::{Deserialize, Serialize};

use super::{Rat, Timestamp};

/// The serving nodes of S6a/S6d: an HSS keeps one of each (TS 29.272 §5.2.1.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Over S6a.
    Mme,
    /// Over S6d.
    Sgsn,
}

/// A node by its Diameter identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServingNode {
    /// Origin-Host of its requests.
    pub host: String,
    /// Origin-Realm of its requests.
    pub realm: String,
}

impl ServingNode {
    /// Whether both are the same node; DiameterIdentities compare without regard to case (RFC 6733 §4.3.1).
    #[must_use]
    pub fn is(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }
}

/// What a node has told of itself and of the UE with the update of location (TS 29.272 §5.2.1.1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Feature-List of id 1 and id 2 (§7.3.10); `None` if it has told no Supported-Features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<[u32; 2]>,
    /// MME-Number-for-MT-SMS, digits, if the MME is registered for SMS (§7.3.159).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_number: Option<String>,
    /// Whether IMS voice over PS sessions is supported wherever the node serves (§7.3.107); `None` if that differs or
    /// was not told: for T-ADS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ims_voice: Option<bool>,
    /// Whether the UE supports SRVCC (§7.3.130).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srvcc: Option<bool>,
}

/// One subscriber's registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The subscriber.
    pub imsi: Imsi,
    /// MME or SGSN.
    pub kind: NodeKind,
    /// Which one.
    pub node: ServingNode,
    /// Visited-PLMN-Id of the update location request.
    pub visited_plmn: Plmn,
    /// RAT-Type of the update location request.
    pub rat: Rat,
    /// Address assigned to the subscriber.
    pub address: Option<IpAddr>,
    /// IMEI and software version as Terminal-Information told them, digits.
    pub imei: Option<String>,
    /// When it began.
    pub registered_at: Timestamp,
    /// When it lapses unless renewed.
    pub expires_at: Timestamp,
    /// The node has purged the UE (TS 29.272 §5.2.1.2.3): it is reachable no more, but its node is known.
    pub purged: bool,
    /// What the node has told.
    pub report: NodeReport,
}
