//! Services, restrictions and power saving of a subscriber.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rest::Rat;

/// Network-Access-Mode (TS 29.272 §7.3.21, TS 23.008 §2.1.1.2): whether a subscriber has services of the circuit
/// switched domain too. Without them a combined attach (CS fallback, SMS over SGs) is accepted for EPS only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkAccessMode {
    /// PACKET_AND_CIRCUIT (0).
    #[default]
    PacketAndCircuit,
    /// ONLY_PACKET (2).
    OnlyPacket,
}

/// A category of Operator-Determined-Barring (TS 29.272 §7.3.30, TS 23.015).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Barring {
    /// Bit 0: all packet-oriented services.
    AllPacketServices,
    /// Bit 1: access points in the HPLMN while roaming.
    HplmnAccessPointsWhileRoaming,
    /// Bit 2: access points in the visited network.
    VplmnAccessPoints,
    /// Bit 3: all outgoing calls.
    OutgoingCalls,
    /// Bit 4: outgoing international calls.
    OutgoingInternationalCalls,
    /// Bit 5: the same, except to the home country.
    OutgoingInternationalCallsExceptHomeCountry,
    /// Bit 6: outgoing inter-zonal calls.
    OutgoingInterzonalCalls,
    /// Bit 7: the same, except to the home country.
    OutgoingInterzonalCallsExceptHomeCountry,
    /// Bit 8: outgoing international calls except to the home country, and inter-zonal calls.
    OutgoingInternationalCallsExceptHomeCountryAndInterzonalCalls,
}

impl Barring {
    /// Its bit in Operator-Determined-Barring.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A category of HPLMN-ODB (TS 29.272 §7.3.22): what each means is the home operator's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HplmnBarring {
    /// Bit 0: HPLMN specific barring type 1.
    #[serde(rename = "type-1")]
    Type1,
    /// Bit 1: type 2.
    #[serde(rename = "type-2")]
    Type2,
    /// Bit 2: type 3.
    #[serde(rename = "type-3")]
    Type3,
    /// Bit 3: type 4.
    #[serde(rename = "type-4")]
    Type4,
}

impl HplmnBarring {
    /// Its bit in HPLMN-ODB.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What Access-Restriction-Data forbids besides the radio access technologies that `allowed_rats` leaves out
/// (TS 29.272 §7.3.31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessRestriction {
    /// Bit 2.
    Gan,
    /// Bit 3.
    HspaEvolution,
    /// Bit 5.
    HandoverToNon3gpp,
    /// Bit 7: coverage enhancement of MTC.
    EnhancedCoverage,
    /// Bit 8: NR beside E-UTRAN (EN-DC).
    NrAsSecondaryRat,
    /// Bit 9: unlicensed spectrum beside E-UTRAN (LAA, LWA, LWIP).
    UnlicensedSpectrumAsSecondaryRat,
    /// Bit 10: NR in 5GS.
    #[serde(rename = "nr-in-5gs")]
    NrIn5gs,
}

impl AccessRestriction {
    /// Its bit in Access-Restriction-Data.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << match self {
            Self::Gan => 2,
            Self::HspaEvolution => 3,
            Self::HandoverToNon3gpp => 5,
            Self::EnhancedCoverage => 7,
            Self::NrAsSecondaryRat => 8,
            Self::UnlicensedSpectrumAsSecondaryRat => 9,
            Self::NrIn5gs => 10,
        }
    }
}

/// A core network that may not be used: Core-Network-Restrictions (TS 29.272 §7.3.230).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoreNetworkRestriction {
    /// Bit 1: 5GC.
    #[serde(rename = "5gc")]
    FiveGc,
}

/// A domain with priority service: MPS-Priority (TS 29.272 §7.3.131).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MpsPriority {
    /// Bit 0: MPS-CS-Priority, eMLPP or 1x RTT priority service.
    Cs,
    /// Bit 1: MPS-EPS-Priority.
    Eps,
}

impl MpsPriority {
    /// Its bit in MPS-Priority.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Short messages by way of the MME or SGSN (TS 29.272 §5.2.1.1.3, TS 23.272 annex C): Teleservice-List and
/// Subscription-Data-Flags. An MME that asks for it is registered for SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    /// Teleservice 21, short messages to the UE (TS 22.003).
    #[serde(default = "Sms::yes")]
    pub mobile_terminated: bool,
    /// Teleservice 22, short messages from the UE.
    #[serde(default = "Sms::yes")]
    pub mobile_originated: bool,
    /// PS-And-SMS-Only-Service-Provision-Indication: no other CS service is subscribed (TS 29.272 §7.3.165, bit 0).
    #[serde(default)]
    pub packet_and_sms_only: bool,
    /// SMS-In-SGSN-Allowed-Indication (bit 1).
    #[serde(default)]
    pub in_sgsn: bool,
}

impl Sms {
    fn yes() -> bool {
        true
    }
}

/// Extended idle-mode DRX of one radio access technology (TS 29.272 §7.3.215, §7.3.226; TS 24.008 §10.5.5.32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Edrx {
    /// The technology; GERAN and UTRAN are Iu mode to a paging time window.
    pub rat: Rat,
    /// eDRX value, 0 to 15 as TS 24.008 table 10.5.5.32/3 codes it: 5 is 81.92 s in E-UTRAN.
    #[schema(minimum = 0, maximum = 15)]
    pub cycle_length: u8,
    /// Paging time window, 0 to 15 as the same table codes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 15)]
    pub paging_time_window: Option<u8>,
}

/// As what a UE may use V2X over PC5: V2X-Permission (TS 29.272 §7.3.213).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum V2xRole {
    /// Bit 0.
    Vehicle,
    /// Bit 1.
    Pedestrian,
}

impl V2xRole {
    /// Its bit in V2X-Permission.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// V2X-Subscription-Data (TS 29.272 §7.3.212).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct V2x {
    /// As what.
    pub roles: Vec<V2xRole>,
    /// UE-PC5-AMBR, bit/s (TS 29.272 §7.3.217).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pc5_ambr: Option<u32>,
}
