//! APN-Configuration (TS 29.272 §7.3.35) from an APN of a profile.

use std::net::IpAddr;

use s6a::app::{
    self, AllocationRetentionPriority, ApnConfiguration, EpsSubscribedQosProfile, FeatureList2,
    PdnGwAllocationType, PreemptionCapability, PreemptionVulnerability, VplmnDynamicAddress,
    groups::{Mip6AgentInfo, MipHomeAgentHost, SpecificApnInfo},
    subscription::WlanOffloadability,
};
use schemas::subscription::{AllocationType, Gateway, LipaPermission, NonIp, PdnConnectionContinuity};

use crate::{
    model::{Ambr, Apn, Arp, PdnType},
    procedure::features::NodeFeatures,
};

/// What an APN-Configuration borrows besides the APN itself.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) context_id: u32,
    pub(super) apn: &'a Apn,
    addresses: Vec<IpAddr>,
    specific: Vec<SpecificApnInfo<'a>>,
}

impl<'a> Parts<'a> {
    /// `assigned` is the address that the credential has: it goes with the default APN, unless another of its IP
    /// version is subscribed there.
    pub(super) fn new(context_id: u32, apn: &'a Apn, assigned: Option<IpAddr>) -> Self {
        let subscribed = apn.addresses.iter().map(|address| address.0);
        let other = assigned.filter(|one| !subscribed.clone().any(|it| it.is_ipv6() == one.is_ipv6()));
        let fits = |address: &IpAddr| match address {
            IpAddr::V4(_) => apn.pdn_type.has_ipv4(),
            IpAddr::V6(_) => apn.pdn_type.has_ipv6(),
        };
        let mut addresses: Vec<IpAddr> = subscribed.chain(other).filter(fits).collect();
        addresses.sort();
        let specific = apn.specific_apns.iter().map(|specific| SpecificApnInfo {
            service_selection: &specific.name,
            mip6_agent_info: agent(&specific.gateway),
            ..SpecificApnInfo::default()
        });
        Self { context_id, apn, addresses, specific: specific.collect() }
    }

    /// As it is sent to a node.
    pub(super) fn configuration(&self, node: NodeFeatures) -> ApnConfiguration<'_> {
        let apn = self.apn;
        let gateway = apn.gateway.as_ref();
        ApnConfiguration {
            context_identifier: self.context_id,
            served_party_ip_address: (&self.addresses[..]).into(),
            pdn_type: match apn.pdn_type {
                PdnType::Ipv4 => app::PdnType::Ipv4,
                PdnType::Ipv6 => app::PdnType::Ipv6,
                PdnType::Ipv4v6 => app::PdnType::Ipv4v6,
                PdnType::Ipv4OrIpv6 => app::PdnType::Ipv4OrIpv6,
            },
            service_selection: &apn.name,
            eps_subscribed_qos_profile: Some(qos(apn)),
            vplmn_dynamic_address_allowed: apn.vplmn_dynamic_address.map(|allowed| match allowed {
                true => VplmnDynamicAddress::Allowed,
                false => VplmnDynamicAddress::NotAllowed,
            }),
            mip6_agent_info: gateway.map(agent),
            // Only with MIP6-Agent-Info (§7.3.35).
            pdn_gw_allocation_type: gateway.map(|gateway| match gateway.allocation {
                AllocationType::Static => PdnGwAllocationType::Static,
                AllocationType::Dynamic => PdnGwAllocationType::Dynamic,
            }),
            charging_characteristics: apn.charging_characteristics.as_deref(),
            ambr: Some(ambr(apn.ambr, node)),
            apn_oi_replacement: apn.apn_oi_replacement.as_deref(),
            specific_apn_info: (&self.specific[..]).into(),
            // SIPTO_ALLOWED is 0, SIPTO_NOTALLOWED 1 (§7.3.135, §7.3.176).
            sipto_permission: apn.sipto.map(|allowed| u32::from(!allowed)),
            sipto_local_network_permission: apn.sipto_local_network.map(|allowed| u32::from(!allowed)),
            lipa_permission: apn.lipa.map(|permission| match permission {
                LipaPermission::Prohibited => 0,
                LipaPermission::Only => 1,
                LipaPermission::Conditional => 2,
            }),
            restoration_priority: apn.restoration_priority.map(Into::into),
            wlan_offloadability: apn.wlan_offload.map(|offload| WlanOffloadability {
                wlan_offloadability_eutran: Some(offload.eutran.into()),
                wlan_offloadability_utran: Some(offload.utran.into()),
            }),
            preferred_data_mode: super::mask(&apn.preferred_data_mode, |mode| mode.bit()),
            pdn_connection_continuity: apn.pdn_connection_continuity.map(|continuity| match continuity {
                PdnConnectionContinuity::Maintain => 0,
                PdnConnectionContinuity::DisconnectWithReactivation => 1,
                PdnConnectionContinuity::DisconnectWithoutReactivation => 2,
            }),
            interworking_5gs_indicator: apn.interworking_5gs.map(u32::from),
            ..non_ip(apn.non_ip.as_ref())
        }
    }
}

/// Non-IP-PDN-Type-Indicator and what goes only with it (§7.3.35).
fn non_ip(non_ip: Option<&NonIp>) -> ApnConfiguration<'_> {
    let (mechanism, scef) = match non_ip {
        None => return ApnConfiguration::default(),
        Some(NonIp::Sgi {}) => (0, None),
        Some(NonIp::Scef { id, realm, reliable_data_service }) => {
            (1, Some((id, realm, *reliable_data_service)))
        }
    };
    ApnConfiguration {
        non_ip_pdn_type_indicator: Some(1),
        non_ip_data_delivery_mechanism: Some(mechanism),
        scef_id: scef.map(|(id, ..)| id.as_str()),
        scef_realm: scef.map(|(_, realm, _)| realm.as_str()),
        rds_indicator: scef.map(|(.., reliable)| reliable.into()),
        ..ApnConfiguration::default()
    }
}

/// MIP6-Agent-Info (§7.3.45) of a gateway.
pub(super) fn agent(gateway: &Gateway) -> Mip6AgentInfo<'_> {
    Mip6AgentInfo {
        mip_home_agent_address: (&gateway.addresses[..]).into(),
        mip_home_agent_host: gateway
            .name
            .as_ref()
            .map(|name| MipHomeAgentHost { destination_realm: &name.realm, destination_host: &name.host }),
    }
}

fn qos(apn: &Apn) -> EpsSubscribedQosProfile {
    let Arp { priority, may_preempt, preemptable } = apn.arp;
    EpsSubscribedQosProfile {
        qos_class_identifier: apn.qci.into(),
        allocation_retention_priority: AllocationRetentionPriority {
            priority_level: priority.into(),
            pre_emption_capability: Some(match may_preempt {
                true => PreemptionCapability::Enabled,
                false => PreemptionCapability::Disabled,
            }),
            pre_emption_vulnerability: Some(match preemptable {
                true => PreemptionVulnerability::Enabled,
                false => PreemptionVulnerability::Disabled,
            }),
        },
    }
}

/// AMBR (§7.3.41). A rate above 4,294,967,295 bit/s is that number, and the rate itself in kbit/s in an extended AVP
/// where the node may know it: with the feature NR as Secondary RAT (§7.3.10).
pub(super) fn ambr(ambr: Ambr, node: NodeFeatures) -> app::Ambr {
    let extended = |rate: u64| match u32::try_from(rate) {
        Err(_) if node.may_know(FeatureList2::NR_AS_SECONDARY_RAT) => u32::try_from(rate / 1000).ok(),
        _ => None,
    };
    app::Ambr {
        max_requested_bandwidth_ul: u32::try_from(ambr.uplink).unwrap_or(u32::MAX),
        max_requested_bandwidth_dl: u32::try_from(ambr.downlink).unwrap_or(u32::MAX),
        extended_max_requested_bw_ul: extended(ambr.uplink),
        extended_max_requested_bw_dl: extended(ambr.downlink),
    }
}
