//! What a failure of the store means to a client.

use axum::http::StatusCode;
use schemas::rest::FieldError;
use service::problem::Problem;

use crate::store::StoreError;

/// The problem that says so.
pub(super) fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::NotFound(_) => Problem::not_found(error.to_string()),
        StoreError::Conflict(_)
        | StoreError::PoolExhausted(_)
        | StoreError::SequenceExhausted(_)
        | StoreError::AheadOfClock(_) => Problem::conflict(error.to_string()),
        StoreError::Unavailable(reason) => service::database::unavailable(reason),
        StoreError::Sealed(_)
        | StoreError::InstanceTaken(_)
        | StoreError::LeaseLost(_)
        | StoreError::Database(_) => Problem::internal(error),
    }
}

/// A store's result, with the problem as its error.
pub(super) trait OrProblem<T> {
    /// Turns the error into a problem.
    fn or_problem(self) -> Result<T, Problem>;
}

impl<T> OrProblem<T> for Result<T, StoreError> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| problem(&error))
    }
}

/// Fields of a request that are wrong, collected so that all are told at once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<FieldError>);

impl Fields {
    /// One more; `pointer` as in RFC 6901.
    pub(super) fn wrong(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    /// The problem, if any field is wrong.
    pub(super) fn check(self) -> Result<(), Problem> {
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let detail = format!("{}: {}", first.pointer.trim_start_matches('/'), first.detail);
        let errors = serde_json::to_value(&self.0).map_err(|error| Problem::internal(&error))?;
        Err(Problem::unprocessable(detail).with("errors", errors))
    }
}

/// One wrong field.
pub(super) fn field(pointer: &str, detail: impl Into<String>) -> Problem {
    let mut fields = Fields::default();
    fields.wrong(pointer, detail);
    fields.check().err().unwrap_or_else(|| Problem::new(StatusCode::UNPROCESSABLE_ENTITY))
}
