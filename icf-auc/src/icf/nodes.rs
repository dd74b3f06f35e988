//! The nodes that ask for vectors: each has an IND of its own (TS 33.102 §C.1.2), a limit and counters.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

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

/// Nodes that get counters of their own; a peer that relays for more shares those of "other".
const MOST_COUNTED: usize = 1000;
/// Nodes kept in memory.
const MOST_KEPT: usize = 100_000;

type Map = HashMap<Box<str>, Arc<RequestingNode>>;

/// Nodes by lower-case Origin-Host: read without a lock, since every request does.
pub struct Nodes {
    known: ArcSwap<Map>,
    adding: Mutex<()>,
    instance: String,
    limits: HashMap<String, u8>,
    limit: u8,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nodes({})", self.known.load().len())
    }
}

impl Nodes {
    /// `limits` are the vectors in one answer for single nodes (lower-case Origin-Host), `limit` for all
    /// others.
    #[must_use]
    pub fn new(instance: String, limits: HashMap<String, u8>, limit: u8, metrics: Arc<Metrics>) -> Self {
        Self { known: ArcSwap::default(), adding: Mutex::default(), instance, limits, limit, metrics }
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
        let ind = store.ind(&self.instance, &name).await?;
        let _one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load();
        if let Some(node) = known.get(name.as_str()) {
            return Ok(node.clone());
        }
        let label = if known.len() < MOST_COUNTED { name.as_str() } else { "other" };
        let node = Arc::new(RequestingNode {
            ind,
            max_vectors: self.limits.get(&name).copied().unwrap_or(self.limit),
            metrics: self.metrics.peer(label),
        });
        if known.len() < MOST_KEPT {
            let mut more = Map::clone(&known);
            more.insert(name.into(), node.clone());
            self.known.store(Arc::new(more));
        }
        Ok(node)
    }
}
