//! What is wrong with a message, with all that the answer needs to say so.

use super::{Avp, AvpFlags, ResultCode};

/// A message that cannot be accepted: Result-Code and Failed-AVP of the answer (RFC 6733 §7.1, §7.5).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({code})")]
pub struct DecodeError {
    /// Result-Code of the answer.
    pub code: ResultCode,
    /// In words, for Error-Message and log; never holds data of the message.
    pub what: &'static str,
    /// The offending AVP, encoded and padded, to be put into Failed-AVP; empty where there is none.
    pub failed: Vec<u8>,
}

impl DecodeError {
    /// An error without Failed-AVP.
    #[must_use]
    pub fn new(code: ResultCode, what: &'static str) -> Self {
        Self { code, what, failed: Vec::new() }
    }

    /// With a whole AVP as it was read; padding is completed.
    #[must_use]
    pub fn with_failed(mut self, avp: &[u8]) -> Self {
        self.failed = avp.to_vec();
        self.failed.resize(avp.len().next_multiple_of(4), 0);
        self
    }

    /// Inside the group that holds the failed AVP, so that the receiver can tell where it stands
    /// (RFC 6733 §7.5: "the grouped AVP hierarchy up to the single offending AVP").
    #[cold]
    #[must_use]
    pub fn inside(mut self, group: &Avp<'_>) -> Self {
        if self.failed.is_empty() {
            return self;
        }
        let header = if group.flags.has(AvpFlags::VENDOR) { 12 } else { 8 };
        let mut wrapped = group.raw[..header].to_vec();
        wrapped.extend_from_slice(&self.failed);
        let length = (wrapped.len() as u32).to_be_bytes();
        wrapped[5..8].copy_from_slice(&length[1..]);
        self.failed = wrapped;
        self
    }

    /// With an AVP whose length is wrong: only its header can be shown, with a length that makes the
    /// Failed-AVP itself well-formed (RFC 6733 §7.5: "the minimum-length value").
    #[must_use]
    pub fn with_failed_header(mut self, start: &[u8]) -> Self {
        let mut head = [0u8; 12];
        let have = start.len().min(12);
        head[..have].copy_from_slice(&start[..have]);
        let length = if head[4] & 0x80 == 0 { 8 } else { 12 };
        head[5..8].copy_from_slice(&[0, 0, length]);
        self.failed = head[..usize::from(length)].to_vec();
        self
    }
}
