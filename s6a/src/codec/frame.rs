//! Finding message boundaries in a byte stream, RFC 6733 §2.1 and §3.

use super::{DecodeError, HEADER_LEN, Header};

/// What stands at the start of a stream's buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Not yet a whole message; at least so many octets more are needed.
    Partial(usize),
    /// A whole message of so many octets.
    Whole(usize),
}

/// Looks for one message at the start of `buffer`.
///
/// # Errors
/// As [`Header::decode`], and 5015 when the message is larger than `max` octets. After an error the
/// stream has lost its boundaries: the connection has to be closed.
pub fn next(buffer: &[u8], max: usize) -> Result<Frame, DecodeError> {
    if buffer.len() < HEADER_LEN {
        // The version is in the first octet: a peer that speaks something else is told at once.
        if buffer.first().is_some_and(|v| *v != super::header::VERSION) {
            return Err(DecodeError::new(super::ResultCode::UNSUPPORTED_VERSION, "the version is not 1"));
        }
        return Ok(Frame::Partial(HEADER_LEN - buffer.len()));
    }
    let length = Header::decode(buffer)?.length as usize;
    if length > max {
        return Err(DecodeError::new(
            super::ResultCode::INVALID_MESSAGE_LENGTH,
            "the message is larger than this node accepts",
        ));
    }
    Ok(if buffer.len() < length { Frame::Partial(length - buffer.len()) } else { Frame::Whole(length) })
}
