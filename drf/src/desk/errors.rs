//! Why something is not done.

use axum::http::StatusCode;
use schemas::rest::FieldError;
use service::{database::DatabaseError, problem::Problem, sealed::SealError};

use crate::trigger::NotMade;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not there, or is not for who asks.
    #[error("{0}")]
    NotFound(String),
    /// Something is in the way.
    #[error("{0}")]
    Conflict(String),
    /// A field of the request.
    #[error("{pointer}: {detail}")]
    Field {
        /// JSON Pointer (RFC 6901).
        pointer: &'static str,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The device has no operator yet.
    #[error(
        "no operator is known for this device yet: its subscriber has to claim it, or an operator to set a contract"
    )]
    NoOperator,
    /// Too many wrong claim codes.
    #[error("too many wrong claim codes for this device; try again in {0} s")]
    Throttled(u64),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// No RNCT can be made.
    #[error(transparent)]
    NotMade(#[from] NotMade),
    /// Something of our own.
    #[error("{0}")]
    Internal(String),
}

impl Refused {
    /// Our own fault.
    pub(super) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<SealError> for Refused {
    fn from(error: SealError) -> Self {
        Self::Database(error.into())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::NotFound(_) => Self::not_found(detail),
            Refused::Conflict(_) => Self::conflict(detail),
            Refused::NoOperator => {
                Self::of_kind(StatusCode::CONFLICT, "/problems/no-operator", "No operator yet").detail(detail)
            }
            Refused::Throttled(seconds) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS).detail(detail).with("retry_after", seconds)
            }
            Refused::Field { pointer, detail: field } => {
                let errors =
                    serde_json::to_value([FieldError { pointer: pointer.to_owned(), detail: field }]);
                Self::unprocessable(detail).with("errors", errors.unwrap_or_default())
            }
            Refused::Database(error) => service::database::problem(&error),
            Refused::NotMade(error) => Self::internal(&error),
            Refused::Internal(error) => Self::internal(&error),
        }
    }
}
