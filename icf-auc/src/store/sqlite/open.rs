//! Opening a database: what can be wrong with it is said here, with what to do.

use std::{path::Path, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::error::explain;
use crate::store::{
    StoreError,
    sealed::{Keyring, Place},
};

/// The migrations, in order; append-only.
const MIGRATIONS: &[(&str, &str)] = &[
    ("request path", include_str!("../../../../schemas/migrations/sqlite/0001_request_path.sql")),
    ("administration", include_str!("../../../../schemas/migrations/sqlite/0002_administration.sql")),
    ("batch terms", include_str!("../../../../schemas/migrations/sqlite/0003_batch_terms.sql")),
];

/// `PRAGMA application_id` of migration 1.
const APPLICATION_ID: i64 = 0x4361_6c6c;
/// How long a statement waits for another process to let go of its lock.
const BUSY: Duration = Duration::from_secs(10);
/// How long an operation waits for its turn.
const TURN: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
const PAGE: u64 = 4096;

/// The newest schema version that this program knows.
#[must_use]
pub fn schema_version() -> i64 {
    MIGRATIONS.len() as i64
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().zip(1..).map(|((name, sql), version)| {
        Migration::new(version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Connections to an opened database.
pub(super) struct Opened {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    pub(super) path: String,
    /// There was none before.
    pub(super) new: bool,
}

/// Opens or creates the database and brings its schema up to date.
pub(super) async fn open(url: &str, max_bytes: Option<u64>) -> Result<Opened, StoreError> {
    if !url.starts_with("sqlite:") {
        return Err(StoreError::Database(format!(
            "database.url {url:?}: only SQLite is known; write it as sqlite:///var/lib/callhome/icf.db"
        )));
    }
    let parsed = SqliteConnectOptions::from_str(url).map_err(|e| {
        StoreError::Database(format!(
            "database.url {url:?}: {e}; write it as sqlite:///var/lib/callhome/icf.db"
        ))
    })?;
    let file = parsed.get_filename().to_owned();
    let path = file.display().to_string();
    let about = |what: String| StoreError::Database(format!("{path}: {what}"));
    let failed = |error: sqlx::Error| about(explain(&error));
    if path.is_empty() || url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Database(format!(
            "database.url {url:?}: a file is needed, nothing lasts in memory"
        )));
    }
    check_file(&file).map_err(about)?;

    let common = parsed
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let write = common
        .clone()
        .create_if_missing(true)
        .page_size(PAGE as u32)
        // What is deleted is overwritten where that costs no further write.
        .pragma("secure_delete", "FAST")
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "MEMORY")
        .pragma(
            "max_page_count",
            max_bytes.map_or(u64::from(u32::MAX - 1), |b| b.div_ceil(PAGE)).to_string(),
        );
    let writer = pool(1).connect_with(write).await.map_err(failed)?;
    let version = version(&writer).await.map_err(failed)?;
    match version {
        Version::Other => {
            return Err(about("a SQLite database, but not one of callhome's; check database.url".into()));
        }
        Version::Known(version) if version > schema_version() => {
            return Err(about(format!(
                "is of schema version {version}, this callhome knows up to {}: run the newer callhome that wrote \
                 it, or restore the backup taken before that was installed",
                schema_version()
            )));
        }
        Version::New | Version::Known(_) => {}
    }
    migrator().run(&writer).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => about(format!("its schema cannot be brought up to date: {other}")),
    })?;
    let readers = pool(READERS).connect_lazy_with(common.read_only(true).pragma("cache_size", "-16384"));
    Ok(Opened { writer, readers, path, new: matches!(version, Version::New) })
}

fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Creates the file, for its owner only: its journal gets the same permissions.
fn check_file(file: &Path) -> Result<(), String> {
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty())
        && !folder.is_dir()
    {
        return Err(format!("the folder {} does not exist; create it for callhome's user", folder.display()));
    }
    if file.is_dir() {
        return Err("is a folder; database.url has to name a file in it".into());
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop).map_err(|e| {
        format!("cannot be opened for writing ({e}); give callhome's user write permission to the file and its folder")
    })
}

enum Version {
    New,
    Known(i64),
    Other,
}

async fn version(pool: &SqlitePool) -> Result<Version, sqlx::Error> {
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(pool)
    .await?;
    if tables == 0 {
        return Ok(Version::New);
    }
    if application != APPLICATION_ID {
        // Killed before its first migration: sqlx's own table is there, and nothing in it.
        let (others,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'")
                .fetch_one(pool)
                .await?;
        return Ok(if others == 0 { Version::New } else { Version::Other });
    }
    let (version,): (i64,) =
        sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?;
    Ok(Version::Known(version))
}

/// Where the value is sealed that shows whether a key is the right one.
fn check_place(id: &u32) -> Place<'_> {
    Place { column: "at_rest_key/sealed", row: id }
}

/// Sees that every key that something is sealed with is there and is that key; notes a new one.
pub(super) async fn check_keys(opened: &Opened, keys: &Keyring) -> Result<(), StoreError> {
    let about = |error: String| StoreError::Sealed(format!("{}: {error}", opened.path));
    let stored: Vec<(u32, Vec<u8>)> =
        sqlx::query_as("SELECT id, sealed FROM at_rest_key").fetch_all(&opened.writer).await?;
    for (id, sealed) in &stored {
        keys.open(check_place(id), sealed).map_err(|error| about(error.to_string()))?;
    }
    let newest = keys.newest_id();
    if !stored.iter().any(|(id, _)| *id == newest) {
        let sealed = keys.seal(check_place(&newest), b"callhome")?;
        sqlx::query("INSERT INTO at_rest_key (id, sealed) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(newest)
            .bind(sealed)
            .execute(&opened.writer)
            .await?;
    }
    Ok(())
}
