//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, Held};
use super::shared::Shared;
use super::shown::Shown;
use super::transport::Connected;
use super::{Endpoint, TransportKind, sctp};
use crate::peer::Side;

/// A bound endpoint.
pub(super) enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener),
    Sctp(Box<sctp::Listener>),
}

impl Listener {
    /// Where it listens in fact.
    pub(super) fn endpoint(&self) -> io::Result<Endpoint> {
        Ok(match self {
            Self::Tcp(listener) => Endpoint::Tcp(listener.local_addr()?),
            Self::Tls(listener) => Endpoint::Tls(listener.local_addr()?),
            Self::Sctp(listener) => Endpoint::Sctp(listener.addresses()?),
        })
    }
}

pub(super) async fn bind(endpoint: &Endpoint) -> io::Result<Listener> {
    Ok(match endpoint {
        Endpoint::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
        Endpoint::Tls(address) => Listener::Tls(TcpListener::bind(address).await?),
        Endpoint::Sctp(addresses) => Listener::Sctp(Box::new(sctp::Listener::bind(addresses)?)),
    })
}

/// Accepts until the node stops. Whatever takes time is done in the connection's own task.
pub(super) async fn accept(shared: Arc<Shared>, mut listener: Listener) {
    let stopping = shared.stopping.clone();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = one(&mut listener) => accepted,
        };
        match accepted {
            Ok(accepted) => admit(&shared, accepted),
            Err(error) => {
                // Out of descriptors, or a connection gone before it was accepted: neither ends listening.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr),
    Sctp(sctp::Accepted),
}

async fn one(listener: &mut Listener) -> io::Result<Accepted> {
    Ok(match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(s, a)| Accepted::Tcp(s, a))?,
        Listener::Tls(listener) => listener.accept().await.map(|(s, a)| Accepted::Tls(s, a))?,
        Listener::Sctp(listener) => Accepted::Sctp(listener.accept().await?),
    })
}

impl Accepted {
    fn remote(&self) -> SocketAddr {
        match self {
            Self::Tcp(_, remote) | Self::Tls(_, remote) => *remote,
            Self::Sctp(accepted) => accepted.remote(),
        }
    }
}

fn admit(shared: &Arc<Shared>, accepted: Accepted) {
    let remote = Shown(Some(accepted.remote()));
    let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() else {
        tracing::warn!(address = %remote, "a connection is refused: there are as many as the limits allow");
        return;
    };
    let waiting = shared.admission.enter(accepted.remote().ip());
    shared.spawn(serve(Arc::clone(shared), accepted, Held::new(waiting, place)));
}

async fn serve(shared: Arc<Shared>, accepted: Accepted, held: Held) {
    // For handshake and CER together.
    let deadline = Instant::now() + shared.config.timers.capabilities;
    let connected = match accepted {
        Accepted::Tcp(stream, remote) => tcp(stream, remote),
        Accepted::Tls(stream, remote) => {
            let (stopping, address) = (shared.stopping.clone(), Shown(Some(remote)));
            let evicted = held.waiting.as_ref().map(|waiting| waiting.evicted.clone()).unwrap_or_default();
            let handshake = tokio::select! {
                () = stopping.cancelled() => return,
                () = evicted.cancelled() => {
                    tracing::info!(%address, "an unfinished TLS handshake made room for a newer connection");
                    return;
                }
                handshake = timeout_at(deadline, tls(&shared, stream, remote)) => handshake,
            };
            match handshake {
                Ok(Ok(connected)) => connected,
                Ok(Err(error)) => {
                    tracing::info!(%address, %error, "the TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::info!(%address, "the TLS handshake took too long");
                    return;
                }
            }
        }
        Accepted::Sctp(accepted) => accepted.connected(shared.config.limits.max_message),
    };
    let link = shared.link(Side::Responder);
    Connection::new(Arc::clone(&shared), connected, link, None, held, deadline).run().await;
}

/// Without Nagle's delay: answers are gathered here already.
pub(super) fn tcp(stream: TcpStream, remote: SocketAddr) -> Connected {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%remote, %error, "TCP_NODELAY cannot be set");
    }
    Connected {
        kind: TransportKind::Tcp,
        local: stream.local_addr().into_iter().collect(),
        remote: Some(remote),
        certificate: None,
        stream: Box::new(stream),
    }
}

async fn tls(shared: &Shared, stream: TcpStream, remote: SocketAddr) -> io::Result<Connected> {
    let Some(configs) = &shared.config.tls else {
        return Err(io::Error::other("no certificate is configured"));
    };
    let Connected { stream, local, .. } = tcp(stream, remote);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&configs.server));
    let stream = acceptor.accept(stream).await?;
    let certificate =
        stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|c| c.to_vec());
    Ok(Connected {
        kind: TransportKind::Tls,
        local,
        remote: Some(remote),
        certificate,
        stream: Box::new(stream),
    })
}
