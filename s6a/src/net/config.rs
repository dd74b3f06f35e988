//! What a node is told when it starts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, TlsConfigs};
use crate::codec::dictionary::VENDOR_3GPP;

/// The relay application id, RFC 6733 §2.4: the peer forwards whatever it is given.
pub const RELAY: u32 = 0xffff_ffff;

/// An application that a node supports, with the commands it knows (others get 3001).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplicationId {
    /// Vendor-Id for the Vendor-Specific-Application-Id, 0 for an application of the IETF.
    pub vendor: u32,
    /// Application id.
    pub id: u32,
    /// Command codes.
    pub commands: &'static [u32],
}

impl ApplicationId {
    /// S6a/S6d: TS 29.272 §7.1.8 for the id, §7.2.2 for the commands ULR, CLR, AIR, IDR, DSR, PUR, RSR, NOR.
    pub const S6A: Self =
        Self { vendor: VENDOR_3GPP, id: 16_777_251, commands: &[316, 317, 318, 319, 320, 321, 322, 323] };
}

/// A Diameter node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Our Origin-Host.
    pub origin_host: String,
    /// Our Origin-Realm.
    pub origin_realm: String,
    /// Host-IP-Addresses to advertise; empty: the address of the connection's own end.
    pub host_ip_addresses: Vec<IpAddr>,
    /// Product-Name.
    pub product_name: &'static str,
    /// Vendor-Id of this implementation, 0 for none.
    pub vendor_id: u32,
    /// Applications offered in CER and CEA.
    pub applications: Vec<ApplicationId>,
    /// Where to listen.
    pub listen: Vec<Endpoint>,
    /// The peers that may connect or are connected to.
    pub peers: Vec<PeerConfig>,
    /// Whether peers not listed may connect; by default they get 3010 (RFC 6733 §5.3).
    pub accept_unknown_peers: bool,
    /// Timers.
    pub timers: Timers,
    /// Limits.
    pub limits: Limits,
    /// Certificates, where an endpoint is `tls://`.
    pub tls: Option<Arc<TlsConfigs>>,
}

impl NodeConfig {
    /// A node of this identity that offers S6a, listens nowhere and knows no peer.
    #[must_use]
    pub fn new(origin_host: impl Into<String>, origin_realm: impl Into<String>) -> Self {
        Self {
            origin_host: origin_host.into(),
            origin_realm: origin_realm.into(),
            host_ip_addresses: Vec::new(),
            product_name: "Callhome",
            vendor_id: 0,
            applications: vec![ApplicationId::S6A],
            listen: Vec::new(),
            peers: Vec::new(),
            accept_unknown_peers: false,
            timers: Timers::default(),
            limits: Limits::default(),
            tls: None,
        }
    }
}

/// A peer by its identity.
#[derive(Debug, Clone, Default)]
pub struct PeerConfig {
    /// Its Origin-Host.
    pub identity: String,
    /// Its Origin-Realm, if it has to be this one.
    pub realm: Option<String>,
    /// Source addresses it may come from; empty: any.
    pub addresses: Vec<IpAddr>,
    /// Names of which its TLS certificate has to hold one; empty: its identity (RFC 6733 §13.1).
    /// A peer with names given here is not accepted without TLS.
    pub certificate_names: Vec<String>,
    /// SHA-256 of its TLS certificate (DER). A peer with one is not accepted without TLS.
    pub certificate_sha256: Option<[u8; 32]>,
    /// Where to connect to; none: it connects to us.
    pub connect: Option<Endpoint>,
    /// Tw for this peer instead of [`Timers::watchdog`].
    pub watchdog: Option<Duration>,
}

impl PeerConfig {
    /// A peer that may connect from anywhere.
    #[must_use]
    pub fn new(identity: impl Into<String>) -> Self {
        Self { identity: identity.into(), ..Self::default() }
    }

    /// A peer that we connect to.
    #[must_use]
    pub fn connecting(identity: impl Into<String>, to: Endpoint) -> Self {
        Self { identity: identity.into(), connect: Some(to), ..Self::default() }
    }
}

/// Timers, each from the moment its name says.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// Tw (RFC 6733 §5.5.3, RFC 3539 §3.4.1): 30 s by default, at least 6 s in operation.
    pub watchdog: Duration,
    /// From accept or connect to the end of CER and CEA, TLS handshake included.
    pub capabilities: Duration,
    /// A message that has begun has to be there in full.
    pub idle_message: Duration,
    /// A peer that takes nothing of what is written to it is closed.
    pub write_stall: Duration,
    /// A request of our own is answered.
    pub request: Duration,
    /// From DPR to DPA, and from DPA to the end of the connection.
    pub disconnect: Duration,
    /// First wait before connecting again.
    pub reconnect_first: Duration,
    /// Longest wait before connecting again (RFC 6733 §2.1, Tc).
    pub reconnect_longest: Duration,
    /// Wait after a peer that disconnected with `DO_NOT_WANT_TO_TALK_TO_YOU` (RFC 6733 §5.4.3).
    pub reconnect_unwelcome: Duration,
    /// How long an answer is kept for a retransmission of its request (RFC 6733 §3 keeps End-to-End ids
    /// unique for four minutes).
    pub duplicates: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            watchdog: s(30),
            capabilities: s(10),
            idle_message: s(10),
            write_stall: s(10),
            request: s(10),
            disconnect: s(5),
            reconnect_first: s(1),
            reconnect_longest: s(60),
            reconnect_unwelcome: s(600),
            duplicates: s(240),
        }
    }
}

/// Limits, each per connection where not said otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of one message.
    pub max_message: usize,
    /// Octets waiting to be written, beyond which nothing more is read.
    pub write_buffer: usize,
    /// Requests of the peer that wait for their [`Later`](super::Later), beyond which nothing more is read.
    pub requests_in_flight: usize,
    /// Requests of our own that wait for their answer.
    pub own_requests: usize,
    /// Connections of the whole node.
    pub connections: usize,
    /// Accepted connections of the whole node that have not been identified by a CER yet, TLS handshakes included; as many
    /// again from the addresses of configured peers. Above, the one that has waited longest is closed, first of the
    /// source that has most.
    pub unidentified: usize,
    /// Of these, connections of one source (an IPv4 address, or a /64 of IPv6).
    pub unidentified_per_source: usize,
    /// Octets kept of recent answers, over all peers, for retransmitted requests.
    pub duplicates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 64 << 10,
            write_buffer: 4 << 20,
            requests_in_flight: 16 << 10,
            own_requests: 64 << 10,
            connections: 10_000,
            unidentified: 256,
            unidentified_per_source: 64,
            duplicates: 64 << 20,
        }
    }
}
