//! What must hold for any octets whatever, checked by libFuzzer (`fuzz_targets/message.rs`) and by the
//! seeded runner (`src/bin/many.rs`).

use s6a::{
    app::*,
    base::*,
    codec::{Frame, Header, Message, frame},
};

/// How far an input got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is no message.
    Nothing,
    /// It has a header and a length.
    Message,
    /// It is a command, read with all of its AVPs, and written again.
    Command,
}

/// Largest message accepted, as a connection would.
const MAX: usize = 65_536;

/// If the message is that command: what was read is written, read again and is the same, written again
/// and is the same.
macro_rules! stable {
    ($message:ident; $($type:ident)*; |$value:ident, $out:ident, $header:ident| $encode:expr) => {
        false $(|| match $type::decode(&$message) {
            Err(_) => false,
            Ok(first) => {
                let write = |$value: &$type<'_>, $header: &Header| {
                    let mut $out = Vec::new();
                    $encode;
                    $out
                };
                let once = write(&first, &$message.header);
                let message = Message::parse(&once).expect("what was written has a proper header");
                let second = $type::decode(&message).expect("what was written can be read");
                assert_eq!(first, second, "reading what was written changes it");
                assert_eq!(once, write(&second, &message.header), "writing it again changes it");
                true
            }
        })*
    };
}

/// Finds a message and reads it as every command that it could be; what cannot be read is answered, and
/// the answer is well-formed.
///
/// # Panics
/// When that does not hold: a finding.
pub fn check(octets: &[u8]) -> Reached {
    let Ok(Frame::Whole(length)) = frame::next(octets, MAX) else { return Reached::Nothing };
    let Ok(message) = Message::parse(&octets[..length]) else { return Reached::Nothing };
    let _ = Routing::read(&message);
    let _ = Answer::decode(&message);

    let is_command = if message.header.is_request() {
        if let Err(error) = Request::decode(&message) {
            let mut out = Vec::new();
            error_answer(&message, "icf.example", "example", &error, &mut out);
            let answer = Message::parse(&out).expect("our answer has a proper header");
            assert!(answer.avps().all(|avp| avp.is_ok()), "our answer to {error} is malformed");
        }
        stable!(message;
            CapabilitiesExchangeRequest DeviceWatchdogRequest DisconnectPeerRequest
            AuthenticationInformationRequest UpdateLocationRequest CancelLocationRequest PurgeUeRequest
            InsertSubscriberDataRequest DeleteSubscriberDataRequest ResetRequest NotifyRequest;
            |value, out, header| value.encode(&mut out, header.hop_by_hop, header.end_to_end))
    } else {
        stable!(message;
            CapabilitiesExchangeAnswer DeviceWatchdogAnswer DisconnectPeerAnswer ErrorAnswer
            AuthenticationInformationAnswer UpdateLocationAnswer CancelLocationAnswer PurgeUeAnswer
            InsertSubscriberDataAnswer DeleteSubscriberDataAnswer ResetAnswer NotifyAnswer;
            |value, out, header| value.encode(&mut out, header))
    };
    if is_command { Reached::Command } else { Reached::Message }
}
