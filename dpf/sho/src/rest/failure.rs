//! What a failure means to a client.

use axum::http::StatusCode;
use serde_json::json;
use service::problem::Problem;

use crate::{machine::ShoError, store::StoreError};

/// A result, with the problem as its error.
pub(super) trait OrProblem<T> {
    /// Turns the error into a problem.
    fn or_problem(self) -> Result<T, Problem>;
}

fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Conflict(what) => Problem::conflict(what.clone()),
        StoreError::Database(_) | StoreError::Damaged(_) | StoreError::OtherOperator { .. } => {
            service::database::problem(error)
        }
    }
}

impl<T> OrProblem<T> for Result<T, StoreError> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| problem(&error))
    }
}

impl<T> OrProblem<T> for Result<T, sqlx::Error> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(StoreError::from).or_problem()
    }
}

impl<T> OrProblem<T> for Result<T, ShoError> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| match &error {
            ShoError::Store(error) => problem(error),
            other => service::database::problem(other),
        })
    }
}

/// A wrong field; `pointer` as in RFC 6901.
pub(super) fn field(pointer: &str, detail: impl Into<String>) -> Problem {
    let detail = detail.into();
    let errors = json!([{ "pointer": pointer, "detail": detail }]);
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
        .detail(format!("{}: {detail}", pointer.trim_start_matches('/')))
        .with("errors", errors)
}
