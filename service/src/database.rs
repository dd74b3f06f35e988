//! A role's SQLite file: one connection writes, a few read beside it (WAL). What is committed survives a kill -9 and
//! a power failure.

mod alone;
mod backup;
mod create;
mod error;
mod group;
mod inspect;
mod open;
mod restore;
mod rows;
mod seal_anew;
mod status;
mod transaction;

use std::{path::Path, time::Duration};

use sqlx::{SqliteConnection, SqlitePool};

pub use alone::{Alone, SharedLock};
pub use backup::{BackupReport, backup};
pub use error::{DatabaseError, explain, is_temporary, problem, unavailable};
pub use inspect::Inspection;
pub use restore::{Restored, present_schema, restore, schema_of};
pub(crate) use rows::count_unreadable;
pub use rows::{ReadablePage, readable, readable_rows};
pub use seal_anew::SealedColumn;
pub use transaction::WriteTransaction;

use crate::sealed::{Keyring, Place};

/// What a role keeps, and how its file is told from others.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// `PRAGMA application_id`, which the first migration sets; each role has its own.
    pub application_id: i64,
    /// Name and SQL of each migration, in order; append-only: what was released is never edited.
    pub migrations: &'static [(&'static str, &'static str)],
    /// A URL to show to those who wrote a wrong one, as `sqlite:///var/lib/callhome/drf.db`.
    pub example: &'static str,
}

impl Schema {
    /// The newest schema version that this program knows: how many migrations there are.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.migrations.len() as i64
    }
}

/// SQL that a migration may begin with: the table that [`Database::check_keys`] needs.
pub const AT_REST_KEY: &str = include_str!("database/at_rest_key.sql");

/// An open database; a clone is another handle to the same.
#[derive(Clone)]
pub struct Database {
    /// The one connection that writes; see [`write`](Self::write).
    pub writer: SqlitePool,
    /// Connections that only read, beside the writer, what is committed.
    pub readers: SqlitePool,
    group: group::Group,
    status: status::WriteStatus,
    path: String,
    new: bool,
}

/// How long connections in use are waited for when a database is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

impl Database {
    /// Opens `url` (`sqlite:///var/lib/callhome/drf.db`), creating the file for its owner only where there is none,
    /// and brings an older schema up to date. WAL, `synchronous=FULL`, foreign keys on.
    ///
    /// # Errors
    /// Naming the file and what to do: no permission, not a database or not this role's, of a newer schema.
    pub async fn open(url: &str, schema: &Schema) -> Result<Self, DatabaseError> {
        Self::open_limited(url, schema, None).await
    }

    /// As [`open`](Self::open); the file grows to `max_bytes` octets at most, rounded up to 4,096, `None`: as large as
    /// the disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_limited(
        url: &str,
        schema: &Schema,
        max_bytes: Option<u64>,
    ) -> Result<Self, DatabaseError> {
        open::open(url, schema, max_bytes).await
    }

    /// A transaction that has the write lock from its start, so that what it reads cannot change before it writes,
    /// whoever else has the file open. Dropped, it rolls back.
    ///
    /// # Errors
    /// If the lock cannot be had.
    pub async fn write(&self) -> Result<WriteTransaction, sqlx::Error> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        match begun {
            Ok(transaction) => Ok(WriteTransaction::new(transaction, self.status.clone())),
            Err(error) => self.status.observe(Err(error)),
        }
    }

    /// Runs `work` in a transaction that it shares with whatever else is to be written meanwhile, and returns when that is
    /// durable. An error of `work` takes back what `work` has written, and nothing else. This is for what happens often: a
    /// hundred callers wait for one disk, not for a hundred times one.
    ///
    /// `work` runs on the thread that writes: it makes statements, and takes no time. It must not [`write`](Self::write)
    /// or transact itself, which would wait for its own end. If the caller goes away it is run to its end or not at all.
    ///
    /// # Errors
    /// Those of `work`; that the transaction cannot be had or made durable, and then nothing is changed.
    pub async fn transact<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
        W: AsyncFnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    {
        self.group.transact(work).await
    }

    /// Sees whether reading and writing works.
    ///
    /// # Errors
    /// Why not: a full disk, a lost permission, a damaged file.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&self.readers).await?;
        let mut tx = self.write().await?;
        // A write that changes nothing still needs room and permission.
        sqlx::query("UPDATE _sqlx_migrations SET success = success WHERE version = 1")
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sees whether reading and writing works, for `/readyz`.
    ///
    /// # Errors
    /// What fails, for people: the file, the operation, and what the operating system says.
    pub async fn check_writable(&self) -> Result<(), String> {
        let written = self.ping().await;
        // What the log had room for before, it has room for on a full disk, too: a file of its own tells.
        let system = status::system_error(Path::new(&self.path).to_owned()).await;
        let reasons = [written.err().map(|error| error.to_string()), system];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        if reasons.is_empty() { Ok(()) } else { Err(format!("{}: {}", self.path, reasons.join("; "))) }
    }

    /// Adds the counters of failed writes and of rows that cannot be read to those that `/metrics` shows.
    ///
    /// # Errors
    /// If the registry has them already.
    pub fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        self.status.register(registry)?;
        rows::register(registry)
    }

    /// The file, as the URL names it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether there was none before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Sees that every key that something here is sealed with is in `keys` and is that key; notes a new one. The
    /// schema has to have the table of [`AT_REST_KEY`].
    ///
    /// # Errors
    /// Which key is missing or another one.
    pub async fn check_keys(&self, keys: &Keyring) -> Result<(), DatabaseError> {
        let wrong = |source| DatabaseError::WrongKey { path: self.path.clone(), source };
        let stored: Vec<(u32, Vec<u8>)> =
            sqlx::query_as("SELECT id, sealed FROM at_rest_key").fetch_all(&self.writer).await?;
        for (id, sealed) in &stored {
            keys.open(key_place(id), sealed).map_err(wrong)?;
        }
        let newest = keys.newest_id();
        if !stored.iter().any(|(id, _)| *id == newest) {
            let sealed = keys.seal(key_place(&newest), b"callhome")?;
            sqlx::query("INSERT INTO at_rest_key (id, sealed) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                .bind(newest)
                .bind(sealed)
                .execute(&self.writer)
                .await?;
        }
        Ok(())
    }

    /// Reads the keys again from where they came if this database has been told of a newer one than they are: from then on
    /// that one seals. Gives whether it does now. To be called every few seconds by a process that seals.
    ///
    /// # Errors
    /// The database's.
    pub async fn follow_keys(&self, keys: &Keyring) -> Result<bool, DatabaseError> {
        let (told,): (Option<u32>,) =
            sqlx::query_as("SELECT max(id) FROM at_rest_key").fetch_one(&self.readers).await?;
        let newer = |told: u32| told > keys.newest_id();
        if !told.is_some_and(newer) || !keys.refresh() {
            return Ok(false);
        }
        tracing::info!(key = keys.newest_id(), "a newer at-rest key seals from now on");
        Ok(true)
    }

    /// Moves what is in the write-ahead log into the file, empties the log, and ends all connections. What was committed
    /// is durable before and after; connections that are in use are waited for, five seconds at most.
    pub async fn close(&self) {
        let close = async {
            self.readers.close().await;
            // Busy: another process reads or writes; the last one to close does it.
            if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await {
                tracing::warn!(path = self.path, error = explain(&error), "the write-ahead log stays");
            }
            self.writer.close().await;
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, close).await.is_err() {
            tracing::warn!(path = self.path, "the database was in use when it was to be closed");
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.path)
    }
}

/// Where the value is sealed that shows whether a key is the right one.
fn key_place(id: &u32) -> Place<'_> {
    Place { column: "at_rest_key/sealed", row: id }
}

#[cfg(test)]
pub(crate) mod tests;
