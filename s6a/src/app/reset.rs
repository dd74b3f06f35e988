//! Reset after a restart of the HSS, TS 29.272 §5.2.4.

use super::subscription::SubscriptionData;
use super::{groups::*, subscriber_data::SubscriptionDataDeletion};
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::command,
    },
};

command! {
    /// RSR, TS 29.272 §7.2.15.
    pub struct ResetRequest<'a> ::= < Diameter Header: 322, REQ, PXY, 16777251 >
        < session_id: &'a str = SESSION_ID >
        [ drmp: u32 = DRMP ]
        [ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        { auth_session_state: AuthSessionState = AUTH_SESSION_STATE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        { destination_host: &'a str = DESTINATION_HOST }
        { destination_realm: &'a str = DESTINATION_REALM }
        *[ supported_features: SupportedFeatures = SUPPORTED_FEATURES ]
        *[ user_id: &'a str = USER_ID ]
        *[ reset_id: &'a [u8] = RESET_ID ]
        [ subscription_data: SubscriptionData<'a> = SUBSCRIPTION_DATA ]
        [ subscription_data_deletion: SubscriptionDataDeletion<'a> = SUBSCRIPTION_DATA_DELETION ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// RSA, TS 29.272 §7.2.16.
    pub struct ResetAnswer<'a> by outcome ::= < Diameter Header: 322, PXY, 16777251 >
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
