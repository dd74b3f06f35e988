//! Update location, TS 29.272 §5.2.1.1.

use std::net::IpAddr;

use super::groups::*;
use super::subscription::SubscriptionData;
use super::{monitoring::SupportedServices, values::*};
use crate::{
    base::{AuthSessionState, FailedAvp, Outcome, VendorSpecificApplicationId},
    codec::{
        RawAvp,
        dictionary::{base::*, s6a::*},
        grammar::command,
    },
};

command! {
    /// ULR, TS 29.272 §7.2.3.
    pub struct UpdateLocationRequest<'a> ::= < Diameter Header: 316, REQ, PXY, 16777251 >
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
        { rat_type: RatType = RAT_TYPE }
        { ulr_flags: UlrFlags = ULR_FLAGS }
        [ ue_srvcc_capability: u32 = UE_SRVCC_CAPABILITY ]
        { visited_plmn_id: [u8; 3] = VISITED_PLMN_ID }
        [ sgsn_number: &'a [u8] = SGSN_NUMBER ]
        [ homogeneous_support_of_ims_voice: u32 = HOMOGENEOUS_SUPPORT_OF_IMS_VOICE_OVER_PS_SESSIONS ]
        [ gmlc_address: IpAddr = GMLC_ADDRESS ]
        *[ active_apn: ActiveApn<'a> = ACTIVE_APN ]
        [ equivalent_plmn_list: EquivalentPlmnList<'a> = EQUIVALENT_PLMN_LIST ]
        [ mme_number_for_mt_sms: &'a [u8] = MME_NUMBER_FOR_MT_SMS ]
        [ sms_register_request: u32 = SMS_REGISTER_REQUEST ]
        [ sgs_mme_identity: &'a str = SGS_MME_IDENTITY ]
        [ coupled_node_diameter_id: &'a str = COUPLED_NODE_DIAMETER_ID ]
        [ adjacent_plmns: AdjacentPlmns<'a> = ADJACENT_PLMNS ]
        [ supported_services: SupportedServices = SUPPORTED_SERVICES ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}

command! {
    /// ULA, TS 29.272 §7.2.4. An MME of Open5GS looks for ULA-Flags in errors too.
    pub struct UpdateLocationAnswer<'a> by outcome ::= < Diameter Header: 316, PXY, 16777251 >
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
        [ ula_flags: UlaFlags = ULA_FLAGS ]
        [ subscription_data: SubscriptionData<'a> = SUBSCRIPTION_DATA ]
        *[ reset_id: &'a [u8] = RESET_ID ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
        *[ route_record: &'a str = ROUTE_RECORD ]
}
