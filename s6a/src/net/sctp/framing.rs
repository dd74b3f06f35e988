//! Diameter messages inside of SCTP messages, RFC 6733 §2.1.1.

use std::io;

use crate::base::{BASE, CapabilitiesExchangeRequest};
use crate::codec::frame::{self, Frame};
use crate::codec::{CommandFlags, HEADER_LEN, Header};

/// Diameter in clear text, RFC 6733 §2.1.1.
pub(super) const PPID: u32 = 46;
/// Diameter inside of DTLS, RFC 6733 §2.1.1.
const PPID_DTLS: u32 = 47;

/// The length field's largest value, RFC 6733 §3.
const LARGEST: usize = 0x00ff_ffff;

/// Whether a connection can be given this SCTP message. It has to end where a Diameter message ends: a connection that
/// waited for the rest would take the next message for it.
pub(super) fn check(ppid: Option<u32>, payload: &[u8], max_message: usize) -> io::Result<()> {
    let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    // Any other PPID is taken: 0 is what RFC 3588 had, and 46 is a SHOULD.
    if ppid == Some(PPID_DTLS) {
        return invalid("the peer speaks DTLS over SCTP (PPID 47), which this node does not".to_owned());
    }
    let mut rest = payload;
    while !rest.is_empty() {
        match frame::next(rest, max_message) {
            Ok(Frame::Whole(length)) => rest = &rest[length..],
            Ok(Frame::Partial(_)) => {
                let length = payload.len();
                return invalid(format!(
                    "an SCTP message of {length} octets ends inside of a Diameter message"
                ));
            }
            // For the connection to refuse, which then reads nothing more.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// The whole messages at the start of `octets`.
pub(super) fn messages(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let Ok(Frame::Whole(length)) = frame::next(rest, LARGEST) else { return None };
        let (message, behind) = rest.split_at(length);
        rest = behind;
        Some(message)
    })
}

/// Whether an SCTP message shows that its sender is past the capabilities exchange: it begins with something else than
/// a CER. A CEA shows it of whom we have connected to, anything that follows a CER of whom has connected to us.
pub(super) fn shows_open(payload: &[u8]) -> bool {
    payload.first_chunk::<HEADER_LEN>().and_then(|head| Header::decode(head).ok()).is_some_and(|header| {
        !header.flags.has(CommandFlags::REQUEST)
            || (header.application, header.command) != (BASE, CapabilitiesExchangeRequest::CODE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with this length, and zeros up to `octets`.
    fn message(length: u8, octets: usize) -> Vec<u8> {
        let mut message = vec![0; octets];
        message[..4].copy_from_slice(&[1, 0, 0, length]);
        message
    }

    #[test]
    fn an_sctp_message_has_to_end_where_a_diameter_message_ends() {
        let reason = |octets: &[u8]| check(Some(PPID), octets, 100).unwrap_err().to_string();
        check(Some(PPID), &message(24, 24), 100).unwrap();
        check(Some(PPID), &[message(24, 24), message(20, 20)].concat(), 100).unwrap();
        assert!(reason(&message(28, 24)).contains("24 octets ends inside"));
        assert!(reason(&[message(24, 24), vec![1, 0]].concat()).contains("ends inside"));
        // Too long, or no Diameter: the connection says so to the peer, 5015 or 5011.
        check(Some(PPID), &message(104, 24), 100).unwrap();
        check(Some(PPID), b"no Diameter", 100).unwrap();
    }

    #[test]
    fn messages_inside_of_dtls_are_not_taken_for_diameter() {
        assert!(check(Some(PPID_DTLS), &message(20, 20), 100).unwrap_err().to_string().contains("DTLS"));
        check(Some(0), &message(20, 20), 100).unwrap();
        check(None, &message(20, 20), 100).unwrap();
    }

    #[test]
    fn what_is_written_is_cut_at_message_boundaries() {
        let octets = [message(24, 24), message(20, 20), message(24, 22)].concat();
        let lengths: Vec<_> = messages(&octets).map(<[u8]>::len).collect();
        assert_eq!(lengths, [24, 20]);
        assert_eq!(messages(&message(20, 20).repeat(100)).count(), 100);
        assert_eq!(messages(b"").count(), 0);
    }
}
