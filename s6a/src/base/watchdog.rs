//! Device watchdog, RFC 6733 §5.5.

use super::FailedAvp;
use crate::codec::{ResultCode, dictionary::base::*, grammar::command};

command! {
    /// DWR, RFC 6733 §5.5.1.
    pub struct DeviceWatchdogRequest<'a> ::= < Diameter Header: 280, REQ >
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ origin_state_id: u32 = ORIGIN_STATE_ID ]
}

command! {
    /// DWA, RFC 6733 §5.5.2.
    pub struct DeviceWatchdogAnswer<'a> by result_code ::= < Diameter Header: 280 >
        { result_code: ResultCode = RESULT_CODE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
        [ origin_state_id: u32 = ORIGIN_STATE_ID ]
}
