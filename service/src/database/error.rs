//! What SQLite says, as a person can act upon it.

use crate::sealed::SealError;

/// Primary result codes, <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const READONLY: u32 = 8;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
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

/// The primary result code of an error of SQLite's.
fn primary(error: &sqlx::Error) -> Option<u32> {
    // sqlx gives the extended code, of which the low octet is the primary one.
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// What to do about an error, with the error itself.
#[must_use]
pub fn explain(error: &sqlx::Error) -> String {
    let advice = match primary(error) {
        Some(code::BUSY) => "another program holds its lock; stop that, or try again",
        Some(code::READONLY) => {
            "it may not be written; give callhome's user write permission to the file and its folder"
        }
        Some(code::CANTOPEN) => {
            "it cannot be opened or created; the folder has to exist and callhome's user has to be allowed to write in it"
        }
        Some(code::FULL) => {
            "the disk is full, or the file has reached its maximum size; make room or raise the limit"
        }
        Some(code::IOERR) => "the disk reports an error; look at the system's log",
        Some(code::CORRUPT) => "the file is damaged; restore a backup",
        Some(code::NOTADB) => "the file is not a SQLite database; check database.url",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}
