//! Connecting to a peer, again and again, RFC 6733 §2.1 and §5.6.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::certificate;
use super::connection::{Connection, Held};
use super::shared::Shared;
use super::slot::Slot;
use super::transport::Connected;
use super::{Endpoint, PeerConfig, TransportKind, listen, sctp};
use crate::peer::{Backoff, Side};

/// Keeps a peer connected until the node stops.
pub(super) async fn run(shared: Arc<Shared>, slot: Arc<Slot>) {
    let timers = &shared.config.timers;
    let seed = shared.jitter(slot.identity.len() as u64 ^ Arc::as_ptr(&slot) as u64);
    let mut backoff = Backoff::new(timers.reconnect_first, timers.reconnect_longest, seed);
    let stopping = shared.stopping.clone();
    while !stopping.is_cancelled() {
        if slot.start() {
            // Not under `select!` with `stopping`: an open connection ends by its DPR.
            if attempt(&shared, &slot).await {
                backoff.succeeded();
            }
        } else {
            // The peer has connected to us.
            tokio::select! {
                () = stopping.cancelled() => return,
                () = slot.closed.notified() => {}
            }
        }
        let wait = slot.take_wait().unwrap_or_else(|| backoff.failed());
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One connection from its beginning to its end; whether it came to be open.
async fn attempt(shared: &Arc<Shared>, slot: &Arc<Slot>) -> bool {
    let Some((config, endpoint)) = slot.config.as_ref().and_then(|c| Some((c, c.connect.as_ref()?))) else {
        return false;
    };
    let peer = &slot.identity;
    let stopping = shared.stopping.clone();
    let deadline = Instant::now() + shared.config.timers.capabilities;
    let connected = tokio::select! {
        () = stopping.cancelled() => Err(io::Error::other("this node stops")),
        connected = timeout_at(deadline, connect(shared, config, endpoint)) =>
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    };
    let connected = match connected {
        Ok(connected) => connected,
        Err(error) => {
            tracing::info!(peer, %endpoint, %error, "the peer cannot be reached");
            slot.not_connected();
            return false;
        }
    };
    let link = shared.link(Side::Initiator);
    if !slot.connected(&link) {
        return false;
    }
    // The CEA has time of its own: a peer may be slow to be connected to, and is given up by itself.
    let deadline = Instant::now() + shared.config.timers.capabilities;
    let held = Held::default();
    Connection::new(Arc::clone(shared), connected, link, Some(Arc::clone(slot)), held, deadline).run().await
}

async fn connect(shared: &Shared, config: &PeerConfig, endpoint: &Endpoint) -> io::Result<Connected> {
    match endpoint {
        Endpoint::Tcp(address) => Ok(listen::tcp(TcpStream::connect(address).await?, *address)),
        Endpoint::Tls(address) => {
            let Some(configs) = &shared.config.tls else {
                return Err(io::Error::other("no certificate is configured"));
            };
            let name = certificate::server_name(config)?;
            let Connected { stream, local, .. } = listen::tcp(TcpStream::connect(address).await?, *address);
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&configs.client));
            let stream = connector.connect(name, stream).await?;
            let certificate =
                stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|c| c.to_vec());
            Ok(Connected {
                kind: TransportKind::Tls,
                local,
                remote: Some(*address),
                certificate,
                stream: Box::new(stream),
            })
        }
        Endpoint::Sctp(addresses) => sctp::connect(addresses, shared.config.limits.max_message).await,
    }
}
