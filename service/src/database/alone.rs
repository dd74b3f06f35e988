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
        let mut lock = open_lock(&file, ".lock")?;
        if !try_lock(&lock, &file)? {
            let who = holder(&mut lock).map_or_else(String::new, |pid| format!(", process {pid},"));
            let problem = format!(
                "another callhome{who} works with it, and two would do everything twice: stop that one, or give this \
                 one a database of its own (database.url)"
            );
            return Err(about(&file, problem));
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

    /// Takes the right to be `name` among the processes that share the database of `url`; the lock is on
    /// `⟨file⟩.⟨name⟩.lock`. `None`: a process that runs has it.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn try_named(url: &str, schema: &Schema, name: &str) -> Result<Option<Self>, DatabaseError> {
        let file = open::file_of(url, schema)?;
        let lock = open_lock(&file, &format!(".{}.lock", file_name_of(name)))?;
        Ok(try_lock(&lock, &file)?.then_some(Self { _lock: lock }))
    }
}

fn about(file: &Path, problem: String) -> DatabaseError {
    DatabaseError::File { path: file.display().to_string(), problem }
}

/// Opens the lock file of a database, creating it for its owner only.
fn open_lock(file: &Path, suffix: &str) -> Result<File, DatabaseError> {
    let path = beside(file, suffix);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map_err(|error| {
        let problem = format!(
            "its lock {} cannot be opened ({error}); the folder has to exist and callhome's user has to be allowed to \
             write in it",
            path.display()
        );
        about(file, problem)
    })
}

/// Whether the lock was free, and now is ours.
fn try_lock(lock: &File, file: &Path) -> Result<bool, DatabaseError> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(about(
            file,
            format!("its lock file cannot be locked ({error}); put the database on a local disk"),
        )),
    }
}

/// A name as part of a file name: what is not a letter, digit, dot, hyphen or underscore is its octets in hexadecimal.
fn file_name_of(name: &str) -> String {
    let mut text = String::new();
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => text.push(char::from(octet)),
            other => text.push_str(&format!("%{other:02x}")),
        }
    }
    text
}

/// That a process works with a database beside others, until it is dropped: `callhome config check` tells so whose ports
/// are taken. It keeps nobody away but [`Alone`].
#[derive(Debug)]
pub struct SharedLock {
    _lock: File,
}

impl SharedLock {
    /// Takes it for the database of `url`. `None`: the lock's file cannot be made or is another's, and nothing depends on it.
    #[must_use]
    pub fn take(url: &str, schema: &Schema) -> Option<Self> {
        let file = open::file_of(url, schema).ok()?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut lock = options.open(beside(&file, ".lock")).ok()?;
        lock.try_lock_shared().ok()?;
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "which process works with the database cannot be written into its lock");
        }
        Some(Self { _lock: lock })
    }
}

/// The process that works with a database file now, if one does; 0 where it does not say which.
pub(super) fn holder_of(file: &Path) -> Option<u32> {
    let mut lock = File::open(beside(file, ".lock")).ok()?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Some(holder(&mut lock).unwrap_or(0)),
        _ => None,
    }
}

/// Of two names for one file both find the same lock.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let real = file.canonicalize().or_else(|_| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folder.canonicalize().map(|folder| match file.file_name() {
            Some(name) => folder.join(name),
            None => folder,
        })
    });
    let mut name = real.unwrap_or_else(|_| file.to_owned()).into_os_string();
    name.push(suffix);
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
