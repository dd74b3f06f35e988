//! What the grammar of a command or group names, RFC 6733 §3.2, as data.

use super::AvpDef;

/// How often an AVP occurs, RFC 6733 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// `< AVP >` or `{ AVP }`.
    Once,
    /// `[ AVP ]`.
    AtMostOnce,
    /// `*[ AVP ]`.
    Any,
    /// `1*{ AVP }`.
    AtLeastOnce,
    /// One of Result-Code and Experimental-Result (TS 29.272 §7.1.7).
    Either,
}

/// An AVP that the grammar of a command or group names: what is read and written, to be held against others.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Which AVP.
    pub def: &'static AvpDef,
    /// How often.
    pub occurs: Occurs,
    /// The AVPs inside, if it is a group that has a type here; else empty.
    pub members: &'static [Member],
}
