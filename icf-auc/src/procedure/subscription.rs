//! Subscription-Data (TS 29.272 §7.3.2) from a profile: what a ULA and an IDR carry. What the profile does not say is left
//! out, so that a node that knows little gets little.
//!
//! INTEROP with Open5GS: an APN without Context-Identifier, PDN-Type, Service-Selection and QoS is dropped,
//! PDN-Type 3 ends its list, four APNs are kept.

mod apn;

use std::net::IpAddr;

use s6a::app::{
    self, AccessRestrictionData, AllApnConfigurationsIncluded, ApnConfigurationProfile, FeatureList1,
    FeatureList2, OperatorDeterminedBarring, RatType, SubscriberStatus, SubscriptionData,
    lcs::TeleserviceList,
    power::{EdrxCycleLength, OperationMode, PagingTimeWindow},
    subscription::EmergencyInfo,
    v2x::{ProseSubscriptionData, V2xPermission, V2xSubscriptionData},
};
use schemas::subscription::{Edrx, NetworkAccessMode, Sms};

use self::apn::Parts;
use super::features::NodeFeatures;
use crate::model::{AccessRule, Profile, Rat, Snapshot};

/// To whom it is sent, and what for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The features that the node has told.
    pub features: NodeFeatures,
    /// It replaces what the node has: what is no longer restricted has to be said, too (TS 29.272 §5.2.2.1.2).
    pub update: bool,
}

/// Teleservice codes of short messages to and from the UE (TS 29.002 §17.7.10, TS 22.003).
const SHORT_MESSAGE_MT: &[u8] = &[0x21];
const SHORT_MESSAGE_MO: &[u8] = &[0x22];

/// Gives `then` the subscriber's Subscription-Data. `address` is the address that it was assigned, sent with the
/// default APN as Served-Party-IP-Address; static ones of other APNs are in the profile.
pub fn with_data<R>(
    subscriber: &Snapshot,
    address: Option<IpAddr>,
    recipient: Recipient,
    then: impl FnOnce(SubscriptionData<'_>) -> R,
) -> R {
    let profile = &*subscriber.profile;
    let node = recipient.features;
    let msisdn = subscriber.credential.msisdn.as_deref().and_then(Tbcd::new);
    let a_msisdn = profile.additional_msisdn.as_deref().and_then(Tbcd::new);
    let a_msisdn = a_msisdn.filter(|_| node.may_know(FeatureList1::ADDITIONAL_MSISDN));
    let stn_sr = profile.stn_sr.as_deref().and_then(Tbcd::new);
    let zone_codes: Vec<[u8; 2]> = profile.zone_codes.iter().filter_map(|code| octets(code)).collect();
    let zone_codes: Vec<&[u8]> = zone_codes.iter().map(<[u8; 2]>::as_slice).collect();
    let parts: Vec<Parts<'_>> = (0..)
        .zip(&profile.apns)
        .map(|(place, apn)| Parts::new(profile.context_id(place), apn, address.filter(|_| place == 0)))
        .collect();
    let apns: Vec<_> = (0..)
        .zip(&parts)
        .filter(|(place, parts)| *place == 0 || may_have(parts, node))
        .map(|(_, parts)| parts.configuration(node))
        .collect();
    let teleservices = profile.sms.map(teleservices).unwrap_or_default();
    let edrx: Vec<EdrxCycleLength<'_>> = profile.edrx.iter().map(cycle_length).collect();
    let windows: Vec<PagingTimeWindow<'_>> = profile.edrx.iter().filter_map(paging_time_window).collect();
    let barring = mask(&profile.barring, |barring| barring.bit());
    let hplmn_odb = mask(&profile.hplmn_barring, |barring| barring.bit());
    then(SubscriptionData {
        subscriber_status: Some(match barring.or(hplmn_odb) {
            None => SubscriberStatus::ServiceGranted,
            Some(_) => SubscriberStatus::OperatorDeterminedBarring,
        }),
        msisdn: msisdn.as_ref().map(Tbcd::as_slice),
        a_msisdn: a_msisdn.as_ref().map(Tbcd::as_slice),
        external_identifier: profile
            .external_identifier
            .as_deref()
            .filter(|_| node.may_know(FeatureList2::EXTERNAL_IDENTIFIER)),
        stn_sr: stn_sr.as_ref().map(Tbcd::as_slice),
        ics_indicator: profile.ics.map(u32::from),
        network_access_mode: Some(match profile.network_access_mode {
            NetworkAccessMode::PacketAndCircuit => app::NetworkAccessMode::PacketAndCircuit,
            NetworkAccessMode::OnlyPacket => app::NetworkAccessMode::OnlyPacket,
        }),
        operator_determined_barring: barring.map(OperatorDeterminedBarring),
        hplmn_odb,
        regional_subscription_zone_code: (&zone_codes[..]).into(),
        access_restriction_data: Some(restriction(profile))
            .filter(|restriction| recipient.update || restriction.0 != 0),
        apn_oi_replacement: profile.apn_oi_replacement.as_deref(),
        charging_characteristics: profile.charging_characteristics.as_deref(),
        ambr: Some(apn::ambr(profile.ambr, node)),
        apn_configuration_profile: Some(ApnConfigurationProfile {
            context_identifier: profile.context_id(0),
            all_apn_configurations_included: AllApnConfigurationsIncluded::All,
            apn_configuration: (&apns[..]).into(),
            ..ApnConfigurationProfile::default()
        }),
        rat_frequency_selection_priority_id: profile.rfsp_index.map(Into::into),
        subscribed_periodic_rau_tau_timer: profile.periodic_tau,
        mps_priority: mask(&profile.mps_priority, |priority| priority.bit()),
        subscription_data_flags: flags(profile),
        ue_usage_type: profile.ue_usage_type.map(Into::into),
        // Bit 0 is reserved, bit 1 is "5GC not allowed" (§7.3.230).
        core_network_restrictions: mask(&profile.core_network_restrictions, |_| 1 << 1),
        teleservice_list: Some(TeleserviceList { ts_code: (&teleservices[..]).into() })
            .filter(|_| !teleservices.is_empty()),
        vplmn_lipa_allowed: profile.vplmn_lipa.map(u32::from),
        relay_node_indicator: profile.relay_node.map(u32::from),
        mdt_user_consent: profile.mdt_user_consent.map(u32::from),
        // VSRVCC_SUBSCRIBED is the only value (§7.3.150).
        subscribed_vsrvcc: Some(0).filter(|_| profile.vsrvcc),
        prose_subscription_data: profile
            .prose_permission
            .map(|prose_permission| ProseSubscriptionData { prose_permission })
            .filter(|_| node.may_know(FeatureList2::PROSE)),
        dl_buffering_suggested_packet_count: profile.dl_buffering_packets,
        emergency_info: profile
            .emergency_gateway
            .as_ref()
            .map(|gateway| EmergencyInfo { mip6_agent_info: Some(apn::agent(gateway)) }),
        v2x_subscription_data: profile.v2x.as_ref().filter(|_| node.may_know(FeatureList2::V2X)).map(|v2x| {
            V2xSubscriptionData {
                v2x_permission: mask(&v2x.roles, |role| role.bit()).map(V2xPermission),
                ue_pc5_ambr: v2x.pc5_ambr,
            }
        }),
        edrx_cycle_length: (&edrx[..]).into(),
        paging_time_window: (&windows[..]).into(),
        active_time: profile.active_time,
        service_gap_time: profile.service_gap_time,
        // AERIAL_UE_ALLOWED is 0, AERIAL_UE_NOT_ALLOWED 1 (§7.3.224).
        aerial_ue_subscription_information: profile.aerial_ue.map(|allowed| u32::from(!allowed)),
        ..SubscriptionData::default()
    })
}

/// A mask of flags; `None` for no flag at all.
fn mask<T: Copy>(flags: &[T], bit: impl Fn(T) -> u32) -> Option<u32> {
    if flags.is_empty() { None } else { Some(flags.iter().fold(0, |all, flag| all | bit(*flag))) }
}

/// Whether a node can have this APN: one that is not for IP only if it knows such (§7.3.10, Non-IP PDN Type APNs).
fn may_have(parts: &Parts<'_>, node: NodeFeatures) -> bool {
    parts.apn.non_ip.is_none() || node.may_know(FeatureList2::NON_IP_PDN_TYPE_APNS)
}

fn teleservices(sms: Sms) -> Vec<&'static [u8]> {
    let both = [(sms.mobile_terminated, SHORT_MESSAGE_MT), (sms.mobile_originated, SHORT_MESSAGE_MO)];
    both.into_iter().filter(|(subscribed, _)| *subscribed).map(|(_, code)| code).collect()
}

/// Subscription-Data-Flags (§7.3.165); `None` if none is set.
fn flags(profile: &Profile) -> Option<u32> {
    let sms = profile.sms;
    let flags = u32::from(sms.is_some_and(|sms| sms.packet_and_sms_only))
        | u32::from(sms.is_some_and(|sms| sms.in_sgsn)) << 1
        | u32::from(profile.user_plane_integrity) << 2;
    Some(flags).filter(|flags| *flags != 0)
}

fn cycle_length(edrx: &Edrx) -> EdrxCycleLength<'_> {
    EdrxCycleLength {
        rat_type: RatType(edrx.rat.code()),
        edrx_cycle_length_value: std::slice::from_ref(&edrx.cycle_length),
    }
}

fn paging_time_window(edrx: &Edrx) -> Option<PagingTimeWindow<'_>> {
    let window = edrx.paging_time_window.as_ref()?;
    Some(PagingTimeWindow {
        operation_mode: match edrx.rat {
            Rat::Utran | Rat::Geran => OperationMode::IU,
            Rat::Eutran | Rat::LteM => OperationMode::WB_S1,
            Rat::EutranNbIot => OperationMode::NB_S1,
        },
        paging_time_window_length: std::slice::from_ref(window),
    })
}

/// Access-Restriction-Data (TS 29.272 §7.3.31): a bit for each RAT that is not allowed, so that the MME
/// also keeps the UE from handovers there, and one for each other restriction.
fn restriction(profile: &Profile) -> AccessRestrictionData {
    let rats = [
        (Rat::Utran, AccessRestrictionData::UTRAN),
        (Rat::Geran, AccessRestrictionData::GERAN),
        (Rat::Eutran, AccessRestrictionData::WB_EUTRAN),
        (Rat::EutranNbIot, AccessRestrictionData::NB_IOT),
        (Rat::LteM, AccessRestrictionData::LTE_M),
    ];
    let refused = rats.into_iter().filter(|(rat, _)| !profile.allowed_rats.allows(rat));
    let refused = refused.fold(AccessRestrictionData(0), |all, (_, bit)| all.with(bit));
    let others = mask(&profile.access_restrictions, |restriction| restriction.bit());
    refused.with(AccessRestrictionData(others.unwrap_or(0)))
}

/// A number of up to 15 digits as TBCD: the first digit in the low half of an octet, 1111 as filler
/// (TS 29.329 §6.3.2, TS 29.272 §7.3.39, §7.3.157).
#[derive(Debug, Clone, Copy)]
struct Tbcd {
    octets: [u8; 8],
    length: usize,
}

impl Tbcd {
    /// `None` for what is no such number.
    fn new(digits: &str) -> Option<Self> {
        let digits = digits.strip_prefix('+').unwrap_or(digits).as_bytes();
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut octets = [0; 8];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
            let high = pair.get(1).map_or(0xf, |digit| digit - b'0');
            *octet = high << 4 | (pair[0] - b'0');
        }
        Some(Self { octets, length: digits.len().div_ceil(2) })
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// Two octets of four hexadecimal digits.
fn octets(text: &str) -> Option<[u8; 2]> {
    let mut octets = [0; 2];
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(octets)
}

/// Whether a UE notices that one profile took the other's place, so that its serving node must be told.
#[must_use]
pub fn differs(old: &Profile, new: &Profile) -> bool {
    sent(old) != sent(new)
}

/// A profile without what a serving node is not told.
fn sent(profile: &Profile) -> Profile {
    Profile {
        name: String::new(),
        lifetime: None,
        attach_budget: None,
        allowed_plmns: AccessRule::Any,
        eps: true,
        address_pool: None,
        registration_lifetime: 0,
        version: 0,
        ..profile.clone()
    }
}

#[cfg(test)]
mod tests;
