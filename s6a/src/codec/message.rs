//! One whole message, borrowed.

use super::{Avp, AvpDef, Avps, DecodeError, HEADER_LEN, Header, ResultCode};

/// A message whose header has been read; its AVPs are read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    octets: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes exactly one message, as [`frame::next`](super::frame::next) has found it.
    ///
    /// # Errors
    /// As [`Header::decode`], and 5015 when the length field is not the length of `octets`.
    pub fn parse(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(octets)?;
        if header.length as usize != octets.len() {
            return Err(DecodeError::new(
                ResultCode::INVALID_MESSAGE_LENGTH,
                "length field and message differ",
            ));
        }
        Ok(Self { header, octets })
    }

    /// The message as it was on the wire.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The AVPs in order, RFC 6733 §4.1.
    #[must_use]
    pub fn avps(&self) -> Avps<'a> {
        Avps::new(self.body())
    }

    /// The octets of the AVPs: all behind the header.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.octets[HEADER_LEN..]
    }

    /// The first AVP of this definition, as far as the message can be read: what is asked of a message
    /// that is refused anyway.
    #[must_use]
    pub fn find(&self, def: &AvpDef) -> Option<Avp<'a>> {
        self.avps().map_while(Result::ok).find(|avp| avp.is(def))
    }
}
