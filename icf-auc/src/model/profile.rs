//! Profile templates: what a provisional credential is good for (R9).

use std::net::IpAddr;

use ipnet::IpNet;
use schemas::{identity::Plmn, subscription::NetworkAccessMode};
use serde::{Deserialize, Serialize};

/// A restriction that is either off or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRule<T> {
    /// No restriction.
    Any,
    /// These only.
    Only(Vec<T>),
}

impl<T: PartialEq> AccessRule<T> {
    /// Whether `one` is allowed.
    pub fn allows(&self, one: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.contains(one),
        }
    }
}

/// Radio access technologies, the values of RAT-Type (TS 29.212 §5.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rat {
    /// 1000.
    Utran,
    /// 1001.
    Geran,
    /// 1004.
    Eutran,
    /// 1005.
    EutranNbIot,
    /// 1007 (1006 is NR).
    LteM,
}

impl Rat {
    /// The RAT-Type value, TS 29.212 §5.3.31.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Utran => 1000,
            Self::Geran => 1001,
            Self::Eutran => 1004,
            Self::EutranNbIot => 1005,
            Self::LteM => 1007,
        }
    }

    /// From a RAT-Type value; `None` for one that no profile can allow.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::Utran, Self::Geran, Self::Eutran, Self::EutranNbIot, Self::LteM]
            .into_iter()
            .find(|rat| rat.code() == code)
    }
}

/// Aggregate Maximum Bit Rate, bits per second each way (TS 29.272 §7.3.41).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ambr {
    /// Max-Requested-Bandwidth-UL, bit/s.
    pub uplink: u32,
    /// Max-Requested-Bandwidth-DL, bit/s.
    pub downlink: u32,
}

/// PDN-Type values, TS 29.272 §7.3.62.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PdnType {
    /// 0.
    Ipv4,
    /// 1.
    Ipv6,
    /// 2.
    Ipv4v6,
}

/// Allocation-Retention-Priority, TS 29.272 §7.3.40.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arp {
    /// Priority-Level 1 to 15, 1 the highest.
    pub priority: u8,
    /// May take resources from others (PRE-EMPTION_CAPABILITY_ENABLED).
    #[serde(default)]
    pub may_preempt: bool,
    /// May lose resources to others (PRE-EMPTION_VULNERABILITY_ENABLED).
    #[serde(default)]
    pub preemptable: bool,
}

/// An APN of the profile; the first is the default APN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apn {
    /// Service-Selection: the APN's Network Identifier, TS 23.003 §9.1.1.
    pub name: String,
    /// PDN-Type.
    #[serde(default = "Apn::default_pdn_type")]
    pub pdn_type: PdnType,
    /// QoS-Class-Identifier, 1 to 9 or another standard value (TS 23.203 table 6.1.7).
    #[serde(default = "Apn::default_qci")]
    pub qci: u8,
    /// Allocation and retention priority.
    #[serde(default = "Apn::default_arp")]
    pub arp: Arp,
    /// APN-AMBR.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name, unique.
    pub name: String,
    /// The APNs; the first is the default. Open5GS's MME keeps four.
    pub apns: Vec<Apn>,
    /// UE-AMBR.
    pub ambr: Ambr,
    /// Network-Access-Mode (TS 29.272 §7.3.21): PACKET_AND_CIRCUIT unless said otherwise, as for ordinary subscribers.
    #[serde(default)]
    pub network_access_mode: NetworkAccessMode,
    /// A credential of it expires so many seconds after it was stored; `None` for never.
    #[serde(default)]
    pub lifetime: Option<i64>,
    /// Attaches a credential of it is good for; `None` for no limit.
    #[serde(default)]
    pub attach_budget: Option<u32>,
    /// Visited networks that may ask for vectors.
    #[serde(default = "Profile::anywhere")]
    pub allowed_plmns: AccessRule<Plmn>,
    /// Radio access technologies that may be used.
    #[serde(default = "Profile::eps_rats")]
    pub allowed_rats: AccessRule<Rat>,
    /// Whether there is an EPS subscription at all; without, AIR gets 5420 (TS 29.272 §7.4.3.2).
    #[serde(default = "Profile::yes")]
    pub eps: bool,
    /// Pool that addresses are assigned from, once for each credential; `None` leaves it to the PGW.
    #[serde(default)]
    pub address_pool: Option<IpNet>,
    /// Subscribed-Periodic-RAU-TAU-Timer, seconds (TS 29.272 §7.3.134); `None` leaves it to the MME.
    #[serde(default)]
    pub periodic_tau: Option<u32>,
    /// A registration lapses so many seconds after the last sign of it: MMEs such as Open5GS's never
    /// send PUR, so it needs an end of its own.
    #[serde(default = "Profile::a_day")]
    pub registration_lifetime: i64,
    /// Counts changes; the ETag of its REST resource.
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

    /// The restricted profile that a new database starts with: one provisioning APN at 128 kbit/s,
    /// 10,000 attaches, addresses from `pool`; ONLY_PACKET, since a provisional credential is known to no HLR, whose
    /// refusal of the CS part would have the UE take its USIM for invalid there (TS 24.301 §5.5.1.3.4.3, cause #2).
    #[must_use]
    pub fn provisioning(name: &str, pool: Option<IpNet>) -> Self {
        let slow = Ambr { uplink: 128_000, downlink: 128_000 };
        Self {
            name: name.to_owned(),
            apns: vec![Apn {
                name: "provisioning".to_owned(),
                pdn_type: PdnType::Ipv4,
                qci: Apn::default_qci(),
                arp: Apn::default_arp(),
                ambr: slow,
            }],
            ambr: slow,
            network_access_mode: NetworkAccessMode::OnlyPacket,
            lifetime: None,
            attach_budget: Some(10_000),
            allowed_plmns: AccessRule::Any,
            allowed_rats: Self::eps_rats(),
            eps: true,
            address_pool: pool,
            periodic_tau: None,
            registration_lifetime: Self::a_day(),
            version: 0,
        }
    }

    /// Says what is wrong with a profile that a person gave, naming the field.
    ///
    /// # Errors
    /// Field and remedy.
    pub fn check(&self) -> Result<(), String> {
        let Some(first) = self.apns.first() else {
            return Err("apns: at least one is needed, the first being the default".into());
        };
        if self.apns.len() > 4 {
            return Err("apns: at most 4, an MME such as Open5GS's drops the rest".into());
        }
        for apn in &self.apns {
            let label = |l: &str| {
                !l.is_empty()
                    && l.len() <= 63
                    && l.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
                    && !l.starts_with('-')
                    && !l.ends_with('-')
            };
            if apn.name.len() > 62 || !apn.name.split('.').all(label) {
                return Err(format!(
                    "apns: {:?} is not an APN Network Identifier (TS 23.003 §9.1.1)",
                    apn.name
                ));
            }
            if !(1..=15).contains(&apn.arp.priority) {
                return Err("apns.arp.priority: 1 to 15 (TS 29.212 §5.3.45)".into());
            }
            if apn.qci == 0 {
                return Err("apns.qci: 0 is reserved (TS 23.203 §6.1.7.2)".into());
            }
        }
        match (self.address_pool, first.pdn_type) {
            (Some(IpNet::V4(_)), PdnType::Ipv6) | (Some(IpNet::V6(_)), PdnType::Ipv4) => {
                return Err("address_pool: of another IP version than the default APN's pdn_type".into());
            }
            _ => {}
        }
        if self.lifetime.is_some_and(|s| s <= 0) || self.registration_lifetime <= 0 {
            return Err("lifetime, registration_lifetime: seconds, more than 0".into());
        }
        Ok(())
    }

    /// Whether an address belongs to this profile's pool.
    #[must_use]
    pub fn pools(&self, address: IpAddr) -> bool {
        self.address_pool.is_some_and(|pool| pool.contains(&address))
    }
}
