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
}
