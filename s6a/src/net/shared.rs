//! What the connections and tasks of a node share.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::admission::Admission;
use super::answer::Answering;
use super::application::Application;
use super::duplicates::Duplicates;
use super::link::Link;
use super::registry::Registry;
use super::{Endpoint, NodeConfig};
use crate::peer::{Jitter, Side};

/// What all tasks of a node share.
pub(super) struct Shared {
    pub(super) config: NodeConfig,
    pub(super) app: Arc<dyn Application>,
    pub(super) registry: Registry,
    pub(super) answering: Arc<Answering>,
    /// Seconds since 1970 at the start (RFC 6733 §8.16).
    pub(super) origin_state_id: u32,
    pub(super) stopping: CancellationToken,
    pub(super) connections: Arc<Semaphore>,
    pub(super) admission: Arc<Admission>,
    end_to_end: AtomicU32,
    next_link: AtomicU64,
    seeds: RandomState,
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    /// The state of a node that starts now.
    pub(super) fn new(config: NodeConfig, app: Arc<dyn Application>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seeds = RandomState::new();
        // RFC 6733 §3: the high 12 bits from the time, the low 20 bits random.
        let end_to_end = (now as u32) << 20 | (seeds.hash_one("end-to-end") as u32 & 0x000f_ffff);
        Self {
            registry: Registry::new(&config),
            answering: Arc::new(Answering {
                origin_host: config.origin_host.clone(),
                origin_realm: config.origin_realm.clone(),
                duplicates: Duplicates::new(config.timers.duplicates, config.limits.duplicates),
            }),
            origin_state_id: now as u32,
            stopping: CancellationToken::new(),
            connections: Arc::new(Semaphore::new(config.limits.connections)),
            admission: Arc::new(admission(&config)),
            end_to_end: AtomicU32::new(end_to_end),
            next_link: AtomicU64::new(1),
            seeds,
            tasks: Mutex::default(),
            config,
            app,
        }
    }

    /// RFC 6733 §3: unique for at least four minutes, also across a restart.
    pub(super) fn next_end_to_end(&self) -> u32 {
        self.end_to_end.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn link(&self, side: Side) -> Arc<Link> {
        let id = self.next_link.fetch_add(1, Ordering::Relaxed);
        Arc::new(Link::new(id, side, self.seeds.hash_one(id) as u32))
    }

    pub(super) fn jitter(&self, of: u64) -> Jitter {
        Jitter::new(self.seeds.hash_one(("jitter", of)))
    }

    /// Runs a task until it ends or the node does.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if !self.stopping.is_cancelled() {
            tasks.spawn(task);
        }
    }

    /// Takes all tasks away, for who stops the node.
    pub(super) fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Known are the addresses that peers may come from, and those that they are connected to at.
fn admission(config: &NodeConfig) -> Admission {
    let connected_to = config.peers.iter().filter_map(|peer| peer.connect.as_ref()).flat_map(|to| match to {
        Endpoint::Tcp(address) | Endpoint::Tls(address) => vec![address.ip()],
        Endpoint::Sctp(addresses) => addresses.iter().map(|address| address.ip()).collect(),
    });
    let known = config.peers.iter().flat_map(|peer| peer.addresses.iter().copied()).chain(connected_to);
    Admission::new(known, config.limits.unidentified, config.limits.unidentified_per_source)
}
