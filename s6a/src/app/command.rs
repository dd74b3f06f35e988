//! Any command of S6a, by its code.

use super::*;
use crate::{
    base::{ErrorAnswer, Outcome},
    codec::{CommandFlags, DecodeError, Header, Message, RawAvp, Repeated, ResultCode},
};

/// Fails for what is no request, or no answer, of S6a.
fn expect(header: &Header, request: bool) -> Result<(), DecodeError> {
    if header.application != S6A {
        return Err(DecodeError::new(ResultCode::APPLICATION_UNSUPPORTED, "only S6a is served here"));
    }
    if header.is_request() != request {
        return Err(DecodeError::new(ResultCode::INVALID_HDR_BITS, "the R bit does not go with the message"));
    }
    Ok(())
}

macro_rules! requests {
    ($($(#[$doc:meta])* $variant:ident($type:ident),)*) => {
        /// A request of TS 29.272 §7.2.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Request<'a> { $($(#[$doc])* $variant($type<'a>),)* }

        impl<'a> Request<'a> {
            /// Reads the request that the header names.
            ///
            /// # Errors
            /// 3007 for another application, 3001 for another command, else as the command's `decode`.
            pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
                expect(&message.header, true)?;
                match message.header.command {
                    $($type::CODE => $type::decode(message).map(Self::$variant),)*
                    _ => Err(DecodeError::new(ResultCode::COMMAND_UNSUPPORTED, "the command is not one of S6a")),
                }
            }

            /// Appends the request to `out`.
            pub fn encode(&self, out: &mut Vec<u8>, hop_by_hop: u32, end_to_end: u32) {
                match self { $(Self::$variant(request) => request.encode(out, hop_by_hop, end_to_end),)* }
            }

            /// Session-Id, RFC 6733 §8.8.
            #[must_use]
            pub fn session_id(&self) -> &'a str {
                match self { $(Self::$variant(request) => request.session_id,)* }
            }

            /// Origin-Host, RFC 6733 §6.3.
            #[must_use]
            pub fn origin_host(&self) -> &'a str {
                match self { $(Self::$variant(request) => request.origin_host,)* }
            }

            /// Origin-Realm, RFC 6733 §6.4.
            #[must_use]
            pub fn origin_realm(&self) -> &'a str {
                match self { $(Self::$variant(request) => request.origin_realm,)* }
            }

            /// Destination-Realm, RFC 6733 §6.6.
            #[must_use]
            pub fn destination_realm(&self) -> &'a str {
                match self { $(Self::$variant(request) => request.destination_realm,)* }
            }

            /// Proxy-Info, to be echoed in the answer (RFC 6733 §6.2).
            #[must_use]
            pub fn proxy_info(&self) -> Repeated<'a, RawAvp<'a>> {
                match self { $(Self::$variant(request) => request.proxy_info,)* }
            }
        }
    };
}

requests! {
    /// AIR.
    AuthenticationInformation(AuthenticationInformationRequest),
    /// ULR.
    UpdateLocation(UpdateLocationRequest),
    /// CLR.
    CancelLocation(CancelLocationRequest),
    /// IDR.
    InsertSubscriberData(InsertSubscriberDataRequest),
    /// DSR.
    DeleteSubscriberData(DeleteSubscriberDataRequest),
    /// PUR.
    PurgeUe(PurgeUeRequest),
    /// RSR.
    Reset(ResetRequest),
    /// NOR.
    Notify(NotifyRequest),
}

macro_rules! answers {
    ($($(#[$doc:meta])* $variant:ident($type:ident),)*) => {
        /// An answer of TS 29.272 §7.2, or one with the E bit.
        // A view for the stack: boxing the longest would cost an allocation for each answer.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Answer<'a> {
            $($(#[$doc])* $variant($type<'a>),)*
            /// An answer with the E bit, RFC 6733 §7.2.
            Error(ErrorAnswer<'a>),
        }

        impl<'a> Answer<'a> {
            /// Reads the answer that the header names.
            ///
            /// # Errors
            /// As [`Request::decode`].
            pub fn decode(message: &Message<'a>) -> Result<Self, DecodeError> {
                expect(&message.header, false)?;
                if message.header.flags.has(CommandFlags::ERROR) {
                    return ErrorAnswer::decode(message).map(Self::Error);
                }
                match message.header.command {
                    $($type::CODE => $type::decode(message).map(Self::$variant),)*
                    _ => Err(DecodeError::new(ResultCode::COMMAND_UNSUPPORTED, "the command is not one of S6a")),
                }
            }

            /// Appends the answer to the request with this header to `out`.
            pub fn encode(&self, out: &mut Vec<u8>, request: &Header) {
                match self {
                    $(Self::$variant(answer) => answer.encode(out, request),)*
                    Self::Error(answer) => answer.encode(out, request),
                }
            }

            /// What became of the request.
            #[must_use]
            pub fn outcome(&self) -> Outcome {
                match self {
                    $(Self::$variant(answer) => answer.outcome,)*
                    Self::Error(answer) => answer.outcome,
                }
            }
        }
    };
}

answers! {
    /// AIA.
    AuthenticationInformation(AuthenticationInformationAnswer),
    /// ULA.
    UpdateLocation(UpdateLocationAnswer),
    /// CLA.
    CancelLocation(CancelLocationAnswer),
    /// IDA.
    InsertSubscriberData(InsertSubscriberDataAnswer),
    /// DSA.
    DeleteSubscriberData(DeleteSubscriberDataAnswer),
    /// PUA.
    PurgeUe(PurgeUeAnswer),
    /// RSA.
    Reset(ResetAnswer),
    /// NOA.
    Notify(NotifyAnswer),
}
