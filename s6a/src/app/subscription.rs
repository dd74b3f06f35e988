//! Subscription-Data, TS 29.272 §7.3.2, with the AVPs that an MME or SGSN is told; trace, WLAN offload, V2X,
//! eDRX and other groups added from release 10 on are skipped.

use std::net::IpAddr;

use super::{csg::*, gprs::GprsSubscriptionData, groups::*, lcs::*, values::*};
use crate::codec::{
    dictionary::{base::*, s6a::*},
    grammar::group,
};

group! {
    /// Subscription-Data, TS 29.272 §7.3.2.
    #[derive(Debug)]
    pub struct SubscriptionData<'a> ::=
        [ subscriber_status: SubscriberStatus = SUBSCRIBER_STATUS ]
        [ msisdn: &'a [u8] = MSISDN ]
        [ a_msisdn: &'a [u8] = A_MSISDN ]
        [ external_identifier: &'a str = EXTERNAL_IDENTIFIER ]
        [ stn_sr: &'a [u8] = STN_SR ]
        [ ics_indicator: u32 = ICS_INDICATOR ]
        [ network_access_mode: NetworkAccessMode = NETWORK_ACCESS_MODE ]
        [ operator_determined_barring: OperatorDeterminedBarring = OPERATOR_DETERMINED_BARRING ]
        [ hplmn_odb: u32 = HPLMN_ODB ]
        *[ regional_subscription_zone_code: &'a [u8] = REGIONAL_SUBSCRIPTION_ZONE_CODE ]
        [ access_restriction_data: AccessRestrictionData = ACCESS_RESTRICTION_DATA ]
        [ apn_oi_replacement: &'a str = APN_OI_REPLACEMENT ]
        [ charging_characteristics: &'a str = CHARGING_CHARACTERISTICS ]
        [ ambr: Ambr = AMBR ]
        [ apn_configuration_profile: ApnConfigurationProfile<'a> = APN_CONFIGURATION_PROFILE ]
        [ rat_frequency_selection_priority_id: u32 = RAT_FREQUENCY_SELECTION_PRIORITY_ID ]
        [ roaming_restricted_due_to_unsupported_feature: u32 = ROAMING_RESTRICTED_DUE_TO_UNSUPPORTED_FEATURE ]
        [ subscribed_periodic_rau_tau_timer: u32 = SUBSCRIBED_PERIODIC_RAU_TAU_TIMER ]
        [ mps_priority: u32 = MPS_PRIORITY ]
        [ subscription_data_flags: u32 = SUBSCRIPTION_DATA_FLAGS ]
        [ ue_usage_type: u32 = UE_USAGE_TYPE ]
        [ core_network_restrictions: u32 = CORE_NETWORK_RESTRICTIONS ]
        [ lcs_info: LcsInfo<'a> = LCS_INFO ]
        [ teleservice_list: TeleserviceList<'a> = TELESERVICE_LIST ]
        *[ call_barring_info: CallBarringInfo<'a> = CALL_BARRING_INFO ]
        [ gprs_subscription_data: GprsSubscriptionData<'a> = GPRS_SUBSCRIPTION_DATA ]
        *[ csg_subscription_data: CsgSubscriptionData<'a> = CSG_SUBSCRIPTION_DATA ]
        *[ vplmn_csg_subscription_data: VplmnCsgSubscriptionData = VPLMN_CSG_SUBSCRIPTION_DATA ]
}

group! {
    /// AMBR, TS 29.272 §7.3.41: bits per second; above 2^32-1 in the extended AVPs, in kilobits per second.
    #[derive(Debug)]
    pub struct Ambr ::=
        { max_requested_bandwidth_ul: u32 = MAX_REQUESTED_BANDWIDTH_UL }
        { max_requested_bandwidth_dl: u32 = MAX_REQUESTED_BANDWIDTH_DL }
        [ extended_max_requested_bw_ul: u32 = EXTENDED_MAX_REQUESTED_BW_UL ]
        [ extended_max_requested_bw_dl: u32 = EXTENDED_MAX_REQUESTED_BW_DL ]
}

group! {
    /// APN-Configuration-Profile, TS 29.272 §7.3.34.
    #[derive(Debug)]
    pub struct ApnConfigurationProfile<'a> ::=
        { context_identifier: u32 = CONTEXT_IDENTIFIER }
        [ additional_context_identifier: u32 = ADDITIONAL_CONTEXT_IDENTIFIER ]
        { all_apn_configurations_included: AllApnConfigurationsIncluded
            = ALL_APN_CONFIGURATIONS_INCLUDED_INDICATOR }
        1*{ apn_configuration: ApnConfiguration<'a> = APN_CONFIGURATION }
}

group! {
    /// APN-Configuration, TS 29.272 §7.3.35.
    #[derive(Debug)]
    pub struct ApnConfiguration<'a> ::=
        { context_identifier: u32 = CONTEXT_IDENTIFIER }
        *[ served_party_ip_address: IpAddr = SERVED_PARTY_IP_ADDRESS ]
        { pdn_type: PdnType = PDN_TYPE }
        { service_selection: &'a str = SERVICE_SELECTION }
        [ eps_subscribed_qos_profile: EpsSubscribedQosProfile = EPS_SUBSCRIBED_QOS_PROFILE ]
        [ vplmn_dynamic_address_allowed: VplmnDynamicAddress = VPLMN_DYNAMIC_ADDRESS_ALLOWED ]
        [ mip6_agent_info: Mip6AgentInfo<'a> = MIP6_AGENT_INFO ]
        [ visited_network_identifier: &'a [u8] = VISITED_NETWORK_IDENTIFIER ]
        [ pdn_gw_allocation_type: PdnGwAllocationType = PDN_GW_ALLOCATION_TYPE ]
        [ charging_characteristics: &'a str = CHARGING_CHARACTERISTICS ]
        [ ambr: Ambr = AMBR ]
        [ apn_oi_replacement: &'a str = APN_OI_REPLACEMENT ]
        *[ specific_apn_info: SpecificApnInfo<'a> = SPECIFIC_APN_INFO ]
        [ sipto_permission: u32 = SIPTO_PERMISSION ]
        [ lipa_permission: u32 = LIPA_PERMISSION ]
        [ restoration_priority: u32 = RESTORATION_PRIORITY ]
        [ sipto_local_network_permission: u32 = SIPTO_LOCAL_NETWORK_PERMISSION ]
        [ non_ip_pdn_type_indicator: u32 = NON_IP_PDN_TYPE_INDICATOR ]
}

group! {
    /// EPS-Subscribed-QoS-Profile, TS 29.272 §7.3.37. The QCI is 1 to 9 and others (TS 29.212 §5.3.17).
    #[derive(Debug)]
    pub struct EpsSubscribedQosProfile ::=
        { qos_class_identifier: u32 = QOS_CLASS_IDENTIFIER }
        { allocation_retention_priority: AllocationRetentionPriority = ALLOCATION_RETENTION_PRIORITY }
}

group! {
    /// Allocation-Retention-Priority, TS 29.272 §7.3.40. The level is 1 to 15, 1 the highest
    /// (TS 29.212 §5.3.45).
    #[derive(Debug)]
    pub struct AllocationRetentionPriority ::=
        { priority_level: u32 = PRIORITY_LEVEL }
        [ pre_emption_capability: PreemptionCapability = PRE_EMPTION_CAPABILITY ]
        [ pre_emption_vulnerability: PreemptionVulnerability = PRE_EMPTION_VULNERABILITY ]
}
