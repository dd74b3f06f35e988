//! Purge UE, TS 29.272 §5.2.1.3.

use super::groups::*;
use super::{place::EpsLocationInformation, values::*};
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::command,
    },
};

command! {
    /// PUR, TS 29.272 §7.2.13.
    pub struct PurgeUeRequest<'a> ::= < Diameter Header: 321, REQ, PXY, 16777251 >
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
        [ pur_flags: PurFlags = PUR_FLAGS ]
        [ eps_location_information: EpsLocationInformation<'a> = EPS_LOCATION_INFORMATION ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// PUA, TS 29.272 §7.2.14.
    pub struct PurgeUeAnswer<'a> by outcome ::= < Diameter Header: 321, PXY, 16777251 >
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
        [ pua_flags: PuaFlags = PUA_FLAGS ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
