//! What credentials of a profile are good for.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AccessRestriction, Ambr, Apn, Barring, CoreNetworkRestriction, Edrx, Gateway, HplmnBarring, MpsPriority,
    NetworkAccessMode, Sms, V2x,
};
use crate::{
    identity::Plmn,
    rest::{AccessRule, Rat, object},
};

/// What credentials of this profile are good for (R9), and what serving nodes are told of their subscribers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name; in a request it may be left out, and else has to be that of the path.
    #[serde(default)]
    #[schema(pattern = "^[A-Za-z0-9._-]{0,64}$")]
    pub name: String,
    /// The APNs; the first is the default. An MME of Open5GS keeps four.
    #[serde(deserialize_with = "object::many")]
    #[schema(min_items = 1, max_items = 50)]
    pub apns: Vec<Apn>,
    /// UE-AMBR.
    #[serde(deserialize_with = "object::one")]
    pub ambr: Ambr,
    /// Whether there are services of the circuit switched domain too.
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
    /// Radio access technologies that may be used; Access-Restriction-Data forbids the others.
    #[serde(default = "Profile::eps_rats")]
    pub allowed_rats: AccessRule<Rat>,
    /// Whether there is an EPS subscription at all; without, AIR gets 5420 (TS 29.272 §7.4.3.2).
    #[serde(default = "Profile::yes")]
    pub eps: bool,
    /// Pool that addresses are assigned from, as `10.45.0.0/16`, once for each credential; `null` leaves it to the
    /// gateway.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}$", examples("10.45.0.0/16"))]
    pub address_pool: Option<IpNet>,
    /// Subscribed-Periodic-RAU-TAU-Timer, seconds (TS 29.272 §7.3.134); `null` leaves it to the MME.
    #[serde(default)]
    pub periodic_tau: Option<u32>,
    /// Active-Time, seconds: T3324 of power saving mode (TS 29.128 §6.4.34, TS 24.301 §5.3.11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub active_time: Option<u32>,
    /// eDRX-Cycle-Length and Paging-Time-Window, for each radio access technology once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edrx: Vec<Edrx>,
    /// DL-Buffering-Suggested-Packet-Count; -1 for as many as the gateway likes, 0 for none (TS 29.272 §7.3.188).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = -1)]
    pub dl_buffering_packets: Option<i32>,
    /// Service-Gap-Time, seconds (TS 29.272 §7.3.223).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub service_gap_time: Option<u32>,
    /// Operator-Determined-Barring; with any of these or of `hplmn_barring`, Subscriber-Status is
    /// OPERATOR_DETERMINED_BARRING (TS 29.272 §7.3.29).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barring: Vec<Barring>,
    /// HPLMN-ODB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hplmn_barring: Vec<HplmnBarring>,
    /// What Access-Restriction-Data forbids besides the radio access technologies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_restrictions: Vec<AccessRestriction>,
    /// Core-Network-Restrictions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core_network_restrictions: Vec<CoreNetworkRestriction>,
    /// Regional-Subscription-Zone-Code, at most ten, four hexadecimal digits each (TS 29.272 §7.3.52). An MME of Open5GS
    /// drops an answer with more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub zone_codes: Vec<String>,
    /// A-MSISDN, digits (TS 29.272 §7.3.157); one subscriber's, so that it is given with the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{1,15}$")]
    pub additional_msisdn: Option<String>,
    /// External-Identifier, as `meter-17@example.org` (TS 29.336 §6.4.11); one subscriber's, so that it is given with the
    /// credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_identifier: Option<String>,
    /// STN-SR, digits: the session transfer number for SRVCC (TS 29.272 §7.3.39). C-MSISDN is the MSISDN, or A-MSISDN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{1,15}$")]
    pub stn_sr: Option<String>,
    /// Subscribed-VSRVCC: video calls may be handed over too (TS 29.272 §7.3.150).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vsrvcc: bool,
    /// ICS-Indicator: IMS centralized services (TS 29.272 §7.3.104).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ics: Option<bool>,
    /// Short messages by way of MME or SGSN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sms: Option<Sms>,
    /// APN-OI-Replacement of all APNs that have none of their own (TS 29.272 §7.3.32, TS 23.003 §9.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("province1.mnc071.mcc999.gprs"))]
    pub apn_oi_replacement: Option<String>,
    /// 3GPP-Charging-Characteristics, four hexadecimal digits (TS 29.061 §16.4.7, TS 32.251 annex A).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9A-Fa-f]{4}$", examples("0800"))]
    pub charging_characteristics: Option<String>,
    /// RAT-Frequency-Selection-Priority-ID, 1 to 256 (TS 29.272 §7.3.46, TS 36.413 §9.2.1.39).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 256)]
    pub rfsp_index: Option<u16>,
    /// MPS-Priority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mps_priority: Vec<MpsPriority>,
    /// UE-Usage-Type, 0 to 255: a dedicated core network (TS 29.272 §7.3.202, TS 23.401 §4.3.25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ue_usage_type: Option<u8>,
    /// VPLMN-LIPA-Allowed (TS 29.272 §7.3.132).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub vplmn_lipa: Option<bool>,
    /// Relay-Node-Indicator (TS 29.272 §7.3.147).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub relay_node: Option<bool>,
    /// MDT-User-Consent (TS 29.272 §7.3.148).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mdt_user_consent: Option<bool>,
    /// Aerial-UE-Subscription-Information: whether the UE may fly (TS 29.272 §7.3.224).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aerial_ue: Option<bool>,
    /// User Plane Integrity Protection of Subscription-Data-Flags (TS 29.272 §7.3.165, bit 2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_plane_integrity: bool,
    /// ProSe-Permission, the mask of TS 29.344 §6.3.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prose_permission: Option<u32>,
    /// V2X over PC5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub v2x: Option<V2x>,
    /// Emergency-Info: the gateway of emergency connections (TS 29.272 §7.3.210).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub emergency_gateway: Option<Gateway>,
    /// A registration lapses so many seconds after the last sign of it: MMEs such as Open5GS's never send PUR.
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

    /// A profile of ordinary subscribers: these APNs, the first being the default, and nothing that is optional.
    #[must_use]
    pub fn new(name: &str, apns: Vec<Apn>, ambr: Ambr) -> Self {
        Self {
            name: name.to_owned(),
            apns,
            ambr,
            network_access_mode: NetworkAccessMode::default(),
            lifetime: None,
            attach_budget: None,
            allowed_plmns: Self::anywhere(),
            allowed_rats: Self::eps_rats(),
            eps: true,
            address_pool: None,
            periodic_tau: None,
            active_time: None,
            edrx: Vec::new(),
            dl_buffering_packets: None,
            service_gap_time: None,
            barring: Vec::new(),
            hplmn_barring: Vec::new(),
            access_restrictions: Vec::new(),
            core_network_restrictions: Vec::new(),
            zone_codes: Vec::new(),
            additional_msisdn: None,
            external_identifier: None,
            stn_sr: None,
            vsrvcc: false,
            ics: None,
            sms: None,
            apn_oi_replacement: None,
            charging_characteristics: None,
            rfsp_index: None,
            mps_priority: Vec::new(),
            ue_usage_type: None,
            vplmn_lipa: None,
            relay_node: None,
            mdt_user_consent: None,
            aerial_ue: None,
            user_plane_integrity: false,
            prose_permission: None,
            v2x: None,
            emergency_gateway: None,
            registration_lifetime: Self::a_day(),
            version: 0,
        }
    }

    /// The restricted profile that a new database starts with: one provisioning APN at 128 kbit/s,
    /// 10,000 attaches, addresses from `pool`; ONLY_PACKET, since a provisional credential is known to no HLR, whose
    /// refusal of the CS part would have the UE take its USIM for invalid there (TS 24.301 §5.5.1.3.4.3, cause #2).
    #[must_use]
    pub fn provisioning(name: &str, pool: Option<IpNet>) -> Self {
        let slow = Ambr { uplink: 128_000, downlink: 128_000 };
        Self {
            network_access_mode: NetworkAccessMode::OnlyPacket,
            attach_budget: Some(10_000),
            address_pool: pool,
            ..Self::new(name, vec![Apn::new("provisioning", slow)], slow)
        }
    }

    /// Context-Identifier of an APN at this place of the list (TS 29.272 §7.3.27).
    #[must_use]
    pub fn context_id(&self, place: usize) -> u32 {
        let given = self.apns.get(place).and_then(|apn| apn.context_id);
        given.unwrap_or_else(|| u32::try_from(place + 1).unwrap_or(u32::MAX))
    }

    /// Whether an address belongs to this profile's pool.
    #[must_use]
    pub fn pools(&self, address: IpAddr) -> bool {
        self.address_pool.is_some_and(|pool| pool.contains(&address))
    }
}
