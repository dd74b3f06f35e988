//! What must not be forgotten. A trait, so that SQLite, PostgreSQL and memory are judged by one suite.
//!
//! Two halves: [`Store::commit`] takes the operations of the request path, many in one durable
//! transaction (group commit); the rest is administration.

pub mod instance;
pub mod memory;
pub mod pool;
pub mod sqlite;

use std::{net::IpAddr, ops::Range, sync::Arc};

use async_trait::async_trait;
use ipnet::IpNet;
use schemas::{identity::Imsi, subscription::Overrides};
use serde::{Deserialize, Serialize};

use service::database::Database;
pub use service::sealed;

use self::instance::InstanceLease;
use crate::model::{
    Credential, CredentialState, IssuingMode, NodeKind, Profile, Registration, ServingNode, Snapshot,
    Timestamp,
};

/// Why the store could not do it. Never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It is there already, or has changed since it was read.
    #[error("{0}")]
    Conflict(String),
    /// The pool of addresses is used up.
    #[error("address pool {0} has no free address: widen it or delete expired credentials")]
    PoolExhausted(IpNet),
    /// All SEQs of the 43 bits are used (TS 33.102 C.3).
    #[error("the sequence numbers of {0} are used up; the credential has to be replaced")]
    SequenceExhausted(Imsi),
    /// The IMSI has been given 2^24 SEQs more than the clock has gone on (see [`crate::auc::clock`]).
    #[error(
        "{0} has been given 16,777,216 sequence numbers more than time has passed: whoever asks for so many vectors has \
         to wait; see which peer asks for them"
    )]
    AheadOfClock(Imsi),
    /// Something at rest cannot be decrypted: wrong key or damaged.
    #[error("{0}")]
    Sealed(String),
    /// Another process is the instance: who, and what to do.
    #[error("{0}")]
    InstanceTaken(String),
    /// This process was the instance, and another is now.
    #[error(
        "another process has become icf.instance {0:?} of this database while this one did not answer; this one must \
         hand out no more numbers"
    )]
    LeaseLost(String),
    /// The database itself.
    #[error("database: {0}")]
    Database(String),
    /// The database cannot do it now: no room, an error of the disk, a lock, no permission. The same may succeed later.
    #[error("database: {0}")]
    Unavailable(String),
}

/// A credential that is there and cannot be read: its keys do not open, or a column holds what callhome does not store.
#[derive(Debug, Clone, thiserror::Error)]
#[error("credential {imsi}: {error}")]
pub struct Unreadable {
    /// Which.
    pub imsi: Imsi,
    /// Why.
    pub error: StoreError,
}

/// Topic of the notices to the DRF in the [`outbox`](Store::outbox).
pub const NOTICES: &str = "notice";

/// An operation of the request path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Reserve `count` SEQs. With `above` (resynchronisation, TS 33.102 §6.3.5) they start above it too.
    Lease {
        /// Whose.
        imsi: Imsi,
        /// How many, at least 1.
        count: u32,
        /// SEQ_MS that the next SEQ has to exceed.
        above: Option<u64>,
    },
    /// Store a registration (the MME's or the SGSN's, each replacing its own kind only).
    Register {
        /// As it is to be stored; `address` is overwritten by what is assigned.
        registration: Box<Registration>,
        /// Count one attach against the credential's budget.
        count_attach: bool,
        /// Assign an address from this pool if the credential has none.
        pool: Option<IpNet>,
        /// What the nodes that served the subscriber until then are told, at least once.
        take_over: TakeOver,
        /// Tell the DRF where the device is, at least once, if it has an address (seed, section 5 step 6). The memory
        /// store tells nobody.
        notify: bool,
    },
    /// Let the registration last longer, if it is still with this node.
    Renew {
        /// Whose.
        imsi: Imsi,
        /// Which kind.
        kind: NodeKind,
        /// With whom.
        host: String,
        /// Until when.
        expires_at: Timestamp,
        /// IMEI and software version, if the node tells another; `None` leaves what is known.
        imei: Option<String>,
    },
    /// Mark the registration purged, if it is still with this node.
    Purge {
        /// Whose.
        imsi: Imsi,
        /// With whom.
        host: String,
    },
    /// Forget the registration, if it is still with this node.
    Deregister {
        /// Whose.
        imsi: Imsi,
        /// Which kind.
        kind: NodeKind,
        /// With whom.
        host: String,
    },
    /// Take up to `count` vectors from the subscriber's AV pool, oldest first; never given out again.
    TakeVectors {
        /// Whose.
        imsi: Imsi,
        /// How many at most.
        count: u32,
    },
    /// The outgoing message was answered.
    Sent(i64),
    /// The outgoing message failed; try again later.
    SendLater {
        /// Id of the outgoing message.
        id: i64,
        /// Not before.
        at: Timestamp,
        /// Why it failed.
        why: String,
    },
    /// Tell those who listen (server-sent events, other instances).
    Tell(Event),
}

/// What a registration means to the nodes that the subscriber was registered with. Which those are, the
/// transaction finds for itself: another instance may have registered the subscriber since the caller last
/// looked, and its node has to be told as well (TS 29.272 §5.2.1.1.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakeOver {
    /// To the previous node of the same kind, if it is another one.
    pub same_kind: Option<OutgoingMessage>,
    /// To the node of the other kind, whose registration ends with this; `None`: both serve.
    pub other_kind: Option<OutgoingMessage>,
}

impl TakeOver {
    /// What `previous`, one of the subscriber's registrations until now, is told about `new`. Nothing, if it has
    /// lapsed or its node has purged the UE.
    #[must_use]
    pub fn notice(&self, previous: &Registration, new: &Registration, now: Timestamp) -> Option<Outgoing> {
        let message = match previous.kind == new.kind {
            true if previous.node.is(&new.node.host) => None,
            true => self.same_kind.as_ref(),
            false => self.other_kind.as_ref(),
        };
        let message = message.filter(|_| !previous.purged && previous.expires_at > now)?.clone();
        Some(Outgoing { imsi: previous.imsi, node: previous.node.clone(), message })
    }
}

/// What became of an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// SEQs that nobody else will ever be given, durable.
    Lease(Range<u64>),
    /// The address in use, and the ids of what is to be sent.
    Registered {
        /// Assigned now or before.
        address: Option<IpAddr>,
        /// Ids of the [`Outgoing`]s to the nodes that the subscriber was taken from.
        send: Vec<i64>,
    },
    /// Whether there was something to do.
    Changed(bool),
    /// Vectors, oldest first; empty when the pool is dry.
    Vectors(Vec<PooledVector>),
}

/// A request of ours that must reach a serving node, kept until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Whose.
    pub imsi: Imsi,
    /// To whom.
    pub node: ServingNode,
    /// What.
    pub message: OutgoingMessage,
}

impl OutgoingMessage {
    /// The command's usual name: `CLR`, `IDR` or `DSR`.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "CLR",
            Self::Insert => "IDR",
            Self::Delete { .. } => "DSR",
        }
    }
}

/// The requests that an HSS sends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command")]
pub enum OutgoingMessage {
    /// Cancel-Location-Request with this Cancellation-Type and CLR-Flags (TS 29.272 §7.3.24, §7.3.152).
    Cancel {
        /// Cancellation-Type.
        cancellation_type: u32,
        /// CLR-Flags, `None` to leave the AVP out.
        clr_flags: Option<u32>,
    },
    /// Insert-Subscriber-Data-Request with the profile as it is when sent.
    Insert,
    /// Delete-Subscriber-Data-Request with these DSR-Flags (TS 29.272 §7.3.25): what an IDR cannot take away.
    Delete {
        /// DSR-Flags.
        dsr_flags: u32,
        /// RAT-Types whose eDRX cycle lengths go (§7.3.229).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        edrx_rats: Vec<u32>,
        /// External-Identifiers that go (TS 29.336 §6.4.11).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        external_identifiers: Vec<String>,
    },
}

/// An outgoing message with its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Id.
    pub id: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// What is to be sent.
    pub outgoing: Outgoing,
}

/// An outgoing message that is not answered yet, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What is to be sent, and how often it was tried.
    pub queued: Queued,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// Why the last try failed.
    pub why: Option<String>,
}

/// A ready E-UTRAN vector of R3. Its KASME is bound to one visited network already.
#[derive(Clone, PartialEq, Eq)]
pub struct PooledVector {
    /// RAND, 16 octets.
    pub rand: [u8; 16],
    /// XRES, 4 to 16 octets.
    pub xres: Vec<u8>,
    /// AUTN, 16 octets.
    pub autn: [u8; 16],
    /// KASME, 32 octets.
    pub kasme: [u8; 32],
}

impl std::fmt::Debug for PooledVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PooledVector(…)")
    }
}

/// Something that happened, for those who listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What: `registered`, `purged`, `cancelled`, `credential-changed`, `profile-changed`, …
    pub kind: String,
    /// To whom.
    pub imsi: Option<Imsi>,
    /// More, for people and scripts; never a secret.
    pub detail: serde_json::Value,
}

/// An event with its place in the sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    /// Rising; gaps are possible.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// A credential that is about to be stored.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// All that is known; `version`, `created_at`, `updated_at` and `attaches` are set by the store, and
    /// `expires_at`, where it is `None`, from the profile's lifetime.
    pub credential: Credential,
    /// First SEQ to hand out: above what an earlier AuC has used (imports).
    pub next_seq: u64,
}

/// What of a credential a person may change; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct CredentialPatch {
    /// Whether it may be used.
    pub state: Option<CredentialState>,
    /// Another profile.
    pub profile: Option<String>,
    /// Another end; `Some(None)` for no end.
    pub expires_at: Option<Option<Timestamp>>,
    /// Another budget; `Some(None)` for the profile's.
    pub attach_budget: Option<Option<u32>>,
    /// Another address; `Some(None)` to have one assigned.
    pub address: Option<Option<IpAddr>>,
    /// Another MSISDN.
    pub msisdn: Option<Option<String>>,
    /// Other overrides.
    pub overrides: Option<Overrides>,
}

impl CredentialPatch {
    /// Changes `credential` in memory.
    pub fn apply(self, credential: &mut Credential) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut credential.state, self.state);
        set(&mut credential.profile, self.profile);
        set(&mut credential.expires_at, self.expires_at);
        set(&mut credential.attach_budget, self.attach_budget);
        set(&mut credential.address, self.address);
        set(&mut credential.msisdn, self.msisdn);
        set(&mut credential.overrides, self.overrides);
    }
}

/// Which credentials to list.
#[derive(Debug, Clone, Default)]
pub struct CredentialFilter {
    /// IMSI starts with.
    pub prefix: Option<String>,
    /// In this state.
    pub state: Option<CredentialState>,
    /// Of this profile.
    pub profile: Option<String>,
    /// Of this batch.
    pub batch: Option<String>,
}

/// A page of a listing: up to `limit` items after the given key.
#[derive(Debug, Clone)]
pub struct Page {
    /// Last key of the page before, exclusive.
    pub after: Option<String>,
    /// Items at most, 1 to 1000.
    pub limit: u32,
}

/// A batch of issued or imported credentials (R1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// How its credentials came to be.
    pub mode: IssuingMode,
    /// First IMSI where they were generated.
    pub first: Option<Imsi>,
    /// How many there are to be; for an import, how many there are so far.
    pub count: u64,
    /// How many are stored.
    pub done: u64,
    /// Profile of them all.
    pub profile: String,
    /// Supplier or subscriber, free text.
    pub party: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// What it is issued with, where it is issued here.
    pub terms: Option<IssuingTerms>,
}

/// What the credentials of a batch have in common; the batch is resumed with the same or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuingTerms {
    /// Where OPc comes from.
    pub opc: OpcSource,
    /// AMF, TS 33.102 annex H.
    pub amf: [u8; 2],
    /// Call-home URL of the triples, if they are issued.
    pub triple_url: Option<String>,
}

/// Where OPc comes from (TS 35.206 §4.1). OP itself is kept nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpcSource {
    /// Every credential has a random one.
    Random,
    /// Derived from one OP and the credential's K.
    Op,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Rising.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Token name, or `cli:<user>`.
    pub who: String,
    /// What, as `credentials.update`.
    pub action: String,
    /// To what.
    pub target: String,
    /// `done`, or why not.
    pub outcome: String,
}

/// An answer kept for an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 of the request that it answered.
    pub request: [u8; 32],
    /// HTTP status.
    pub status: u16,
    /// Body; never holds K or OPc.
    pub body: Vec<u8>,
}

/// Durable memory of the ICF.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // -- the request path --

    /// Snapshots of several subscribers in one query; those unknown are left out. One that is there and cannot be read
    /// is an error of its own: the others are served.
    ///
    /// # Errors
    /// That the query failed.
    async fn each_snapshot(&self, imsis: &[Imsi]) -> Result<Vec<Result<Snapshot, Unreadable>>, StoreError>;

    /// As [`Store::each_snapshot`], for those who need all of them.
    ///
    /// # Errors
    /// That the query failed, or that one cannot be read.
    async fn snapshots(&self, imsis: &[Imsi]) -> Result<Vec<Snapshot>, StoreError> {
        let all = self.each_snapshot(imsis).await?;
        all.into_iter().map(|one| one.map_err(|unreadable| unreadable.error)).collect()
    }

    /// Carries out all operations in one transaction; when it returns they survive a kill -9 and a power
    /// failure. One result for each, in order: an operation that cannot be done (unknown IMSI, pool
    /// exhausted) fails alone.
    ///
    /// # Errors
    /// The transaction as a whole failed: nothing was done.
    async fn commit(&self, ops: &[Op]) -> Result<Vec<Result<Done, StoreError>>, StoreError>;

    /// Becomes `instance` among the processes that share the database, until [`Store::release_instance`]; `address` is
    /// where it listens, for whoever is refused. A store that nobody shares has nothing to do.
    ///
    /// # Errors
    /// [`StoreError::InstanceTaken`]: another process is that instance and lives.
    async fn take_instance(&self, instance: &str, address: &str) -> Result<Arc<InstanceLease>, StoreError> {
        let _ = (instance, address);
        Ok(Arc::new(InstanceLease::unlimited()))
    }

    /// Renews what [`Store::take_instance`] has taken; due every [`instance::RENEW_INTERVAL`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: another process has taken over, for good.
    async fn renew_instance(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gives the instance back, so that the next process need not ask whether this one lives.
    async fn release_instance(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The IND of this instance's vectors for a requesting node, 0 to 31 (TS 33.102 C.1.1.1), the same for
    /// ever; when all 32 are given out, the one given out longest ago is shared.
    async fn ind(&self, instance: &str, node: &str) -> Result<u8, StoreError>;

    /// As [`Store::ind`] for several nodes, in their order and in one transaction.
    async fn inds(&self, instance: &str, nodes: &[String]) -> Result<Vec<u8>, StoreError> {
        let mut inds = Vec::with_capacity(nodes.len());
        for node in nodes {
            inds.push(self.ind(instance, node).await?);
        }
        Ok(inds)
    }

    /// Outgoing messages that are due, oldest first.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError>;

    /// Nodes that something is due for, with the oldest due first. What waits for a node that does not answer is
    /// not in the way of what waits for others.
    async fn due_nodes(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Outgoing messages that are due for one node, oldest first.
    async fn due_for(&self, host: &str, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError>;

    /// Outgoing messages that are not answered yet, by id.
    async fn waiting(&self, page: &Page) -> Result<Vec<Waiting>, StoreError>;

    /// How many outgoing messages are not answered yet, and how many of them were tried in vain.
    async fn waiting_level(&self) -> Result<(u64, u64), StoreError>;

    /// Registrations that have lapsed, to be cancelled.
    async fn lapsed(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError>;

    /// Registered credentials that have expired or are no longer active, to be cancelled.
    async fn revocable(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError>;

    /// Events after `id`, oldest first.
    async fn events(&self, after: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError>;

    /// Id of the newest event, 0 without.
    async fn last_event(&self) -> Result<i64, StoreError>;

    /// Where messages to other roles wait ([`service::outbox`]); `None` if this store has no such place.
    fn outbox(&self) -> Option<Database> {
        None
    }

    /// Whether reading and writing works.
    ///
    /// # Errors
    /// What fails, for people: the file, the operation, and what the operating system says.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Ends all connections, if there are any; what was committed is durable before and after.
    async fn close(&self) {}

    // -- administration; each change of a credential or profile appends an Event in the same transaction --

    /// Stores all of them or none; an IMSI that is there already is a [`StoreError::Conflict`] naming it.
    async fn insert(&self, credentials: Vec<NewCredential>) -> Result<(), StoreError>;
    /// Those of these IMSIs that are there already.
    async fn existing(&self, imsis: &[Imsi]) -> Result<Vec<Imsi>, StoreError>;
    /// One credential with its keys.
    async fn credential(&self, imsi: Imsi) -> Result<Option<Credential>, StoreError>;
    /// Credentials by IMSI.
    async fn credentials(
        &self,
        filter: &CredentialFilter,
        page: &Page,
    ) -> Result<Vec<Credential>, StoreError>;
    /// How many there are.
    async fn count(&self, filter: &CredentialFilter) -> Result<u64, StoreError>;
    /// Changes one, if its version is still `version` (when given); queues `send` in the same transaction.
    async fn update(
        &self,
        imsi: Imsi,
        version: Option<i64>,
        patch: CredentialPatch,
        send: Vec<Outgoing>,
    ) -> Result<Credential, StoreError>;
    /// Deletes one with all that belongs to it except its sequence numbers, which stay so that a
    /// credential stored again under the IMSI never repeats one.
    async fn delete(&self, imsi: Imsi, version: Option<i64>, send: Vec<Outgoing>) -> Result<(), StoreError>;

    /// One profile.
    async fn profile(&self, name: &str) -> Result<Option<Profile>, StoreError>;
    /// All profiles by name.
    async fn profiles(&self) -> Result<Vec<Profile>, StoreError>;
    /// Creates (`version` = `Some(0)`) or changes one; queues `send`.
    async fn put_profile(
        &self,
        profile: Profile,
        version: Option<i64>,
        send: Vec<Outgoing>,
    ) -> Result<Profile, StoreError>;
    /// Deletes one that no credential uses.
    async fn delete_profile(&self, name: &str, version: Option<i64>) -> Result<(), StoreError>;

    /// One subscriber's registrations: none, MME, SGSN or both.
    async fn registration(&self, imsi: Imsi) -> Result<Vec<Registration>, StoreError>;
    /// Registrations by IMSI.
    async fn registrations(&self, page: &Page) -> Result<Vec<Registration>, StoreError>;
    /// Registrations of credentials of this profile.
    async fn registrations_of_profile(&self, profile: &str) -> Result<Vec<Registration>, StoreError>;
    /// Forgets the registrations of a subscriber and queues `send`, in one transaction.
    async fn cancel(&self, imsi: Imsi, send: Vec<Outgoing>) -> Result<bool, StoreError>;

    /// Creates or changes a batch record.
    async fn put_batch(&self, batch: Batch) -> Result<(), StoreError>;
    /// One batch.
    async fn batch(&self, id: &str) -> Result<Option<Batch>, StoreError>;
    /// Batches by id.
    async fn batches(&self, page: &Page) -> Result<Vec<Batch>, StoreError>;

    /// Adds vectors to a subscriber's pool; a RAND that is or was there is a conflict.
    async fn add_vectors(&self, imsi: Imsi, vectors: Vec<PooledVector>) -> Result<u64, StoreError>;
    /// How many vectors are left, and how many were handed out.
    async fn pool_level(&self, imsi: Imsi) -> Result<Option<(u64, u64)>, StoreError>;
    /// Subscribers with a pool, by IMSI, with left and handed out.
    async fn pools(&self, page: &Page) -> Result<Vec<(Imsi, u64, u64)>, StoreError>;

    /// Appends to the audit log.
    async fn audit(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), StoreError>;
    /// Newest first; `after` is the id below which to go on.
    async fn audit_log(&self, page: &Page) -> Result<Vec<AuditEntry>, StoreError>;

    /// The answer kept for this key, if any.
    async fn kept_answer(&self, who: &str, key: &str) -> Result<Option<KeptAnswer>, StoreError>;
    /// Keeps an answer; those older than a day are dropped.
    async fn keep_answer(&self, who: &str, key: &str, answer: KeptAnswer) -> Result<(), StoreError>;

    /// Re-encrypts, in steps of `limit`, what is not sealed with the newest key; gives how many were done,
    /// 0 when there is nothing left.
    async fn rotate(&self, limit: u32) -> Result<u64, StoreError>;
}
