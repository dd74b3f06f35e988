//! Files that are there whole or not at all: a disk that is full, or a kill, leaves nothing under a file's name that looks
//! like it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::client::Failure;

/// Writes a file that only its owner can read, in the place of one that is there.
///
/// # Errors
/// Which file, and why not.
pub fn write_private(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    replace(path, contents, 0o600)
}

/// Writes a file that everybody may read, in the place of one that is there.
///
/// # Errors
/// Which file, and why not.
pub fn write_public(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    replace(path, contents, 0o644)
}

fn replace(path: &Path, contents: &[u8], mode: u32) -> anyhow::Result<()> {
    let part = part_of(path);
    let write = || -> io::Result<()> {
        let mut file = create(&part, mode)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        sync_folder_of(path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written.with_context(|| {
        format!("{} cannot be written; check the folder's permissions and the disk's space", path.display())
    })
}

/// Makes a file. One that a command left behind that was killed is not taken over, with whatever mode it has.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Makes a new name durable: it is the folder's content.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match File::open(folder.unwrap_or(Path::new(".")))?.sync_all() {
        // A file system that cannot.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut part = path.file_name().unwrap_or_default().to_owned();
    part.push(".part");
    path.with_file_name(part)
}

/// A file that a command makes with `--out`: private, never in the place of another, and under its name when it is whole.
#[derive(Debug)]
pub struct NewFile {
    out: PathBuf,
    part: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins it, before anything else is done: what is asked for may be had only once.
    ///
    /// # Errors
    /// [`Failure::Usage`]: it is there already, or cannot be written; `undone` says what has not happened.
    pub fn begin(out: &Path, undone: &str) -> Result<Self, Failure> {
        let refused = |why: &str| Failure::Usage(format!("--out {}: {why}; {undone}", out.display()));
        if out.file_name().is_none() {
            return Err(refused("is no name of a file"));
        }
        if out.symlink_metadata().is_ok() {
            return Err(refused("is there already; remove it, or choose another name"));
        }
        let part = part_of(out);
        let file = create(&part, 0o600)
            .map_err(|error| refused(&format!("{} cannot be written: {error}", part.display())))?;
        Ok(Self { out: out.to_owned(), part, file })
    }

    /// Writes on.
    ///
    /// # Errors
    /// It cannot be written; `advice` says what to do.
    pub fn write(&mut self, octets: &[u8], advice: &str) -> anyhow::Result<()> {
        let written = self.file.write_all(octets);
        written.with_context(|| format!("{} cannot be written; {advice}", self.part.display()))
    }

    /// Gives it its name; durable when this returns.
    ///
    /// # Errors
    /// It cannot be written; `advice` says what to do.
    pub fn finish(self, advice: &str) -> anyhow::Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.part, &self.out))
            .and_then(|()| sync_folder_of(&self.out))
            .with_context(|| format!("{} cannot be written; {advice}", self.out.display()))?;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}
