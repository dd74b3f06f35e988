//! AVP definitions: RFC 6733 §4.5 (base) and TS 29.272 §7.3 (S6a).
//!
//! The M bit is only how *we* send an AVP. A known AVP is accepted with and without it: TS 29.272 §7.3.1
//! has the receiver ignore the bit of an AVP that it understands.

use super::AvpFlags;

pub mod base;
pub mod s6a;

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

impl Kind {
    /// The fewest octets of data that such an AVP has: what the example of a missing AVP is filled with
    /// (RFC 6733 §7.5, "zero filled value of the minimum required length").
    #[must_use]
    pub const fn min_len(self) -> usize {
        match self {
            Self::Octets | Self::Utf8 | Self::Identity | Self::Uri | Self::Grouped => 0,
            Self::Address => 6,
            Self::U64 => 8,
            Self::Time | Self::U32 | Self::I32 | Self::Enumerated => 4,
        }
    }

    /// The name that RFC 6733 §4.2 to §4.4 gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Octets => "OctetString",
            Self::Utf8 => "UTF8String",
            Self::Identity => "DiameterIdentity",
            Self::Uri => "DiameterURI",
            Self::Address => "Address",
            Self::Time => "Time",
            Self::U32 => "Unsigned32",
            Self::U64 => "Unsigned64",
            Self::I32 => "Integer32",
            Self::Enumerated => "Enumerated",
            Self::Grouped => "Grouped",
        }
    }
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

impl AvpDef {
    /// Vendor and code in one word, to be matched against [`Avp::key`](super::Avp::key).
    #[must_use]
    pub const fn key(&self) -> u64 {
        key(self.code, self.vendor)
    }
}

/// Vendor and code in one word.
#[must_use]
pub(crate) const fn key(code: u32, vendor: u32) -> u64 {
    (vendor as u64) << 32 | code as u64
}

/// The definition of an AVP by code and Vendor-Id (0 for IETF), if this dictionary has it.
#[must_use]
pub fn find(code: u32, vendor: u32) -> Option<&'static AvpDef> {
    match vendor {
        0 => base::find(code),
        VENDOR_3GPP => s6a::find(code),
        _ => None,
    }
}

/// All definitions, by vendor and code.
pub fn all() -> impl Iterator<Item = &'static AvpDef> {
    base::ALL.iter().chain(s6a::ALL)
}

/// A table of definitions of one vendor: constant, code, name, kind, M bit, clause.
macro_rules! avps {
    ($vendor:expr; $($id:ident = $code:literal $name:literal $kind:ident $m:tt $clause:literal)*) => {
        $(
            #[doc = concat!($name, ": ", $clause, ".")]
            pub const $id: AvpDef = AvpDef {
                code: $code,
                vendor: $vendor,
                name: $name,
                kind: Kind::$kind,
                flags: avps!(@flags $m),
            };
        )*

        /// The table's definitions, in the order of the codes.
        pub static ALL: &[AvpDef] = &[$($id),*];

        /// The definition by AVP code.
        #[must_use]
        pub fn find(code: u32) -> Option<&'static AvpDef> {
            match code {
                $($code => Some(&$id),)*
                _ => None,
            }
        }
    };
    (@flags M) => { AvpFlags::MANDATORY };
    (@flags -) => { AvpFlags(0) };
}
pub(crate) use avps;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_found_and_the_table_is_in_order() {
        let mut before = None;
        for def in all() {
            let found = find(def.code, def.vendor).unwrap();
            assert_eq!(found.name, def.name);
            assert!(before < Some(def.key()), "{} stands out of order", def.name);
            before = Some(def.key());
        }
        assert!(find(263, VENDOR_3GPP).is_none());
        assert!(find(1400, 0).is_none());
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = all().map(|def| def.name).collect();
        assert_eq!(names.len(), all().count());
    }
}
