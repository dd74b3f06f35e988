//! One HTTP connection from its first octet to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::activity::{Activity, ConnectionOf, Usefulness, Watched};
use super::admission::Admitted;
use super::body::{AnswerBody, BodyTime, TimedBody};
use super::{host, limits::HttpLimits};
use crate::problem::Problem;
use crate::tls::{PeerCertificates, certificates_end};

/// How long a client has to take notice that its connection is being closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

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

/// A connection that was accepted.
pub(super) struct Connection {
    pub peer: SocketAddr,
    pub router: Router,
    pub limits: Arc<HttpLimits>,
    pub admitted: Admitted,
    /// Finish what is under way.
    pub stop: CancellationToken,
    /// End at once.
    pub cut: CancellationToken,
}

/// Why a connection is closed before its client wants to.
enum Closing {
    /// At once: there is nothing to be lost.
    Now(&'static str),
    /// When what is under way has ended.
    Soon(&'static str),
}

/// Drives a connection, http1 or http2, which share their methods but no trait.
macro_rules! drive {
    ($self:ident, $valid_until:ident, $connection:expr) => {{
        let mut connection = pin!($connection);
        let shortest = $self.limits.header_timeout.0.min($self.limits.idle_timeout.0);
        let mut look = tokio::time::interval((shortest / 4).max(Duration::from_millis(10)));
        let mut stopping = false;
        // When it is over for those who were asked to end.
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            let evicted = &$self.admitted.activity.evicted;
            let closing = tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %$self.peer, %error, "HTTP connection ended");
                    }
                    break;
                }
                () = $self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                    continue;
                }
                () = $self.cut.cancelled() => break,
                () = evicted.cancelled(), if deadline.is_none() => $self.make_room(),
                () = async { tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)).await },
                    if deadline.is_some() => break,
                _ = look.tick(), if deadline.is_none() => match $self.has_to_close($valid_until) {
                    None => continue,
                    Some(closing) => closing,
                }
            };
            match closing {
                Closing::Now(why) => {
                    tracing::debug!(peer = %$self.peer, why, "HTTP connection closed");
                    break;
                }
                Closing::Soon(why) => {
                    tracing::debug!(peer = %$self.peer, why, "HTTP connection is being closed");
                    connection.as_mut().graceful_shutdown();
                    deadline = Some(tokio::time::Instant::now() + CLOSE_TIMEOUT);
                }
            }
        }
    }};
}

impl Connection {
    /// Agrees on TLS within the time for it, and serves.
    pub async fn serve_tls(self, tcp: TcpStream, acceptor: TlsAcceptor) {
        let handshake = tokio::time::timeout(self.limits.handshake_timeout.0, acceptor.accept(tcp));
        let outcome = tokio::select! {
            outcome = handshake => outcome,
            () = self.admitted.activity.evicted.cancelled() => return,
            () = self.stop.cancelled() => return,
        };
        self.admitted.end_handshake();
        match outcome {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "TLS handshake took too long"),
        }
    }

    pub async fn serve<I: Transport>(self, io: I) {
        let http2 = io.speaks_http2();
        let certificates = io.peer_certificates();
        let valid_until = certificates.as_ref().and_then(certificates_end);
        let activity = Arc::clone(&self.admitted.activity);
        if certificates.is_some() {
            activity.note_served();
        }
        let exchange = Exchange {
            peer: self.peer,
            certificates,
            valid_until,
            body_time: BodyTime { timeout: self.limits.body_timeout.0, rate: self.limits.body_rate },
            activity: Arc::clone(&activity),
            router: self.router.clone(),
        };
        let service = service_fn(move |request| exchange.clone().answer(request));
        let io = TokioIo::new(Watched::new(io, activity));
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(128)
                .max_header_list_size(32 * 1024)
                .keep_alive_interval(Duration::from_secs(20))
                .keep_alive_timeout(Duration::from_secs(20));
            drive!(self, valid_until, builder.serve_connection(io, service));
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(self.limits.header_timeout.0);
            drive!(self, valid_until, builder.serve_connection(io, service));
        }
    }

    /// Another connection takes this one's place.
    fn make_room(&self) -> Closing {
        let why = "it made room for another";
        if self.admitted.activity.usefulness() == Usefulness::Authenticated {
            Closing::Soon(why)
        } else {
            Closing::Now(why)
        }
    }

    /// Whether its time is over.
    fn has_to_close(&self, valid_until: Option<SystemTime>) -> Option<Closing> {
        let (activity, limits) = (&self.admitted.activity, &self.limits);
        let idle = activity.without_progress();
        if activity.has_requests() {
            let stuck = idle.min(activity.without_octet()) > limits.idle_timeout.0;
            let stuck = stuck || idle > limits.idle_timeout.0.saturating_mul(2);
            return stuck.then_some(Closing::Now("a request made no progress"));
        }
        if valid_until.is_some_and(|end| end < SystemTime::now()) {
            return Some(Closing::Soon("the client's certificate has expired"));
        }
        let lifetime = limits.lifetime.0;
        if !lifetime.is_zero() && activity.age() > lifetime {
            return Some(Closing::Soon("its lifetime is over"));
        }
        match activity.usefulness() {
            Usefulness::Authenticated => {
                (idle > limits.idle_timeout.0).then_some(Closing::Soon("it was idle too long"))
            }
            Usefulness::Served => {
                let most = limits.header_timeout.0.min(limits.idle_timeout.0);
                (idle > most).then_some(Closing::Soon("it was idle too long"))
            }
            Usefulness::None => {
                let most = limits.header_timeout.0.min(limits.idle_timeout.0);
                (idle > most).then_some(Closing::Now("it was idle too long"))
            }
        }
    }
}

/// What is needed to answer the requests of a connection.
#[derive(Clone)]
struct Exchange {
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
    /// When the first of the client's certificates ends.
    valid_until: Option<SystemTime>,
    body_time: BodyTime,
    activity: Arc<Activity>,
    router: Router,
}

impl Exchange {
    async fn answer(mut self, request: hyper::Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let under_way = self.activity.begin_request();
        let response = match self.refusal(&request) {
            Some(problem) => closing(problem.into_response()),
            None => self.ask_router(request).await?,
        };
        if response.status().is_success() || response.status().is_redirection() {
            self.activity.note_served();
        }
        Ok(response.map(|body| Body::new(AnswerBody { body, request: under_way })))
    }

    /// What keeps a request from the router.
    fn refusal(&self, request: &hyper::Request<Incoming>) -> Option<Problem> {
        if let Some(fault) = host::fault(request.version(), request.headers()) {
            return Some(Problem::bad_request(fault));
        }
        // The handshake looked, but a connection may last longer than a certificate.
        let expired = self.valid_until.is_some_and(|end| end < SystemTime::now());
        expired.then(|| {
            Problem::of_kind(
                StatusCode::FORBIDDEN,
                "/problems/certificate-expired",
                "The certificate has expired",
            )
            .detail("the certificate shown when this connection began has expired; connect with one that is in force")
        })
    }

    async fn ask_router(&mut self, request: hyper::Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let too_slow = Arc::new(AtomicBool::new(false));
        let (time, activity) = (self.body_time, Arc::clone(&self.activity));
        let mut request =
            request.map(|body| Body::new(TimedBody::new(body, time, activity, Arc::clone(&too_slow))));
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(self.peer));
        extensions.insert(ConnectionOf(Arc::clone(&self.activity)));
        if let Some(certificates) = &self.certificates {
            extensions.insert(certificates.clone());
        }
        // A router is always ready.
        let response = self.router.call(request).await?;
        if too_slow.load(Ordering::Relaxed) {
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body comes too slowly");
            return Ok(closing(problem.into_response()));
        }
        Ok(response)
    }
}

/// The last answer of an HTTP/1.1 connection; hyper leaves the field out of HTTP/2, which has no such.
fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
