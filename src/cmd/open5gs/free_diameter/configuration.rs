//! What freeDiameter is told: the values of a configuration that was parsed, with freeDiameter's own defaults.

use std::net::IpAddr;

use super::super::fault::Fault;
use super::lexer::{Include, Position};

/// Diameter's ports (RFC 6733 §2.1), which are taken where none is written.
pub const PORT: u16 = 3868;
/// The one with TLS.
pub const PORT_TLS: u16 = 5868;
/// Seconds between two attempts to connect (Tc, RFC 6733 §2.1), where none is written.
pub const TC_TIMER: u32 = 30;

/// What freeDiameter is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeDiameter {
    /// Its own Origin-Host, as written; without, it is the host's own name.
    pub identity: Option<String>,
    /// Its own Origin-Realm, as written; without, it is what follows the first dot of the identity.
    pub realm: Option<String>,
    /// Where it listens without TLS; 0: nowhere.
    pub port: u16,
    /// Where it listens with TLS; 0: nowhere.
    pub secure_port: u16,
    /// Seconds between two attempts to connect.
    pub tc_timer: u32,
    /// Addresses that it listens on; empty: all.
    pub listen_on: Vec<IpAddr>,
    /// Transports and families that it does not use at all.
    pub without: Without,
    /// Whether TCP is tried before SCTP everywhere.
    pub prefer_tcp: bool,
    /// Whether TLS comes after the CER (RFC 3588) everywhere.
    pub old_tls: bool,
    /// Its certificate and its key.
    pub credentials: Option<Credentials>,
    /// Certificates that it trusts.
    pub authorities: Vec<NamedFile>,
    /// Other files that it reads when it starts.
    pub other_files: Vec<NamedFile>,
    /// What it loads, in its order.
    pub extensions: Vec<NamedFile>,
    /// Whom it connects to.
    pub connects: Vec<Connect>,
    /// Other files that were read as a part of it, or were not found.
    pub includes: Vec<Include>,
    /// Texts that are judged only where it runs, when it starts: names to look up, names of GnuTLS's own version.
    pub only_known_there: Vec<NamedFile>,
    /// Whether it is a section of a YAML file of Open5GS, which knows fewer things.
    pub section: bool,
    /// Entries of such a section that cannot be used; the rest is.
    pub faults: Vec<Fault>,
}

impl Default for FreeDiameter {
    fn default() -> Self {
        Self {
            identity: None,
            realm: None,
            port: PORT,
            secure_port: PORT_TLS,
            tc_timer: TC_TIMER,
            listen_on: Vec::new(),
            without: Without::default(),
            prefer_tcp: false,
            old_tls: false,
            credentials: None,
            authorities: Vec::new(),
            other_files: Vec::new(),
            extensions: Vec::new(),
            connects: Vec::new(),
            includes: Vec::new(),
            only_known_there: Vec::new(),
            section: false,
            faults: Vec::new(),
        }
    }
}

impl FreeDiameter {
    /// The Origin-Realm that it sends: the one that is written, or what follows the first dot of the identity. `None`: it
    /// depends on the host's own name.
    pub fn origin_realm(&self) -> Option<&str> {
        self.realm.as_deref().or_else(|| Some(self.identity.as_deref()?.split_once('.')?.1))
    }

    /// Whether it starts without TLS of its own.
    pub fn is_without_tls(&self) -> bool {
        self.credentials.is_none() && self.secure_port == 0 && !self.old_tls
    }
}

/// Transports and address families that are not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Without {
    /// `No_TCP`.
    pub tcp: bool,
    /// `No_SCTP`.
    pub sctp: bool,
    /// `No_IP`.
    pub ipv4: bool,
    /// `No_IPv6`.
    pub ipv6: bool,
}

impl Without {
    /// What neither side uses.
    pub fn and(self, other: Self) -> Self {
        Self {
            tcp: self.tcp || other.tcp,
            sctp: self.sctp || other.sctp,
            ipv4: self.ipv4 || other.ipv4,
            ipv6: self.ipv6 || other.ipv6,
        }
    }

    /// Whether an address is of a family that is used.
    pub fn takes(self, address: IpAddr) -> bool {
        if address.is_ipv4() { !self.ipv4 } else { !self.ipv6 }
    }
}

/// A file, or another text, that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The keyword of the statement.
    pub key: &'static str,
    /// The text.
    pub text: String,
    /// Where the statement ends: that is where freeDiameter says that something is wrong with it.
    pub position: Position,
}

/// `TLS_Cred`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// PEM, its own certificate first.
    pub certificate: String,
    /// PEM.
    pub key: String,
    /// As in [`NamedFile::position`].
    pub position: Position,
}

/// A peer that it connects to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connect {
    /// The Origin-Host that the peer has to answer with.
    pub identity: String,
    /// The Origin-Realm that the peer has to answer with, where one is written.
    pub realm: Option<String>,
    /// The line that says so.
    pub line: usize,
    /// The included file that says so.
    pub file: Option<String>,
    /// Addresses and names; empty: the identity is looked up.
    pub addresses: Vec<String>,
    /// The port, if it is not that of Diameter.
    pub port: Option<u16>,
    /// Without TLS.
    pub no_tls: bool,
    /// With TLS after the CER (RFC 3588), which Callhome does not do.
    pub old_tls: bool,
    /// Transports and families that are not used towards it.
    pub without: Without,
    /// Over TCP first.
    pub prefer_tcp: bool,
}
