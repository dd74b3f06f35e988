//! One message (RFC 7252 §3), with coap-lite as the reader and writer of its octets.

use std::fmt;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

/// Octets of a datagram that is read or sent at most: RFC 7252 §4.6 assumes a path MTU of 1280.
pub const MAX_DATAGRAM: usize = 1280;
/// Octets of payload that a message should not exceed (RFC 7252 §4.6).
pub const MAX_PAYLOAD: usize = 1024;

/// Type of a message (RFC 7252 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 0: to be acknowledged or reset.
    Confirmable,
    /// 1.
    NonConfirmable,
    /// 2.
    Acknowledgement,
    /// 3.
    Reset,
}

/// Code of a message (RFC 7252 §3 and §12.1): class in three bits, detail in five.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

impl Code {
    /// 0.00: an empty message.
    pub const EMPTY: Self = Self(0);
    /// 0.01.
    pub const GET: Self = Self(1);
    /// 0.02.
    pub const POST: Self = Self(2);
    /// 2.04 (RFC 7252 §5.9.1.4).
    pub const CHANGED: Self = Self::of(2, 4);
    /// 2.05.
    pub const CONTENT: Self = Self::of(2, 5);
    /// 2.31 (RFC 7959 §2.9.1).
    pub const CONTINUE: Self = Self::of(2, 31);
    /// 4.00.
    pub const BAD_REQUEST: Self = Self::of(4, 0);
    /// 4.01.
    pub const UNAUTHORIZED: Self = Self::of(4, 1);
    /// 4.02.
    pub const BAD_OPTION: Self = Self::of(4, 2);
    /// 4.03.
    pub const FORBIDDEN: Self = Self::of(4, 3);
    /// 4.04.
    pub const NOT_FOUND: Self = Self::of(4, 4);
    /// 4.05.
    pub const METHOD_NOT_ALLOWED: Self = Self::of(4, 5);
    /// 4.06.
    pub const NOT_ACCEPTABLE: Self = Self::of(4, 6);
    /// 4.08 (RFC 7959 §2.9.2).
    pub const INCOMPLETE: Self = Self::of(4, 8);
    /// 4.13 (RFC 7252 §5.9.2.9).
    pub const TOO_LARGE: Self = Self::of(4, 13);
    /// 4.29 (RFC 8516).
    pub const TOO_MANY: Self = Self::of(4, 29);
    /// 5.03.
    pub const UNAVAILABLE: Self = Self::of(5, 3);
    /// 5.05.
    pub const NO_PROXYING: Self = Self::of(5, 5);

    /// From class (0 to 7) and detail (0 to 31).
    #[must_use]
    pub const fn of(class: u8, detail: u8) -> Self {
        Self(class << 5 | detail & 31)
    }

    /// Its class: 0 request, 2 success, 4 client error, 5 server error.
    #[must_use]
    pub fn class(self) -> u8 {
        self.0 >> 5
    }

    /// Whether it is a request's: a method.
    #[must_use]
    pub fn is_request(self) -> bool {
        self.class() == 0 && self != Self::EMPTY
    }

    /// Whether it is a response's.
    #[must_use]
    pub fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.0 & 31)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: Kind,
    /// Its code.
    pub code: Code,
    /// Message ID: matches acknowledgements and resets, finds duplicates (RFC 7252 §4.4, §4.5).
    pub id: u16,
    /// Token, 0 to 8 octets: matches responses (RFC 7252 §5.3.1).
    pub token: Vec<u8>,
    /// Options by rising number.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What came is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// To be ignored: shorter than a header, or of another version (RFC 7252 §3).
    Ignored,
    /// A message format error (RFC 7252 §3); a confirmable one is to be rejected with a reset (§4.2).
    Format {
        /// Type in the header.
        kind: Kind,
        /// Message ID in the header.
        id: u16,
    },
}

impl Message {
    /// An empty acknowledgement (RFC 7252 §4.2).
    #[must_use]
    pub fn acknowledgement(id: u16) -> Self {
        Self::empty(Kind::Acknowledgement, id)
    }

    /// A reset (RFC 7252 §4.2).
    #[must_use]
    pub fn reset(id: u16) -> Self {
        Self::empty(Kind::Reset, id)
    }

    fn empty(kind: Kind, id: u16) -> Self {
        Self { kind, code: Code::EMPTY, id, token: vec![], options: vec![], payload: vec![] }
    }

    /// The first value of an option.
    #[must_use]
    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.values(number).next()
    }

    /// All values of an option, in their order.
    pub fn values(&self, number: u16) -> impl Iterator<Item = &[u8]> {
        self.options.iter().filter(move |(n, _)| *n == number).map(|(_, value)| value.as_slice())
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// What it is instead, and so what to do with it.
    pub fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let [first, code, high, low, ..] = *octets else { return Err(Malformed::Ignored) };
        // RFC 7252 §3: messages of another version must be silently ignored.
        if first >> 6 != 1 {
            return Err(Malformed::Ignored);
        }
        let kind = match first >> 4 & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        let id = u16::from_be_bytes([high, low]);
        let malformed = Malformed::Format { kind, id };
        let packet = Packet::from_bytes(octets).map_err(|_| malformed)?;
        let code = Code(code);
        // §4.1: an empty message is four octets, no more.
        if code == Code::EMPTY && octets.len() != 4 {
            return Err(malformed);
        }
        // §3: a payload marker followed by nothing is a format error; coap-lite lets it pass. Options have one form
        // only, so that what is written again without the marker is one octet shorter.
        if packet.payload.is_empty() && octets.last() == Some(&0xff) {
            let again = packet.to_bytes_unlimited().map_err(|_| malformed)?;
            if again.len() + 1 == octets.len() {
                return Err(malformed);
            }
        }
        let options = packet.options().flat_map(|(number, values)| {
            let number = *number;
            values.iter().map(move |value| (number, value.clone()))
        });
        let options = options.collect();
        let token = packet.get_token().to_vec();
        Ok(Self { kind, code, id, token, options, payload: packet.payload })
    }

    /// Its octets; `None` if there are more than [`MAX_DATAGRAM`].
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut packet = Packet::new();
        packet.header.set_version(1);
        packet.header.set_type(match self.kind {
            Kind::Confirmable => MessageType::Confirmable,
            Kind::NonConfirmable => MessageType::NonConfirmable,
            Kind::Acknowledgement => MessageType::Acknowledgement,
            Kind::Reset => MessageType::Reset,
        });
        packet.header.code = MessageClass::from(self.code.0);
        packet.header.message_id = self.id;
        packet.set_token(self.token.clone());
        for (number, value) in &self.options {
            packet.add_option(CoapOption::from(*number), value.clone());
        }
        packet.payload.clone_from(&self.payload);
        packet.to_bytes_with_limit(MAX_DATAGRAM).ok()
    }
}

/// A number as an option of format uint holds it: no leading zeros (RFC 7252 §3.2).
#[must_use]
pub fn uint(number: u32) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect()
}

/// The number of an option of format uint, at most four octets; leading zeros are allowed (RFC 7252 §3.2).
#[must_use]
pub fn number(value: &[u8]) -> Option<u32> {
    (value.len() <= 4).then(|| value.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::option;

    /// RFC 7252 appendix A, figure 16: GET /temperature, message ID 0x7d34.
    const FIGURE_16: &[u8] = b"\x40\x01\x7d\x34\xbbtemperature";

    #[test]
    fn the_examples_of_the_rfc_read_and_write() {
        let get = Message::decode(FIGURE_16).unwrap();
        assert_eq!((get.kind, get.code, get.id), (Kind::Confirmable, Code::GET, 0x7d34));
        assert_eq!(get.option(option::URI_PATH), Some(&b"temperature"[..]));
        assert_eq!(get.encode().unwrap(), FIGURE_16);
        // Its answer: 2.05 with "22.3 C".
        let answer = b"\x60\x45\x7d\x34\xff22.3 C";
        let content = Message::decode(answer).unwrap();
        assert_eq!((content.kind, content.code.to_string()), (Kind::Acknowledgement, "2.05".to_owned()));
        assert_eq!(content.encode().unwrap(), answer);
        // Figure 17: the same with a token.
        let with_token = b"\x41\x01\x7d\x35\x20\xbbtemperature";
        assert_eq!(Message::decode(with_token).unwrap().token, [0x20]);
    }

    #[test]
    fn what_is_no_message_is_ignored_or_rejected_as_section_3_says() {
        for (octets, what) in [
            (&b""[..], Malformed::Ignored),
            (b"\x40\x01\x7d", Malformed::Ignored),
            (b"\x80\x01\x00\x01", Malformed::Ignored),
            // Token length 9 to 15 is reserved.
            (b"\x49\x01\x00\x01123456789", Malformed::Format { kind: Kind::Confirmable, id: 1 }),
            // Token cut short.
            (b"\x54\x01\x00\x02ab", Malformed::Format { kind: Kind::NonConfirmable, id: 2 }),
            // Option cut short, option with the reserved length 15.
            (b"\x40\x01\x00\x03\xbbtemp", Malformed::Format { kind: Kind::Confirmable, id: 3 }),
            (b"\x40\x01\x00\x03\xbf", Malformed::Format { kind: Kind::Confirmable, id: 3 }),
            // Empty with a token, and with octets after it.
            (b"\x41\x00\x00\x04a", Malformed::Format { kind: Kind::Confirmable, id: 4 }),
            (b"\x60\x00\x00\x04\xffx", Malformed::Format { kind: Kind::Acknowledgement, id: 4 }),
            // Payload marker and nothing after it.
            (b"\x40\x01\x00\x05\xff", Malformed::Format { kind: Kind::Confirmable, id: 5 }),
        ] {
            assert_eq!(Message::decode(octets), Err(what), "{octets:02x?}");
        }
        // An option whose value ends in the marker's octet is none.
        assert!(Message::decode(b"\x40\x01\x00\x06\xb1\xff").is_ok());
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for (value, octets) in [(0, &[][..]), (18, &[18]), (256, &[1, 0]), (5683, &[0x16, 0x33])] {
            assert_eq!(uint(value), octets);
            assert_eq!(number(octets), Some(value));
        }
        assert_eq!(number(&[0, 18]), Some(18));
        assert_eq!(number(&[0; 5]), None);
    }
}
