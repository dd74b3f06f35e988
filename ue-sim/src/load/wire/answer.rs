//! What an answer says.

use s6a::codec::avp::MAX_DEPTH;
use s6a::codec::dictionary::{base, s6a as avp};
use s6a::codec::result::Experimental;
use s6a::codec::{Avp, DecodeError, Message, ResultCode};

use super::command;
use crate::load::LoadError;

/// How an answer ends: Result-Code, or Experimental-Result-Code of 3GPP (RFC 6733 §7.1, §7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::load) enum Outcome {
    Base(u32),
    Experimental(u32),
}

impl Outcome {
    pub(in crate::load) fn is_success(self) -> bool {
        matches!(self, Self::Base(code) if ResultCode(code).is_success())
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base(code) => write!(f, "{}", ResultCode(*code)),
            Self::Experimental(code) => write!(f, "experimental {}", Experimental(*code)),
        }
    }
}

/// The outcome of an answer.
///
/// # Errors
/// 5005 if it has none, and what is wrong with its AVPs up to there.
#[inline]
pub(in crate::load) fn outcome(message: &Message<'_>) -> Result<Outcome, DecodeError> {
    for avp in message.avps() {
        let avp = avp?;
        if avp.is(&base::RESULT_CODE) {
            return Ok(Outcome::Base(avp.u32()?));
        }
        if avp.is(&base::EXPERIMENTAL_RESULT) {
            for inside in avp.group(MAX_DEPTH)? {
                let inside = inside?;
                if inside.is(&base::EXPERIMENTAL_RESULT_CODE) {
                    return Ok(Outcome::Experimental(inside.u32()?));
                }
            }
        }
    }
    Err(DecodeError::new(
        ResultCode::MISSING_AVP,
        "the answer has neither Result-Code nor Experimental-Result",
    ))
}

/// One E-UTRAN-Vector (TS 29.272 §7.3.18).
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct Vector<'a> {
    pub(in crate::load) rand: [u8; 16],
    pub(in crate::load) xres: &'a [u8],
    pub(in crate::load) autn: [u8; 16],
    pub(in crate::load) kasme: [u8; 32],
}

/// Hands the vectors of an AIA to `take`, in their order.
///
/// # Errors
/// If an AVP is broken, missing or of a wrong length.
pub(in crate::load) fn vectors<'a>(
    message: &Message<'a>,
    mut take: impl FnMut(Vector<'a>),
) -> Result<(), DecodeError> {
    for avp in message.avps() {
        let avp = avp?;
        if !avp.is(&avp::AUTHENTICATION_INFO) {
            continue;
        }
        for vector in avp.group(MAX_DEPTH)? {
            let vector = vector?;
            if vector.is(&avp::E_UTRAN_VECTOR) {
                take(read_vector(&vector)?);
            }
        }
    }
    Ok(())
}

fn read_vector<'a>(vector: &Avp<'a>) -> Result<Vector<'a>, DecodeError> {
    let (mut rand, mut xres, mut autn, mut kasme) = (None, None, None, None);
    for avp in vector.group(MAX_DEPTH - 1)? {
        let avp = avp?;
        if avp.is(&avp::RAND) {
            rand = Some(avp.array()?);
        } else if avp.is(&avp::XRES) {
            xres = Some(avp.data);
        } else if avp.is(&avp::AUTN) {
            autn = Some(avp.array()?);
        } else if avp.is(&avp::KASME) {
            kasme = Some(avp.array()?);
        }
    }
    match (rand, xres, autn, kasme) {
        (Some(rand), Some(xres), Some(autn), Some(kasme)) => Ok(Vector { rand, xres, autn, kasme }),
        _ => Err(vector.error(ResultCode::MISSING_AVP, "an E-UTRAN-Vector lacks RAND, XRES, AUTN or KASME")),
    }
}

/// Checks a CEA (RFC 6733 §5.3.2).
///
/// # Errors
/// Why the server is not our peer.
pub(in crate::load) fn check_capabilities(
    message: &Message<'_>,
    to: std::net::SocketAddr,
    as_host: &str,
) -> Result<(), LoadError> {
    let not_diameter = |what: String| LoadError::NotDiameter { to, what };
    let header = &message.header;
    if header.command != command::CAPABILITIES_EXCHANGE || header.is_request() {
        return Err(not_diameter(format!("command {} came in place of the CEA", header.command)));
    }
    let outcome = outcome(message).map_err(|e| not_diameter(e.to_string()))?;
    if outcome.is_success() {
        return Ok(());
    }
    let hint = match outcome {
        Outcome::Base(code) if ResultCode(code) == ResultCode::UNKNOWN_PEER => {
            "; list that identity among the peers in its configuration"
        }
        Outcome::Base(code) if ResultCode(code) == ResultCode::NO_COMMON_APPLICATION => {
            "; it does not serve S6a"
        }
        _ => "",
    };
    Err(LoadError::Refused { to, as_host: as_host.into(), code: outcome.to_string(), hint })
}

#[cfg(test)]
mod tests {
    use s6a::codec::Writer;
    use s6a::codec::dictionary::VENDOR_3GPP;

    use super::super::{S6A, request};
    use super::*;

    #[test]
    fn a_base_code_and_a_3gpp_code_of_the_same_number_are_told_apart() {
        let header = request(command::AUTHENTICATION_INFORMATION, S6A, true).answer();
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, &header);
        w.group(&base::EXPERIMENTAL_RESULT, |w| {
            w.u32(&base::VENDOR_ID, VENDOR_3GPP);
            w.u32(&base::EXPERIMENTAL_RESULT_CODE, 5001);
        });
        w.finish();
        let read = outcome(&Message::parse(&out).unwrap()).unwrap();
        assert_eq!(read, Outcome::Experimental(5001));
        assert_eq!(read.to_string(), "experimental 5001 DIAMETER_ERROR_USER_UNKNOWN");
        assert_eq!(Outcome::Base(5001).to_string(), "5001 DIAMETER_AVP_UNSUPPORTED");
    }

    #[test]
    fn an_answer_without_result_is_an_error() {
        let mut out = Vec::new();
        Writer::new(&mut out, &request(command::AUTHENTICATION_INFORMATION, S6A, true).answer()).finish();
        assert_eq!(outcome(&Message::parse(&out).unwrap()).unwrap_err().code, ResultCode::MISSING_AVP);
    }
}
