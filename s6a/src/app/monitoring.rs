//! Monitoring events that an SCEF asks for, as the HSS hands them on to MME and SGSN and they report: TS 29.272
//! §7.3.195 to §7.3.200, with what releases after 15 added; the parts from TS 29.336 §8.4 and TS 29.128 §6.4.
//!
//! Members that TS 29.336 has for the S6t interface alone are skipped.

use std::net::IpAddr;

use super::{place::EpsLocationInformation, power::EdrxCycleLength, values::*};
use crate::codec::{
    dictionary::{base::*, s6a::*},
    grammar::{group, named},
};

named! {
    /// Monitoring-Type, TS 29.336 §8.4.7.
    pub struct MonitoringType values {
        /// LOSS_OF_CONNECTIVITY.
        LOSS_OF_CONNECTIVITY = 0,
        /// UE_REACHABILITY.
        UE_REACHABILITY = 1,
        /// LOCATION_REPORTING.
        LOCATION_REPORTING = 2,
        /// CHANGE_OF_IMSI_IMEI(SV)_ASSOCIATION.
        CHANGE_OF_IMSI_IMEI_ASSOCIATION = 3,
        /// ROAMING_STATUS.
        ROAMING_STATUS = 4,
        /// COMMUNICATION_FAILURE.
        COMMUNICATION_FAILURE = 5,
        /// AVAILABILITY_AFTER_DDN_FAILURE.
        AVAILABILITY_AFTER_DDN_FAILURE = 6,
        /// NUMBER_OF_UES_PRESENT_IN_A_GEOGRAPHICAL_AREA.
        NUMBER_OF_UES_IN_AN_AREA = 7,
        /// UE_REACHABILITY_AND_IDLE_STATUS_INDICATION.
        UE_REACHABILITY_AND_IDLE_STATUS = 8,
        /// AVAILABILITY_AFTER_DDN_FAILURE_AND_IDLE_STATUS_INDICATION.
        AVAILABILITY_AFTER_DDN_FAILURE_AND_IDLE_STATUS = 9,
        /// PDN_CONNECTIVITY_STATUS.
        PDN_CONNECTIVITY_STATUS = 10,
    }
}

named! {
    /// Loss-Of-Connectivity-Reason, TS 29.336 §8.4.58.
    pub struct LossOfConnectivityReason values {
        /// UE_DETACHED_MME.
        UE_DETACHED_MME = 0,
        /// UE_DETACHED_SGSN.
        UE_DETACHED_SGSN = 1,
        /// MAX_DETECTION_TIME_EXPIRED_MME.
        MAX_DETECTION_TIME_EXPIRED_MME = 2,
        /// MAX_DETECTION_TIME_EXPIRED_SGSN.
        MAX_DETECTION_TIME_EXPIRED_SGSN = 3,
        /// UE_PURGED_MME.
        UE_PURGED_MME = 4,
        /// UE_PURGED_SGSN.
        UE_PURGED_SGSN = 5,
    }
}

named! {
    /// Reachability-Type, TS 29.336 §8.4.12; never both.
    pub struct ReachabilityType bits {
        /// Reachability for SMS.
        SMS = 0,
        /// Reachability for Data, the only one on S6a (TS 29.272 §7.3.197).
        DATA = 1,
    }
}

group! {
    /// Monitoring-Event-Configuration, TS 29.272 §7.3.195; the duration ends at that time (seconds since 1900).
    /// On S6a SCEF-Realm is always there.
    #[derive(Debug)]
    pub struct MonitoringEventConfiguration<'a> ::=
        [ scef_reference_id: u32 = SCEF_REFERENCE_ID ]
        [ scef_reference_id_ext: u64 = SCEF_REFERENCE_ID_EXT ]
        { scef_id: &'a str = SCEF_ID }
        { monitoring_type: MonitoringType = MONITORING_TYPE }
        *[ scef_reference_id_for_deletion: u32 = SCEF_REFERENCE_ID_FOR_DELETION ]
        *[ scef_reference_id_for_deletion_ext: u64 = SCEF_REFERENCE_ID_FOR_DELETION_EXT ]
        [ maximum_number_of_reports: u32 = MAXIMUM_NUMBER_OF_REPORTS ]
        [ monitoring_duration: u32 = MONITORING_DURATION ]
        [ charged_party: &'a str = CHARGED_PARTY ]
        [ ue_reachability_configuration: UeReachabilityConfiguration = UE_REACHABILITY_CONFIGURATION ]
        [ location_information_configuration: LocationInformationConfiguration
            = LOCATION_INFORMATION_CONFIGURATION ]
        [ scef_realm: &'a str = SCEF_REALM ]
        [ external_identifier: &'a str = EXTERNAL_IDENTIFIER ]
        [ mtc_provider_info: MtcProviderInfo<'a> = MTC_PROVIDER_INFO ]
        [ pdn_connectivity_status_configuration: PdnConnectivityStatusConfiguration<'a>
            = PDN_CONNECTIVITY_STATUS_CONFIGURATION ]
}

group! {
    /// UE-Reachability-Configuration, TS 29.272 §7.3.197 and TS 29.336 §8.4.9; times in seconds.
    #[derive(Debug)]
    pub struct UeReachabilityConfiguration ::=
        [ reachability_type: ReachabilityType = REACHABILITY_TYPE ]
        [ maximum_latency: u32 = MAXIMUM_LATENCY ]
        [ maximum_response_time: u32 = MAXIMUM_RESPONSE_TIME ]
        [ dl_buffering_suggested_packet_count: i32 = DL_BUFFERING_SUGGESTED_PACKET_COUNT ]
}

group! {
    /// Location-Information-Configuration, TS 29.336 §8.4.15; the least interval in seconds.
    #[derive(Debug)]
    pub struct LocationInformationConfiguration ::=
        [ monte_location_type: u32 = MONTE_LOCATION_TYPE ]
        [ accuracy: u32 = ACCURACY ]
        [ periodic_time: u32 = PERIODIC_TIME ]
}

group! {
    /// MTC-Provider-Info, TS 29.336 §8.4.74.
    #[derive(Debug)]
    pub struct MtcProviderInfo<'a> ::=
        [ mtc_provider_id: &'a str = MTC_PROVIDER_ID ]
}

group! {
    /// PDN-Connectivity-Status-Configuration, TS 29.336 §8.4.76; without an APN all are meant.
    #[derive(Debug)]
    pub struct PdnConnectivityStatusConfiguration<'a> ::=
        [ service_selection: &'a str = SERVICE_SELECTION ]
}

group! {
    /// Monitoring-Event-Report, TS 29.272 §7.3.196.
    #[derive(Debug)]
    pub struct MonitoringEventReport<'a> ::=
        { scef_reference_id: u32 = SCEF_REFERENCE_ID }
        [ scef_reference_id_ext: u64 = SCEF_REFERENCE_ID_EXT ]
        [ scef_id: &'a str = SCEF_ID ]
        [ reachability_information: u32 = REACHABILITY_INFORMATION ]
        [ eps_location_information: EpsLocationInformation<'a> = EPS_LOCATION_INFORMATION ]
        [ monitoring_type: MonitoringType = MONITORING_TYPE ]
        [ loss_of_connectivity_reason: LossOfConnectivityReason = LOSS_OF_CONNECTIVITY_REASON ]
        [ idle_status_indication: IdleStatusIndication<'a> = IDLE_STATUS_INDICATION ]
        [ maximum_ue_availability_time: u32 = MAXIMUM_UE_AVAILABILITY_TIME ]
        *[ pdn_connectivity_status_report: PdnConnectivityStatusReport<'a> = PDN_CONNECTIVITY_STATUS_REPORT ]
}

group! {
    /// Idle-Status-Indication, TS 29.128 §6.4.32: what MME or SGSN granted, and since when the UE is idle.
    #[derive(Debug)]
    pub struct IdleStatusIndication<'a> ::=
        [ idle_status_timestamp: u32 = IDLE_STATUS_TIMESTAMP ]
        [ active_time: u32 = ACTIVE_TIME ]
        [ subscribed_periodic_rau_tau_timer: u32 = SUBSCRIBED_PERIODIC_RAU_TAU_TIMER ]
        [ edrx_cycle_length: EdrxCycleLength<'a> = EDRX_CYCLE_LENGTH ]
        [ dl_buffering_suggested_packet_count: i32 = DL_BUFFERING_SUGGESTED_PACKET_COUNT ]
}

group! {
    /// PDN-Connectivity-Status-Report, TS 29.336 §8.4.77.
    #[derive(Debug)]
    pub struct PdnConnectivityStatusReport<'a> ::=
        { service_selection: &'a str = SERVICE_SELECTION }
        { pdn_connectivity_status_type: u32 = PDN_CONNECTIVITY_STATUS_TYPE }
        [ pdn_type: PdnType = PDN_TYPE ]
        [ non_ip_pdn_type_indicator: u32 = NON_IP_PDN_TYPE_INDICATOR ]
        [ non_ip_data_delivery_mechanism: u32 = NON_IP_DATA_DELIVERY_MECHANISM ]
        *[ served_party_ip_address: IpAddr = SERVED_PARTY_IP_ADDRESS ]
}

group! {
    /// Monitoring-Event-Config-Status, TS 29.336 §8.4.24: what became of a configuration.
    #[derive(Debug)]
    pub struct MonitoringEventConfigStatus<'a> ::=
        *[ service_report: ServiceReport = SERVICE_REPORT ]
        { scef_reference_id: u32 = SCEF_REFERENCE_ID }
        [ scef_reference_id_ext: u64 = SCEF_REFERENCE_ID_EXT ]
        [ scef_id: &'a str = SCEF_ID ]
}

group! {
    /// Service-Report, TS 29.336 §8.4.47.
    #[derive(Debug)]
    pub struct ServiceReport ::=
        [ service_result: ServiceResult = SERVICE_RESULT ]
        [ node_type: u32 = NODE_TYPE ]
}

group! {
    /// Service-Result, TS 29.336 §8.4.37: the code is 3GPP's with Vendor-Id 10415, else of RFC 6733.
    #[derive(Debug)]
    pub struct ServiceResult ::=
        [ vendor_id: u32 = VENDOR_ID ]
        [ service_result_code: u32 = SERVICE_RESULT_CODE ]
}

group! {
    /// Supported-Services, TS 29.272 §7.3.199; the events by the bits of §7.3.200.
    #[derive(Debug)]
    pub struct SupportedServices ::=
        [ supported_monitoring_events: u64 = SUPPORTED_MONITORING_EVENTS ]
        [ node_type: u32 = NODE_TYPE ]
}

group! {
    /// AESE-Communication-Pattern, TS 29.272 §7.3.193: how a device is expected to communicate.
    #[derive(Debug)]
    pub struct AeseCommunicationPattern<'a> ::=
        [ scef_reference_id: u32 = SCEF_REFERENCE_ID ]
        [ scef_reference_id_ext: u64 = SCEF_REFERENCE_ID_EXT ]
        { scef_id: &'a str = SCEF_ID }
        *[ scef_reference_id_for_deletion: u32 = SCEF_REFERENCE_ID_FOR_DELETION ]
        *[ scef_reference_id_for_deletion_ext: u64 = SCEF_REFERENCE_ID_FOR_DELETION_EXT ]
        *[ communication_pattern_set: CommunicationPatternSet<'a> = COMMUNICATION_PATTERN_SET ]
        [ mtc_provider_info: MtcProviderInfo<'a> = MTC_PROVIDER_INFO ]
}

group! {
    /// Communication-Pattern-Set, TS 29.272 §7.3.194, TS 29.336 §8.4.26; durations in seconds, the end of its
    /// validity in seconds since 1900.
    #[derive(Debug)]
    pub struct CommunicationPatternSet<'a> ::=
        [ periodic_communication_indicator: u32 = PERIODIC_COMMUNICATION_INDICATOR ]
        [ communication_duration_time: u32 = COMMUNICATION_DURATION_TIME ]
        [ periodic_time: u32 = PERIODIC_TIME ]
        *[ scheduled_communication_time: ScheduledCommunicationTime = SCHEDULED_COMMUNICATION_TIME ]
        [ stationary_indication: u32 = STATIONARY_INDICATION ]
        [ reference_id_validity_time: u32 = REFERENCE_ID_VALIDITY_TIME ]
        [ traffic_profile: u32 = TRAFFIC_PROFILE ]
        [ battery_indicator: u32 = BATTERY_INDICATOR ]
}

group! {
    /// Scheduled-Communication-Time, TS 29.336 §8.4.30; times in seconds of the day (RFC 5777 §4.2).
    #[derive(Debug)]
    pub struct ScheduledCommunicationTime ::=
        [ day_of_week_mask: u32 = DAY_OF_WEEK_MASK ]
        [ time_of_day_start: u32 = TIME_OF_DAY_START ]
        [ time_of_day_end: u32 = TIME_OF_DAY_END ]
}
