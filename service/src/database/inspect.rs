//! Looking at a database without opening it for work: nothing is created, migrated or locked for longer than the look.

use std::path::Path;

use sqlx::{ConnectOptions, SqlitePool};

use super::{
    Database, DatabaseError, Schema, alone,
    create::{self, Present},
    explain, key_place, open,
};
use crate::sealed::Keyring;

/// What a look at a database has found, where nothing is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inspection {
    /// The process that works with it, where one has the lock of [`Alone`](super::Alone).
    pub holder: Option<u32>,
    /// Whether there is no file yet.
    pub absent: bool,
}

impl Database {
    /// Sees whether [`open`](Database::open) and [`check_keys`](Database::check_keys) would do: the URL, the folder, the
    /// permissions, whose file it is, its schema version, its keys. Nothing is created or changed.
    ///
    /// # Errors
    /// As those two: naming the file and what to do.
    pub async fn inspect(
        url: &str,
        schema: &Schema,
        keys: Option<&Keyring>,
    ) -> Result<Inspection, DatabaseError> {
        let parsed = open::parse(url, schema)?;
        let file = parsed.get_filename().to_owned();
        let about = |problem: String| DatabaseError::File { path: file.display().to_string(), problem };
        create::check_folder(&file).map_err(about)?;
        let holder = alone::holder_of(&file);
        if create::look(&file).map_err(about)? == Present::Nothing {
            writable_folder(&file).map_err(about)?;
            return Ok(Inspection { holder, absent: true });
        }
        std::fs::OpenOptions::new().read(true).write(true).open(&file).map_err(|error| {
            about(format!(
                "cannot be opened for writing ({error}); give callhome's user write permission to the file and its folder"
            ))
        })?;
        writable_folder(&file).map_err(about)?;
        // Without another process and its shared memory a reader would make files of its own beside it.
        let shared = ["-wal", "-shm"].iter().all(|suffix| create::beside(&file, suffix).exists());
        let options = parsed.read_only(true).immutable(!shared).disable_statement_logging();
        let pool = open::pool(1).connect_with(options).await.map_err(|error| about(explain(&error)))?;
        let looked = look(&pool, schema, keys, &file).await;
        pool.close().await;
        looked.map(|()| Inspection { holder, absent: false })
    }
}

async fn look(
    pool: &SqlitePool,
    schema: &Schema,
    keys: Option<&Keyring>,
    file: &Path,
) -> Result<(), DatabaseError> {
    let path = file.display().to_string();
    let about = |problem: String| DatabaseError::File { path: path.clone(), problem };
    let version = open::version(pool, schema).await.map_err(|error| about(explain(&error)))?;
    create::check_length(file, open::PAGE.into()).map_err(about)?;
    open::usable(version, schema).map_err(about)?;
    let Some(keys) = keys else { return Ok(()) };
    let stored: Result<Vec<(u32, Vec<u8>)>, sqlx::Error> =
        sqlx::query_as("SELECT id, sealed FROM at_rest_key").fetch_all(pool).await;
    // A file that is not migrated yet has no such table.
    for (id, sealed) in stored.unwrap_or_default() {
        keys.open(key_place(&id), &sealed)
            .map_err(|source| DatabaseError::WrongKey { path: path.clone(), source })?;
    }
    Ok(())
}

/// SQLite makes its journal in the folder, and callhome its lock.
fn writable_folder(file: &Path) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".callhome-check-{}", std::process::id()));
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    let removed = made.and_then(|_| std::fs::remove_file(&probe));
    removed.map_err(|error| {
        format!(
            "nothing can be written into its folder {} ({error}); give callhome's user permission",
            folder.display()
        )
    })
}
