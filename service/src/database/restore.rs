//! A backup in the place of a database.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{
    Alone, DatabaseError, Schema,
    backup::{self, BackupReport},
    create::{self, Present, beside},
    open,
};
use crate::sealed::Keyring;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup holds.
    pub report: BackupReport,
    /// Its schema version; an older one is brought up to date when the database is opened.
    pub schema_version: i64,
    /// Where the database that was there is now; `None` where there was none.
    pub replaced: Option<PathBuf>,
}

/// Which of `schemas` the SQLite file `path` is of; `None`: of none of them.
///
/// # Errors
/// It is not there, or not a database that can be read.
pub async fn schema_of<'s>(path: &Path, schemas: &[&'s Schema]) -> Result<Option<&'s Schema>, DatabaseError> {
    let about = |problem: String| DatabaseError::File { path: path.display().to_string(), problem };
    if create::look(path).map_err(about)? == Present::Nothing {
        return Err(about("there is no such file".to_owned()));
    }
    let failed = |error: sqlx::Error| about(super::explain(&error));
    let mut connection = reading(path).connect().await.map_err(failed)?;
    let (id,): (i64,) =
        sqlx::query_as("PRAGMA application_id").fetch_one(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(schemas.iter().copied().find(|schema| schema.application_id == id))
}

/// Which of `schemas` the database of `url` is of; `None`: there is none, or it is damaged or of none of them.
///
/// # Errors
/// The URL cannot be used.
pub async fn present_schema<'s>(
    url: &str,
    schemas: &[&'s Schema],
) -> Result<Option<&'s Schema>, DatabaseError> {
    let Some(any) = schemas.first() else { return Ok(None) };
    let file = open::file_of(url, any)?;
    Ok(schema_of(&file, schemas).await.ok().flatten())
}

/// Puts a copy of the backup `from` in the place of the database of `url`, while no process works with that. The copy is read in
/// whole and compared with `keys` before; what was there is kept as `⟨file⟩.replaced-⟨time⟩`. A process that is killed
/// meanwhile leaves the one or the other under the database's name. Durable when it returns.
///
/// # Errors
/// Naming the file: a process works with the database; the backup is not there, damaged, another role's, of a newer schema
/// or sealed with a key that is not in `keys`; a file cannot be written. The database is as it was then.
pub async fn restore(
    url: &str,
    schema: &Schema,
    from: &Path,
    keys: Option<&Keyring>,
) -> Result<Restored, DatabaseError> {
    let file = open::file_of(url, schema)?;
    let about = |problem: String| DatabaseError::File { path: file.display().to_string(), problem };
    create::check_folder(&file).map_err(about)?;
    let _alone = Alone::take(url, schema)?;
    let cannot = |error: io::Error| about(format!("cannot be replaced ({error})"));
    if schema_of(from, &[schema]).await?.is_none() {
        let problem =
            "is not a database of this role; name its backup, or the configuration of the role that it is of";
        return Err(DatabaseError::File { path: from.display().to_string(), problem: problem.to_owned() });
    }
    let draft = create::draft(&file).map_err(cannot)?;
    match prepare(&draft, schema, from, keys).await {
        Ok((report, schema_version)) => {
            let replaced = put_aside(&file).await.map_err(cannot)?;
            create::publish(&draft, &file).map_err(cannot)?;
            Ok(Restored { report, schema_version, replaced })
        }
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}

/// Copies the backup to `draft` and reads the copy; what it holds, and its schema version.
async fn prepare(
    draft: &Path,
    schema: &Schema,
    from: &Path,
    keys: Option<&Keyring>,
) -> Result<(BackupReport, i64), DatabaseError> {
    let path = from.display().to_string();
    // Whatever is wrong with the copy is wrong with the backup.
    let of_backup = |error: DatabaseError| match error {
        DatabaseError::File { problem, .. } => DatabaseError::File { path: path.clone(), problem },
        DatabaseError::WrongKey { source, .. } => DatabaseError::WrongKey { path: path.clone(), source },
        other => other,
    };
    let report = backup::copy(reading(from), draft, keys).await.map_err(of_backup)?;
    let pool = open::pool(1).connect_with(reading(draft)).await?;
    let version = open::version(&pool, schema).await;
    pool.close().await;
    let version = version?;
    open::usable(version, schema).map_err(|problem| DatabaseError::File { path: path.clone(), problem })?;
    match version {
        open::Version::Known(version) => Ok((report, version)),
        _ => Ok((report, 0)),
    }
}

/// A backup may be where nothing can be written. With a log beside it, it was copied without `database backup`: SQLite reads both.
fn reading(path: &Path) -> SqliteConnectOptions {
    let log = fs::metadata(beside(path, "-wal")).is_ok_and(|found| found.len() > 0);
    SqliteConnectOptions::new().filename(path).read_only(true).immutable(!log).disable_statement_logging()
}

/// Gives the database that is there a second name, and takes its log out of the way of the next one.
async fn put_aside(file: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A log without its database is nobody's.
            remove_log(file)?;
            return Ok(None);
        }
        found => found.map(drop)?,
    }
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(':', "");
    let replaced = (0..100)
        .map(|n| {
            beside(file, if n == 0 { format!(".replaced-{time}") } else { format!(".replaced-{time}-{n}") })
        })
        .find(|name| !name.exists())
        .ok_or_else(|| io::Error::from(ErrorKind::AlreadyExists))?;
    // What is in the log goes into the file, so that it is whole under either name.
    let emptied = match SqliteConnectOptions::new().filename(file).disable_statement_logging().connect().await
    {
        Ok(mut connection) => {
            let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.is_ok();
            connection.close().await.is_ok() && done
        }
        Err(_) => false,
    };
    // Where links cannot be made, a copy does.
    if fs::hard_link(file, &replaced).is_err() {
        fs::copy(file, &replaced)?;
    }
    if emptied {
        remove_log(file)?;
    } else {
        // It is damaged: its log is kept beside it, for whoever looks into it.
        for suffix in ["-wal", "-shm"] {
            match fs::rename(beside(file, suffix), beside(&replaced, suffix)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    create::sync_folder(file)?;
    Ok(Some(replaced))
}

fn remove_log(file: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(beside(file, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
