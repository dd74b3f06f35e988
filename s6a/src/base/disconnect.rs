//! Disconnecting peers, RFC 6733 §5.4.

use super::FailedAvp;
use crate::codec::{
    ResultCode,
    dictionary::base::*,
    grammar::{command, enumerated},
};

enumerated! {
    /// RFC 6733 §5.4.3.
    pub enum DisconnectCause {
        /// A scheduled reboot is imminent; the receiver may reconnect.
        #[default]
        Rebooting = 0,
        /// The peer's resources are constrained.
        Busy = 1,
        /// The peer has no reason to expect messages in the foreseeable future.
        DoNotWantToTalkToYou = 2,
    }
}

command! {
    /// DPR, RFC 6733 §5.4.1.
    pub struct DisconnectPeerRequest<'a> ::= < Diameter Header: 282, REQ >
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        { disconnect_cause: DisconnectCause = DISCONNECT_CAUSE }
}

command! {
    /// DPA, RFC 6733 §5.4.2.
    pub struct DisconnectPeerAnswer<'a> by result_code ::= < Diameter Header: 282 >
        { result_code: ResultCode = RESULT_CODE }
        { origin_host: &'a str = ORIGIN_HOST }
        { origin_realm: &'a str = ORIGIN_REALM }
        [ error_message: &'a str = ERROR_MESSAGE ]
        [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
}
