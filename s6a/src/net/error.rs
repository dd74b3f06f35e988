//! Why a node does not start.

use super::Endpoint;

/// A node that cannot start, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, foreign, or not allowed.
    #[error("cannot listen on {endpoint}: {hint}")]
    Listen {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// An endpoint is `tls://` and there is no certificate.
    #[error(
        "{endpoint} wants TLS, but no certificate is configured: give the node a certificate and key, or use tcp://"
    )]
    NoTls {
        /// Which.
        endpoint: Endpoint,
    },
    /// An endpoint is `sctp://` and the kernel has no SCTP.
    #[error(
        "{endpoint} cannot be: this machine's kernel offers no SCTP: load it (modprobe sctp) or use tcp:// or tls://"
    )]
    NoSctp {
        /// Which.
        endpoint: Endpoint,
    },
    /// Our own identity cannot be used.
    #[error(
        "{what} {value:?} is no DiameterIdentity: use a fully qualified domain name such as hss.example.org"
    )]
    Identity {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// Two entries for one peer, or an entry for ourselves.
    #[error("peer {identity:?} {what}: list every peer once, and not this node itself")]
    Peer {
        /// Which.
        identity: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl StartError {
    pub(super) fn listen(endpoint: &Endpoint, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let hint = match source.kind() {
            ErrorKind::AddrInUse => "another program listens there: stop it or choose another port",
            ErrorKind::AddrNotAvailable => "this machine has no such address: use one of its own, or 0.0.0.0",
            ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose another port",
            _ => "check the address",
        };
        Self::Listen { endpoint: endpoint.clone(), source, hint }
    }
}
