//! AVP definitions: RFC 6733 §4.5 (base) and TS 29.272 §7.3 (S6a).

use super::AvpFlags;

/// Vendor-Id of 3GPP, TS 29.230 §8.
pub const VENDOR_3GPP: u32 = 10415;

/// The data format of an AVP, RFC 6733 §4.2 to §4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OctetString.
    Octets,
    /// UTF8String.
    Utf8,
    /// DiameterIdentity.
    Identity,
    /// DiameterURI.
    Uri,
    /// Address.
    Address,
    /// Time, seconds since 1900 (RFC 6733 §4.3.1).
    Time,
    /// Unsigned32.
    U32,
    /// Unsigned64.
    U64,
    /// Integer32.
    I32,
    /// Enumerated.
    Enumerated,
    /// Grouped.
    Grouped,
}

/// The definition of an AVP.
#[derive(Debug, Clone, Copy)]
pub struct AvpDef {
    /// AVP code.
    pub code: u32,
    /// Vendor-Id, 0 for IETF.
    pub vendor: u32,
    /// Name in its specification.
    pub name: &'static str,
    /// Data format.
    pub kind: Kind,
    /// Flags to send it with; V is added by the writer.
    pub flags: AvpFlags,
}
