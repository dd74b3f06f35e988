//! Cancel location, TS 29.272 §5.2.1.2.

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
    /// CLR, TS 29.272 §7.2.7.
    pub struct CancelLocationRequest<'a> ::= < Diameter Header: 317, REQ, PXY, 16777251 >
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
        { cancellation_type: CancellationType = CANCELLATION_TYPE }
        [ clr_flags: ClrFlags = CLR_FLAGS ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// CLA, TS 29.272 §7.2.8.
    pub struct CancelLocationAnswer<'a> by outcome ::= < Diameter Header: 317, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
