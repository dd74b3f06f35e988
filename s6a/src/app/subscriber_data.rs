//! Insert and delete subscriber data, TS 29.272 §5.2.2.

use super::groups::*;
use super::subscription::SubscriptionData;
use super::{monitoring::*, place::*, power::EdrxRelatedRat, values::*};
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::{command, group},
    },
};

command! {
    /// IDR, TS 29.272 §7.2.9. Subscription-Data is required, but may be empty.
    pub struct InsertSubscriberDataRequest<'a> ::= < Diameter Header: 319, REQ, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        { destination_host: &'a str = DESTINATION_HOST }
        { destination_realm: &'a str = DESTINATION_REALM }
        { user_name: &'a str = USER_NAME }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        { subscription_data: SubscriptionData<'a> = SUBSCRIPTION_DATA }
        [ idr_flags: IdrFlags = IDR_FLAGS ]
        *[ reset_id: &'a [u8] = RESET_ID ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// IDA, TS 29.272 §7.2.10.
    pub struct InsertSubscriberDataAnswer<'a> by outcome ::= < Diameter Header: 319, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ ims_voice_over_ps_sessions_supported: u32 = IMS_VOICE_OVER_PS_SESSIONS_SUPPORTED ]
        [ last_ue_activity_time: u32 = LAST_UE_ACTIVITY_TIME ]
        [ rat_type: RatType = RAT_TYPE ]
        [ ida_flags: IdaFlags = IDA_FLAGS ]
        [ eps_user_state: EpsUserState = EPS_USER_STATE ]
        [ eps_location_information: EpsLocationInformation<'a> = EPS_LOCATION_INFORMATION ]
        [ local_time_zone: LocalTimeZone<'a> = LOCAL_TIME_ZONE ]
        [ supported_services: SupportedServices = SUPPORTED_SERVICES ]
        *[ monitoring_event_report: MonitoringEventReport<'a> = MONITORING_EVENT_REPORT ]
        *[ monitoring_event_config_status: MonitoringEventConfigStatus<'a> = MONITORING_EVENT_CONFIG_STATUS ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// DSR, TS 29.272 §7.2.11.
    pub struct DeleteSubscriberDataRequest<'a> ::= < Diameter Header: 320, REQ, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        { destination_host: &'a str = DESTINATION_HOST }
        { destination_realm: &'a str = DESTINATION_REALM }
        { user_name: &'a str = USER_NAME }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        { dsr_flags: DsrFlags = DSR_FLAGS }
        [ scef_id: &'a str = SCEF_ID ]
        *[ context_identifier: u32 = CONTEXT_IDENTIFIER ]
        [ trace_reference: &'a [u8] = TRACE_REFERENCE ]
        *[ ts_code: &'a [u8] = TS_CODE ]
        *[ ss_code: &'a [u8] = SS_CODE ]
        [ edrx_related_rat: EdrxRelatedRat<'a> = EDRX_RELATED_RAT ]
        *[ external_identifier: &'a str = EXTERNAL_IDENTIFIER ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

group! {
    /// Subscription-Data-Deletion, TS 29.272 §7.3.208: what a DSR withdraws, for all that a reset names.
    #[derive(Debug)]
    pub struct SubscriptionDataDeletion<'a> ::=
        { dsr_flags: DsrFlags = DSR_FLAGS }
        [ scef_id: &'a str = SCEF_ID ]
        *[ context_identifier: u32 = CONTEXT_IDENTIFIER ]
        [ trace_reference: &'a [u8] = TRACE_REFERENCE ]
        *[ ts_code: &'a [u8] = TS_CODE ]
        *[ ss_code: &'a [u8] = SS_CODE ]
}

command! {
    /// DSA, TS 29.272 §7.2.12.
    pub struct DeleteSubscriberDataAnswer<'a> by outcome ::= < Diameter Header: 320, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ dsa_flags: DsaFlags = DSA_FLAGS ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
