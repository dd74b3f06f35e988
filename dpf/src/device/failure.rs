//! What a failure means to a device: a problem whose type ends with a code it can act on.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use service::problem::Problem;

use crate::{
    machine::{State, Why},
    model::Session,
    procedure::OpenError,
    store::StoreError,
};

/// Seconds after which a device may ask again.
const PAUSE: HeaderValue = HeaderValue::from_static("2");

/// As a problem.
pub(super) trait OrProblem<T> {
    /// Turns the error into one.
    fn or_problem(self) -> Result<T, Problem>;
}

impl<T> OrProblem<T> for Result<T, StoreError> {
    fn or_problem(self) -> Result<T, Problem> {
        self.map_err(|error| service::database::problem(&error))
    }
}

/// An answer that asks for patience.
#[derive(Debug)]
pub(super) struct Later(Problem);

impl IntoResponse for Later {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, PAUSE);
        response
    }
}

/// A problem that passes, in so many seconds.
pub(super) fn after(problem: Problem, seconds: u64) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// 503: somebody whom we need is out of order.
pub(super) fn later(detail: &str) -> Later {
    let kind = "/problems/try-again";
    Later(Problem::of_kind(StatusCode::SERVICE_UNAVAILABLE, kind, "Not now").detail(detail))
}

/// A problem with a code.
pub(super) fn coded(
    status: StatusCode,
    code: &str,
    title: &'static str,
    detail: impl Into<String>,
) -> Problem {
    Problem::of_kind(status, format!("/problems/{code}"), title).detail(detail)
}

/// Why a session cannot be opened.
pub(super) fn opening(error: OpenError) -> Response {
    let text = error.to_string();
    match error {
        OpenError::Operator(_) => {
            coded(StatusCode::UNPROCESSABLE_ENTITY, "operator-unknown", "Unknown operator", text)
                .into_response()
        }
        OpenError::Otherwise(_) => {
            coded(StatusCode::CONFLICT, "other-trigger", "The trigger was used", text).into_response()
        }
        OpenError::TooMany(_) | OpenError::AtOnce => {
            let problem =
                coded(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", "Too many sessions", text);
            Later(problem).into_response()
        }
        OpenError::TooOften { seconds, .. } => {
            let problem =
                coded(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", "Too many sessions", text);
            after(problem, seconds)
        }
        OpenError::Pva(_) => later(&text).into_response(),
        OpenError::Store(error) => service::database::problem(&error).into_response(),
    }
}

/// Why the session's state does not allow it.
pub(super) fn not_now(session: &Session, why: Why, what: &'static str) -> Problem {
    let (status, title) = (StatusCode::CONFLICT, "Not in this state of the session");
    if let Some(refusal) = &session.refusal {
        return coded(status, &refusal.code, title, refusal.detail.clone()).with("retry", refusal.retry);
    }
    let state = session.state.as_str();
    match (why, session.state) {
        (Why::TooEarly, State::Opened) => {
            let text = format!("{what} comes after evidence, which the session still waits for");
            coded(status, "evidence-missing", title, text)
        }
        (Why::TooEarly, State::Authorised | State::Validating) => {
            coded(status, "parts-not-agreed", title, format!("{what} comes after the agreement on parts"))
        }
        (Why::TooEarly, _) => {
            coded(status, "not-authorised", title, format!("{what} comes after the operator's authorisation"))
        }
        (Why::Otherwise, _) => coded(
            status,
            "otherwise-before",
            title,
            format!("{what} was taken before that says otherwise, and counts"),
        ),
        (Why::Over, _) => coded(status, "session-over", title, format!("the session is {state}")),
    }
}
