//! A disk that fails when a test says so: a library that is preloaded into a process, in which writes, fsync, truncation,
//! opening and renaming of files below a folder fail with the error that the test asks for.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// Calls that can fail; see `enum kind` in faults.c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Call {
    /// `write`, `writev`, `pwrite`.
    Write = 1,
    /// `fsync`, `fdatasync`.
    Sync = 2,
    /// `ftruncate`.
    Truncate = 4,
    /// `open` of a file to be written.
    Open = 8,
    /// `rename`.
    Rename = 16,
    /// Each of them.
    Any = 31,
}

/// "No space left on device".
pub const ENOSPC: u32 = 28;
/// "Input/output error".
pub const EIO: u32 = 5;

/// What is to fail.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Which calls.
    pub call: Call,
    /// errno.
    pub error: u32,
    /// How many calls succeed before.
    pub after: u32,
    /// Whether all calls after that fail, too, until the fault is taken away.
    pub lasting: bool,
    /// Whether the write that fails has written half of its octets.
    pub partial: bool,
}

/// Faults of files below a folder, of the processes that were started with [`environment`](Self::environment).
#[derive(Debug)]
pub struct Faults {
    library: PathBuf,
    control: File,
    control_path: PathBuf,
    folder: PathBuf,
    _own: tempfile::TempDir,
}

impl Faults {
    /// Compiles the library; no call fails yet.
    ///
    /// # Errors
    /// If there is no C compiler, or the folder does not exist.
    pub fn below(folder: &Path) -> Result<Self> {
        let own = tempfile::tempdir()?;
        let source = own.path().join("faults.c");
        std::fs::write(&source, include_str!("faults.c"))?;
        let library = own.path().join("faults.so");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .context("`cc` cannot be started: install a C compiler (Debian: gcc)")?;
        ensure!(made.status.success(), "faults.c: {}", String::from_utf8_lossy(&made.stderr));
        let control_path = own.path().join("control");
        let control =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&control_path)?;
        control.set_len(28)?;
        let folder = folder.canonicalize()?;
        Ok(Self { library, control, control_path, folder, _own: own })
    }

    /// Has a process that is about to be started load the library.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAULTS_CONTROL", &self.control_path)
            .env("FAULTS_FOLDER", &self.folder);
    }

    /// Lets calls fail from now on; counts from 0.
    ///
    /// # Errors
    /// If the processes cannot be told.
    pub fn begin(&self, fault: Fault) -> Result<()> {
        // Not armed before all of it is written.
        self.end()?;
        let words = [fault.call as u32, fault.after, fault.lasting.into(), 0, 0, fault.partial.into()];
        let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.control.write_all_at(&octets, 4)?;
        Ok(self.control.write_all_at(&fault.error.to_ne_bytes(), 0)?)
    }

    /// No call fails any more.
    ///
    /// # Errors
    /// If the processes cannot be told.
    pub fn end(&self) -> Result<()> {
        Ok(self.control.write_all_at(&[0; 4], 0)?)
    }

    /// How many calls have failed since [`begin`](Self::begin).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn hits(&self) -> Result<u32> {
        let mut word = [0; 4];
        self.control.read_exact_at(&mut word, 20)?;
        Ok(u32::from_ne_bytes(word))
    }
}
