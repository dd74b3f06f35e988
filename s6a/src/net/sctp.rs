//! The place of SCTP (RFC 6733 §2.1): a [`Connected`] whose stream keeps one message to a message, PPID 46.
//!
//! Nothing is here yet: an endpoint `sctp://` is refused with an error that says so.

use std::io;
use std::net::SocketAddr;

use super::transport::Connected;

pub(super) struct Listener {
    addresses: Vec<SocketAddr>,
}

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this build speaks no SCTP")
}

impl Listener {
    pub(super) fn bind(_: &[SocketAddr]) -> io::Result<Self> {
        Err(unsupported())
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    pub(super) async fn accept(&self) -> io::Result<Connected> {
        Err(unsupported())
    }
}

pub(super) async fn connect(_: &[SocketAddr]) -> io::Result<Connected> {
    Err(unsupported())
}
