//! Serves an axum router: with or without TLS, on any address or port 0, with limits, and stops in good order.
//!
//! Not [`axum::serve()`]: it gives hyper no timer, so a client that sends half a header holds its connection for ever.

mod activity;
mod admission;
mod body;
mod connection;
mod files;
mod host;
mod limits;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use admission::Admission;
use connection::Connection;

pub use activity::{CallerConnection, mark_authenticated};
pub use limits::HttpLimits;

/// How long accepting waits where the process or the machine can open no more connections.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
/// How long it waits after any other error that is not of one connection alone.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

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
        files::raise_limit();
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
        serve(tcp, tls.map(TlsAcceptor::from), router, Arc::new(limits), stop).await;
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

async fn serve(
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Arc<HttpLimits>,
    stop: CancellationToken,
) {
    let admission = Admission::new(HttpLimits::clone(&limits));
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&tcp, &admission) => accepted,
        };
        let Some(admitted) = admission.admit(peer.ip(), tls.is_some()) else {
            tracing::debug!(%peer, "closed: there is no room for its connection");
            continue;
        };
        // Answers are small and awaited: Nagle's delay would be felt.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            peer,
            router: router.clone(),
            limits: Arc::clone(&limits),
            admitted,
            stop: stop.clone(),
            cut: cut.clone(),
        };
        match tls.clone() {
            Some(acceptor) => tracker.spawn(connection.serve_tls(stream, acceptor)),
            None => tracker.spawn(connection.serve(stream)),
        };
    }
    drop(tcp);
    tracker.close();
    if tokio::time::timeout(limits.grace.0, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), grace = %limits.grace, "grace is over: cutting connections");
        cut.cancel();
        // They end at their next poll; a handler that never yields must not keep the process.
        let _ = tokio::time::timeout(Duration::from_secs(1), tracker.wait()).await;
    }
}

/// The next connection.
async fn accept(tcp: &TcpListener, admission: &Admission) -> (TcpStream, SocketAddr) {
    loop {
        let error = match tcp.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        match error.kind() {
            // Of that one connection (accept(2)).
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset => {}
            _ if is_exhausted(&error) => {
                tracing::warn!(%error, "no more connections can be opened: raise LimitNOFILE (ulimit -n)");
                admission.make_room();
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            _ => {
                tracing::error!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// EMFILE or ENFILE: the process, or the machine, has as many open files as it may have.
fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
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
