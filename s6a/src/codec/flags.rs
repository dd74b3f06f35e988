//! The flags of an AVP, RFC 6733 §4.1.

/// AVP flags, RFC 6733 §4.1: V, M, P and five reserved bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AvpFlags(pub u8);

impl AvpFlags {
    /// V: a Vendor-Id follows.
    pub const VENDOR: Self = Self(0x80);
    /// M: the receiver has to understand it, RFC 6733 §4.1.
    pub const MANDATORY: Self = Self(0x40);
    /// P: reserved for end-to-end security, sent as zero (RFC 6733 §4.1).
    pub const PROTECTED: Self = Self(0x20);

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
}
