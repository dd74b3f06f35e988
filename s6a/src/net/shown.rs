//! How what comes from a peer is written in the log.

use std::fmt;
use std::net::SocketAddr;

/// An address in the log.
pub(super) struct Shown(pub(super) Option<SocketAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => SocketAddr::new(address.ip().to_canonical(), address.port()).fmt(f),
            None => f.write_str("inside the process"),
        }
    }
}

/// Text of a peer in the log: no longer than a line can bear.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
