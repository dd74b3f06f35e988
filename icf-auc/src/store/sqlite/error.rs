//! What SQLite says, as a person can act upon it.

use crate::store::{StoreError, sealed::SealError};

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

/// The primary result code of an error of SQLite's.
fn primary(error: &sqlx::Error) -> Option<u32> {
    // sqlx gives the extended code, of which the low octet is the primary one.
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// What to do about an error, with the error itself.
pub(super) fn explain(error: &sqlx::Error) -> String {
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(explain(&error))
    }
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        Self::Sealed(error.to_string())
    }
}

/// A stored value that this program would not have stored.
pub(super) fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Database(format!(
        "{what}: not a value that callhome stores; the database was changed by something else"
    ))
}

/// JSON of plain numbers and texts.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Database(format!("cannot be written as JSON: {e}")))
}
