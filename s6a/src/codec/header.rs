//! The Diameter header, RFC 6733 §3.

use super::{DecodeError, ResultCode};

/// Octets of the header, RFC 6733 §3.
pub const HEADER_LEN: usize = 20;

/// The only protocol version, RFC 6733 §3.
pub const VERSION: u8 = 1;

/// Command flags, RFC 6733 §3: R, P, E, T and four reserved bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandFlags(pub u8);

impl CommandFlags {
    /// R: a request.
    pub const REQUEST: Self = Self(0x80);
    /// P: may be proxied, relayed or redirected.
    pub const PROXIABLE: Self = Self(0x40);
    /// E: an answer with a protocol error, in the format of RFC 6733 §7.2.
    pub const ERROR: Self = Self(0x20);
    /// T: possibly sent before, after a link failover.
    pub const RETRANSMITTED: Self = Self(0x10);
    /// Reserved bits: sent as zero, ignored when read.
    pub const RESERVED: Self = Self(0x0f);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of the answer to a request with these: R and T off, P kept (RFC 6733 §6.2).
    #[must_use]
    pub const fn answer(self) -> Self {
        Self(self.0 & Self::PROXIABLE.0)
    }
}

impl std::fmt::Debug for CommandFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (bit, name) in
            [(Self::REQUEST, 'R'), (Self::PROXIABLE, 'P'), (Self::ERROR, 'E'), (Self::RETRANSMITTED, 'T')]
        {
            write!(f, "{}", if self.has(bit) { name } else { '-' })?;
        }
        Ok(())
    }
}

/// A decoded header, RFC 6733 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Octets of the whole message, header and padding included.
    pub length: u32,
    /// Command flags.
    pub flags: CommandFlags,
    /// Command code, 24 bits.
    pub command: u32,
    /// Application id.
    pub application: u32,
    /// Hop-by-Hop id: matches an answer to its request on one connection.
    pub hop_by_hop: u32,
    /// End-to-End id: with Origin-Host, tells duplicates.
    pub end_to_end: u32,
}

impl Header {
    /// Reads the header at the start of `octets`.
    ///
    /// # Errors
    /// `DIAMETER_UNSUPPORTED_VERSION` (5011) for another version, `DIAMETER_INVALID_MESSAGE_LENGTH` (5015)
    /// if fewer than 20 octets are there or the length field is no multiple of four or below 20.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let Some(head) = octets.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::new(ResultCode::INVALID_MESSAGE_LENGTH, "fewer than 20 octets"));
        };
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header = Self {
            length: word(0) & 0x00ff_ffff,
            flags: CommandFlags(head[4]),
            command: word(4) & 0x00ff_ffff,
            application: word(8),
            hop_by_hop: word(12),
            end_to_end: word(16),
        };
        if head[0] != VERSION {
            return Err(DecodeError::new(ResultCode::UNSUPPORTED_VERSION, "the version is not 1"));
        }
        if !header.length.is_multiple_of(4) || (header.length as usize) < HEADER_LEN {
            return Err(DecodeError::new(
                ResultCode::INVALID_MESSAGE_LENGTH,
                "the message length is not a multiple of four of at least 20",
            ));
        }
        Ok(header)
    }

    /// Appends the 20 octets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = [0; HEADER_LEN];
        head[0..4].copy_from_slice(&(u32::from(VERSION) << 24 | self.length).to_be_bytes());
        head[4..8].copy_from_slice(&(u32::from(self.flags.0) << 24 | self.command).to_be_bytes());
        head[8..12].copy_from_slice(&self.application.to_be_bytes());
        head[12..16].copy_from_slice(&self.hop_by_hop.to_be_bytes());
        head[16..20].copy_from_slice(&self.end_to_end.to_be_bytes());
        out.extend_from_slice(&head);
    }

    /// Whether this is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.flags.has(CommandFlags::REQUEST)
    }

    /// Whether this is the header of a command of this definition.
    ///
    /// # Errors
    /// 3001 for another command code, 3007 for another application, 3008 for bits R and P other than
    /// `flags`, and for a request with the E bit (RFC 6733 §3, §7.1.3).
    pub fn expect(&self, command: u32, application: u32, flags: CommandFlags) -> Result<(), DecodeError> {
        const DEFINED: u8 = CommandFlags::REQUEST.with(CommandFlags::PROXIABLE).0;
        let bits = if self.is_request() { DEFINED | CommandFlags::ERROR.0 } else { DEFINED };
        let (code, what) = if self.command != command {
            (ResultCode::COMMAND_UNSUPPORTED, "this is another command")
        } else if self.application != application {
            (ResultCode::APPLICATION_UNSUPPORTED, "this is another application's command")
        } else if self.flags.0 & bits != flags.0 {
            (ResultCode::INVALID_HDR_BITS, "the header's bits do not go with the command")
        } else {
            return Ok(());
        };
        Err(DecodeError::new(code, what))
    }

    /// The header of the answer: same command, application and ids, flags of [`CommandFlags::answer`]
    /// (RFC 6733 §6.2). The length is filled in by the [`Writer`](super::Writer).
    #[must_use]
    pub fn answer(&self) -> Self {
        Self { length: 0, flags: self.flags.answer(), ..*self }
    }
}
