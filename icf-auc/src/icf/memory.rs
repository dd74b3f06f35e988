//! What the request path remembers and how it reaches the store: misses gathered into one query, writes
//! gathered into one transaction.

use std::{collections::HashMap, fmt, sync::Arc, time::Instant};

use schemas::identity::Imsi;

use super::{
    batch::{Batcher, Overloaded},
    metrics::Metrics,
    subscriber::{Subscriber, Subscribers},
};
use crate::{
    auc::{
        lease::{Lease, LeasePolicy, Taken},
        resync::{self, Resync},
        sqn::Sqn,
    },
    chtif::fetch::{Chtif, FetchError},
    store::{Done, Op, Store, StoreError},
};

/// Subscribers looked up in one query.
const MOST_LOADED: usize = 500;
/// Operations in one transaction.
const MOST_COMMITTED: usize = 4096;
/// Requests that may wait for the store; above, the node is busy.
const MOST_WAITING: usize = 65_536;

/// Why something cannot be had from the store now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// Too much waits already.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CHTIF elsewhere fails.
    #[error(transparent)]
    Chtif(#[from] FetchError),
}

type Loaded = Result<Option<Arc<Subscriber>>, StoreError>;
type Committed = Result<Done, StoreError>;

/// Cache, loader, committer.
pub struct Memory {
    store: Arc<dyn Store>,
    subscribers: Arc<Subscribers>,
    loader: Batcher<Imsi, Loaded>,
    committer: Batcher<Op, Committed>,
    policy: LeasePolicy,
    chtif: Option<Chtif>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("subscribers", &self.subscribers).finish_non_exhaustive()
    }
}

impl Memory {
    /// Starts loader and committer. They end when this is dropped.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        capacity: usize,
        policy: LeasePolicy,
        chtif: Option<Chtif>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let subscribers = Arc::new(Subscribers::new(capacity));
        let loader = {
            let (store, subscribers) = (store.clone(), subscribers.clone());
            Batcher::start(MOST_LOADED, MOST_WAITING, move |imsis| {
                let (store, subscribers) = (store.clone(), subscribers.clone());
                async move { load(&*store, &subscribers, imsis).await }
            })
        };
        let committer = {
            let (store, metrics) = (store.clone(), metrics.clone());
            Batcher::start(MOST_COMMITTED, MOST_WAITING, move |ops| {
                let (store, metrics) = (store.clone(), metrics.clone());
                async move { commit(&*store, &metrics, ops).await }
            })
        };
        Self { store, subscribers, loader, committer, policy, chtif, metrics }
    }

    /// The store itself, for what is not on the request path.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The subscribers in memory.
    #[must_use]
    pub fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// The subscriber, from memory, the store, or a CHTIF elsewhere; `None` if nobody knows it.
    ///
    /// # Errors
    /// If it cannot be said now.
    pub async fn subscriber(&self, imsi: Imsi) -> Result<Option<Arc<Subscriber>>, Unavailable> {
        if let Some(subscriber) = self.subscribers.get(imsi) {
            return Ok(Some(subscriber));
        }
        if let Some(subscriber) = self.loader.call(imsi).await?? {
            return Ok(Some(subscriber));
        }
        let Some(chtif) = &self.chtif else { return Ok(None) };
        let Some(fetched) = chtif.fetch(imsi).await? else { return Ok(None) };
        match self.store.insert(vec![crate::store::NewCredential::clone(&fetched)]).await {
            // Another of those that waited for it was first.
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::info!(%imsi, "credential fetched from the CHTIF");
        Ok(self.loader.call(imsi).await??)
    }

    /// Carries out one operation, in one transaction with all others that wait; when it returns it is
    /// durable.
    ///
    /// # Errors
    /// If it was not done.
    pub async fn commit(&self, op: Op) -> Result<Done, Unavailable> {
        Ok(self.committer.call(op).await??)
    }

    /// `n` SEQs of a subscriber, from the lease in hand or from a new one.
    ///
    /// # Errors
    /// If the store gives no lease.
    pub async fn seqs(&self, imsi: Imsi, subscriber: &Subscriber, n: u32) -> Result<Taken, Unavailable> {
        // One fetches, the others find what it has brought.
        let _one = subscriber.leasing.lock().await;
        loop {
            let count = {
                let mut numbers = subscriber.numbers();
                if let Some(taken) = numbers.seqs.take(n) {
                    return Ok(taken);
                }
                numbers.next_size(self.policy, n)
            };
            self.lease(imsi, subscriber, count, None).await?;
        }
    }

    /// Extends the lease in hand before it runs out, so that nobody waits. Does nothing if that is under way.
    pub async fn extend(&self, imsi: Imsi, subscriber: &Subscriber) {
        let Ok(_one) = subscriber.leasing.try_lock() else { return };
        let count = subscriber.numbers().next_size(self.policy, 1);
        if let Err(error) = self.lease(imsi, subscriber, count, None).await {
            tracing::warn!(%imsi, %error, "the lease could not be extended ahead of time");
        }
    }

    /// Resynchronisation (TS 33.102 §6.3.5) after the AUTS was verified: `n` SEQs that the USIM will accept.
    /// Where the USIM is ahead, leases in hand are void and numbers go on above SEQ_MS.
    ///
    /// # Errors
    /// If the USIM is so far behind or so near the end that no SEQ of ours could follow, or the store gives
    /// no lease.
    pub async fn resynchronise(
        &self,
        imsi: Imsi,
        subscriber: &Subscriber,
        sqn_ms: Sqn,
        n: u32,
    ) -> Result<(Taken, Resync), Unavailable> {
        let _one = subscriber.leasing.lock().await;
        let mut decided = None;
        loop {
            let (count, above) = {
                let mut numbers = subscriber.numbers();
                let next = numbers.seqs.peek();
                // Decided once, on the first number that is known to be ours.
                if decided.is_none()
                    && let Some(next) = next
                {
                    decided = Some(resync::decide(subscriber.layout, sqn_ms, next));
                }
                let above = match decided {
                    Some(Resync::Raise { seq_ms }) if next.is_none_or(|next| next <= seq_ms) => {
                        numbers.seqs.void();
                        Some(seq_ms)
                    }
                    // What §6.3.5 would do with `Lower` hands numbers out again: never here.
                    Some(Resync::Lower { .. } | Resync::NearEnd { .. }) => {
                        tracing::error!(%imsi, ?decided, "SQN_MS cannot be followed: replace the credential");
                        return Err(StoreError::SequenceExhausted(imsi).into());
                    }
                    _ => None,
                };
                if let Some(taken) = numbers.seqs.take(n) {
                    return Ok((taken, decided.unwrap_or(Resync::Keep)));
                }
                (numbers.next_size(self.policy, n), above)
            };
            self.lease(imsi, subscriber, count, above).await?;
        }
    }

    async fn lease(
        &self,
        imsi: Imsi,
        subscriber: &Subscriber,
        count: u32,
        above: Option<u64>,
    ) -> Result<(), Unavailable> {
        let done = self.commit(Op::Lease { imsi, count, above }).await?;
        let range = match done {
            Done::Lease(range) => range,
            other => return Err(StoreError::Database(format!("a lease was answered with {other:?}")).into()),
        };
        self.metrics.leases.inc();
        self.metrics.leased_seqs.inc_by(range.end.saturating_sub(range.start));
        let lease = Lease::new(range).ok_or(StoreError::SequenceExhausted(imsi))?;
        subscriber
            .numbers()
            .seqs
            .grant(lease)
            .map_err(|error| StoreError::Database(format!("lease of {imsi}: {error}")).into())
    }
}

async fn load(store: &dyn Store, subscribers: &Subscribers, imsis: Vec<Imsi>) -> Vec<Loaded> {
    let epoch = subscribers.epoch();
    let mut unique = imsis.clone();
    unique.sort_unstable();
    unique.dedup();
    match store.snapshots(&unique).await {
        Ok(snapshots) => {
            let found: HashMap<Imsi, Arc<Subscriber>> = snapshots
                .into_iter()
                .filter_map(|snapshot| {
                    let imsi = snapshot.credential.imsi;
                    Some((imsi, subscribers.keep(imsi, Subscriber::new(snapshot)?, epoch)))
                })
                .collect();
            imsis.iter().map(|imsi| Ok(found.get(imsi).cloned())).collect()
        }
        Err(error) => {
            tracing::error!(%error, "subscribers cannot be read");
            imsis.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

async fn commit(store: &dyn Store, metrics: &Metrics, ops: Vec<Op>) -> Vec<Committed> {
    let begun = Instant::now();
    metrics.commit_size.observe(ops.len() as f64);
    let done = store.commit(&ops).await;
    metrics.commit_time.observe(begun.elapsed().as_secs_f64());
    match done {
        Ok(done) => done,
        Err(error) => {
            metrics.store_errors.inc();
            tracing::error!(%error, operations = ops.len(), "a transaction failed; nothing of it was done");
            ops.iter().map(|_| Err(error.clone())).collect()
        }
    }
}
