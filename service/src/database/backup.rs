//! A copy of a database while it is in use.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    str::FromStr,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    DatabaseError,
    create::{beside, private, sync_folder},
    explain, key_place,
};
use crate::sealed::Keyring;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// Size of the copy, octets.
    pub octets: u64,
    /// How many at-rest keys it is sealed with; 0 where nothing is sealed, or no keys were given to compare.
    pub keys: usize,
}

/// Copies the database of `url`, which may be in use, to the new file `out`: as of one moment, without log, for its owner
/// only (0600), durable when this returns. The copy is read in whole (`PRAGMA integrity_check`); where `keys` are given,
/// each key that it needs is compared with them.
///
/// # Errors
/// Naming the file: there is no such database, `out` exists or cannot be written, the database is damaged, a key is missing
/// or another one. Nothing is left of the copy then.
pub async fn backup(url: &str, out: &Path, keys: Option<&Keyring>) -> Result<BackupReport, DatabaseError> {
    let wrong = |problem: String| DatabaseError::Url { url: url.to_owned(), problem };
    let source = SqliteConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
    if !source.get_filename().is_file() {
        return Err(wrong("there is no such file".to_owned()));
    }
    let about = |problem: String| DatabaseError::File { path: out.display().to_string(), problem };
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            about("exists already, and is not overwritten: name a new file".to_owned())
        }
        _ => about(format!("cannot be written ({error})")),
    };
    // The name is taken first. An empty file is not opened as a database, should this process be killed.
    private(OpenOptions::new().write(true).create_new(true)).open(out).map_err(cannot)?;
    let partial = beside(out, ".partial");
    let copied = copy(source, &partial, keys).await.and_then(|report| {
        fs::rename(&partial, out).and_then(|()| sync_folder(out)).map_err(cannot)?;
        Ok(report)
    });
    if copied.is_err() {
        // What cannot be removed is empty, or named as what it is.
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(out);
    }
    copied
}

pub(super) async fn copy(
    source: SqliteConnectOptions,
    partial: &Path,
    keys: Option<&Keyring>,
) -> Result<BackupReport, DatabaseError> {
    let about = |problem: String| DatabaseError::File { path: partial.display().to_string(), problem };
    let failed = |error: sqlx::Error| about(explain(&error));
    let cannot = |error: io::Error| about(format!("cannot be written ({error})"));
    private(OpenOptions::new().write(true).create(true).truncate(true)).open(partial).map_err(cannot)?;
    let name = partial.to_str().ok_or_else(|| about("its name is not UTF-8".to_owned()))?;
    let mut connection = source.disable_statement_logging().connect().await?;
    // Into a file that is empty and there, so that it keeps its permissions (<https://www.sqlite.org/lang_vacuum.html>).
    sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut connection).await.map_err(failed)?;
    connection.close().await?;
    let mut copy = SqliteConnectOptions::new()
        .filename(partial)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_all(&mut copy).await.map_err(failed)?;
    if found != ["ok"] {
        return Err(about(format!(
            "the copy is damaged ({}), and so is what it was made of: keep the backups that there are",
            found.join("; ")
        )));
    }
    let keys = match keys {
        Some(keys) => compare_keys(&mut copy, partial, keys).await?,
        None => 0,
    };
    copy.close().await?;
    let file = File::open(partial).map_err(cannot)?;
    file.sync_all().map_err(cannot)?;
    let octets = file.metadata().map_err(cannot)?.len();
    Ok(BackupReport { octets, keys })
}

/// How many keys the copy needs, all of which are in `keys`.
async fn compare_keys(
    copy: &mut SqliteConnection,
    partial: &Path,
    keys: &Keyring,
) -> Result<usize, DatabaseError> {
    let (sealed,): (bool,) =
        sqlx::query_as("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'at_rest_key')")
            .fetch_one(&mut *copy)
            .await?;
    if !sealed {
        return Ok(0);
    }
    let stored: Vec<(u32, Vec<u8>)> =
        sqlx::query_as("SELECT id, sealed FROM at_rest_key").fetch_all(copy).await?;
    for (id, sealed) in &stored {
        let path = partial.display().to_string();
        keys.open(key_place(id), sealed).map_err(|source| DatabaseError::WrongKey { path, source })?;
    }
    Ok(stored.len())
}
