//! PDP contexts, what an SGSN is told of (S6d), TS 29.272 §7.3.72 to §7.3.77.

use std::net::IpAddr;

use super::{ambr::Ambr, values::*};
use crate::codec::{
    dictionary::{base::*, s6a::*},
    grammar::group,
};

group! {
    /// GPRS-Subscription-Data, TS 29.272 §7.3.72.
    #[derive(Debug)]
    pub struct GprsSubscriptionData<'a> ::=
        { complete_data_list_included_indicator: u32 = COMPLETE_DATA_LIST_INCLUDED_INDICATOR }
        1*{ pdp_context: PdpContext<'a> = PDP_CONTEXT }
}

group! {
    /// PDP-Context, TS 29.272 §7.3.74.
    #[derive(Debug)]
    pub struct PdpContext<'a> ::=
        { context_identifier: u32 = CONTEXT_IDENTIFIER }
        { pdp_type: [u8; 2] = PDP_TYPE }
        [ pdp_address: IpAddr = PDP_ADDRESS ]
        { qos_subscribed: &'a [u8] = QOS_SUBSCRIBED }
        [ vplmn_dynamic_address_allowed: VplmnDynamicAddress = VPLMN_DYNAMIC_ADDRESS_ALLOWED ]
        { service_selection: &'a str = SERVICE_SELECTION }
        [ charging_characteristics: &'a str = CHARGING_CHARACTERISTICS ]
        [ ext_pdp_type: [u8; 2] = EXT_PDP_TYPE ]
        [ ext_pdp_address: IpAddr = EXT_PDP_ADDRESS ]
        [ ambr: Ambr = AMBR ]
        [ apn_oi_replacement: &'a str = APN_OI_REPLACEMENT ]
        [ sipto_permission: u32 = SIPTO_PERMISSION ]
        [ lipa_permission: u32 = LIPA_PERMISSION ]
        [ restoration_priority: u32 = RESTORATION_PRIORITY ]
        [ sipto_local_network_permission: u32 = SIPTO_LOCAL_NETWORK_PERMISSION ]
        [ non_ip_data_delivery_mechanism: u32 = NON_IP_DATA_DELIVERY_MECHANISM ]
        [ scef_id: &'a str = SCEF_ID ]
}
