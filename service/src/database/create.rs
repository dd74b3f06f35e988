//! One process at a time opens a database, and a new one appears under its name only when it is whole.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long another process may take to create the file or to bring its schema up to date.
const LOCK_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two tries to get the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The right to create the file or to change its schema, until it is dropped. The lock is on `⟨file⟩.open.lock`, which
/// stays; the system takes it away with the process, however that ends.
#[derive(Debug)]
pub(super) struct OpenLock {
    _file: File,
}

impl OpenLock {
    /// Waits for it.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    pub(super) async fn take(database: &Path) -> Result<Self, String> {
        let path = beside(database, ".open.lock");
        let file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(&path)
            .map_err(|error| {
                format!(
                    "its lock {} cannot be opened ({error}); give callhome's user write permission to the folder",
                    path.display()
                )
            })?;
        let until = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    tokio::time::sleep(LOCK_INTERVAL).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another process has been opening it for {} s (lock {}); see what that one does, or stop it",
                        LOCK_TIMEOUT.as_secs(),
                        path.display()
                    ));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(format!(
                        "its lock {} cannot be taken ({error}); put the database on a local disk",
                        path.display()
                    ));
                }
            }
        }
    }
}

/// Sees that the database's folder is there.
///
/// # Errors
/// What to do.
pub(super) fn check_folder(database: &Path) -> Result<(), String> {
    match database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            Err(format!("the folder {} does not exist; create it for callhome's user", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Sees that the file has as many octets as whole pages have. SQLite takes a page that is cut for a whole one. While
/// something is in the log, a crash may have left the file so, and SQLite mends it.
///
/// # Errors
/// How long it is, and what to do.
pub(super) fn check_length(database: &Path, page: u64) -> Result<(), String> {
    let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
    let octets = length(database);
    if octets % page == 0 || length(&beside(database, "-wal")) > 0 {
        return Ok(());
    }
    Err(format!("has {octets} octets, which are no whole pages: it was cut; restore a backup"))
}

/// What is there under the database's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// Nothing: it is to be created.
    Nothing,
    /// A file with something in it.
    Something,
}

/// Looks what is there. The file is not opened: closing it would end the locks that SQLite has on it in this process
/// (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
///
/// # Errors
/// That it cannot be a database of ours, and what to do.
pub(super) fn look(database: &Path) -> Result<Present, String> {
    let length = match fs::metadata(database) {
        Ok(found) if found.is_dir() => {
            return Err("is a folder; database.url has to name a file in it".into());
        }
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let journal = beside(database, "-wal");
            if fs::metadata(&journal).is_ok_and(|found| found.len() > 0) {
                return Err(format!(
                    "is not there, but its journal {} is, with what was written last: put the file back, or restore \
                     a backup and remove the journal; remove it, too, if a new database is to be made",
                    journal.display()
                ));
            }
            return Ok(Present::Nothing);
        }
        Err(error) => {
            return Err(format!("cannot be looked at ({error}); give callhome's user access to it"));
        }
    };
    if length == 0 {
        return Err("is empty (0 octets), so it is not the database that was there: restore a backup, or remove the file \
                    if a new database is to be made"
            .into());
    }
    Ok(Present::Something)
}

/// A file beside the database, in which a new one is made.
///
/// # Errors
/// Why it cannot be made.
pub(super) fn draft(database: &Path) -> io::Result<PathBuf> {
    let draft = beside(database, ".new");
    // Of a process that was killed while it made one.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(&draft, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    // Its owner's only; its journal gets the same permissions.
    private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    Ok(draft)
}

/// Gives a finished draft, closed by SQLite, its name; durable when it returns.
///
/// # Errors
/// What failed.
pub(super) fn publish(draft: &Path, database: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    fs::rename(draft, database)?;
    sync_folder(database)
}

/// Makes durable which names there are in a file's folder.
///
/// # Errors
/// What failed.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// For its owner only.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// The name with something after it.
pub(super) fn beside(file: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
