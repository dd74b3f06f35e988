//! What the trusted environment needs of a file system, so that tests can fail it at every step.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file system.
pub(crate) trait Files: Send + Sync + fmt::Debug {
    /// All of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a file, for its owner's eyes only, or empties it; returns when the content is durable.
    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()>;
    /// Adds to a file, which it makes if need be; durable only after [`sync`](Self::sync).
    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()>;
    /// Returns when the file's content is durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Puts a file in another's place, as one; durable only after [`sync_dir`](Self::sync_dir).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Returns when the folder's entries are durable.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder, its parents too, for its owner's eyes only. One that is there is as good.
    fn create_dir(&self, folder: &Path) -> io::Result<()>;
    /// Removes a file. One that is not there is as good.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder; none if it is not there.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// A file's length, if it is there.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;
}

/// The name under which a file is written before it is put in its place.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Writes a file so that it is there whole or as before, and durable when this returns.
pub(super) fn replace(files: &dyn Files, path: &Path, octets: &[u8]) -> io::Result<()> {
    let new = beside(path);
    let written = files.write(&new, octets).and_then(|()| files.rename(&new, path));
    if let Err(error) = written {
        // A full disk is not to stay fuller for it.
        let _ = files.remove(&new);
        return Err(error);
    }
    files.sync_dir(path.parent().unwrap_or(path))
}

/// The real one.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(octets)?;
        file.sync_all()
    }

    fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(octets)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        fs::File::open(folder)?.sync_all()
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.create_dir(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_dir(parent.unwrap_or(Path::new("."))),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            metadata => Ok(Some(metadata?.len())),
        }
    }
}

/// A disk that fails when a test wants it to.
#[cfg(test)]
pub(crate) mod faulty {
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    use super::*;

    /// How it fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// The power goes off: the write under way is half done, and the code goes no further.
        PowerOff,
        /// The process is killed: as before, and nothing of it is left.
        Killed,
        /// There is no room from then on.
        Full,
    }

    /// Fails after so many operations that change something.
    #[derive(Debug)]
    pub(crate) struct Faulty {
        left: AtomicI64,
        fault: Fault,
        off: AtomicBool,
    }

    impl Faulty {
        pub(crate) fn after(operations: i64, fault: Fault) -> Self {
            Self { left: AtomicI64::new(operations), fault, off: AtomicBool::new(false) }
        }

        /// Whether it has failed.
        pub(crate) fn has_failed(&self) -> bool {
            self.left.load(Ordering::SeqCst) < 0
        }

        /// Before an operation; `half` does what a power failure in the middle of it leaves.
        fn step(&self, needs_room: bool, half: impl FnOnce()) -> io::Result<()> {
            assert!(!self.off.load(Ordering::SeqCst), "the power is off");
            if self.left.load(Ordering::SeqCst) >= 0 && self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
                return Ok(());
            }
            match self.fault {
                Fault::PowerOff => {
                    half();
                    self.off.store(true, Ordering::SeqCst);
                    panic!("the power is off");
                }
                Fault::Killed => {
                    half();
                    std::process::abort();
                }
                Fault::Full if needs_room => {
                    half();
                    Err(io::ErrorKind::StorageFull.into())
                }
                Fault::Full => Ok(()),
            }
        }
    }

    impl Files for Faulty {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            assert!(!self.off.load(Ordering::SeqCst), "the power is off");
            Disk.read(path)
        }

        fn write(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
            self.step(true, || {
                let _ = fs::write(path, &octets[..octets.len() / 2]);
            })?;
            Disk.write(path, octets)
        }

        fn append(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
            self.step(true, || {
                let _ = Disk.append(path, &octets[..octets.len() / 2]);
            })?;
            Disk.append(path, octets)
        }

        fn sync(&self, path: &Path) -> io::Result<()> {
            self.step(false, || ())?;
            Disk.sync(path)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(false, || ())?;
            Disk.rename(from, to)
        }

        fn sync_dir(&self, folder: &Path) -> io::Result<()> {
            self.step(false, || ())?;
            Disk.sync_dir(folder)
        }

        fn create_dir(&self, folder: &Path) -> io::Result<()> {
            if folder.is_dir() {
                return Ok(());
            }
            self.step(true, || ())?;
            Disk.create_dir(folder)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            if !path.exists() {
                return Ok(());
            }
            self.step(false, || ())?;
            Disk.remove(path)
        }

        fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
            Disk.list(folder)
        }

        fn len(&self, path: &Path) -> io::Result<Option<u64>> {
            assert!(!self.off.load(Ordering::SeqCst), "the power is off");
            Disk.len(path)
        }
    }
}
