//! Authentication information retrieval, TS 29.272 §5.2.3.1.

use super::groups::*;
use super::values::*;
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::command,
    },
};

command! {
    /// AIR, TS 29.272 §7.2.5.
    pub struct AuthenticationInformationRequest<'a> ::= < Diameter Header: 318, REQ, PXY, 16777251 >
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
        [ requested_eutran_authentication_info: RequestedVectors = REQUESTED_EUTRAN_AUTHENTICATION_INFO ]
        [ requested_utran_geran_authentication_info: RequestedVectors = REQUESTED_UTRAN_GERAN_AUTHENTICATION_INFO ]
        { visited_plmn_id: [u8; 3] = VISITED_PLMN_ID }
        [ air_flags: AirFlags = AIR_FLAGS ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// AIA, TS 29.272 §7.2.6.
    pub struct AuthenticationInformationAnswer<'a> by outcome ::= < Diameter Header: 318, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
        [ error_diagnostic: ErrorDiagnostic = ERROR_DIAGNOSTIC ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ oc_supported_features: OcSupportedFeatures = OC_SUPPORTED_FEATURES ]
        [ oc_olr: OcOlr = OC_OLR ]
        *[ load: Load<'a> = LOAD ]
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ authentication_info: AuthenticationInfo<'a> = AUTHENTICATION_INFO ]
        [ ue_usage_type: u32 = UE_USAGE_TYPE ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
