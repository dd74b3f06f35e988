//! Writing messages and AVPs, RFC 6733 §3 and §4.

use std::net::IpAddr;

use super::{AvpDef, AvpFlags, Header};

/// Appends one message to a buffer; lengths and padding are filled in.
///
/// The AVP's flags are those of its definition ([`AvpDef::flags`]).
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
}

impl<'b> Writer<'b> {
    /// Starts a message with this header, whose `length` does not matter.
    pub fn new(out: &'b mut Vec<u8>, header: &Header) -> Self {
        let start = out.len();
        header.encode(out);
        Self { out, start }
    }

    /// AVPs without a message around them.
    pub fn avps(out: &'b mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// An OctetString, or any AVP whose data is ready.
    #[inline]
    pub fn octets(&mut self, def: &AvpDef, data: &[u8]) {
        self.avp_header(def, data.len());
        self.out.extend_from_slice(data);
        self.pad(data.len());
    }

    /// UTF8String or DiameterIdentity.
    #[inline]
    pub fn str(&mut self, def: &AvpDef, text: &str) {
        self.octets(def, text.as_bytes());
    }

    /// Unsigned32 or Enumerated.
    #[inline]
    pub fn u32(&mut self, def: &AvpDef, value: u32) {
        self.octets(def, &value.to_be_bytes());
    }

    /// Integer32.
    #[inline]
    pub fn i32(&mut self, def: &AvpDef, value: i32) {
        self.octets(def, &value.to_be_bytes());
    }

    /// Unsigned64.
    pub fn u64(&mut self, def: &AvpDef, value: u64) {
        self.octets(def, &value.to_be_bytes());
    }

    /// Address (RFC 6733 §4.3.1).
    pub fn address(&mut self, def: &AvpDef, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                self.octets(def, &[0, 1, a, b, c, d]);
            }
            IpAddr::V6(v6) => {
                let mut data = [0; 18];
                data[1] = 2;
                data[2..].copy_from_slice(&v6.octets());
                self.octets(def, &data);
            }
        }
    }

    /// Grouped: what `inside` writes becomes the data.
    #[inline]
    pub fn group(&mut self, def: &AvpDef, inside: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.avp_header(def, 0);
        inside(self);
        let length = (self.out.len() - start) as u32;
        self.out[start + 5..start + 8].copy_from_slice(&length.to_be_bytes()[1..]);
    }

    /// AVPs that are encoded already, as an echoed Proxy-Info (RFC 6733 §6.2).
    pub fn raw(&mut self, avps: &[u8]) {
        self.out.extend_from_slice(avps);
        self.pad(avps.len());
    }

    /// Completes the message; gives its length in octets.
    pub fn finish(self) -> usize {
        let length = self.out.len() - self.start;
        self.out[self.start + 1..self.start + 4].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        length
    }

    #[inline]
    fn avp_header(&mut self, def: &AvpDef, data: usize) {
        let vendor = def.vendor != 0;
        let header = if vendor { 12 } else { 8 };
        let flags = if vendor { def.flags.with(AvpFlags::VENDOR) } else { def.flags };
        let mut head = [0u8; 12];
        head[0..4].copy_from_slice(&def.code.to_be_bytes());
        head[4..8].copy_from_slice(&(u32::from(flags.0) << 24 | (header + data) as u32).to_be_bytes());
        head[8..12].copy_from_slice(&def.vendor.to_be_bytes());
        self.out.extend_from_slice(&head[..header]);
    }

    #[inline]
    fn pad(&mut self, data: usize) {
        let padding = data.wrapping_neg() & 3;
        self.out.extend_from_slice(&[0; 3][..padding]);
    }
}
