//! Notification, TS 29.272 §5.2.5.

use super::groups::*;
use super::{monitoring::MonitoringEventConfigStatus, values::*};
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::command,
    },
};

command! {
    /// NOR, TS 29.272 §7.2.17.
    pub struct NotifyRequest<'a> ::= < Diameter Header: 323, REQ, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ destination_host: &'a str = DESTINATION_HOST ]
        { destination_realm: &'a str = DESTINATION_REALM }
        { user_name: &'a str = USER_NAME }
        [ oc_supported_features: OcSupportedFeatures = OC_SUPPORTED_FEATURES ]
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ terminal_information: TerminalInformation<'a> = TERMINAL_INFORMATION ]
        [ mip6_agent_info: Mip6AgentInfo<'a> = MIP6_AGENT_INFO ]
        [ visited_network_identifier: &'a [u8] = VISITED_NETWORK_IDENTIFIER ]
        [ context_identifier: u32 = CONTEXT_IDENTIFIER ]
        [ service_selection: &'a str = SERVICE_SELECTION ]
        [ alert_reason: AlertReason = ALERT_REASON ]
        [ ue_srvcc_capability: u32 = UE_SRVCC_CAPABILITY ]
        [ nor_flags: NorFlags = NOR_FLAGS ]
        [ homogeneous_support_of_ims_voice: u32 = HOMOGENEOUS_SUPPORT_OF_IMS_VOICE_OVER_PS_SESSIONS ]
        [ maximum_ue_availability_time: u32 = MAXIMUM_UE_AVAILABILITY_TIME ]
        *[ monitoring_event_config_status: MonitoringEventConfigStatus<'a> = MONITORING_EVENT_CONFIG_STATUS ]
        [ emergency_services: u32 = EMERGENCY_SERVICES ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// NOA, TS 29.272 §7.2.18.
    pub struct NotifyAnswer<'a> by outcome ::= < Diameter Header: 323, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ oc_supported_features: OcSupportedFeatures = OC_SUPPORTED_FEATURES ]
        [ oc_olr: OcOlr = OC_OLR ]
        *[ load: Load<'a> = LOAD ]
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
