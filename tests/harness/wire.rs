//! Diameter on the wire (RFC 6733 §3, §4), written again for the tests: it encodes whatever a test wants, right or
//! wrong, and decodes without any dictionary.

use anyhow::{Context, Result, ensure};

/// The vendor of the AVPs of TS 29.272.
pub const TGPP: u32 = 10415;

/// An AVP; its value is octets until a test knows better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avp {
    /// AVP Code.
    pub code: u32,
    /// Vendor-Id, 0 for none.
    pub vendor: u32,
    /// Whether M is set.
    pub mandatory: bool,
    /// The value.
    pub data: Vec<u8>,
}

impl Avp {
    /// A mandatory AVP of the base protocol.
    #[must_use]
    pub fn base(code: u32, data: impl Into<Vec<u8>>) -> Self {
        Self { code, vendor: 0, mandatory: true, data: data.into() }
    }

    /// A mandatory AVP of 3GPP.
    #[must_use]
    pub fn tgpp(code: u32, data: impl Into<Vec<u8>>) -> Self {
        Self { code, vendor: TGPP, mandatory: true, data: data.into() }
    }

    /// The same with M as given.
    #[must_use]
    pub fn with_mandatory(mut self, mandatory: bool) -> Self {
        self.mandatory = mandatory;
        self
    }

    /// An Unsigned32.
    ///
    /// # Errors
    /// If the value has not four octets.
    pub fn number(&self) -> Result<u32> {
        let octets: [u8; 4] =
            self.data.as_slice().try_into().with_context(|| format!("AVP {} is no Unsigned32", self.code))?;
        Ok(u32::from_be_bytes(octets))
    }

    /// The AVPs of a Grouped one.
    ///
    /// # Errors
    /// If the value is no sequence of AVPs.
    pub fn members(&self) -> Result<Vec<Self>> {
        decode(&self.data).with_context(|| format!("in AVP {}", self.code))
    }

    /// Appends it, padded.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let head = if self.vendor == 0 { 8 } else { 12 };
        out.extend(self.code.to_be_bytes());
        let flags = (u32::from(self.vendor != 0) << 31) | (u32::from(self.mandatory) << 30);
        out.extend((flags | (head + self.data.len()) as u32).to_be_bytes());
        if self.vendor != 0 {
            out.extend(self.vendor.to_be_bytes());
        }
        out.extend(&self.data);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// The octets of a sequence of AVPs: what a Grouped AVP holds.
#[must_use]
pub fn group(avps: &[Avp]) -> Vec<u8> {
    let mut out = Vec::new();
    for avp in avps {
        avp.encode(&mut out);
    }
    out
}

/// Finds the first AVP of a code and vendor.
///
/// # Errors
/// If there is none.
pub fn find(avps: &[Avp], code: u32, vendor: u32) -> Result<&Avp> {
    avps.iter()
        .find(|avp| avp.code == code && avp.vendor == vendor)
        .with_context(|| format!("AVP {code} of vendor {vendor} is missing in {avps:?}"))
}

fn decode(mut octets: &[u8]) -> Result<Vec<Avp>> {
    let mut avps = Vec::new();
    while !octets.is_empty() {
        ensure!(octets.len() >= 8, "half an AVP header");
        let code = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
        let flags = octets[4];
        let length = u32::from_be_bytes([0, octets[5], octets[6], octets[7]]) as usize;
        let head = if flags & 0x80 == 0 { 8 } else { 12 };
        ensure!(length >= head && length <= octets.len(), "AVP {code} says it has {length} octets");
        let vendor =
            if head == 8 { 0 } else { u32::from_be_bytes([octets[8], octets[9], octets[10], octets[11]]) };
        avps.push(Avp { code, vendor, mandatory: flags & 0x40 != 0, data: octets[head..length].to_vec() });
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(avps)
}

/// Bits of the command flags (RFC 6733 §3).
pub mod flag {
    /// R: a request.
    pub const REQUEST: u8 = 0x80;
    /// P: proxiable.
    pub const PROXIABLE: u8 = 0x40;
    /// E: an answer in the form of §7.2.
    pub const ERROR: u8 = 0x20;
    /// T: sent before, perhaps.
    pub const RETRANSMITTED: u8 = 0x10;
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Command flags.
    pub flags: u8,
    /// Command Code.
    pub command: u32,
    /// Application-ID.
    pub application: u32,
    /// Hop-by-Hop Identifier.
    pub hop_by_hop: u32,
    /// End-to-End Identifier.
    pub end_to_end: u32,
    /// The AVPs in order.
    pub avps: Vec<Avp>,
}

impl Message {
    /// Its octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = group(&self.avps);
        let mut out = Vec::with_capacity(20 + body.len());
        out.extend((0x0100_0000 | (20 + body.len()) as u32).to_be_bytes());
        out.extend(((u32::from(self.flags) << 24) | self.command).to_be_bytes());
        out.extend(self.application.to_be_bytes());
        out.extend(self.hop_by_hop.to_be_bytes());
        out.extend(self.end_to_end.to_be_bytes());
        out.extend(body);
        out
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// If it is not one.
    pub fn decode(octets: &[u8]) -> Result<Self> {
        ensure!(octets.len() >= 20, "a Diameter header has 20 octets");
        let word =
            |at: usize| u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        ensure!(octets[0] == 1, "Diameter version {}", octets[0]);
        ensure!((word(0) & 0xFF_FFFF) as usize == octets.len(), "the message length is wrong");
        Ok(Self {
            flags: octets[4],
            command: word(4) & 0xFF_FFFF,
            application: word(8),
            hop_by_hop: word(12),
            end_to_end: word(16),
            avps: decode(&octets[20..])?,
        })
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.flags & flag::REQUEST != 0
    }

    /// The first AVP of the base protocol with this code.
    ///
    /// # Errors
    /// If there is none.
    pub fn base(&self, code: u32) -> Result<&Avp> {
        find(&self.avps, code, 0)
    }

    /// The first AVP of 3GPP with this code.
    ///
    /// # Errors
    /// If there is none.
    pub fn tgpp(&self, code: u32) -> Result<&Avp> {
        find(&self.avps, code, TGPP)
    }

    /// Result-Code (RFC 6733 §7.1), or the code of the Experimental-Result (§7.6).
    ///
    /// # Errors
    /// If it holds neither.
    pub fn result(&self) -> Result<Outcome> {
        if let Ok(avp) = self.base(268) {
            return Ok(Outcome::Base(avp.number()?));
        }
        let members = self.base(297).context("an answer without a result")?.members()?;
        ensure!(
            find(&members, 266, 0)?.number()? == TGPP,
            "an Experimental-Result of another vendor than 3GPP"
        );
        Ok(Outcome::Experimental(find(&members, 298, 0)?.number()?))
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Result-Code.
    Base(u32),
    /// Experimental-Result-Code of 3GPP.
    Experimental(u32),
}

/// DIAMETER_SUCCESS (RFC 6733 §7.1.2).
pub const SUCCESS: Outcome = Outcome::Base(2001);
