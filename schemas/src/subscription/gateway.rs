//! The PDN gateway that a subscription names.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// PDN-GW-Allocation-Type (TS 29.272 §7.3.44).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllocationType {
    /// STATIC (0): the MME has to take this gateway.
    #[default]
    Static,
    /// DYNAMIC (1): the MME may select another one.
    Dynamic,
}

/// A gateway by name: MIP-Home-Agent-Host (RFC 4004 §7.11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayHost {
    /// Destination-Host.
    #[schema(examples("topon.s5.pgw.node.epc.mnc071.mcc999.3gppnetwork.org"))]
    pub host: String,
    /// Destination-Realm.
    #[schema(examples("epc.mnc071.mcc999.3gppnetwork.org"))]
    pub realm: String,
}

/// MIP6-Agent-Info and PDN-GW-Allocation-Type (TS 29.272 §7.3.45, §7.3.44): addresses, a name, or both. An MME of Open5GS
/// reads the addresses only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// At most one of each IP version (RFC 5447 §4.2.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 2)]
    pub addresses: Vec<IpAddr>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<GatewayHost>,
    /// Whether the MME may select another one.
    #[serde(default)]
    pub allocation: AllocationType,
}

/// Specific-APN-Info (TS 29.272 §7.3.82): the gateway of an APN that the wild card stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecificApn {
    /// The APN's Network Identifier (TS 23.003 §9.1.1).
    pub name: String,
    /// Its gateway; `allocation` is not sent.
    pub gateway: Gateway,
}
