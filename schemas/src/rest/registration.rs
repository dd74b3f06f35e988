//! Registrations with serving nodes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Rat;
use crate::identity::{Imsi, Plmn};

/// Kind of serving node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Over S6a.
    Mme,
    /// Over S6d.
    Sgsn,
}

/// Which serving node a subscriber is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// The subscriber.
    pub imsi: Imsi,
    /// MME or SGSN.
    pub kind: NodeKind,
    /// Diameter identity of the node.
    pub host: String,
    /// Its realm.
    pub realm: String,
    /// Visited network.
    pub visited_plmn: Plmn,
    /// Radio access technology.
    pub rat: Rat,
    /// Address assigned to the subscriber.
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// IMEI and software version, digits.
    pub imei: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub registered_at: OffsetDateTime,
    /// When it lapses unless renewed.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// The node has purged the UE (TS 29.272 §5.2.1.2.3).
    pub purged: bool,
    /// Number of the MME for short messages to the UE, if it is registered for SMS (TS 29.272 §7.3.159).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sms_number: Option<String>,
    /// Whether IMS voice over PS sessions is supported wherever the node serves (TS 29.272 §7.3.107), as far as it is
    /// known: what terminating access domain selection (T-ADS) asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ims_voice: Option<bool>,
    /// Whether the UE supports SRVCC (TS 29.272 §7.3.130), as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub srvcc: Option<bool>,
    /// Feature-List 1 and 2 that the node has told (TS 29.272 §7.3.10), eight hexadecimal digits each; missing if it has
    /// told none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}
