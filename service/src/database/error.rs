//! What SQLite says, as a person can act upon it.

use std::error::Error;

use crate::{problem::Problem, sealed::SealError};

/// Primary result codes, <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const PERM: u32 = 3;
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const PROTOCOL: u32 = 15;
    pub(super) const NOTADB: u32 = 26;
}

/// Why the database could not do it. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// `database.url` cannot be used.
    #[error("database.url {url:?}: {problem}")]
    Url {
        /// As written.
        url: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The file cannot be used.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The at-rest keys are not those that the file is sealed with.
    #[error("{path}: {source}")]
    WrongKey {
        /// Which file.
        path: String,
        /// Which key.
        source: SealError,
    },
    /// A value does not open or cannot be sealed.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// A statement failed.
    #[error("{}", explain(.0))]
    Statement(#[from] sqlx::Error),
}

/// The extended result code of an error of SQLite's.
fn extended(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// What SQLite was doing when the disk reported an error: the second octet of the extended code
/// (<https://www.sqlite.org/rescode.html#ioerr>).
fn operation(extended: u32) -> &'static str {
    match extended >> 8 {
        1 | 2 => "reading",
        3 => "writing",
        4 | 5 => "synchronising (fsync)",
        6 => "truncating",
        7 | 13 => "looking at a file",
        8 | 9 | 14 | 15 => "locking",
        10 | 23 => "deleting a file",
        16 | 17 => "closing",
        18..=21 => "the shared memory of the write-ahead log (-shm)",
        22 => "seeking",
        _ => "an operation",
    }
}

/// What to do about an error, with the error itself.
#[must_use]
pub fn explain(error: &sqlx::Error) -> String {
    let Some(extended) = extended(error) else { return error.to_string() };
    let advice = match extended & 0xff {
        code::BUSY => "another program holds its lock; stop that, or try again",
        code::READONLY => {
            "it may not be written; give callhome's user write permission to the file and its folder"
        }
        code::CANTOPEN => {
            "it cannot be opened or created; the folder has to exist and callhome's user has to be allowed to write in it"
        }
        code::FULL => {
            "the disk is full, or the file has reached its maximum size; make room or raise the limit"
        }
        code::IOERR => {
            return format!(
                "the disk reports an error at {}; look at the system's log ({error})",
                operation(extended)
            );
        }
        code::CORRUPT => "the file is damaged; restore a backup",
        code::NOTADB => "the file is not a SQLite database; check database.url",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

/// Whether the same may succeed later, unchanged: no room, an error of the disk, a lock, no permission.
#[must_use]
pub fn is_temporary(error: &sqlx::Error) -> bool {
    if let Some(extended) = extended(error) {
        return matches!(
            extended & 0xff,
            code::PERM
                | code::BUSY
                | code::LOCKED
                | code::NOMEM
                | code::READONLY
                | code::IOERR
                | code::FULL
                | code::CANTOPEN
                | code::PROTOCOL
        );
    }
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::InvalidSavePointStatement
    )
}

/// What a failure is answered with over HTTP: 503 with `Retry-After` and what fails if the database is the cause of
/// `error` and the same may succeed later, otherwise 500 without the cause, which goes to the log.
#[must_use]
pub fn problem(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<sqlx::Error>()
            && is_temporary(error)
        {
            tracing::warn!(error = explain(error), "a request is answered 503");
            return unavailable(&explain(error));
        }
        cause = one.source();
    }
    Problem::internal(&error)
}

/// 503: the database cannot do it now, for the reason given.
#[must_use]
pub fn unavailable(reason: &str) -> Problem {
    Problem::unavailable(format!("the database cannot do it now: {reason}; try again"))
}
