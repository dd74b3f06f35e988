//! Accepts TLS connections: handshakes run beside one another, are timed, and only so many may be open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a client may take before it has proved anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshakes {
    /// Time for one handshake.
    pub timeout: Duration,
    /// How many may be under way; the others wait in the kernel's queue.
    pub pending: usize,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), pending: 256 }
    }
}

/// A TCP listener whose connections have their TLS handshake behind them.
pub struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    limits: Handshakes,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// Serves TLS on connections of `tcp`.
    #[must_use]
    pub fn new(tcp: TcpListener, config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        Self { tcp, acceptor: TlsAcceptor::from(config), limits, handshakes: JoinSet::new() }
    }

    fn shake_hands(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let (acceptor, time) = (self.acceptor.clone(), self.limits.timeout);
        self.handshakes.spawn(async move {
            // Answers are small and awaited: Nagle's delay would be felt.
            let _ = tcp.set_nodelay(true);
            match tokio::time::timeout(time, acceptor.accept(tcp)).await {
                Ok(Ok(stream)) => return Some((stream, peer)),
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
            None
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    // All state is in self: the future may be dropped at any time and nothing is lost.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let room = self.handshakes.len() < self.limits.pending.max(1);
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (tcp, peer) = Listener::accept(&mut self.tcp), if room => self.shake_hands(tcp, peer),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
