//! Where a request goes, RFC 6733 §6.1.

use std::time::Duration;

/// Who a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Destination-Host, if it has to be this one.
    pub host: Option<&'a str>,
    /// Destination-Realm.
    pub realm: &'a str,
}

/// How a request that came from a peer goes on to another (RFC 6733 §6.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onward<'a> {
    /// Who it is for.
    pub to: Destination<'a>,
    /// Identity of the peer that it came from: it never goes back there.
    pub from: &'a str,
    /// Whether the host itself has to be the next hop. If not, a relay that leads to it will do (§6.1.6).
    pub direct: bool,
    /// How long its answer may take.
    pub within: Duration,
}
