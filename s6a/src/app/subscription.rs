//! Subscription-Data, TS 29.272 §7.3.2, with all AVPs that an MME or SGSN is told, up to release 16. No group in it is
//! skipped: each has its type here, or in the file of its service beside this one.

use std::net::IpAddr;

use super::{
    ambr::Ambr, csg::*, gprs::GprsSubscriptionData, groups::*, lcs::*, monitoring::*, power::*,
    trace::TraceData, v2x::*, values::*,
};
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
        [ trace_data: TraceData<'a> = TRACE_DATA ]
        [ vplmn_lipa_allowed: u32 = VPLMN_LIPA_ALLOWED ]
        [ relay_node_indicator: u32 = RELAY_NODE_INDICATOR ]
        [ mdt_user_consent: u32 = MDT_USER_CONSENT ]
        [ subscribed_vsrvcc: u32 = SUBSCRIBED_VSRVCC ]
        [ prose_subscription_data: ProseSubscriptionData = PROSE_SUBSCRIPTION_DATA ]
        *[ adjacent_access_restriction_data: AdjacentAccessRestrictionData = ADJACENT_ACCESS_RESTRICTION_DATA ]
        [ dl_buffering_suggested_packet_count: i32 = DL_BUFFERING_SUGGESTED_PACKET_COUNT ]
        *[ imsi_group_id: ImsiGroupId<'a> = IMSI_GROUP_ID ]
        *[ aese_communication_pattern: AeseCommunicationPattern<'a> = AESE_COMMUNICATION_PATTERN ]
        *[ monitoring_event_configuration: MonitoringEventConfiguration<'a> = MONITORING_EVENT_CONFIGURATION ]
        [ emergency_info: EmergencyInfo<'a> = EMERGENCY_INFO ]
        [ v2x_subscription_data: V2xSubscriptionData = V2X_SUBSCRIPTION_DATA ]
        [ v2x_subscription_data_nr: V2xSubscriptionDataNr<'a> = V2X_SUBSCRIPTION_DATA_NR ]
        *[ edrx_cycle_length: EdrxCycleLength<'a> = EDRX_CYCLE_LENGTH ]
        *[ paging_time_window: PagingTimeWindow<'a> = PAGING_TIME_WINDOW ]
        [ active_time: u32 = ACTIVE_TIME ]
        [ service_gap_time: u32 = SERVICE_GAP_TIME ]
        [ broadcast_location_assistance_data_types: u64 = BROADCAST_LOCATION_ASSISTANCE_DATA_TYPES ]
        [ aerial_ue_subscription_information: u32 = AERIAL_UE_SUBSCRIPTION_INFORMATION ]
        [ subscribed_arpi: u32 = SUBSCRIBED_ARPI ]
        [ iab_operation_permission: u32 = IAB_OPERATION_PERMISSION ]
}

group! {
    /// APN-Configuration-Profile, TS 29.272 §7.3.34.
    #[derive(Debug)]
    pub struct ApnConfigurationProfile<'a> ::=
        { context_identifier: u32 = CONTEXT_IDENTIFIER }
        [ additional_context_identifier: u32 = ADDITIONAL_CONTEXT_IDENTIFIER ]
        [ third_context_identifier: u32 = THIRD_CONTEXT_IDENTIFIER ]
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
        [ wlan_offloadability: WlanOffloadability = WLAN_OFFLOADABILITY ]
        [ non_ip_pdn_type_indicator: u32 = NON_IP_PDN_TYPE_INDICATOR ]
        [ non_ip_data_delivery_mechanism: u32 = NON_IP_DATA_DELIVERY_MECHANISM ]
        [ scef_id: &'a str = SCEF_ID ]
        [ scef_realm: &'a str = SCEF_REALM ]
        [ preferred_data_mode: u32 = PREFERRED_DATA_MODE ]
        [ pdn_connection_continuity: u32 = PDN_CONNECTION_CONTINUITY ]
        [ rds_indicator: u32 = RDS_INDICATOR ]
        [ interworking_5gs_indicator: u32 = INTERWORKING_5GS_INDICATOR ]
        [ ethernet_pdn_type_indicator: u32 = ETHERNET_PDN_TYPE_INDICATOR ]
}

group! {
    /// WLAN-offloadability, TS 29.272 §7.3.181; bit 0 of each allows it (§7.3.182, §7.3.183).
    #[derive(Debug)]
    pub struct WlanOffloadability ::=
        [ wlan_offloadability_eutran: u32 = WLAN_OFFLOADABILITY_EUTRAN ]
        [ wlan_offloadability_utran: u32 = WLAN_OFFLOADABILITY_UTRAN ]
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

group! {
    /// Adjacent-Access-Restriction-Data, TS 29.272 §7.3.187: what is not allowed in a PLMN next to the serving one.
    #[derive(Debug)]
    pub struct AdjacentAccessRestrictionData ::=
        { visited_plmn_id: [u8; 3] = VISITED_PLMN_ID }
        { access_restriction_data: AccessRestrictionData = ACCESS_RESTRICTION_DATA }
}

group! {
    /// IMSI-Group-Id, TS 29.272 §7.3.189, TS 23.003 §19.9.
    #[derive(Debug)]
    pub struct ImsiGroupId<'a> ::=
        { group_service_id: u32 = GROUP_SERVICE_ID }
        { group_plmn_id: [u8; 3] = GROUP_PLMN_ID }
        { local_group_id: &'a [u8] = LOCAL_GROUP_ID }
}

group! {
    /// Emergency-Info, TS 29.272 §7.3.210: the PDN gateway of emergency connections.
    #[derive(Debug)]
    pub struct EmergencyInfo<'a> ::=
        [ mip6_agent_info: Mip6AgentInfo<'a> = MIP6_AGENT_INFO ]
}
