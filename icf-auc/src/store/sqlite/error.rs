//! The database's errors, as the store's.

use service::database::{DatabaseError, explain, is_temporary};

use crate::store::{StoreError, sealed::SealError};

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let text = explain(&error);
        if is_temporary(&error) { Self::Unavailable(text) } else { Self::Database(text) }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::WrongKey { .. } | DatabaseError::Sealed(_) => Self::Sealed(error.to_string()),
            DatabaseError::Statement(error) => error.into(),
            DatabaseError::Url { .. } | DatabaseError::File { .. } => Self::Database(error.to_string()),
        }
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
