//! One process a database: a lock on a file beside it, which the system takes away with the process, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::{DatabaseError, Schema, open};

/// The right to work with a database alone, until it is dropped.
///
/// SQLite lets several processes write into one file; of a role that has an outbox, a sweeper or a memory of its own each
/// would then do everything twice.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

impl Alone {
    /// Takes it for the database of `url`, before that is opened. The lock is on `⟨file⟩.lock`, which stays.
    ///
    /// # Errors
    /// Another process has it: which, and what to do; or the file cannot be made or locked.
    pub fn take(url: &str, schema: &Schema) -> Result<Self, DatabaseError> {
        let file = open::file_of(url, schema)?;
        let about = |problem: String| DatabaseError::File { path: file.display().to_string(), problem };
        let beside = beside(&file);
        let shown = beside.display();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut lock = options.open(&beside).map_err(|error| {
            about(format!(
                "its lock {shown} cannot be opened ({error}); the folder has to exist and callhome's user has to be \
                 allowed to write in it"
            ))
        })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = holder(&mut lock).map_or_else(String::new, |pid| format!(", process {pid},"));
                return Err(about(format!(
                    "another callhome{who} works with it, and two would do everything twice: stop that one, or give this \
                     one a database of its own (database.url)"
                )));
            }
            Err(TryLockError::Error(error)) => {
                return Err(about(format!(
                    "its lock {shown} cannot be taken ({error}); put the database on a local disk"
                )));
            }
        }
        // For whoever is refused; the lock itself does not rest on it.
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "which process has the lock cannot be written into it");
        }
        Ok(Self { _lock: lock })
    }
}

/// Of two names for one file both find the same lock.
fn beside(file: &Path) -> PathBuf {
    let real = file.canonicalize().or_else(|_| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder.canonicalize().map(|folder| match file.file_name() {
            Some(name) => folder.join(name),
            None => folder,
        })
    });
    let mut name = real.unwrap_or_else(|_| file.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}

/// The process that has the lock, as it says itself.
fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests;
