//! The store in a SQLite file: needs nothing else. One connection writes, a few read beside it (WAL).

mod addresses;
mod commit;
mod credentials;
mod error;
mod instance;
mod journal;
mod lease;
mod mark;
mod notices;
mod numbers;
mod offsets;
mod open;
mod profiles;
mod queue;
mod rotate;
mod rows;
mod subjects;
mod vectors;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use ipnet::IpNet;
use schemas::identity::Imsi;
use serde_json::json;
use service::database::{Database, WriteTransaction, readable};
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteRow};
use tokio::sync::Mutex;

pub use numbers::SequenceClock;
pub use open::{SCHEMA, schema_version};

use super::{
    AuditEntry, Batch, CredentialFilter, CredentialPatch, Done, Event, KeptAnswer, NewCredential, Op,
    Outgoing, Page, PooledVector, Queued, Store, StoreError, StoredEvent, Unreadable, Waiting,
    instance::InstanceLease, sealed::Keyring,
};
use crate::model::{Credential, Profile, Registration, Snapshot, Timestamp};
use rows::select_registration;

/// How a database is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Address pool of the profile "default" that a new database starts with.
    pub pool: Option<IpNet>,
    /// The file grows to so many octets at most, rounded up to 4,096; `None` for as large as the disk.
    pub max_bytes: Option<u64>,
    /// The high-water mark of sequence numbers, a file outside of the database; `None`: there is none, and a database
    /// that was put back to an older state is not noticed.
    pub mark: Option<PathBuf>,
    /// What the floor by time is counted by.
    pub clock: SequenceClock,
}

/// A [`Store`] in a SQLite file.
pub struct SqliteStore {
    readers: SqlitePool,
    keys: Arc<Keyring>,
    profiles: profiles::Cache,
    rotation: Mutex<rotate::Progress>,
    database: Database,
    url: String,
    /// The instance that this process is.
    instance: OnceLock<instance::Held>,
    numbers: numbers::Numbers,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteStore({}, {:?})", self.database.path(), self.keys)
    }
}

impl SqliteStore {
    /// Opens `url` (`sqlite:///var/lib/callhome/icf.db`), creating the file where there is none, and brings
    /// an older schema up to date.
    ///
    /// # Errors
    /// Naming the file and what to do: no permission, not a database or not Callhome's, of a newer schema,
    /// sealed with another at-rest key.
    pub async fn open(url: &str, keys: Keyring, options: OpenOptions) -> Result<Self, StoreError> {
        let database = open::open(url, options.max_bytes, &keys).await?;
        let store = Self {
            readers: database.readers.clone(),
            keys: Arc::new(keys),
            profiles: profiles::Cache::default(),
            rotation: Mutex::default(),
            database,
            url: url.to_owned(),
            instance: OnceLock::new(),
            numbers: numbers::Numbers::new(options.clock, options.mark.as_deref()),
        };
        if store.database.is_new() {
            let profile = Profile::provisioning("default", options.pool);
            match store.put_profile(profile, Some(0), Vec::new()).await {
                // Another instance was faster.
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(store)
    }

    /// A transaction that has the write lock from its start. Dropped, it rolls back.
    async fn write(&self) -> Result<WriteTransaction, StoreError> {
        Ok(self.database.write().await?)
    }
}

/// The code of the IMSI that a page begins after.
fn after_imsi(page: &Page) -> Result<i64, StoreError> {
    match page.after.as_deref() {
        None => Ok(0),
        Some(text) => {
            let imsi: Imsi = text.parse().map_err(|e| StoreError::Conflict(format!("after: {e}")))?;
            Ok(rows::code(imsi))
        }
    }
}

/// Those that can be read; one that cannot is not in the way of the others.
fn registrations(found: &[SqliteRow]) -> Vec<Registration> {
    readable("a registration", found.iter().map(|row| rows::registration(row, 0)))
}

#[async_trait]
impl Store for SqliteStore {
    async fn each_snapshot(&self, imsis: &[Imsi]) -> Result<Vec<Result<Snapshot, Unreadable>>, StoreError> {
        credentials::snapshots(&self.readers, &self.keys, &self.profiles, imsis, Timestamp::now()).await
    }

    async fn commit(&self, ops: &[Op]) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
        match self.attempt(ops, None).await? {
            Ok(results) => Ok(results),
            // What needs no numbers is done all the same.
            Err(error) => self.attempt(ops, Some(error)).await?,
        }
    }

    fn outbox(&self) -> Option<Database> {
        Some(self.database.clone())
    }

    async fn take_instance(&self, name: &str, address: &str) -> Result<Arc<InstanceLease>, StoreError> {
        let held = instance::take(&self.database, &self.url, &self.keys, name, address).await?;
        let lease = held.lease.clone();
        self.instance.set(held).map_err(|_| {
            StoreError::Conflict("this process is an instance of the database already".into())
        })?;
        if let Some(notice) = self.settle_numbers().await? {
            tracing::warn!("{notice}");
            self.audit("icf", "numbers.raise", name, &notice).await?;
        }
        Ok(lease)
    }

    async fn renew_instance(&self) -> Result<(), StoreError> {
        match self.instance.get() {
            Some(instance) => instance.renew(&self.database, &self.keys).await,
            None => Ok(()),
        }
    }

    async fn release_instance(&self) -> Result<(), StoreError> {
        match self.instance.get() {
            Some(instance) => instance.release(&self.database).await,
            None => Ok(()),
        }
    }

    async fn ind(&self, instance: &str, node: &str) -> Result<u8, StoreError> {
        let inds = self.inds(instance, &[node.to_owned()]).await?;
        inds.first().copied().ok_or_else(|| StoreError::Database("no IND was given".to_owned()))
    }

    async fn inds(&self, instance: &str, nodes: &[String]) -> Result<Vec<u8>, StoreError> {
        // DiameterIdentities compare without regard to case (RFC 6733 §4.3.1).
        let nodes: Vec<String> = nodes.iter().map(|node| node.to_ascii_lowercase()).collect();
        const GIVEN: &str = "SELECT ind FROM node_ind WHERE instance = ?1 AND node = ?2";
        let mut given: Vec<u8> = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let ind: Option<(u8,)> =
                sqlx::query_as(GIVEN).bind(instance).bind(node).fetch_optional(&self.readers).await?;
            given.extend(ind.map(|(ind,)| ind));
        }
        if given.len() == nodes.len() {
            return Ok(given);
        }
        given.clear();
        let mut tx = self.write().await?;
        for node in &nodes {
            sqlx::query(
                "INSERT INTO node_ind (instance, node, ind) SELECT ?1, ?2, count(*) % 32 FROM node_ind WHERE true \
                 ON CONFLICT DO NOTHING",
            )
            .bind(instance)
            .bind(node)
            .execute(&mut *tx)
            .await?;
            let (ind,) = sqlx::query_as(GIVEN).bind(instance).bind(node).fetch_one(&mut *tx).await?;
            given.push(ind);
        }
        tx.commit().await?;
        Ok(given)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
        queue::due(&self.readers, now, limit).await
    }

    async fn due_nodes(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
        queue::due_nodes(&self.readers, now, limit).await
    }

    async fn due_for(&self, host: &str, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
        queue::due_for(&self.readers, host, now, limit).await
    }

    async fn waiting(&self, page: &Page) -> Result<Vec<Waiting>, StoreError> {
        queue::waiting(&self.readers, page).await
    }

    async fn waiting_level(&self) -> Result<(u64, u64), StoreError> {
        queue::waiting_level(&self.readers).await
    }

    async fn lapsed(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let found =
            sqlx::query(select_registration!("WHERE r.expires_at <= ?1 ORDER BY r.expires_at LIMIT ?2"))
                .bind(now.0)
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
        Ok(registrations(&found))
    }

    async fn revocable(&self, now: Timestamp, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let found = sqlx::query(select_registration!(
            "WHERE r.revoke_at IS NOT NULL AND r.revoke_at <= ?1 ORDER BY r.revoke_at LIMIT ?2"
        ))
        .bind(now.0)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(registrations(&found))
    }

    async fn events(&self, after: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        queue::events(&self.readers, after, limit).await
    }

    async fn last_event(&self) -> Result<i64, StoreError> {
        queue::last_event(&self.readers).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.database.check_writable().await.map_err(StoreError::Unavailable)
    }

    async fn close(&self) {
        self.database.close().await;
    }

    async fn insert(&self, new: Vec<NewCredential>) -> Result<(), StoreError> {
        let keys = Arc::clone(&self.keys);
        let sealed = tokio::task::spawn_blocking(move || credentials::seal(&keys, new))
            .await
            .map_err(|e| StoreError::Database(format!("sealing was cut short: {e}")))??;
        let tick = self.numbers.base();
        let keys = Arc::clone(&self.keys);
        let insert = async move |tx: &mut SqliteConnection| {
            let mut sealed = sealed;
            // A newer key may have begun to seal since; once this process has said so, nothing is stored with an older one.
            credentials::seal_with_newest(&keys, &mut sealed)?;
            credentials::insert(tx, &sealed, tick, Timestamp::now()).await
        };
        self.database.transact(insert).await
    }

    async fn existing(&self, imsis: &[Imsi]) -> Result<Vec<Imsi>, StoreError> {
        credentials::existing(&self.readers, imsis).await
    }

    async fn credential(&self, imsi: Imsi) -> Result<Option<Credential>, StoreError> {
        credentials::one(&self.readers, &self.keys, imsi).await
    }

    async fn credentials(
        &self,
        filter: &CredentialFilter,
        page: &Page,
    ) -> Result<Vec<Credential>, StoreError> {
        credentials::list(&self.readers, &self.keys, filter, page).await
    }

    async fn count(&self, filter: &CredentialFilter) -> Result<u64, StoreError> {
        credentials::count(&self.readers, filter).await
    }

    async fn update(
        &self,
        imsi: Imsi,
        version: Option<i64>,
        patch: CredentialPatch,
        send: Vec<Outgoing>,
    ) -> Result<Credential, StoreError> {
        let keys = Arc::clone(&self.keys);
        let update = async move |tx: &mut SqliteConnection| {
            credentials::update(tx, &keys, imsi, version, patch, &send, Timestamp::now()).await
        };
        self.database.transact(update).await
    }

    async fn delete(&self, imsi: Imsi, version: Option<i64>, send: Vec<Outgoing>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        credentials::delete(&mut tx, imsi, version, &send, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn profile(&self, name: &str) -> Result<Option<Profile>, StoreError> {
        Ok(profiles::by_name(&self.readers, name).await?.map(|(_, profile)| profile))
    }

    async fn profiles(&self) -> Result<Vec<Profile>, StoreError> {
        profiles::all(&self.readers).await
    }

    async fn put_profile(
        &self,
        profile: Profile,
        version: Option<i64>,
        send: Vec<Outgoing>,
    ) -> Result<Profile, StoreError> {
        let mut tx = self.write().await?;
        let stored = profiles::put(&mut tx, profile, version, &send, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(stored)
    }

    async fn delete_profile(&self, name: &str, version: Option<i64>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        profiles::delete(&mut tx, name, version, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn registration(&self, imsi: Imsi) -> Result<Vec<Registration>, StoreError> {
        let found = sqlx::query(select_registration!("WHERE r.imsi = ?1 ORDER BY r.kind"))
            .bind(rows::code(imsi))
            .fetch_all(&self.readers)
            .await?;
        Ok(registrations(&found))
    }

    async fn registrations(&self, page: &Page) -> Result<Vec<Registration>, StoreError> {
        // A page ends after an IMSI, so one that is registered twice is not torn apart.
        let found = sqlx::query(select_registration!(
            "WHERE r.imsi IN (SELECT DISTINCT imsi FROM registration WHERE imsi > ?1 ORDER BY imsi LIMIT ?2) \
             ORDER BY r.imsi, r.kind"
        ))
        .bind(after_imsi(page)?)
        .bind(page.limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(registrations(&found))
    }

    async fn registrations_of_profile(&self, profile: &str) -> Result<Vec<Registration>, StoreError> {
        let found = sqlx::query(select_registration!(
            "CROSS JOIN credential c ON c.imsi = r.imsi \
             WHERE c.profile_id = (SELECT id FROM profile WHERE name = ?1) ORDER BY r.imsi, r.kind"
        ))
        .bind(profile)
        .fetch_all(&self.readers)
        .await?;
        Ok(registrations(&found))
    }

    async fn cancel(&self, imsi: Imsi, send: Vec<Outgoing>) -> Result<bool, StoreError> {
        let (mut tx, now) = (self.write().await?, Timestamp::now());
        let gone = sqlx::query("DELETE FROM registration WHERE imsi = ?1")
            .bind(rows::code(imsi))
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if gone > 0 {
            credentials::finish(&mut tx, imsi, "cancelled", &send, now).await?;
        }
        tx.commit().await?;
        Ok(gone > 0)
    }

    async fn put_batch(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        journal::put_batch(&mut tx, &batch).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn batch(&self, id: &str) -> Result<Option<Batch>, StoreError> {
        journal::batch(&self.readers, id).await
    }

    async fn batches(&self, page: &Page) -> Result<Vec<Batch>, StoreError> {
        journal::batches(&self.readers, page).await
    }

    async fn add_vectors(&self, imsi: Imsi, vectors: Vec<PooledVector>) -> Result<u64, StoreError> {
        let (mut tx, now) = (self.write().await?, Timestamp::now());
        let added = vectors::add(&mut tx, &self.keys, imsi, &vectors).await?;
        let event =
            Event { kind: "vectors-added".into(), imsi: Some(imsi), detail: json!({ "count": added }) };
        queue::tell(&mut tx, &[event], now).await?;
        tx.commit().await?;
        Ok(added)
    }

    async fn pool_level(&self, imsi: Imsi) -> Result<Option<(u64, u64)>, StoreError> {
        vectors::level(&self.readers, imsi).await
    }

    async fn pools(&self, page: &Page) -> Result<Vec<(Imsi, u64, u64)>, StoreError> {
        vectors::levels(&self.readers, page).await
    }

    async fn audit(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), StoreError> {
        let entry = [who, action, target, outcome].map(str::to_owned);
        let audit = async move |tx: &mut SqliteConnection| {
            journal::audit(tx, entry.each_ref().map(String::as_str), Timestamp::now()).await
        };
        self.database.transact(audit).await
    }

    async fn audit_log(&self, page: &Page) -> Result<Vec<AuditEntry>, StoreError> {
        journal::audit_log(&self.readers, page).await
    }

    async fn kept_answer(&self, who: &str, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        journal::kept(&self.readers, who, key, Timestamp::now()).await
    }

    async fn keep_answer(&self, who: &str, key: &str, answer: KeptAnswer) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        journal::keep(&mut tx, who, key, &answer, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn rotate(&self, limit: u32) -> Result<u64, StoreError> {
        let mut progress = self.rotation.lock().await;
        let mut next = *progress;
        let mut tx = self.write().await?;
        let done = rotate::step(&mut tx, &self.keys, &mut next, limit.max(1)).await?;
        tx.commit().await?;
        *progress = next;
        Ok(done)
    }
}
