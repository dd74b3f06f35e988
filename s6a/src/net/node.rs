//! A node: how it starts, what it is asked for, and how it stops.

use std::sync::Arc;

use super::application::Application;
use super::connection::{Connection, Held};
use super::shared::Shared;
use super::transport::Connected;
use super::{
    Destination, Endpoint, NodeConfig, Onward, OwnedMessage, PeerStatus, RequestError, StartError, Stream,
    TransportKind, connector, listen, request, sctp,
};
use crate::base::DisconnectCause;
use crate::peer::Side;

struct Running {
    shared: Arc<Shared>,
    local: Vec<Endpoint>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.shared.take_tasks().abort_all();
    }
}

/// A running Diameter node. Clones are the same node; when the last is dropped, its connections are cut.
/// An application that keeps a clone keeps the node alive until [`Self::shutdown`].
#[derive(Clone)]
pub struct Node {
    running: Arc<Running>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("origin_host", &self.shared().config.origin_host).finish_non_exhaustive()
    }
}

impl Node {
    /// Listens and begins to connect.
    ///
    /// # Errors
    /// An address that cannot be listened on, a TLS endpoint without certificates, an SCTP endpoint on a machine
    /// without SCTP, identities that cannot be.
    pub async fn start(config: NodeConfig, app: Arc<dyn Application>) -> Result<Self, StartError> {
        check(&config)?;
        sctp_is_offered(&config)?;
        let shared = Arc::new(Shared::new(config, app));
        let mut local = Vec::new();
        let mut listeners = Vec::new();
        for endpoint in &shared.config.listen {
            let listener = listen::bind(endpoint).await.map_err(|e| StartError::listen(endpoint, e))?;
            local.push(listener.endpoint().map_err(|e| StartError::listen(endpoint, e))?);
            listeners.push(listener);
        }
        for listener in listeners {
            shared.spawn(listen::accept(Arc::clone(&shared), listener));
        }
        for slot in shared.registry.all() {
            if slot.config.as_ref().is_some_and(|config| config.connect.is_some()) {
                shared.spawn(connector::run(Arc::clone(&shared), slot));
            }
        }
        Ok(Self { running: Arc::new(Running { shared, local }) })
    }

    /// Sees what would keep a node from starting, without starting it: every endpoint is listened on for a moment.
    ///
    /// # Errors
    /// Everything that [`start`](Self::start) would end with, one after the other.
    pub async fn try_start(config: &NodeConfig) -> Result<(), Vec<StartError>> {
        let mut errors: Vec<StartError> =
            [check(config), sctp_is_offered(config)].into_iter().filter_map(Result::err).collect();
        for endpoint in &config.listen {
            // What SCTP lacks is said above.
            if matches!(endpoint, Endpoint::Sctp(_)) && !errors.is_empty() {
                continue;
            }
            errors
                .extend(listen::bind(endpoint).await.err().map(|error| StartError::listen(endpoint, error)));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.running.shared
    }

    /// Where it listens, with the ports that the system chose for port 0.
    #[must_use]
    pub fn local_endpoints(&self) -> Vec<Endpoint> {
        self.running.local.clone()
    }

    /// The peers, configured and connected, in the order of their identities.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let mut peers: Vec<_> = self.shared().registry.all().iter().map(|slot| slot.status()).collect();
        peers.sort_by(|a, b| a.identity.cmp(&b.identity));
        peers
    }

    /// Sends a request and waits for its answer, at most [`Timers::request`](super::Timers). `encode` appends
    /// one request with the Hop-by-Hop id and End-to-End id it is given. When the connection is lost and another
    /// leads to the destination, the request goes there with the T bit (RFC 6733 §5.5.4).
    ///
    /// # Errors
    /// See [`RequestError`]. An answer with an error is an answer.
    pub async fn request(
        &self,
        to: Destination<'_>,
        encode: impl FnOnce(&mut Vec<u8>, u32, u32),
    ) -> Result<OwnedMessage, RequestError> {
        request::request(self.shared(), to, encode).await
    }

    /// Sends a request on that came from a peer, and waits for its answer as long as [`Onward::within`] says. `encode`
    /// appends one request with the Hop-by-Hop id it is given; the End-to-End id is its origin's (RFC 6733 §6.1.9).
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn pass_on(
        &self,
        onward: Onward<'_>,
        encode: impl FnOnce(&mut Vec<u8>, u32),
    ) -> Result<OwnedMessage, RequestError> {
        request::onward(self.shared(), onward, encode).await
    }

    /// Serves a connection that a peer has opened by other means, such as one end of `tokio::io::duplex`.
    pub fn accept(&self, stream: impl Stream) {
        let connected = Connected {
            stream: Box::new(stream),
            kind: TransportKind::Memory,
            local: Vec::new(),
            remote: None,
            certificate: None,
        };
        let shared = Arc::clone(self.shared());
        let link = shared.link(Side::Responder);
        let deadline = tokio::time::Instant::now() + shared.config.timers.capabilities;
        let connection =
            Connection::new(Arc::clone(&shared), connected, link, None, Held::default(), deadline);
        shared.spawn(async move {
            connection.run().await;
        });
    }

    /// Disconnects: sends DPR to every open peer (RFC 6733 §5.4), lets promised answers leave, waits for the DPAs at
    /// most [`Timers::disconnect`](super::Timers) and closes everything.
    pub async fn shutdown(&self, cause: DisconnectCause) {
        let shared = self.shared();
        shared.stopping.cancel();
        for slot in shared.registry.all() {
            slot.stop(cause);
        }
        let mut tasks = shared.take_tasks();
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(shared.config.timers.disconnect, all).await.is_err() {
            tracing::warn!("some peers did not answer DPR in time; their connections are cut");
            tasks.shutdown().await;
        }
    }
}

fn check(config: &NodeConfig) -> Result<(), StartError> {
    for (what, value) in [("origin_host", &config.origin_host), ("origin_realm", &config.origin_realm)] {
        identity(what, value)?;
    }
    let mut seen = std::collections::HashSet::new();
    for peer in &config.peers {
        identity("peer identity", &peer.identity)?;
        let name = peer.identity.to_ascii_lowercase();
        if name.eq_ignore_ascii_case(&config.origin_host) {
            return Err(StartError::Peer { identity: peer.identity.clone(), what: "is this node itself" });
        }
        if !seen.insert(name) {
            return Err(StartError::Peer { identity: peer.identity.clone(), what: "is listed twice" });
        }
    }
    let to = config.peers.iter().filter_map(|peer| peer.connect.as_ref());
    if let Some(endpoint) =
        config.listen.iter().chain(to).find(|e| matches!(e, Endpoint::Tls(_)) && config.tls.is_none())
    {
        return Err(StartError::NoTls { endpoint: endpoint.clone() });
    }
    Ok(())
}

/// Said at the start: a peer over SCTP that can never be reached would only show as one that is down.
fn sctp_is_offered(config: &NodeConfig) -> Result<(), StartError> {
    let to = config.peers.iter().filter_map(|peer| peer.connect.as_ref());
    match config.listen.iter().chain(to).find(|endpoint| matches!(endpoint, Endpoint::Sctp(_))) {
        Some(endpoint) if !sctp::is_offered() => Err(StartError::NoSctp { endpoint: endpoint.clone() }),
        _ => Ok(()),
    }
}

/// A DiameterIdentity is a host name or realm, RFC 6733 §4.3.1.
fn identity(what: &'static str, value: &str) -> Result<(), StartError> {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if value.len() <= 255 && value.split('.').all(label) {
        Ok(())
    } else {
        Err(StartError::Identity { what, value: value.to_owned() })
    }
}
