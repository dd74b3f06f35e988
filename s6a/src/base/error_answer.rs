//! The answer to a request that is refused before its procedure sees it, RFC 6733 §6.2, §7.1.3, §7.2.

use super::{AuthSessionState, FailedAvp, Outcome};
use crate::{
    app,
    codec::{
        CommandFlags, DecodeError, Header, Message, RawAvp, ResultCode, Value, Writer,
        avp::MAX_DEPTH,
        dictionary::{base::*, s6a::ULA_FLAGS},
        grammar::entries,
    },
};

/// Why a request is refused.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Result-Code or Experimental-Result.
    pub outcome: Outcome,
    /// Error-Message (RFC 6733 §7.3), for people; empty for none.
    pub message: &'a str,
    /// The AVPs of Failed-AVP (§7.5), encoded; empty for none.
    pub failed: &'a [u8],
}

impl<'a> From<&'a DecodeError> for Refusal<'a> {
    fn from(error: &'a DecodeError) -> Self {
        Self { outcome: error.code.into(), message: error.what, failed: &error.failed }
    }
}

impl From<Outcome> for Refusal<'_> {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, message: "", failed: &[] }
    }
}

impl From<ResultCode> for Refusal<'_> {
    fn from(code: ResultCode) -> Self {
        Outcome::from(code).into()
    }
}

/// Longest Failed-AVP that is sent back, in octets. A longer AVP is left out: the message would only
/// double a hostile peer's traffic.
const MAX_FAILED: usize = 4096;

/// Appends the answer that refuses `request`; whatever of the request can be read is used, so that any
/// request with a header is answered.
///
/// Session-Id comes first if there is one (RFC 6733 §8.8), Proxy-Info is echoed in order (§6.2), the E
/// bit is set for 3xxx (§7.1.3). An answer to a command of S6a also has Vendor-Specific-Application-Id
/// and Auth-Session-State (TS 29.272 §7.1.8, §7.2), and that to a ULR has ULA-Flags: an MME looks for
/// it in errors too.
pub fn error_answer<'r>(
    request: &Message<'_>,
    origin_host: &str,
    origin_realm: &str,
    refusal: impl Into<Refusal<'r>>,
    out: &mut Vec<u8>,
) {
    let Refusal { outcome, message, failed } = refusal.into();
    let mut header = Header { flags: request.header.flags.answer(), ..request.header };
    if outcome.is_protocol_error() {
        header.flags = header.flags.with(CommandFlags::ERROR);
    }
    let s6a = header.application == app::S6A;
    let mut w = Writer::new(out, &header);
    if let Some(session) = request.find(&SESSION_ID) {
        w.octets(&SESSION_ID, session.data);
    }
    if s6a {
        app::APPLICATION_ID.write(&VENDOR_SPECIFIC_APPLICATION_ID, &mut w);
    }
    outcome.write(&RESULT_CODE, &mut w);
    if s6a {
        w.u32(&AUTH_SESSION_STATE, AuthSessionState::NoStateMaintained as u32);
    }
    w.str(&ORIGIN_HOST, origin_host);
    w.str(&ORIGIN_REALM, origin_realm);
    if s6a && header.command == app::UpdateLocationRequest::CODE {
        w.u32(&ULA_FLAGS, 0);
    }
    if !message.is_empty() {
        w.str(&ERROR_MESSAGE, message);
    }
    if !failed.is_empty() && failed.len() <= MAX_FAILED {
        w.octets(&FAILED_AVP, failed);
    }
    for avp in request.avps().map_while(Result::ok).filter(|avp| avp.is(&PROXY_INFO)) {
        w.raw(avp.raw);
    }
    w.finish();
}

entries! {
    [
        /// An answer with the E bit, RFC 6733 §7.2, to whatever command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        [ErrorAnswer 'a]
    ] []
    [ session_id: &'a str = SESSION_ID ]
    { origin_host: &'a str = ORIGIN_HOST }
    { origin_realm: &'a str = ORIGIN_REALM }
    [ outcome: Outcome = RESULT_CODE | EXPERIMENTAL_RESULT ]
    [ origin_state_id: u32 = ORIGIN_STATE_ID ]
    [ error_message: &'a str = ERROR_MESSAGE ]
    [ error_reporting_host: &'a str = ERROR_REPORTING_HOST ]
    [ failed_avp: FailedAvp<'a> = FAILED_AVP ]
    *[ proxy_info: RawAvp<'a> = PROXY_INFO ]
}

impl<'a> ErrorAnswer<'a> {
    /// Reads an answer that has the E bit.
    ///
    /// # Errors
    /// 3008 if the message is no answer with the E bit, else as any command's `decode`.
    pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
        if message.header.is_request() || !message.header.flags.has(CommandFlags::ERROR) {
            return Err(DecodeError::new(ResultCode::INVALID_HDR_BITS, "this is no answer with the E bit"));
        }
        Self::read_avps(message.body(), MAX_DEPTH)
    }

    /// Appends the answer to the request with this header, with the E bit.
    pub fn encode(&self, out: &mut Vec<u8>, request: &Header) {
        let answer = request.answer();
        let header = Header { flags: answer.flags.with(CommandFlags::ERROR), ..answer };
        let mut writer = Writer::new(out, &header);
        self.write_avps(&mut writer);
        writer.finish();
    }
}
