//! What a connection has done: how useful it is, and since when it is idle.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// How useful a connection has been so far; the least useful make room for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Usefulness {
    /// No request was answered well, and no certificate shown.
    None,
    /// A request without credentials was answered well, or the TLS client has shown a good certificate.
    Served,
    /// A request with good credentials has come.
    Authenticated,
}

/// What has happened on a connection. Times are milliseconds after `start`.
#[derive(Debug)]
pub(super) struct Activity {
    /// Whose connection it is: see [`source`](crate::throttle::source).
    pub source: IpAddr,
    /// Cancelled when it has to make room for another.
    pub evicted: CancellationToken,
    start: Instant,
    handshaking: AtomicBool,
    served: AtomicBool,
    authenticated: AtomicBool,
    requests_under_way: AtomicUsize,
    /// A request began, ended, or its body or answer went on.
    last_progress: AtomicU64,
    /// A request ended on a connection that is of use.
    last_useful: AtomicU64,
    /// An octet was read or written.
    last_octet: AtomicU64,
}

impl Activity {
    /// A new connection of this source; with `handshaking`, TLS is still to be agreed on.
    pub fn new(source: IpAddr, handshaking: bool) -> Arc<Self> {
        Arc::new(Self {
            source,
            evicted: CancellationToken::new(),
            start: Instant::now(),
            handshaking: AtomicBool::new(handshaking),
            served: AtomicBool::default(),
            authenticated: AtomicBool::default(),
            requests_under_way: AtomicUsize::default(),
            last_progress: AtomicU64::default(),
            last_useful: AtomicU64::default(),
            last_octet: AtomicU64::default(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, when: &AtomicU64) -> Duration {
        self.age().saturating_sub(Duration::from_millis(when.load(Ordering::Relaxed)))
    }

    /// Since the connection began.
    pub fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// Since a request began, ended or went on; since the connection began if there was none.
    pub fn without_progress(&self) -> Duration {
        self.since(&self.last_progress)
    }

    /// Since an octet was last read or written.
    pub fn without_octet(&self) -> Duration {
        self.since(&self.last_octet)
    }

    /// When the connection was last of use: the end of a request, or its beginning.
    pub fn last_useful(&self) -> Instant {
        self.start + Duration::from_millis(self.last_useful.load(Ordering::Relaxed))
    }

    pub fn usefulness(&self) -> Usefulness {
        if self.authenticated.load(Ordering::Relaxed) {
            Usefulness::Authenticated
        } else if self.served.load(Ordering::Relaxed) {
            Usefulness::Served
        } else {
            Usefulness::None
        }
    }

    pub fn is_handshaking(&self) -> bool {
        self.handshaking.load(Ordering::Relaxed)
    }

    /// Whether it was still handshaking.
    pub fn end_handshake(&self) -> bool {
        self.handshaking.swap(false, Ordering::Relaxed)
    }

    pub fn has_requests(&self) -> bool {
        self.requests_under_way.load(Ordering::Relaxed) > 0
    }

    /// Something was answered well, or a certificate was shown.
    pub fn note_served(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    pub fn note_progress(&self) {
        self.last_progress.store(self.now(), Ordering::Relaxed);
    }

    fn note_octet(&self) {
        self.last_octet.store(self.now(), Ordering::Relaxed);
    }

    /// A request has begun; it ends when the value is dropped.
    pub fn begin_request(self: &Arc<Self>) -> RequestUnderWay {
        self.requests_under_way.fetch_add(1, Ordering::Relaxed);
        self.note_progress();
        RequestUnderWay(Arc::clone(self))
    }
}

/// A request until its answer has gone out in whole, or is given up.
#[derive(Debug)]
pub(super) struct RequestUnderWay(Arc<Activity>);

impl RequestUnderWay {
    pub fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.0.requests_under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.note_progress();
        if self.0.usefulness() > Usefulness::None {
            self.0.last_useful.store(self.0.now(), Ordering::Relaxed);
        }
    }
}

/// The connection of a request, among the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct ConnectionOf(pub Arc<Activity>);

/// The connection that a request came over, for handlers that find out only late who asks.
#[derive(Debug, Clone)]
pub struct CallerConnection(Option<ConnectionOf>);

impl CallerConnection {
    /// As [`mark_authenticated`].
    pub fn mark_authenticated(&self) {
        if let Some(ConnectionOf(activity)) = &self.0 {
            activity.authenticated.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CallerConnection {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<ConnectionOf>().cloned()))
    }
}

/// Says that the request whose extensions these are came with good credentials, so that its connection is not closed to
/// make room for those of strangers.
pub fn mark_authenticated(request: &Extensions) {
    CallerConnection(request.get::<ConnectionOf>().cloned()).mark_authenticated();
}

/// A connection whose octets are noticed.
pub(super) struct Watched<I> {
    io: I,
    activity: Arc<Activity>,
}

impl<I> Watched<I> {
    pub fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.note_octet();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> Watched<I> {
    fn written(&self, octets: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = octets {
            self.activity.note_octet();
        }
        octets
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, octets);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
