//! TLS: configurations come from outside, with mutual authentication set up.

use std::fmt;
use std::sync::Arc;

/// How TLS is spoken, as server and as client.
///
/// The server side has to ask for the client's certificate (rustls' `WebPkiClientVerifier`): a peer over TLS
/// without one is refused (RFC 6733 §13.1: mutual authentication).
#[derive(Clone)]
pub struct TlsConfigs {
    /// For connections that are accepted.
    pub server: Arc<rustls::ServerConfig>,
    /// For connections that are made.
    pub client: Arc<rustls::ClientConfig>,
}

impl fmt::Debug for TlsConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Holds private keys.
        f.write_str("TlsConfigs")
    }
}
