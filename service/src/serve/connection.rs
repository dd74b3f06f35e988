//! One HTTP connection from its first octet to its last.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::watched::{Activity, Watched};
use crate::tls::PeerCertificates;

/// Octets of the preface that begins an HTTP/2 connection, RFC 9113 §3.4.
const PREFACE: u64 = 24;

/// What HTTP has to know of the connection below.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether HTTP/2 was agreed on (RFC 7301). In the clear it is HTTP/1.1: reqwest, curl and browsers do not
    /// speak HTTP/2 there unless told to, and telling the two apart by their first octets has no time-out.
    fn speaks_http2(&self) -> bool;
    /// The client's certificates, if it has shown any.
    fn peer_certificates(&self) -> Option<PeerCertificates>;
}

impl Transport for TcpStream {
    fn speaks_http2(&self) -> bool {
        false
    }

    fn peer_certificates(&self) -> Option<PeerCertificates> {
        None
    }
}

impl Transport for TlsStream<TcpStream> {
    fn speaks_http2(&self) -> bool {
        self.get_ref().1.alpn_protocol() == Some(b"h2")
    }

    fn peer_certificates(&self) -> Option<PeerCertificates> {
        let certificates = self.get_ref().1.peer_certificates()?;
        Some(PeerCertificates(
            certificates.iter().map(|certificate| certificate.clone().into_owned()).collect(),
        ))
    }
}

pub(super) struct Connection {
    pub peer: SocketAddr,
    pub router: Router,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    /// Finish what is under way.
    pub stop: CancellationToken,
    /// End at once.
    pub cut: CancellationToken,
}

/// Drives a connection, http1 or http2, which share their methods but no trait.
macro_rules! drive {
    ($self:ident, $activity:ident, $connection:expr) => {{
        let mut connection = pin!($connection);
        let mut stopping = false;
        let shortest = $self.header_timeout.min($self.idle_timeout);
        let mut look = tokio::time::interval((shortest / 4).max(Duration::from_millis(10)));
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %$self.peer, %error, "HTTP connection ended");
                    }
                    break;
                }
                () = $self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = $self.cut.cancelled() => break,
                _ = look.tick() => {
                    let silent = $activity.read() < PREFACE && $activity.age() > $self.header_timeout;
                    if silent || $activity.idle() > $self.idle_timeout {
                        tracing::debug!(peer = %$self.peer, "HTTP connection was idle too long");
                        break;
                    }
                }
            }
        }
    }};
}

impl Connection {
    pub async fn serve<I: Transport>(self, io: I) {
        let http2 = io.speaks_http2();
        let (peer, certificates) = (self.peer, io.peer_certificates());
        let router = self.router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Some(certificates) = &certificates {
                request.extensions_mut().insert(certificates.clone());
            }
            // A router is always ready.
            router.clone().call(request)
        });
        let activity = Activity::new();
        let io = TokioIo::new(Watched::new(io, activity.clone()));
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(128)
                .max_header_list_size(32 * 1024)
                .keep_alive_interval(Duration::from_secs(20))
                .keep_alive_timeout(Duration::from_secs(20));
            drive!(self, activity, builder.serve_connection(io, service));
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
            drive!(self, activity, builder.serve_connection(io, service));
        }
    }
}
