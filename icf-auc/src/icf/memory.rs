//! What the request path remembers and how it reaches the store: misses gathered into one query, writes
//! gathered into one transaction.

use std::{collections::HashMap, fmt, sync::Arc, time::Instant};

use schemas::identity::Imsi;

use super::{
    batch::{Batcher, Overloaded},
    metrics::Metrics,
    subscriber::{Subscriber, Subscribers},
    turns::Turns,
};
use crate::{
    auc::{
        lease::{GrantError, Lease, LeasePolicy, Taken},
        resync::{self, Resync},
        sqn::Sqn,
    },
    chtif::fetch::{Chtif, FetchError},
    store::{Done, Event, Op, Store, StoreError, Unreadable, instance::InstanceLease},
};

/// Subscribers looked up in one query.
const MOST_LOADED: usize = 500;
/// Operations in one transaction.
const MOST_COMMITTED: usize = 4096;
/// Requests that may wait for the store; above, the node is busy.
const MOST_WAITING: usize = 65_536;

/// Kind of the event that leases of a subscriber are void.
pub const RESYNCHRONISED: &str = "resynchronised";

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
    /// Another process may be this instance.
    #[error(transparent)]
    Instance(#[from] InstanceExpired),
    /// The USIM's SEQ_MS cannot be followed.
    #[error("SEQ_MS cannot be followed ({0:?}): replace the credential")]
    Resync(Resync),
}

/// The lease of the instance was not renewed in time: another process may have taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process could not renew the lease of its icf.instance in time and hands out no numbers until it has: the \
     database does not answer, or the process was stopped"
)]
pub struct InstanceExpired;

type Loaded = Result<Option<Arc<Subscriber>>, StoreError>;
type Committed = Result<Done, StoreError>;

/// Cache, loader, committer.
pub struct Memory {
    store: Arc<dyn Store>,
    subscribers: Arc<Subscribers>,
    loader: Batcher<Imsi, Loaded>,
    committer: Batcher<Vec<Op>, Vec<Committed>>,
    policy: LeasePolicy,
    chtif: Option<Chtif>,
    turns: Turns,
    metrics: Arc<Metrics>,
    instance: Arc<InstanceLease>,
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
        let (turns, instance) = (Turns::default(), Arc::new(InstanceLease::unlimited()));
        Self { store, subscribers, loader, committer, policy, chtif, turns, metrics, instance }
    }

    /// Hands out numbers only while `instance` is valid.
    #[must_use]
    pub fn leased(self, instance: Arc<InstanceLease>) -> Self {
        Self { instance, ..self }
    }

    /// Whether this process may hand out numbers: asked after they are taken and before they leave, so that a process
    /// that was stopped for long, and woke up in between, sends none.
    ///
    /// # Errors
    /// If it may not.
    pub fn check_instance(&self) -> Result<(), InstanceExpired> {
        if self.instance.is_valid() { Ok(()) } else { Err(InstanceExpired) }
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
        if let Some(subscriber) = self.known(imsi).await? {
            return Ok(Some(subscriber));
        }
        let Some(chtif) = &self.chtif else { return Ok(None) };
        if !chtif.fetch(imsi, &self.store).await? {
            return Ok(None);
        }
        Ok(self.loader.call(imsi).await??)
    }

    /// As [`Memory::subscriber`], but nothing is fetched from elsewhere.
    ///
    /// # Errors
    /// If it cannot be said now.
    pub async fn known(&self, imsi: Imsi) -> Result<Option<Arc<Subscriber>>, Unavailable> {
        match self.subscribers.get(imsi) {
            Some(subscriber) => Ok(Some(subscriber)),
            None => Ok(self.loader.call(imsi).await??),
        }
    }

    /// The subscriber's turn: whoever changes its registration has it while deciding and until that is done.
    pub async fn turn(&self, imsi: Imsi) -> tokio::sync::MutexGuard<'_, ()> {
        self.turns.of(imsi).await
    }

    /// Notes how many subscribers are in memory.
    pub fn observe(&self) {
        self.metrics.cache_size.set(i64::try_from(self.subscribers.len()).unwrap_or(i64::MAX));
    }

    /// Carries out one operation, in one transaction with all others that wait; when it returns it is
    /// durable.
    ///
    /// # Errors
    /// If it was not done.
    pub async fn commit(&self, op: Op) -> Result<Done, Unavailable> {
        match self.commit_all(vec![op]).await?.pop() {
            Some(done) => Ok(done?),
            None => Err(StoreError::Database("an operation has no result".into()).into()),
        }
    }

    /// As [`Memory::commit`], several in one transaction; a result for each.
    ///
    /// # Errors
    /// If there was no room for them; the transaction's failure is in each result.
    pub async fn commit_all(&self, ops: Vec<Op>) -> Result<Vec<Result<Done, StoreError>>, Unavailable> {
        Ok(self.committer.call(ops).await?)
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
                    self.check_instance()?;
                    return Ok(taken);
                }
                numbers.next_size(self.policy, n).max(n)
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
                        // No lease that starts at SEQ_MS or below may come in after this.
                        numbers.seqs.void_through(seq_ms);
                        Some(seq_ms)
                    }
                    // What §6.3.5 would do with `Lower` hands numbers out again: never here.
                    Some(decided @ (Resync::Lower { .. } | Resync::NearEnd { .. })) => {
                        return Err(Unavailable::Resync(decided));
                    }
                    _ => None,
                };
                if let Some(taken) = numbers.seqs.take(n) {
                    self.check_instance()?;
                    return Ok((taken, decided.unwrap_or(Resync::Keep)));
                }
                (numbers.next_size(self.policy, n).max(n), above)
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
        let mut ops = vec![Op::Lease { imsi, count, above }];
        if above.is_some() {
            // Leases of other instances, and of this subscriber read anew meanwhile, are void as well.
            ops.push(Op::Tell(Event {
                kind: RESYNCHRONISED.into(),
                imsi: Some(imsi),
                detail: serde_json::json!({}),
            }));
        }
        let done = self.commit_all(ops).await?.into_iter().next().transpose()?;
        let range = match done {
            Some(Done::Lease(range)) => range,
            other => return Err(StoreError::Database(format!("a lease was answered with {other:?}")).into()),
        };
        self.metrics.leases.inc();
        self.metrics.leased_seqs.inc_by(range.end.saturating_sub(range.start));
        let lease = || Lease::new(range.clone()).ok_or(StoreError::SequenceExhausted(imsi));
        let mut numbers = subscriber.numbers();
        let granted = match numbers.seqs.grant(lease()?) {
            // Two remainders of leases between which others have taken some: what is left of them is skipped.
            Err(GrantError::Full) => {
                numbers.seqs.void();
                numbers.seqs.grant(lease()?)
            }
            granted => granted,
        };
        granted.map_err(|error| StoreError::Database(format!("lease of {imsi}: {error}")).into())
    }
}

async fn load(store: &dyn Store, subscribers: &Subscribers, imsis: Vec<Imsi>) -> Vec<Loaded> {
    let epoch = subscribers.epoch();
    let mut unique = imsis.clone();
    unique.sort_unstable();
    unique.dedup();
    match store.each_snapshot(&unique).await {
        Ok(snapshots) => {
            let read = snapshots.into_iter().filter_map(|snapshot| match snapshot {
                Ok(snapshot) => {
                    let imsi = snapshot.credential.imsi;
                    Some((imsi, Ok(subscribers.keep(imsi, Subscriber::new(snapshot)?, epoch))))
                }
                Err(Unreadable { imsi, error }) => {
                    tracing::error!(%imsi, %error, "a credential cannot be read: only this subscriber is not served");
                    Some((imsi, Err(error)))
                }
            });
            let found: HashMap<Imsi, Result<Arc<Subscriber>, StoreError>> = read.collect();
            imsis.iter().map(|imsi| found.get(imsi).cloned().transpose()).collect()
        }
        Err(error) => {
            tracing::error!(%error, "subscribers cannot be read");
            imsis.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

async fn commit(store: &dyn Store, metrics: &Metrics, groups: Vec<Vec<Op>>) -> Vec<Vec<Committed>> {
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let ops: Vec<Op> = groups.into_iter().flatten().collect();
    let begun = Instant::now();
    metrics.commit_size.observe(ops.len() as f64);
    let done = store.commit(&ops).await;
    metrics.commit_time.observe(begun.elapsed().as_secs_f64());
    match done {
        Ok(done) => {
            let mut done = done.into_iter();
            sizes.into_iter().map(|size| done.by_ref().take(size).collect()).collect()
        }
        Err(error) => {
            metrics.store_errors.inc();
            tracing::error!(%error, operations = ops.len(), "a transaction failed; nothing of it was done");
            sizes.into_iter().map(|size| vec![Err(error.clone()); size]).collect()
        }
    }
}
