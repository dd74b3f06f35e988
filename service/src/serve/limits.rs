//! `[….limits]`: what clients may take of a listener.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::config::Span;

/// What clients may take of an HTTP server; every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections at a time, TLS handshakes included. For one more, the least useful of the others is closed. Known
    /// networks have as many of their own.
    pub connections: usize,
    /// Of those, what one source may have: an IPv4 address, or a /64 of IPv6. 0: all of them. Known networks have no such
    /// limit.
    pub connections_per_source: usize,
    /// Networks whose connections never have to make room for strangers': other roles, gateways of the fleet.
    pub known_networks: Vec<IpNet>,
    /// TLS handshakes at a time.
    pub pending_handshakes: usize,
    /// For the whole of a TLS handshake.
    pub handshake_timeout: Span,
    /// For all headers of a request; between two requests of an HTTP/1.1 connection; and how long a connection is kept
    /// on which nobody has authenticated, and nothing is asked.
    pub header_timeout: Span,
    /// For the whole of a request's body, besides the time that it takes at `body_rate`.
    pub body_timeout: Span,
    /// Octets a second that a request's body has to come with in the long run.
    pub body_rate: u32,
    /// Without a request, and of a request without progress; PING frames of HTTP/2 do not count.
    pub idle_timeout: Span,
    /// After so long a connection is closed as soon as nothing is under way; `"0s"`: never.
    pub lifetime: Span,
    /// For requests under way when the server is told to stop.
    pub grace: Span,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_source: 256,
            known_networks: Self::loopback(),
            pending_handshakes: 512,
            handshake_timeout: Span::seconds(10),
            header_timeout: Span::seconds(20),
            body_timeout: Span::seconds(30),
            body_rate: 1024,
            idle_timeout: Span::seconds(300),
            lifetime: Span::seconds(0),
            grace: Span::seconds(10),
        }
    }
}

impl HttpLimits {
    fn loopback() -> Vec<IpNet> {
        ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect()
    }

    /// Whether an address is of a known network; one of IPv4 is known in its IPv6 form too.
    pub(super) fn knows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.known_networks.iter().any(|network| network.contains(&address))
    }
}
