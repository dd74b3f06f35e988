//! Serves an axum router: with or without TLS, on any address or port 0, with limits, and stops in good order.
//!
//! Not [`axum::serve()`]: it gives hyper no timer, so a client that sends half a header holds its connection for ever.

mod connection;
mod sources;
mod watched;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Span;
use crate::tls::{Handshakes, TlsListener};
use connection::{Connection, Transport};
use sources::Sources;

/// What clients may take of an HTTP server; every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Of those, what one source may have: an IPv4 address, or a /64 of IPv6. More are closed at once. 0: all of them.
    pub connections_per_source: usize,
    /// For the TLS handshake.
    pub handshake_timeout: Span,
    /// TLS handshakes at a time.
    pub pending_handshakes: usize,
    /// For all headers of a request, and between two requests of an HTTP/1.1 connection.
    pub header_timeout: Span,
    /// Without one octet read or written, whatever is going on.
    pub idle_timeout: Span,
    /// For requests under way when the server is told to stop.
    pub grace: Span,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_source: 0,
            handshake_timeout: Span::seconds(10),
            pending_handshakes: 256,
            header_timeout: Span::seconds(20),
            idle_timeout: Span::seconds(300),
            grace: Span::seconds(10),
        }
    }
}

/// An HTTP server that listens, and serves once it is [`run`](Self::run).
pub struct HttpServer {
    tcp: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    limits: HttpLimits,
}

impl HttpServer {
    /// Listens on `address`; with port 0 on a free port, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    /// Which address, why not, and what to do.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        limits: HttpLimits,
    ) -> Result<Self, ServeError> {
        let tcp = bind(address).await?;
        let address = tcp.local_addr().map_err(|source| ServeError::Bind { address, source })?;
        Ok(Self { tcp, address, tls, limits })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://…` or `https://…`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Serves until `stop`; then takes no new connections, lets requests under way finish within the grace, and
    /// cuts what is left. Handlers find [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) and, over TLS with
    /// client certificates, [`PeerCertificates`](crate::tls::PeerCertificates) among the request's extensions.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let Self { tcp, address, tls, limits } = self;
        tracing::info!(%address, tls = tls.is_some(), "HTTP server listens");
        match tls {
            Some(config) => {
                let handshakes =
                    Handshakes { timeout: limits.handshake_timeout.0, pending: limits.pending_handshakes };
                serve(TlsListener::new(tcp, config, handshakes), router, &limits, stop).await;
            }
            None => serve(tcp, router, &limits, stop).await,
        }
        tracing::info!(%address, "HTTP server stopped");
    }
}

/// Listens on a TCP address with an error for people.
///
/// # Errors
/// Which address, why not, and what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::Taken { address },
        io::ErrorKind::PermissionDenied => ServeError::Denied { address },
        io::ErrorKind::AddrNotAvailable => ServeError::NotHere { address },
        _ => ServeError::Bind { address, source },
    })
}

async fn serve<L>(mut listener: L, router: Router, limits: &HttpLimits, stop: CancellationToken)
where
    L: Listener<Addr = SocketAddr>,
    L::Io: Transport,
{
    let room = Arc::new(Semaphore::new(limits.connections.max(1)));
    let sources = Sources::new(limits.connections_per_source);
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, (io, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let Some(place) = sources.take(peer.ip()) else {
            tracing::debug!(%peer, "closed: its source has too many connections");
            continue;
        };
        let connection = Connection {
            peer,
            router: router.clone(),
            header_timeout: limits.header_timeout.0,
            idle_timeout: limits.idle_timeout.0,
            stop: stop.clone(),
            cut: cut.clone(),
        };
        tracker.spawn(async move {
            connection.serve(io).await;
            drop((permit, place));
        });
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(limits.grace.0, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), grace = %limits.grace, "grace is over: cutting connections");
        cut.cancel();
        // They end at their next poll; a handler that never yields must not keep the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), tracker.wait()).await;
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another program has it.
    #[error(
        "{address}: port {} is taken by another program (ss -ltnp 'sport = :{}' shows which); \
         stop it, or set another port; port 0 takes a free one", address.port(), address.port()
    )]
    Taken {
        /// Which.
        address: SocketAddr,
    },
    /// A port below 1024, as a rule.
    #[error(
        "{address}: this user may not listen on port {}; take one from 1024 up, \
         or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE", address.port()
    )]
    Denied {
        /// Which.
        address: SocketAddr,
    },
    /// Not an address of this machine.
    #[error("{address}: {} is no address of this machine; `ip addr` lists them, 0.0.0.0 or [::] takes all", address.ip())]
    NotHere {
        /// Which.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{address}: cannot listen there ({source})")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
