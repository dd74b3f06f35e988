//! Opening a database: what can be wrong with it is said here, with what to do.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Database, DatabaseError, Schema, explain, group::Group};

/// How long a statement waits for another process to let go of its lock.
const BUSY: Duration = Duration::from_secs(10);
/// How long an operation waits for its turn.
const TURN: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
const PAGE: u32 = 4096;
/// The highest three octets of the `application_id` of every role's file: "Cal".
const OURS: i64 = 0x43_61_6c;

fn migrator(schema: &Schema) -> Migrator {
    let migrations = schema.migrations.iter().zip(1..).map(|((name, sql), version)| {
        Migration::new(version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// What a URL says, if it can be used.
fn parse(url: &str, schema: &Schema) -> Result<SqliteConnectOptions, DatabaseError> {
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
    check_file(&file).map_err(about)?;

    let common = parsed
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let pages = max_bytes.map_or(u64::from(u32::MAX - 1), |octets| octets.div_ceil(u64::from(PAGE)));
    let write = common
        .clone()
        .create_if_missing(true)
        .page_size(PAGE)
        // What is deleted is overwritten where that costs no further write.
        .pragma("secure_delete", "FAST")
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("temp_store", "MEMORY")
        .pragma("max_page_count", pages.to_string());
    let writer = pool(1).connect_with(write).await.map_err(failed)?;
    let version = version(&writer, schema).await.map_err(failed)?;
    match version {
        Version::Sibling => {
            return Err(about(format!(
                "the database of another of callhome's roles, and each has a file of its own; check database.url, \
                 as {}",
                schema.example
            )));
        }
        Version::Other => {
            return Err(about("a SQLite database, but not one of callhome's; check database.url".into()));
        }
        Version::Known(version) if version > schema.version() => {
            return Err(about(format!(
                "is of schema version {version}, this callhome knows up to {}: run the newer callhome that wrote \
                 it, or restore the backup taken before that was installed",
                schema.version()
            )));
        }
        Version::New | Version::Known(_) => {}
    }
    migrator(schema).run(&writer).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        other => about(format!("its schema cannot be brought up to date: {other}")),
    })?;
    let readers = pool(READERS).connect_lazy_with(common.read_only(true).pragma("cache_size", "-16384"));
    let group = Group::start(writer.clone()).map_err(|e| failed(sqlx::Error::Io(e)))?;
    Ok(Database { writer, readers, group, new: matches!(version, Version::New), path })
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

#[derive(Debug, Clone, Copy)]
enum Version {
    New,
    Known(i64),
    Sibling,
    Other,
}

async fn version(pool: &SqlitePool, schema: &Schema) -> Result<Version, sqlx::Error> {
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(pool)
    .await?;
    if tables == 0 {
        return Ok(Version::New);
    }
    if application != schema.application_id {
        // Killed before its first migration: sqlx's own table is there, and nothing in it.
        let (others,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'")
                .fetch_one(pool)
                .await?;
        return Ok(match others {
            0 => Version::New,
            _ if application >> 8 == OURS => Version::Sibling,
            _ => Version::Other,
        });
    }
    let (version,): (i64,) =
        sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?;
    Ok(Version::Known(version))
}
