//! What a failure means to a client.

use axum::http::StatusCode;
use service::problem::Problem;

use crate::{
    procedure::{CertifyError, EnrolError, NonceError, ValidateError},
    store::{ChangeError, StoreError, SupplierError},
};
use schemas::cose::CoseError;
use serde_json::json;

/// As a problem.
pub(super) trait OrProblem<T> {
    /// Turns the error into one.
    fn or_problem(self) -> Result<T, Problem>;
}

impl<T, E: Failure> OrProblem<T> for Result<T, E> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| error.problem())
    }
}

/// An error that a client can be told.
pub(super) trait Failure {
    fn problem(&self) -> Problem;
}

impl Failure for StoreError {
    fn problem(&self) -> Problem {
        service::database::problem(self)
    }
}

impl Failure for SupplierError {
    fn problem(&self) -> Problem {
        match self {
            Self::Overlaps { .. } | Self::Damaged(_) => Problem::conflict(self.to_string()),
            Self::Store(error) => error.problem(),
        }
    }
}

impl Failure for NonceError {
    fn problem(&self) -> Problem {
        service::database::problem(self)
    }
}

impl Failure for EnrolError {
    fn problem(&self) -> Problem {
        let text = self.to_string();
        match self {
            // Who has signed it is not whom we trust, or not with that purpose.
            Self::Cose(CoseError::Signature | CoseError::Trust(_))
            | Self::NotTheirs { .. }
            | Self::MayNot(_) => Problem::new(StatusCode::FORBIDDEN).detail(text),
            Self::Cose(_) => Problem::bad_request(text),
            Self::Format(_) | Self::Platform { .. } | Self::Batch(_) => Problem::unprocessable(text),
            Self::Conflict(_) => Problem::conflict(text),
            Self::Ca(_) | Self::Store(_) | Self::Interrupted => service::database::problem(self),
        }
    }
}

impl Failure for ChangeError {
    fn problem(&self) -> Problem {
        match self {
            Self::Unknown(_) => Problem::not_found(self.to_string()),
            Self::Store(_) => service::database::problem(self),
            _ => Problem::conflict(self.to_string()),
        }
    }
}

impl Failure for CertifyError {
    fn problem(&self) -> Problem {
        match self {
            Self::Request(_) => Problem::bad_request(self.to_string()),
            Self::Unknown(_) => Problem::not_found(self.to_string()),
            Self::OtherKey(_) => Problem::new(StatusCode::FORBIDDEN).detail(self.to_string()),
            Self::Change(error) => error.problem(),
            Self::Ca(_) | Self::Store(_) => service::database::problem(self),
        }
    }
}

impl Failure for ValidateError {
    fn problem(&self) -> Problem {
        match self {
            Self::Otherwise => Problem::conflict(self.to_string()),
            _ => service::database::problem(self),
        }
    }
}

/// A field of the body is wrong; `pointer` as in RFC 6901.
pub(super) fn field(pointer: &str, why: &str) -> Problem {
    Problem::unprocessable(format!("{}: {why}", pointer.trim_start_matches('/')))
        .with("errors", json!([{ "pointer": pointer, "detail": why }]))
}

/// A text of 1 to 200 characters without control characters.
///
/// # Errors
/// 422 that names the field.
pub(super) fn text(pointer: &str, text: &str) -> Result<(), Problem> {
    let characters = text.chars().count();
    if (1..=200).contains(&characters) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(field(pointer, "has to have 1 to 200 characters, none of them a control character"))
}
