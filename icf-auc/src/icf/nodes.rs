//! The nodes that ask for vectors: each has an IND of its own (TS 33.102 §C.1.2), a limit and counters.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use super::metrics::{Metrics, PeerMetrics};
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

/// Nodes that are not configured as peers, as those behind a relay, that get an IND and counters of their own.
/// Any peer can make up Origin-Hosts: those above this number share counters, and an IND by their name.
const MOST_OTHERS: usize = 1000;

/// INDs of five bits.
const INDS: u8 = 32;

type Map = HashMap<Box<str>, Arc<RequestingNode>>;

/// Nodes by lower-case Origin-Host: read without a lock, since every request does.
pub struct Nodes {
    known: ArcSwap<Map>,
    adding: Mutex<()>,
    instance: String,
    peers: HashMap<String, Option<u8>>,
    limit: u8,
    /// For those above the number, by IND.
    shared: Vec<Arc<RequestingNode>>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nodes({})", self.known.load().len())
    }
}

impl Nodes {
    /// `peers` are those that are configured (lower-case Origin-Host), with the vectors in one answer to them;
    /// `limit` holds for all others.
    #[must_use]
    pub fn new(
        instance: String,
        peers: HashMap<String, Option<u8>>,
        limit: u8,
        metrics: Arc<Metrics>,
    ) -> Self {
        let counters = metrics.peer("other");
        let shared =
            (0..INDS).map(|ind| RequestingNode { ind, max_vectors: limit, metrics: counters.clone() });
        let shared = shared.map(Arc::new).collect();
        Self { known: ArcSwap::default(), adding: Mutex::default(), instance, peers, limit, shared, metrics }
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

    /// The node; one that is new is given its IND by the store.
    ///
    /// # Errors
    /// If the store cannot say.
    pub async fn meet(
        &self,
        store: &dyn Store,
        origin_host: &str,
    ) -> Result<Arc<RequestingNode>, StoreError> {
        if let Some(node) = self.get(origin_host) {
            return Ok(node);
        }
        let name = origin_host.to_ascii_lowercase();
        if !self.peers.contains_key(&name) && self.known.load().len() >= MOST_OTHERS + self.peers.len() {
            // The same name has the same IND, today and after a restart (TS 33.102 §C.1.2).
            let ind = Sha256::digest(name.as_bytes()).first().copied().unwrap_or_default() % INDS;
            if let Some(node) = self.shared.get(usize::from(ind)) {
                return Ok(node.clone());
            }
        }
        let ind = store.ind(&self.instance, &name).await?;
        let _one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load();
        if let Some(node) = known.get(name.as_str()) {
            return Ok(node.clone());
        }
        let node = Arc::new(RequestingNode {
            ind,
            max_vectors: self.peers.get(&name).copied().flatten().unwrap_or(self.limit),
            metrics: self.metrics.peer(&name),
        });
        let mut more = Map::clone(&known);
        more.insert(name.into(), node.clone());
        self.known.store(Arc::new(more));
        Ok(node)
    }
}
