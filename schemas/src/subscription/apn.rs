//! APN-Configuration, TS 29.272 §7.3.35.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Gateway, SpecificApn, StaticAddress, WILDCARD_APN};
use crate::rest::object;

/// Aggregate Maximum Bit Rate, bit/s (TS 29.272 §7.3.41). Above 4,294,967,295 bit/s the extended AVPs are sent too, in
/// kbit/s (TS 29.214 §5.3.52, §5.3.53), to a node that knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ambr {
    /// Up, bit/s.
    #[schema(maximum = 4_294_967_295_000_i64)]
    pub uplink: u64,
    /// Down, bit/s.
    #[schema(maximum = 4_294_967_295_000_i64)]
    pub downlink: u64,
}

/// PDN-Type (TS 29.272 §7.3.62).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PdnType {
    /// 0.
    Ipv4,
    /// 1.
    Ipv6,
    /// 2.
    Ipv4v6,
    /// 3: either, not both at once. An MME of Open5GS stops reading the APNs there.
    Ipv4OrIpv6,
}

impl PdnType {
    /// Whether a UE can have an IPv4 address.
    #[must_use]
    pub fn has_ipv4(self) -> bool {
        self != Self::Ipv6
    }

    /// Whether a UE can have an IPv6 address.
    #[must_use]
    pub fn has_ipv6(self) -> bool {
        self != Self::Ipv4
    }
}

/// Allocation-Retention-Priority (TS 29.272 §7.3.40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arp {
    /// Priority-Level, 1, the highest, to 15.
    #[schema(minimum = 1, maximum = 15)]
    pub priority: u8,
    /// May take resources from others (PRE-EMPTION_CAPABILITY_ENABLED).
    #[serde(default)]
    pub may_preempt: bool,
    /// May lose resources to others (PRE-EMPTION_VULNERABILITY_ENABLED).
    #[serde(default)]
    pub preemptable: bool,
}

/// LIPA-Permission (TS 29.272 §7.3.133).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LipaPermission {
    /// LIPA_PROHIBITED (0).
    Prohibited,
    /// LIPA_ONLY (1).
    Only,
    /// LIPA_CONDITIONAL (2).
    Conditional,
}

/// PDN-Connection-Continuity (TS 29.272 §7.3.214): when a UE moves between broadband and narrowband.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PdnConnectionContinuity {
    /// MAINTAIN-PDN-CONNECTION (0).
    Maintain,
    /// DISCONNECT-PDN-CONNECTION-WITH-REACTIVATION-REQUEST (1).
    DisconnectWithReactivation,
    /// DISCONNECT-PDN-CONNECTION-WITHOUT-REACTIVATION-REQUEST (2).
    DisconnectWithoutReactivation,
}

/// How data is sent preferably: Preferred-Data-Mode (TS 29.272 §7.3.209).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataMode {
    /// Bit 0: data over the user plane.
    UserPlane,
    /// Bit 1: data over the control plane.
    ControlPlane,
}

impl DataMode {
    /// Its bit in Preferred-Data-Mode.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// WLAN-offloadability (TS 29.272 §7.3.181).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WlanOffload {
    /// From E-UTRAN.
    pub eutran: bool,
    /// From UTRAN.
    pub utran: bool,
}

/// How non-IP data is delivered: Non-IP-Data-Delivery-Mechanism, SCEF-ID, SCEF-Realm, RDS-Indicator (TS 29.272
/// §7.3.205, §7.3.207, §7.3.222; TS 29.336 §8.4.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "delivery", deny_unknown_fields)]
pub enum NonIp {
    /// SGi-BASED-DATA-DELIVERY (0).
    Sgi {},
    /// SCEF-BASED-DATA-DELIVERY (1).
    Scef {
        /// SCEF-ID.
        id: String,
        /// SCEF-Realm.
        realm: String,
        /// Whether the Reliable Data Service is used.
        #[serde(default)]
        reliable_data_service: bool,
    },
}

/// An APN that a subscriber may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apn {
    /// Service-Selection: its Network Identifier (TS 23.003 §9.1.1), or `*` for any APN (§9.2.1).
    #[schema(
        max_length = 62,
        pattern = "^(\\*|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*)$",
        examples("provisioning")
    )]
    pub name: String,
    /// Context-Identifier (TS 29.272 §7.3.27), unique in the profile; without, its place in the list, from 1 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 4_294_967_295_i64)]
    pub context_id: Option<u32>,
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
    /// Served-Party-IP-Address, at most one of each IP version: one subscriber's, so that it is given with the
    /// credential, not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 2)]
    pub addresses: Vec<StaticAddress>,
    /// VPLMN-Dynamic-Address-Allowed: whether a gateway of the visited network may be used (TS 29.272 §7.3.38). Without,
    /// it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub vplmn_dynamic_address: Option<bool>,
    /// The gateway that is to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gateway: Option<Gateway>,
    /// Gateways of APNs that the wild card stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specific_apns: Vec<SpecificApn>,
    /// 3GPP-Charging-Characteristics, four hexadecimal digits (TS 29.061 §16.4.7, TS 32.251 annex A).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9A-Fa-f]{4}$", examples("0800"))]
    pub charging_characteristics: Option<String>,
    /// APN-OI-Replacement of this APN, before the subscriber's (TS 29.272 §7.3.32, TS 23.003 §9.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("province1.mnc071.mcc999.gprs"))]
    pub apn_oi_replacement: Option<String>,
    /// SIPTO-Permission: whether traffic may leave above the RAN (TS 29.272 §7.3.135).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sipto: Option<bool>,
    /// SIPTO-Local-Network-Permission: whether it may leave at the local network (TS 29.272 §7.3.176).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sipto_local_network: Option<bool>,
    /// LIPA-Permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lipa: Option<LipaPermission>,
    /// Restoration-Priority, 1, the highest, to 16 (TS 29.272 §7.3.174).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 16)]
    pub restoration_priority: Option<u8>,
    /// WLAN-offloadability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub wlan_offload: Option<WlanOffload>,
    /// Non-IP-PDN-Type-Indicator TRUE, and how its data is delivered (TS 29.272 §7.3.204).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub non_ip: Option<NonIp>,
    /// Preferred-Data-Mode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_data_mode: Vec<DataMode>,
    /// PDN-Connection-Continuity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pdn_connection_continuity: Option<PdnConnectionContinuity>,
    /// Interworking-5GS-Indicator (TS 29.272 §7.3.231).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub interworking_5gs: Option<bool>,
}

impl Apn {
    /// An APN with the rates given and the defaults for all else: IPv4, QCI 9, ARP 15.
    #[must_use]
    pub fn new(name: &str, ambr: Ambr) -> Self {
        Self {
            name: name.to_owned(),
            context_id: None,
            pdn_type: Self::default_pdn_type(),
            qci: Self::default_qci(),
            arp: Self::default_arp(),
            ambr,
            addresses: Vec::new(),
            vplmn_dynamic_address: None,
            gateway: None,
            specific_apns: Vec::new(),
            charging_characteristics: None,
            apn_oi_replacement: None,
            sipto: None,
            sipto_local_network: None,
            lipa: None,
            restoration_priority: None,
            wlan_offload: None,
            non_ip: None,
            preferred_data_mode: Vec::new(),
            pdn_connection_continuity: None,
            interworking_5gs: None,
        }
    }

    /// Whether it is the wild card.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.name == WILDCARD_APN
    }

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
