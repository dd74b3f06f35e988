//! Opening a database: what can be wrong with it is said here, with what to do.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Database, DatabaseError, Schema,
    create::{self, OpenLock, Present},
    explain,
    group::Group,
    status::WriteStatus,
};

/// How long a statement waits for another process to let go of its lock.
const BUSY: Duration = Duration::from_secs(10);
/// How long an operation waits for its turn.
const TURN: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
pub(super) const PAGE: u32 = 4096;
/// The highest three octets of the `application_id` of every role's file: "Cal".
const OURS: i64 = 0x43_61_6c;

fn migrator(schema: &Schema) -> Migrator {
    let migrations = schema.migrations.iter().zip(1..).map(|((name, sql), version)| {
        Migration::new(version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// What a URL says, if it can be used.
pub(super) fn parse(url: &str, schema: &Schema) -> Result<SqliteConnectOptions, DatabaseError> {
    let wrong = |problem: String| DatabaseError::Url { url: url.to_owned(), problem };
    if !url.starts_with("sqlite:") {
        return Err(wrong(format!("only SQLite is known; write it as {}", schema.example)));
    }
    let parsed = SqliteConnectOptions::from_str(url)
        .map_err(|error| wrong(format!("{error}; write it as {}", schema.example)))?;
    if parsed.get_filename().as_os_str().is_empty() || url.contains(":memory:") || url.contains("mode=memory")
    {
        return Err(wrong("a file is needed, nothing lasts in memory".to_owned()));
    }
    Ok(parsed)
}

/// The file that a URL names.
pub(super) fn file_of(url: &str, schema: &Schema) -> Result<PathBuf, DatabaseError> {
    Ok(parse(url, schema)?.get_filename().to_owned())
}

pub(super) async fn open(
    url: &str,
    schema: &Schema,
    max_bytes: Option<u64>,
) -> Result<Database, DatabaseError> {
    let parsed = parse(url, schema)?;
    let file = parsed.get_filename().to_owned();
    let path = file.display().to_string();
    let about = |problem: String| DatabaseError::File { path: path.clone(), problem };
    let failed = |error: sqlx::Error| about(explain(&error));

    let common = parsed
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let pages = max_bytes.map_or(u64::from(u32::MAX - 1), |octets| octets.div_ceil(u64::from(PAGE)));
    let write = common
        .clone()
        .create_if_missing(false)
        .page_size(PAGE)
        // What is deleted is overwritten where that costs no further write.
        .pragma("secure_delete", "FAST")
        // KiB, as the readers' below: together they bound the memory that the pages take.
        .pragma("cache_size", "-16384")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "MEMORY")
        .pragma("max_page_count", pages.to_string());
    // Several processes may come at once; one creates it, the others find it.
    create::check_folder(&file).map_err(about)?;
    let lock = OpenLock::take(&file).await.map_err(about)?;
    let new = create::look(&file).map_err(about)? == Present::Nothing;
    if new {
        create(&file, write.clone(), schema).await?;
    }
    let status = WriteStatus::new(&path).map_err(|error| about(error.to_string()))?;
    let writer = writers(status.clone()).connect_with(write).await.map_err(failed)?;
    let version = version(&writer, schema).await.map_err(failed)?;
    create::check_length(&file, PAGE.into()).map_err(about)?;
    usable(version, schema).map_err(about)?;
    match version {
        Version::Known(version) if version == schema.version() => {}
        _ => migrate(&writer, schema).await.map_err(about)?,
    }
    drop(lock);
    // One reader is there always: while a connection is open, SQLite keeps what it knows of the log, and a transaction
    // that failed does not come back when the writer is opened anew.
    let readers = pool(READERS).connect_with(common.read_only(true).pragma("cache_size", "-4096"));
    let readers = readers.await.map_err(failed)?;
    let group = Group::start(writer.clone(), status.clone()).map_err(|e| failed(sqlx::Error::Io(e)))?;
    Ok(Database { writer, readers, group, status, new, path })
}

/// Makes the file with all its tables under another name, then gives it its own: a process that is killed leaves nothing
/// half-made.
async fn create(file: &Path, write: SqliteConnectOptions, schema: &Schema) -> Result<(), DatabaseError> {
    let about = |problem: String| DatabaseError::File { path: file.display().to_string(), problem };
    let cannot = |error: std::io::Error| {
        about(format!(
            "cannot be made ({error}); the folder has to exist, have room, and callhome's user has to be allowed to \
             write in it"
        ))
    };
    let draft = create::draft(file).map_err(cannot)?;
    let writer = pool(1).connect_with(write.filename(&draft)).await;
    let writer = writer.map_err(|error| about(explain(&error)))?;
    migrate(&writer, schema).await.map_err(about)?;
    // The last connection moves the log into the file, and removes it.
    writer.close().await;
    create::publish(&draft, file).map_err(cannot)
}

/// Brings the schema up to date, in one transaction: all of it or nothing.
async fn migrate(writer: &SqlitePool, schema: &Schema) -> Result<(), String> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| explain(&error))?;
    migrator(schema).run_direct(None, &mut *transaction, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => explain(&error),
        other => format!("its schema cannot be brought up to date: {other}"),
    })?;
    transaction.commit().await.map_err(|error| explain(&error))
}

/// The one connection that writes. A connection that a write failed on is closed, and another one opened. So is one whose
/// transaction ended otherwise than by COMMIT or ROLLBACK: SQLite takes back a transaction by itself when the disk is full
/// or reports an error, and sqlx, which counts, would refuse every further BEGIN.
fn writers(status: WriteStatus) -> SqlitePoolOptions {
    pool(1).before_acquire(move |connection, _| {
        let usable = !status.take_reopen() && !connection.is_in_transaction();
        Box::pin(async move { Ok(usable) })
    })
}

/// Whether a file of this version can be worked with.
pub(super) fn usable(version: Version, schema: &Schema) -> Result<(), String> {
    match version {
        Version::Sibling => Err(format!(
            "the database of another of callhome's roles, and each has a file of its own; check database.url, as {}",
            schema.example
        )),
        Version::Other => Err("a SQLite database, but not one of callhome's; check database.url".into()),
        Version::Known(version) if version > schema.version() => Err(format!(
            "is of schema version {version}, this callhome knows up to {}: run the newer callhome that wrote it, or \
             restore the backup taken before that was installed",
            schema.version()
        )),
        Version::Empty => Err(
            "a SQLite database without a table, so it is not the one that was there: restore a backup, or remove the \
             file if a new database is to be made"
                .into(),
        ),
        Version::Unfinished | Version::Known(_) => Ok(()),
    }
}

pub(super) fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Version {
    /// No table at all.
    Empty,
    /// Nothing but sqlx's own table: an earlier callhome was killed before its first migration.
    Unfinished,
    Known(i64),
    Sibling,
    Other,
}

pub(super) async fn version(pool: &SqlitePool, schema: &Schema) -> Result<Version, sqlx::Error> {
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(pool)
    .await?;
    if tables == 0 {
        return Ok(Version::Empty);
    }
    if application != schema.application_id {
        let (others,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'")
                .fetch_one(pool)
                .await?;
        return Ok(match others {
            0 => Version::Unfinished,
            _ if application >> 8 == OURS => Version::Sibling,
            _ => Version::Other,
        });
    }
    let (version,): (i64,) =
        sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?;
    Ok(Version::Known(version))
}
