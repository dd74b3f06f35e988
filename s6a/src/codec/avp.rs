//! AVPs, RFC 6733 §4: reading them in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AvpDef, AvpFlags, DecodeError, ResultCode};

/// One AVP, borrowed from its message.
#[derive(Debug, Clone, Copy)]
pub struct Avp<'a> {
    /// AVP code.
    pub code: u32,
    /// Flags as read.
    pub flags: AvpFlags,
    /// Vendor-Id, 0 where the V bit is off.
    pub vendor: u32,
    /// The data, without padding.
    pub data: &'a [u8],
    /// Header, data and padding: what is echoed, or shown in a Failed-AVP.
    pub raw: &'a [u8],
}

impl DecodeError {
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
        self.path.push((group.code, group.vendor));
        self
    }
}

impl<'a> Avp<'a> {
    /// Whether code and vendor are those of `def`.
    #[must_use]
    pub fn is(&self, def: &AvpDef) -> bool {
        self.code == def.code && self.vendor == def.vendor
    }

    /// Vendor and code in one word, to be matched against [`AvpDef::key`].
    #[inline]
    #[must_use]
    pub fn key(&self) -> u64 {
        super::dictionary::key(self.code, self.vendor)
    }

    /// Whether the M bit is set.
    #[must_use]
    pub fn mandatory(&self) -> bool {
        self.flags.has(AvpFlags::MANDATORY)
    }

    /// Unsigned32 or Enumerated (RFC 6733 §4.2, §4.3): exactly four octets.
    ///
    /// # Errors
    /// 5014 with this AVP as Failed-AVP for another length.
    pub fn u32(&self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Integer32 (RFC 6733 §4.2): exactly four octets.
    ///
    /// # Errors
    /// 5014 for another length.
    pub fn i32(&self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Unsigned64 (RFC 6733 §4.2): exactly eight octets.
    ///
    /// # Errors
    /// 5014 for another length.
    pub fn u64(&self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// An OctetString of exactly `N` octets.
    ///
    /// # Errors
    /// 5014 for another length.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.data
            .try_into()
            .map_err(|_| self.error(ResultCode::INVALID_AVP_LENGTH, "the AVP's data has another length"))
    }

    /// UTF8String or DiameterIdentity (RFC 6733 §4.3.1).
    ///
    /// # Errors
    /// 5004 if the octets are not UTF-8.
    pub fn str(&self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.data)
            .map_err(|_| self.error(ResultCode::INVALID_AVP_VALUE, "the AVP's text is not UTF-8"))
    }

    /// Address (RFC 6733 §4.3.1): two octets of address family, then the address.
    ///
    /// # Errors
    /// 5014 for a length that does not go with the family, 5004 for a family other than IPv4 and IPv6.
    pub fn address(&self) -> Result<IpAddr, DecodeError> {
        let Some((family, address)) = self.data.split_first_chunk::<2>() else {
            return Err(self.error(ResultCode::INVALID_AVP_LENGTH, "an Address has at least two octets"));
        };
        let length = || self.error(ResultCode::INVALID_AVP_LENGTH, "the address does not fit its family");
        match u16::from_be_bytes(*family) {
            1 => Ok(Ipv4Addr::from(<[u8; 4]>::try_from(address).map_err(|_| length())?).into()),
            2 => Ok(Ipv6Addr::from(<[u8; 16]>::try_from(address).map_err(|_| length())?).into()),
            _ => {
                Err(self.error(ResultCode::INVALID_AVP_VALUE, "the address family is neither IPv4 nor IPv6"))
            }
        }
    }

    /// The AVPs inside a Grouped AVP (RFC 6733 §4.4), bounded in depth.
    ///
    /// `depth` is how many further levels are allowed; call with [`MAX_DEPTH`] at the top level.
    ///
    /// # Errors
    /// 5004 when `depth` is 0.
    pub fn group(&self, depth: u8) -> Result<Avps<'a>, DecodeError> {
        self.enter(depth)?;
        Ok(Avps::new(self.data))
    }

    /// Whether one more level of groups is allowed.
    pub(crate) fn enter(&self, depth: u8) -> Result<(), DecodeError> {
        if depth == 0 {
            return Err(self.error(ResultCode::INVALID_AVP_VALUE, "grouped AVPs are nested too deeply"));
        }
        Ok(())
    }

    /// An error about this AVP, with it as Failed-AVP (RFC 6733 §7.5).
    #[cold]
    #[must_use]
    pub fn error(&self, code: ResultCode, what: &'static str) -> DecodeError {
        DecodeError::new(code, what).with_failed(self.raw)
    }
}

/// Levels of grouped AVPs that are read. S6a's deepest group has six
/// (Subscription-Data > APN-Configuration-Profile > APN-Configuration > EPS-Subscribed-QoS-Profile >
/// Allocation-Retention-Priority > Priority-Level).
pub const MAX_DEPTH: u8 = 8;

/// The AVPs of a message or group, in order; ends after the first error.
#[derive(Debug, Clone)]
pub struct Avps<'a> {
    rest: &'a [u8],
}

impl<'a> Avps<'a> {
    /// Over the octets after a message's header, or a group's data.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// The AVP at the start of what is left; `None` if it is broken.
    #[inline]
    fn split(&mut self) -> Option<Avp<'a>> {
        let rest = self.rest;
        let head = rest.first_chunk::<8>()?;
        let code = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let flags = AvpFlags(head[4]);
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        let (header, vendor) = if flags.has(AvpFlags::VENDOR) {
            let head = rest.first_chunk::<12>()?;
            (12, u32::from_be_bytes([head[8], head[9], head[10], head[11]]))
        } else {
            (8, 0)
        };
        let data = rest.get(header..length)?;
        // RFC 6733 §4.1 wants padding to four octets; a group's last AVP is accepted without.
        let (raw, rest) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
        self.rest = rest;
        Some(Avp { code, flags, vendor, data, raw })
    }

    /// Why [`Self::split`] found none; there is nothing to be read any more.
    #[cold]
    fn broken(&mut self) -> DecodeError {
        let rest = std::mem::take(&mut self.rest);
        let header =
            if rest.get(4).is_some_and(|flags| AvpFlags(*flags).has(AvpFlags::VENDOR)) { 12 } else { 8 };
        let what = match rest.first_chunk::<8>() {
            Some(head) if rest.len() >= header => {
                let length = u32::from_be_bytes([0, head[5], head[6], head[7]]);
                if length < header as u32 {
                    "an AVP's length is less than its header"
                } else {
                    "an AVP is longer than what holds it"
                }
            }
            _ => "an AVP's header is cut off",
        };
        DecodeError::new(ResultCode::INVALID_AVP_LENGTH, what).with_failed_header(rest)
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match self.split() {
            Some(avp) => Some(Ok(avp)),
            None => Some(Err(self.broken())),
        }
    }
}
