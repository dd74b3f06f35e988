//! Profile templates.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AccessRule, Rat, object};
use crate::{identity::Plmn, subscription::NetworkAccessMode};

/// Aggregate Maximum Bit Rate (TS 29.272 §7.3.41).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ambr {
    /// Up, bit/s.
    pub uplink: u32,
    /// Down, bit/s.
    pub downlink: u32,
}

/// PDN-Type (TS 29.272 §7.3.62).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PdnType {
    /// 0.
    Ipv4,
    /// 1.
    Ipv6,
    /// 2.
    Ipv4v6,
}

/// Allocation-Retention-Priority (TS 29.272 §7.3.40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arp {
    /// 1, the highest, to 15.
    #[schema(minimum = 1, maximum = 15)]
    pub priority: u8,
    /// May take resources from others.
    #[serde(default)]
    pub may_preempt: bool,
    /// May lose resources to others.
    #[serde(default)]
    pub preemptable: bool,
}

/// An APN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apn {
    /// Its Network Identifier (TS 23.003 §9.1.1).
    #[schema(
        max_length = 62,
        pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
        examples("provisioning")
    )]
    pub name: String,
    /// PDN-Type.
    #[serde(default = "Apn::default_pdn_type")]
    pub pdn_type: PdnType,
    /// QoS-Class-Identifier (TS 23.203 table 6.1.7).
    #[serde(default = "Apn::default_qci")]
    #[schema(minimum = 1, maximum = 255)]
    pub qci: u8,
    /// Allocation and retention priority.
    #[serde(default = "Apn::default_arp", deserialize_with = "object::one")]
    pub arp: Arp,
    /// APN-AMBR.
    #[serde(deserialize_with = "object::one")]
    pub ambr: Ambr,
}

impl Apn {
    fn default_pdn_type() -> PdnType {
        PdnType::Ipv4
    }
    fn default_qci() -> u8 {
        9
    }
    fn default_arp() -> Arp {
        Arp { priority: 15, may_preempt: false, preemptable: true }
    }
}

/// What credentials of this profile are good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name; in a request it may be left out, and else has to be that of the path.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._-]{0,64}$")]
    pub name: String,
    /// The APNs; the first is the default.
    #[serde(deserialize_with = "object::many")]
    #[schema(min_items = 1, max_items = 4)]
    pub apns: Vec<Apn>,
    /// UE-AMBR.
    #[serde(deserialize_with = "object::one")]
    pub ambr: Ambr,
    /// Whether there are services of the circuit switched domain too (TS 29.272 §7.3.21).
    #[serde(default)]
    pub network_access_mode: NetworkAccessMode,
    /// A credential of it expires so many seconds after it was stored; `null` for never.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub lifetime: Option<i64>,
    /// Attaches a credential of it is good for; `null` for no limit.
    #[serde(default)]
    pub attach_budget: Option<u32>,
    /// Visited networks that may ask for vectors.
    #[serde(default = "Profile::anywhere")]
    pub allowed_plmns: AccessRule<Plmn>,
    /// Radio access technologies that may be used.
    #[serde(default = "Profile::eps_rats")]
    pub allowed_rats: AccessRule<Rat>,
    /// Whether there is an EPS subscription at all.
    #[serde(default = "Profile::yes")]
    pub eps: bool,
    /// Pool that addresses are assigned from, as `10.45.0.0/16`; `null` leaves it to the gateway.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}$", examples("10.45.0.0/16"))]
    pub address_pool: Option<IpNet>,
    /// Subscribed-Periodic-RAU-TAU-Timer, seconds (TS 29.272 §7.3.134); `null` leaves it to the MME.
    #[serde(default)]
    pub periodic_tau: Option<u32>,
    /// A registration lapses so many seconds after the last sign of it.
    #[serde(default = "Profile::a_day")]
    #[schema(minimum = 1)]
    pub registration_lifetime: i64,
    /// Counts changes; its ETag. In a request it does what `If-Match` does; 0 or left out asks nothing.
    #[serde(default)]
    pub version: i64,
}

impl Profile {
    fn anywhere() -> AccessRule<Plmn> {
        AccessRule::Any
    }
    fn eps_rats() -> AccessRule<Rat> {
        AccessRule::Only(vec![Rat::Eutran, Rat::EutranNbIot, Rat::LteM])
    }
    fn yes() -> bool {
        true
    }
    fn a_day() -> i64 {
        86_400
    }
}
