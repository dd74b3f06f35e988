//! The seam between connections and what carries them.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

/// A reliable, ordered stream of octets in both directions: TCP, TLS, SCTP with boundaries kept inside, or memory.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP.
    Sctp,
    /// Inside the process.
    Memory,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Sctp => "sctp",
            Self::Memory => "memory",
        })
    }
}

/// A connected stream with what is known of its ends.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Stream>,
    pub(super) kind: TransportKind,
    /// Our addresses: one, of an SCTP association all.
    pub(super) local: Vec<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    /// The peer's certificate (DER), over TLS.
    pub(super) certificate: Option<Vec<u8>>,
}
