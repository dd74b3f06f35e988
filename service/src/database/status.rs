//! Whether writes succeed, for `/readyz` and for the counters.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus::{IntCounter, IntGauge, Opts, Registry};

use super::{explain, is_temporary};

/// Counts transactions that failed, and remembers whether the last one did, and whether its connection is to be replaced.
/// A clone is another handle to the same.
#[derive(Debug, Clone)]
pub(super) struct WriteStatus {
    failures: IntCounter,
    failing: IntGauge,
    reopen: Arc<AtomicBool>,
    path: Arc<str>,
}

impl WriteStatus {
    pub(super) fn new(path: &str) -> Result<Self, prometheus::Error> {
        let failures = IntCounter::with_opts(Opts::new(
            "callhome_database_write_failures_total",
            "Transactions that the database could not carry out: no room, an error of the disk, no permission",
        ))?;
        let failing = IntGauge::with_opts(Opts::new(
            "callhome_database_writes_failing",
            "1 if the last write to the database failed, 0 if it succeeded",
        ))?;
        Ok(Self { failures, failing, reopen: Arc::default(), path: path.into() })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.failures.clone()))?;
        registry.register(Box::new(self.failing.clone()))
    }

    /// Whether the connection that writes is to be closed and another one opened; asked once for each failure. What
    /// failed may stick to a connection: one that was opened while files could not be opened for writing stays
    /// read-only.
    pub(super) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::SeqCst)
    }

    /// Takes note of how a transaction ended; passes the result on.
    pub(super) fn observe<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &result {
            Ok(_) => {
                if self.failing.get() != 0 {
                    self.failing.set(0);
                    tracing::info!(path = &*self.path, "the database can be written again");
                }
            }
            Err(error) if is_temporary(error) => {
                self.failures.inc();
                self.reopen.store(true, Ordering::SeqCst);
                if self.failing.get() == 0 {
                    self.failing.set(1);
                    tracing::error!(
                        path = &*self.path,
                        error = explain(error),
                        "the database cannot be written"
                    );
                }
            }
            Err(_) => {}
        }
        result
    }
}

/// What the operating system says to a small write (64 KiB) beside the database: SQLite's own error does not tell. `None`:
/// it succeeds.
pub(super) async fn system_error(database: PathBuf) -> Option<String> {
    let probe = tokio::task::spawn_blocking(move || {
        let mut name = database.into_os_string();
        name.push(".probe");
        let probe = PathBuf::from(name);
        let written = write_probe(&probe);
        let _ = std::fs::remove_file(&probe);
        written.err().map(|(operation, error)| format!("{operation} {}: {error}", probe.display()))
    });
    probe.await.ok().flatten()
}

fn write_probe(probe: &Path) -> Result<(), (&'static str, io::Error)> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(probe).map_err(|error| ("open", error))?;
    file.write_all(&[0; 64 << 10]).map_err(|error| ("write", error))?;
    file.sync_all().map_err(|error| ("fsync", error))
}
