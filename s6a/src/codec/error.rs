//! What is wrong with a message, with all that the answer needs to say so.

use std::fmt::Write as _;

use super::{AvpFlags, ResultCode, dictionary};

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
    /// Code and Vendor-Id of the offending AVP, then of the groups that it is in, from the inside out; empty where
    /// there is no offending AVP.
    pub path: Vec<(u32, u32)>,
}

impl DecodeError {
    /// An error without Failed-AVP.
    #[must_use]
    pub fn new(code: ResultCode, what: &'static str) -> Self {
        Self { code, what, failed: Vec::new(), path: Vec::new() }
    }

    /// The offending AVP by name, code and vendor with the groups that it is in, as
    /// `Vendor-Id (266) in Vendor-Specific-Application-Id (260)`; `None` where there is none. For the log.
    #[must_use]
    pub fn avp(&self) -> Option<String> {
        let mut text = String::new();
        for (code, vendor) in &self.path {
            let separator = if text.is_empty() { "" } else { " in " };
            // Writing to a String does not fail.
            let _ = match (dictionary::find(*code, *vendor), *vendor) {
                (Some(def), 0) => write!(text, "{separator}{} ({code})", def.name),
                (Some(def), vendor) => write!(text, "{separator}{} ({code} of vendor {vendor})", def.name),
                (None, 0) => write!(text, "{separator}AVP {code}"),
                (None, vendor) => write!(text, "{separator}AVP {code} of vendor {vendor}"),
            };
        }
        (!text.is_empty()).then_some(text)
    }

    /// With a whole AVP as it was read; padding is completed.
    #[must_use]
    pub fn with_failed(mut self, avp: &[u8]) -> Self {
        self.failed = avp.to_vec();
        self.failed.resize(avp.len().next_multiple_of(4), 0);
        self.path = code_and_vendor(avp).into_iter().collect();
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
        self.path = code_and_vendor(&self.failed).into_iter().collect();
        self
    }
}

/// Code and Vendor-Id (0 without) of the AVP whose header these octets begin with.
fn code_and_vendor(avp: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_be_bytes(avp.get(at..at + 4)?.try_into().ok()?));
    let has_vendor = AvpFlags(*avp.get(4)?).has(AvpFlags::VENDOR);
    Some((word(0)?, if has_vendor { word(8)? } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Avps, Writer, dictionary::base::*};

    #[test]
    fn the_offending_avp_is_named_with_code_vendor_and_the_groups_that_hold_it() {
        let mut octets = Vec::new();
        Writer::avps(&mut octets).group(&VENDOR_SPECIFIC_APPLICATION_ID, |w| w.u32(&VENDOR_ID, 1));
        let group = Avps::new(&octets).next().unwrap().unwrap();
        let inner = Avps::new(group.data).next().unwrap().unwrap();
        let error = inner.error(ResultCode::INVALID_AVP_VALUE, "wrong");
        assert_eq!(error.avp().as_deref(), Some("Vendor-Id (266)"));
        let nested = error.inside(&group).avp();
        assert_eq!(nested.as_deref(), Some("Vendor-Id (266) in Vendor-Specific-Application-Id (260)"));
        let unknown = [0, 0, 3, 0xe7, 0xc0, 0, 0, 12, 0, 0, 7, 0xdb];
        let of = |octets: &[u8]| {
            DecodeError::new(ResultCode::AVP_UNSUPPORTED, "unknown").with_failed(octets).avp()
        };
        assert_eq!(of(&unknown).as_deref(), Some("AVP 999 of vendor 2011"));
        assert_eq!(of(&[0, 0, 0, 0, 0x40, 0, 0, 8]).as_deref(), Some("AVP 0"));
        assert_eq!(of(&[0; 3]), None);
        assert_eq!(DecodeError::new(ResultCode::INVALID_AVP_LENGTH, "cut off").avp(), None);
    }
}
