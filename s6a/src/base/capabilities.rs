//! Capabilities exchange, RFC 6733 §5.3.

use std::net::IpAddr;

use super::{FailedAvp, VendorSpecificApplicationId};
use crate::codec::{ResultCode, dictionary::base::*, grammar::command};

command! {
    /// CER, RFC 6733 §5.3.1.
    pub struct CapabilitiesExchangeRequest<'a> ::= < Diameter Header: 257, REQ >
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        1*{ host_ip_address: IpAddr = HOST_IP_ADDRESS }
        { vendor_id: u32 = VENDOR_ID }
        { product_name: &'a str = PRODUCT_NAME }
        [ origin_state_id: u32 = ORIGIN_STATE_ID ]
        *[ supported_vendor_id: u32 = SUPPORTED_VENDOR_ID ]
        *[ auth_application_id: u32 = AUTH_APPLICATION_ID ]
        *[ inband_security_id: u32 = INBAND_SECURITY_ID ]
        *[ acct_application_id: u32 = ACCT_APPLICATION_ID ]
        *[ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ firmware_revision: u32 = FIRMWARE_REVISION ]
}

command! {
    /// CEA, RFC 6733 §5.3.2.
    pub struct CapabilitiesExchangeAnswer<'a> by result_code ::= < Diameter Header: 257 >
        { result_code: ResultCode = RESULT_CODE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        1*{ host_ip_address: IpAddr = HOST_IP_ADDRESS }
        { vendor_id: u32 = VENDOR_ID }
        { product_name: &'a str = PRODUCT_NAME }
        [ origin_state_id: u32 = ORIGIN_STATE_ID ]
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        *[ supported_vendor_id: u32 = SUPPORTED_VENDOR_ID ]
        *[ auth_application_id: u32 = AUTH_APPLICATION_ID ]
        *[ inband_security_id: u32 = INBAND_SECURITY_ID ]
        *[ acct_application_id: u32 = ACCT_APPLICATION_ID ]
        *[ vendor_specific_application_id: VendorSpecificApplicationId = VENDOR_SPECIFIC_APPLICATION_ID ]
        [ firmware_revision: u32 = FIRMWARE_REVISION ]
}

impl CapabilitiesExchangeRequest<'_> {
    /// Whether the peer can take part in this authentication application, by naming it alone, under its
    /// vendor, or by being a relay (RFC 6733 §5.3, §6.11).
    #[must_use]
    pub fn supports(&self, application: u32) -> bool {
        let wanted = |id: u32| id == application || id == super::RELAY;
        self.auth_application_id.iter().any(wanted)
            || self
                .vendor_specific_application_id
                .iter()
                .filter_map(|group| group.auth_application_id)
                .any(wanted)
    }
}

impl CapabilitiesExchangeAnswer<'_> {
    /// As [`CapabilitiesExchangeRequest::supports`].
    #[must_use]
    pub fn supports(&self, application: u32) -> bool {
        let wanted = |id: u32| id == application || id == super::RELAY;
        self.auth_application_id.iter().any(wanted)
            || self
                .vendor_specific_application_id
                .iter()
                .filter_map(|group| group.auth_application_id)
                .any(wanted)
    }
}
