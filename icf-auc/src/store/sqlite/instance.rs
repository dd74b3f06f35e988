//! The row of an instance: taken, kept, given back. What it is for: [`crate::store::instance`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use service::database::{Alone, Database};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    model::Timestamp,
    store::{
        StoreError,
        instance::{InstanceLease, TAKE_OVER_AFTER, VALID_FOR},
        sealed::Keyring,
    },
};

/// How often a process that waits looks whether the holder has answered.
const WATCH_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);

/// What a claim begins with that asks only which key the holder seals with.
const KEY_QUESTION: &str = "key/";

/// An instance that this process has.
pub(super) struct Held {
    name: String,
    /// Random, of this process.
    holder: String,
    pub(super) lease: Arc<InstanceLease>,
    url: String,
    /// `None` while a process that was taken over from still has the lock.
    lock: Mutex<Option<Alone>>,
}

/// The row of an instance.
struct Holder {
    holder: String,
    host: String,
    boot: String,
    pid: i64,
    address: String,
    started_at: Timestamp,
    expires_at: Timestamp,
    beat: i64,
    claim: Option<String>,
    sealing_key: u32,
}

const SELECT: &str = "SELECT holder, host, boot, pid, address, started_at, expires_at, beat, claim, sealing_key \
                      FROM instance WHERE name = ?1";

impl Holder {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            holder: row.try_get(0)?,
            host: row.try_get(1)?,
            boot: row.try_get(2)?,
            pid: row.try_get(3)?,
            address: row.try_get(4)?,
            started_at: Timestamp(row.try_get(5)?),
            expires_at: Timestamp(row.try_get(6)?),
            beat: row.try_get(7)?,
            claim: row.try_get(8)?,
            sealing_key: row.try_get(9)?,
        })
    }

    /// Whether its lock file tells whether it runs: it is on this machine, or was before that was started again.
    fn is_here(&self, place: &Place) -> bool {
        self.host == place.host || self.boot == place.boot
    }

    fn shown(&self) -> String {
        format!("process {} on {} ({}), since {}", self.pid, self.host, self.address, self.started_at)
    }
}

/// Where this process runs.
struct Place {
    host: String,
    boot: String,
}

impl Place {
    fn here() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
        let host = read("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok());
        Self {
            host: host.unwrap_or_else(|| "this host".to_owned()),
            // Without one it equals no other.
            boot: read("/proc/sys/kernel/random/boot_id").unwrap_or_else(random_id),
        }
    }
}

/// 32 hexadecimal digits.
fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Becomes instance `name` of the database, or says who it is.
pub(super) async fn take(
    database: &Database,
    url: &str,
    keys: &Keyring,
    name: &str,
    address: &str,
) -> Result<Held, StoreError> {
    let place = Place::here();
    let me = random_id();
    let mut lock = Alone::try_named(url, &super::open::SCHEMA, name)?;
    let mut watched: Option<(Holder, Instant)> = None;
    let started = Instant::now();
    loop {
        let begun = Instant::now();
        let mut claim_again = false;
        let mut tx = database.write().await?;
        let row = sqlx::query(SELECT).bind(name).fetch_optional(&mut *tx).await?;
        let current = row.as_ref().map(Holder::read).transpose()?;
        let free = match (&current, &watched) {
            (None, _) => lock.is_some(),
            (Some(current), _) if lock.is_some() && current.is_here(&place) => true,
            // Nobody has answered our claim for long enough, and nobody else has claimed it since.
            (Some(current), Some((seen, since))) => {
                current.beat == seen.beat
                    && current.holder == seen.holder
                    && current.claim.as_deref() == Some(&me)
                    && since.elapsed() >= TAKE_OVER_AFTER
            }
            (Some(_), None) => false,
        };
        if free {
            if let Some(current) = current.as_ref() {
                tracing::warn!(
                    instance = name,
                    from = current.shown(),
                    "taken over from a process that is gone or stopped"
                );
            }
            put(&mut tx, name, &me, &place, address, keys.newest_id()).await?;
            tx.commit().await?;
            let lease = Arc::new(InstanceLease::since(begun));
            return Ok(Held {
                name: name.to_owned(),
                holder: me,
                lease,
                url: url.to_owned(),
                lock: Mutex::new(lock),
            });
        }
        match (current, &watched) {
            // The process that has the lock is about to write its row, or has just removed it.
            (None, _) if started.elapsed() < TAKE_OVER_AFTER * 2 => drop(tx),
            (None, _) => {
                return Err(StoreError::InstanceTaken(format!(
                    "icf.instance {name:?} of this database: a process that has its lock file neither goes on nor ends; \
                     stop it, or give this one a name of its own (icf.instance)"
                )));
            }
            (Some(current), None) => {
                sqlx::query("UPDATE instance SET claim = ?2 WHERE name = ?1")
                    .bind(name)
                    .bind(&me)
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                tracing::warn!(
                    instance = name,
                    holder = current.shown(),
                    "waiting up to {} s whether that process answers",
                    TAKE_OVER_AFTER.as_secs()
                );
                watched = Some((current, Instant::now()));
            }
            (Some(current), Some((seen, _))) => {
                drop(tx);
                let other = current.claim.as_deref().filter(|claim| *claim != me);
                let asked = other.is_some_and(|claim| claim.starts_with(KEY_QUESTION));
                let taken = current.holder != seen.holder || (other.is_some() && !asked);
                if current.beat != seen.beat || taken {
                    return Err(StoreError::InstanceTaken(refusal(name, &current)));
                }
                claim_again = asked;
            }
        }
        if claim_again {
            watched = None;
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
        if lock.is_none() {
            lock = Alone::try_named(url, &super::open::SCHEMA, name)?;
        }
    }
}

fn refusal(name: &str, holder: &Holder) -> String {
    format!(
        "icf.instance {name:?} of this database belongs to {}, and its lease lasts until {} at least. Two with one name \
         would use the same INDs, and USIMs would refuse the vectors of either (TS 33.102 §C.1.2): stop that process, or \
         give this one a name of its own (icf.instance)",
        holder.shown(),
        holder.expires_at
    )
}

async fn put(
    conn: &mut SqliteConnection,
    name: &str,
    me: &str,
    place: &Place,
    address: &str,
    sealing_key: u32,
) -> Result<(), StoreError> {
    let now = Timestamp::now();
    sqlx::query(
        "INSERT INTO instance (name, holder, host, boot, pid, address, started_at, renewed_at, expires_at, beat, \
         claim, sealing_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, 1, NULL, ?9) \
         ON CONFLICT (name) DO UPDATE SET holder = ?2, host = ?3, boot = ?4, pid = ?5, address = ?6, started_at = ?7, \
         renewed_at = ?7, expires_at = ?8, beat = beat + 1, claim = NULL, sealing_key = ?9",
    )
    .bind(name)
    .bind(me)
    .bind(&place.host)
    .bind(&place.boot)
    .bind(std::process::id())
    .bind(address)
    .bind(now.0)
    .bind(expires(now).0)
    .bind(sealing_key)
    .execute(conn)
    .await?;
    Ok(())
}

fn expires(now: Timestamp) -> Timestamp {
    now.plus(VALID_FOR.as_secs().cast_signed())
}

/// Asks every process that is an instance of the database which key it seals with, and gives those that do not seal
/// with the newest of `keys`, as they are to be shown.
pub(super) async fn sealing_with_older_keys(
    database: &Database,
    url: &str,
    keys: &Keyring,
) -> Result<Vec<String>, StoreError> {
    let place = Place::here();
    let ask = format!("{KEY_QUESTION}{}", random_id());
    let mut tx = database.write().await?;
    let names: Vec<(String,)> = sqlx::query_as("SELECT name FROM instance").fetch_all(&mut *tx).await?;
    let mut asked = Vec::new();
    for (name,) in names {
        let row = sqlx::query(SELECT).bind(&name).fetch_one(&mut *tx).await?;
        let holder = Holder::read(&row)?;
        // Where its lock is free the process is gone.
        let locked = Alone::try_named(url, &super::open::SCHEMA, &name)?.is_none();
        if holder.is_here(&place) && !locked {
            continue;
        }
        sqlx::query("UPDATE instance SET claim = ?2 WHERE name = ?1")
            .bind(&name)
            .bind(&ask)
            .execute(&mut *tx)
            .await?;
        asked.push((name, holder, locked));
    }
    tx.commit().await?;
    let since = Instant::now();
    let mut lagging = Vec::new();
    while let Some((name, seen, locked)) = asked.pop() {
        let row = sqlx::query(SELECT).bind(&name).fetch_optional(&database.readers).await?;
        let Some(now) = row.as_ref().map(Holder::read).transpose()? else { continue };
        // It answers by a beat; it reads its keys again within the same look, or the next.
        if now.beat != seen.beat && now.sealing_key >= keys.newest_id() {
            continue;
        }
        if since.elapsed() < TAKE_OVER_AFTER {
            asked.push((name, seen, locked));
            tokio::time::sleep(WATCH_INTERVAL).await;
            continue;
        }
        let shown = now.shown();
        if now.beat != seen.beat {
            lagging.push(format!("{name:?}, {shown}, seals with at-rest key {}", now.sealing_key));
        } else if locked {
            lagging.push(format!("{name:?}, {shown}, does not answer"));
        }
    }
    Ok(lagging)
}

impl Held {
    /// Looks whether this process is the holder still, and answers who has claimed the instance.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if it is not; the database's, and then the lease goes on to end.
    pub(super) async fn renew(&self, database: &Database, keys: &Keyring) -> Result<(), StoreError> {
        let begun = Instant::now();
        database.follow_keys(keys).await?;
        let row = sqlx::query(SELECT).bind(&self.name).fetch_optional(&database.readers).await?;
        let current = row.as_ref().map(Holder::read).transpose()?;
        let Some(current) = current.filter(|current| current.holder == self.holder) else {
            return Err(self.lost());
        };
        let same_key = current.sealing_key == keys.newest_id();
        if current.claim.is_none() {
            self.lease.extend(begun);
        }
        if current.claim.is_some() || !same_key {
            let now = Timestamp::now();
            let mut tx = database.write().await?;
            let done = sqlx::query(
                "UPDATE instance SET beat = beat + 1, claim = NULL, renewed_at = ?3, expires_at = ?4, sealing_key = ?5 \
                 WHERE name = ?1 AND holder = ?2",
            )
            .bind(&self.name)
            .bind(&self.holder)
            .bind(now.0)
            .bind(expires(now).0)
            .bind(keys.newest_id())
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Err(self.lost());
            }
            tx.commit().await?;
            self.lease.extend(begun);
        }
        self.lock_again();
        Ok(())
    }

    /// A process that was taken over from has ended by now, perhaps, and its lock is free.
    fn lock_again(&self) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none()
            && let Ok(free) = Alone::try_named(&self.url, &super::open::SCHEMA, &self.name)
        {
            *lock = free;
        }
    }

    fn lost(&self) -> StoreError {
        self.lease.lose();
        StoreError::LeaseLost(self.name.clone())
    }

    /// Sees inside of a transaction that nobody has taken over: what it reserves is not to be reserved by a process that
    /// was stopped for so long that another took its place.
    pub(super) async fn verify(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let holder: Option<(String,)> = sqlx::query_as("SELECT holder FROM instance WHERE name = ?1")
            .bind(&self.name)
            .fetch_optional(conn)
            .await?;
        match holder {
            Some((holder,)) if holder == self.holder => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// Gives the instance back, at an orderly end.
    pub(super) async fn release(&self, database: &Database) -> Result<(), StoreError> {
        self.lease.lose();
        let deleted = sqlx::query("DELETE FROM instance WHERE name = ?1 AND holder = ?2")
            .bind(&self.name)
            .bind(&self.holder)
            .execute(&database.writer)
            .await;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        deleted.map(drop).map_err(StoreError::from)
    }
}

impl SqliteStore {
    /// Asks every ICF that works with the database which at-rest key it seals with, and gives those that do not seal with
    /// the newest one, to be shown to a person. One that runs learns of a newer key within seconds, if its key file has it.
    ///
    /// # Errors
    /// The database's.
    pub async fn sealing_with_older_keys(&self) -> Result<Vec<String>, StoreError> {
        sealing_with_older_keys(&self.database, &self.url, &self.keys).await
    }
}
