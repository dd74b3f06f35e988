//! Grouped AVPs that several commands carry.

use std::net::IpAddr;

pub(crate) use super::vectors::{AuthenticationInfo, RequestedVectors};
use crate::codec::{
    dictionary::{VENDOR_3GPP, base::*, s6a::*},
    grammar::group,
};

group! {
    /// Supported-Features, TS 29.229 §6.3.29, lists of TS 29.272 §7.3.10.
    #[derive(Debug)]
    pub struct SupportedFeatures ::=
        { vendor_id: u32 = VENDOR_ID }
        { feature_list_id: u32 = FEATURE_LIST_ID }
        { feature_list: u32 = FEATURE_LIST }
}

impl SupportedFeatures {
    /// A list of 3GPP: number 1 or 2 (TS 29.272 §7.3.10) and its bits.
    #[must_use]
    pub fn of_3gpp(feature_list_id: u32, feature_list: u32) -> Self {
        Self { vendor_id: VENDOR_3GPP, feature_list_id, feature_list }
    }
}

group! {
    /// Terminal-Information, TS 29.272 §7.3.3.
    #[derive(Debug)]
    pub struct TerminalInformation<'a> ::=
        [ imei: &'a str = IMEI ]
        [ meid: &'a [u8] = MEID ]
        [ software_version: &'a str = SOFTWARE_VERSION ]
}

group! {
    /// Active-APN, TS 29.272 §7.3.127.
    #[derive(Debug)]
    pub struct ActiveApn<'a> ::=
        { context_identifier: u32 = CONTEXT_IDENTIFIER }
        [ service_selection: &'a str = SERVICE_SELECTION ]
        [ mip6_agent_info: Mip6AgentInfo<'a> = MIP6_AGENT_INFO ]
        [ visited_network_identifier: &'a [u8] = VISITED_NETWORK_IDENTIFIER ]
        *[ specific_apn_info: SpecificApnInfo<'a> = SPECIFIC_APN_INFO ]
}

group! {
    /// Specific-APN-Info, TS 29.272 §7.3.82.
    #[derive(Debug)]
    pub struct SpecificApnInfo<'a> ::=
        { service_selection: &'a str = SERVICE_SELECTION }
        { mip6_agent_info: Mip6AgentInfo<'a> = MIP6_AGENT_INFO }
        [ visited_network_identifier: &'a [u8] = VISITED_NETWORK_IDENTIFIER ]
}

group! {
    /// MIP6-Agent-Info, RFC 5447 §4.2.1 as TS 29.272 §7.3.45 uses it: the PDN gateway.
    #[derive(Debug)]
    pub struct Mip6AgentInfo<'a> ::=
        *[ mip_home_agent_address: IpAddr = MIP_HOME_AGENT_ADDRESS ]
        [ mip_home_agent_host: MipHomeAgentHost<'a> = MIP_HOME_AGENT_HOST ]
}

group! {
    /// MIP-Home-Agent-Host, RFC 4004 §7.11.
    #[derive(Debug)]
    pub struct MipHomeAgentHost<'a> ::=
        { destination_realm: &'a str = DESTINATION_REALM }
        { destination_host: &'a str = DESTINATION_HOST }
}

group! {
    /// Equivalent-PLMN-List, TS 29.272 §7.3.151.
    #[derive(Debug)]
    pub struct EquivalentPlmnList<'a> ::=
        1*{ visited_plmn_id: [u8; 3] = VISITED_PLMN_ID }
}

group! {
    /// Adjacent-PLMNs, TS 29.272 §7.3.186: where the UE may be handed over to.
    #[derive(Debug)]
    pub struct AdjacentPlmns<'a> ::=
        1*{ visited_plmn_id: [u8; 3] = VISITED_PLMN_ID }
}

group! {
    /// OC-Supported-Features, RFC 7683 §7.1.
    #[derive(Debug)]
    pub struct OcSupportedFeatures ::=
        [ oc_feature_vector: u64 = OC_FEATURE_VECTOR ]
}

group! {
    /// OC-OLR, RFC 7683 §7.3.
    #[derive(Debug)]
    pub struct OcOlr ::=
        < oc_sequence_number: u64 = OC_SEQUENCE_NUMBER >
        < oc_report_type: u32 = OC_REPORT_TYPE >
        [ oc_reduction_percentage: u32 = OC_REDUCTION_PERCENTAGE ]
        [ oc_validity_duration: u32 = OC_VALIDITY_DURATION ]
}

group! {
    /// Load, RFC 8583 §6.2.
    #[derive(Debug)]
    pub struct Load<'a> ::=
        [ load_type: u32 = LOAD_TYPE ]
        [ load_value: u64 = LOAD_VALUE ]
        [ source_id: &'a str = SOURCE_ID ]
}
