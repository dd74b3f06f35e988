//! The nodes that ask for vectors: each has an IND of its own (TS 33.102 §C.1.2), a limit and counters.
//!
//! A node is known by its Origin-Host, which whoever sends a request can make up. How many a peer can bring is bounded
//! before anything is written: what comes beyond shares one IND, which is that of the peer itself.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;

use super::{
    batch::Batcher,
    memory::Unavailable,
    metrics::{Metrics, PeerMetrics},
};
use crate::store::{Store, StoreError};

/// What is known of a requesting node, by its Origin-Host.
#[derive(Debug)]
pub struct RequestingNode {
    /// Its vectors' IND, from this instance.
    pub ind: u8,
    /// E-UTRAN vectors in one answer to it, at most.
    pub max_vectors: u8,
    /// Its counters.
    pub metrics: PeerMetrics,
}

/// Nodes that are not configured as peers, as those behind a relay, that get an IND of their own.
const MAX_OTHERS: usize = 1000;
/// Nodes among them that get counters of their own: each has eight series at least.
const MAX_LABELLED: usize = 200;
/// Names that are stored in one transaction.
const MAX_BATCH: usize = 256;
/// Names that may wait to be stored.
const MAX_WAITING: usize = 4096;

/// The peer that nodes count for which come over peers that are not configured themselves: those make up their own names,
/// too. No DiameterIdentity has a space.
const STRANGERS: &str = "peers that are not configured";

type Map = HashMap<Box<str>, Arc<RequestingNode>>;
type Stored = Result<u8, StoreError>;

/// What a peer has brought.
#[derive(Debug, Default)]
struct Brought {
    /// Names that have an IND of their own, or are about to be given one.
    names: HashSet<String>,
    /// What the peer's other nodes are.
    shared: Option<Arc<RequestingNode>>,
}

/// Nodes by lower-case Origin-Host: read without a lock, since every request does.
pub struct Nodes {
    known: ArcSwap<Map>,
    /// By the peer that has brought them.
    brought: Mutex<HashMap<String, Brought>>,
    inds: Batcher<String, Stored>,
    peers: HashMap<String, Option<u8>>,
    limit: u8,
    per_peer: usize,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nodes({})", self.known.load().len())
    }
}

impl Nodes {
    /// `peers` are those that are configured (lower-case Origin-Host), with the vectors in one answer to them;
    /// `limit` holds for all others, of which one peer can bring `per_peer`. Starts the task that stores new names.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        instance: String,
        peers: HashMap<String, Option<u8>>,
        limit: u8,
        per_peer: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        let inds = Batcher::start(MAX_BATCH, MAX_WAITING, move |names: Vec<String>| {
            let (store, instance) = (store.clone(), instance.clone());
            async move {
                match store.inds(&instance, &names).await {
                    Ok(inds) => inds.into_iter().map(Ok).collect(),
                    Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
                }
            }
        });
        let (known, brought) = (ArcSwap::default(), Mutex::default());
        Self { known, brought, inds, peers, limit, per_peer, metrics }
    }

    /// The node, if it was met before.
    #[must_use]
    pub fn get(&self, origin_host: &str) -> Option<Arc<RequestingNode>> {
        let known = self.known.load();
        // Identities compare without regard to case (RFC 6733 §4.3.1); most come in lower case.
        known
            .get(origin_host)
            .or_else(|| {
                let upper = origin_host.bytes().any(|c| c.is_ascii_uppercase());
                if upper { known.get(origin_host.to_ascii_lowercase().as_str()) } else { None }
            })
            .cloned()
    }

    /// The node of this Origin-Host, a request of which has come over the connection of `peer`. One that is new is given
    /// its IND by the store; beyond what the peer may bring, it is one of the peer's shared ones.
    ///
    /// # Errors
    /// If the store cannot say now.
    pub async fn meet(&self, peer: &str, origin_host: &str) -> Result<Arc<RequestingNode>, Unavailable> {
        if let Some(node) = self.get(origin_host) {
            return Ok(node);
        }
        let name = origin_host.to_ascii_lowercase();
        let peer = peer.to_ascii_lowercase();
        let peer = if self.peers.contains_key(&peer) { peer.as_str() } else { STRANGERS };
        if self.peers.contains_key(&name) {
            return self.store(name).await;
        }
        match self.reserve(peer, &name) {
            Place::Own => {
                let stored = self.store(name.clone()).await;
                if stored.is_err() {
                    self.brought().entry(peer.to_owned()).or_default().names.remove(&name);
                }
                stored
            }
            Place::Shared(Some(node)) => Ok(node),
            Place::Shared(None) => {
                // Vectors that make others stale make those of the same peer stale.
                let ind = self.ind(peer.to_owned()).await?;
                let mut brought = self.brought();
                let shared = &mut brought.entry(peer.to_owned()).or_default().shared;
                Ok(shared
                    .get_or_insert_with(|| Arc::new(self.node(ind, None, self.metrics.peer("other"))))
                    .clone())
            }
        }
    }

    /// The node of this name that nothing of a peer counts for.
    ///
    /// # Errors
    /// If the store cannot say now.
    pub async fn own(&self, name: &str) -> Result<Arc<RequestingNode>, Unavailable> {
        match self.get(name) {
            Some(node) => Ok(node),
            None => self.store(name.to_owned()).await,
        }
    }

    fn brought(&self) -> MutexGuard<'_, HashMap<String, Brought>> {
        // Nothing that runs under the lock leaves it half-changed.
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a name gets an IND of its own: decided, and counted, before the store is asked.
    fn reserve(&self, peer: &str, name: &str) -> Place {
        let mut brought = self.brought();
        // A node may be reached by several peers.
        if brought.values().any(|of_peer| of_peer.names.contains(name)) {
            return Place::Own;
        }
        let all: usize = brought.values().map(|of_peer| of_peer.names.len()).sum();
        let of_peer = brought.entry(peer.to_owned()).or_default();
        if all >= MAX_OTHERS || of_peer.names.len() >= self.per_peer {
            if of_peer.shared.is_none() {
                tracing::warn!(
                    peer,
                    nodes = of_peer.names.len(),
                    "the peer sends requests of more Origin-Hosts than icf.nodes_per_peer; further ones share one IND"
                );
            }
            return Place::Shared(of_peer.shared.clone());
        }
        of_peer.names.insert(name.to_owned());
        Place::Own
    }

    async fn ind(&self, name: String) -> Result<u8, Unavailable> {
        Ok(self.inds.call(name).await??)
    }

    async fn store(&self, name: String) -> Result<Arc<RequestingNode>, Unavailable> {
        let ind = self.ind(name.clone()).await?;
        let _one = self.brought();
        let known = self.known.load();
        if let Some(node) = known.get(name.as_str()) {
            return Ok(node.clone());
        }
        let labelled = self.peers.contains_key(&name) || known.len() < MAX_LABELLED + self.peers.len();
        let label = if labelled { name.as_str() } else { "other" };
        let limit = self.peers.get(&name).copied().flatten();
        let node = Arc::new(self.node(ind, limit, self.metrics.peer(label)));
        let mut more = Map::clone(&known);
        more.insert(name.into(), node.clone());
        self.known.store(Arc::new(more));
        Ok(node)
    }

    fn node(&self, ind: u8, limit: Option<u8>, metrics: PeerMetrics) -> RequestingNode {
        RequestingNode { ind, max_vectors: limit.unwrap_or(self.limit), metrics }
    }
}

/// Whether a node has an IND of its own.
enum Place {
    Own,
    /// It has one with others, if one of those has been met.
    Shared(Option<Arc<RequestingNode>>),
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::memory::MemoryStore;

    const DRA: &str = "dra.example";
    const MME: &str = "mme.example";

    fn nodes(per_peer: usize) -> Nodes {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let peers = [DRA, MME, "other.example"].map(|peer| (peer.to_owned(), None)).into();
        Nodes::new(Arc::new(MemoryStore::new(None)), "icf".into(), peers, 1, per_peer, Arc::new(metrics))
    }

    #[tokio::test]
    async fn what_one_peer_makes_up_is_bounded_however_much_of_it_comes_at_once() {
        let nodes = Arc::new(nodes(10));
        let at_once = (0..2000).map(|n| {
            let nodes = nodes.clone();
            tokio::spawn(async move { nodes.meet(DRA, &format!("made-up-{n}.example")).await })
        });
        let mut shared = HashSet::new();
        for met in at_once.collect::<Vec<_>>() {
            shared.insert(met.await.unwrap().unwrap().ind);
        }
        assert_eq!(nodes.known.load().len(), 10);
        // Its own IND, and nobody else's counter.
        let own = nodes.meet(DRA, DRA).await.unwrap().ind;
        assert!(shared.contains(&own) && shared.len() <= 11, "{shared:?}");
        // Others have theirs.
        let other = nodes.meet(MME, "behind-mme.example").await.unwrap();
        assert!(!Arc::ptr_eq(&other, &nodes.meet(DRA, "made-up-1999.example").await.unwrap()));
        assert!(nodes.get("behind-mme.example").is_some());
    }

    #[tokio::test]
    async fn configured_peers_are_always_told_apart_and_a_node_is_one_by_whichever_peer_it_comes() {
        let nodes = nodes(1);
        nodes.meet(DRA, "mme1.example").await.unwrap();
        nodes.meet(DRA, "mme2.example").await.unwrap();
        assert!(nodes.get("mme2.example").is_none(), "it shares");
        let mme = nodes.meet(DRA, "MME.example").await.unwrap();
        assert!(Arc::ptr_eq(&mme, &nodes.meet(MME, MME).await.unwrap()));
        let known = nodes.meet("other.example", "mme1.example").await.unwrap();
        assert!(Arc::ptr_eq(&known, &nodes.get("mme1.example").unwrap()));
    }

    #[tokio::test]
    async fn peers_that_are_not_configured_count_as_one() {
        let nodes = nodes(5);
        for n in 0..50 {
            let name = format!("stranger-{n}.example");
            nodes.meet(&name, &name).await.unwrap();
        }
        assert_eq!(nodes.known.load().len(), 5);
    }

    #[tokio::test]
    async fn counters_are_bounded_too() {
        let registry = prometheus::Registry::new();
        let metrics = Arc::new(Metrics::register(&registry).unwrap());
        let peers: HashMap<_, _> = (0..20).map(|n| (format!("peer-{n}.example"), None)).collect();
        let nodes = Nodes::new(Arc::new(MemoryStore::new(None)), "icf".into(), peers, 1, 500, metrics);
        for n in 0..3000 {
            let peer = format!("peer-{}.example", n % 20);
            nodes.meet(&peer, &format!("made-up-{n}.example")).await.unwrap();
        }
        assert_eq!(nodes.known.load().len(), MAX_OTHERS);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.len() < 400_000, "{} octets", text.len());
    }
}
