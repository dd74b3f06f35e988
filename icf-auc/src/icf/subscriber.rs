//! A subscriber as the request path keeps it in memory, and the cache of them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use schemas::identity::Imsi;

use crate::{
    auc::{
        amf::Amf,
        functions::PreparedKeys,
        keys::SubscriberKeys,
        lease::{LeasePolicy, LeaseSize, SeqAllocator},
        sqn::{Layout, Sqn},
    },
    model::{AuthMaterial, Snapshot},
};

/// One subscriber in memory.
pub struct Subscriber {
    snapshot: ArcSwap<Snapshot>,
    /// Expanded keys; `None` where vectors come from a pool.
    pub keys: Option<PreparedKeys>,
    /// The credential's AMF.
    pub amf: Amf,
    /// How its SQNs are laid out.
    pub layout: Layout,
    numbers: Mutex<Numbers>,
    /// Held while a lease is being fetched, so that those who wait fetch only one.
    pub leasing: tokio::sync::Mutex<()>,
}

/// The SEQs in hand.
#[derive(Debug)]
pub struct Numbers {
    /// What may be handed out.
    pub seqs: SeqAllocator,
    size: LeaseSize,
}

impl Numbers {
    /// Whether the lease in hand is nearly used up, so that the next should be fetched ahead of time.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.seqs.left() < u64::from(self.size.last() / 4)
    }

    /// How many SEQs to lease next.
    pub fn next_size(&mut self, policy: LeasePolicy, wanted: u32) -> u32 {
        self.size.next(policy, wanted)
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscriber({})", self.snapshot.load().credential.imsi)
    }
}

impl Subscriber {
    /// From what the store holds. `None` if its `ind_bitlen` cannot be (the store refuses such).
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Option<Self> {
        let credential = &snapshot.credential;
        let layout = Layout::new(credential.ind_bitlen).ok()?;
        let keys = match &credential.auth {
            AuthMaterial::Keys { k, opc } => Some(SubscriberKeys::from_opc(k.clone(), opc.clone()).prepare()),
            AuthMaterial::Pool => None,
        };
        let amf = Amf::new(credential.amf);
        let numbers = Mutex::new(Numbers { seqs: SeqAllocator::new(layout), size: LeaseSize::default() });
        Some(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            keys,
            amf,
            layout,
            numbers,
            leasing: tokio::sync::Mutex::default(),
        })
    }

    /// What is known of it now.
    #[must_use]
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The SQN of a SEQ for a requesting node's IND, which is cut to the bits that this USIM has for it.
    #[must_use]
    pub fn sqn(&self, seq: u64, ind: u8) -> Option<Sqn> {
        self.layout.sqn(seq, u32::from(ind) & (self.layout.ind_values() - 1))
    }

    /// Changes what is known, after the store has done so.
    pub fn change(&self, change: impl Fn(&mut Snapshot)) {
        self.snapshot.rcu(|old| {
            let mut new = Snapshot::clone(old);
            change(&mut new);
            new
        });
    }

    /// The SEQs in hand. Never held across an await.
    pub fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Subscribers in memory, bounded in number; those least used go first.
pub struct Subscribers {
    cache: Cache<Imsi, Arc<Subscriber>>,
    /// Counts invalidations: what was read from the store before one must not be kept after it.
    epoch: AtomicU64,
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscribers({})", self.cache.len())
    }
}

impl Subscribers {
    /// Keeps up to `capacity` subscribers.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { cache: Cache::new(capacity.max(1)), epoch: AtomicU64::new(0) }
    }

    /// The one in memory, if it is.
    #[must_use]
    pub fn get(&self, imsi: Imsi) -> Option<Arc<Subscriber>> {
        self.cache.get(&imsi)
    }

    /// To be taken before reading from the store, and given to [`Subscribers::keep`] after.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Keeps a subscriber that was read in `epoch`. One that is there already stays, with its SEQs, and is
    /// returned; if something was invalidated meanwhile it is not kept but can be used once.
    pub fn keep(&self, imsi: Imsi, subscriber: Subscriber, epoch: u64) -> Arc<Subscriber> {
        let fresh = Arc::new(subscriber);
        let kept = match self.cache.get_or_insert_with(&imsi, || Ok::<_, ()>(fresh.clone())) {
            Ok(kept) => kept,
            Err(()) => fresh,
        };
        if self.epoch() != epoch {
            self.cache.remove(&imsi);
        }
        kept
    }

    /// Forgets one subscriber; its next request reads the store.
    pub fn invalidate(&self, imsi: Imsi) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.remove(&imsi);
    }

    /// A change was made to `subscriber` after the store: should another stand for the IMSI by now, or be on
    /// its way from the store, it may lack that change and is forgotten.
    pub fn changed(&self, imsi: Imsi, subscriber: &Arc<Subscriber>) {
        if !self.cache.get(&imsi).is_some_and(|kept| Arc::ptr_eq(&kept, subscriber)) {
            self.invalidate(imsi);
        }
    }

    /// Forgets all: a profile has changed.
    pub fn invalidate_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    /// How many are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}
