//! The REST API: enrolment, platforms and reference values for operators and suppliers; nonces and validations for the
//! other roles.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod audit;
mod enrolments;
mod failure;
mod platforms;
mod references;
mod suppliers;
pub mod types;
mod validations;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
};
use schemas::rest::Object;
use service::{
    api::{About, AuditTable, Gates, Trail, Trickle, document, finish, preamble},
    auth::Guard,
    problem::{Json, Problem},
};
use utoipa_axum::router::OpenApiRouter;

use crate::procedure::Pva;

/// The scopes that routes ask for; a token's scopes are checked against them at the start.
pub const SCOPES: &[&str] = &[
    "suppliers:read",
    "suppliers:write",
    "reference-values:read",
    "reference-values:write",
    "enrolments:write",
    "platforms:read",
    "platforms:write",
    "platforms:revoke",
    platforms::REKEY,
    "nonces:write",
    "validations:write",
    "audit:read",
];

const ABOUT: About = About {
    title: "Callhome PVA",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("rest/preamble.md"),
    tags: &[
        ("suppliers", "Who may enrol platforms"),
        ("reference-values", "System states that are accepted, by supplier and model"),
        ("enrolments", "Platforms, taken from their suppliers before manufacture"),
        ("platforms", "Enrolled platforms, their certificates, and revocation"),
        ("validations", "Nonces, and verdicts on evidence"),
        ("audit", "Who did what"),
    ],
};

/// Refused validations that are in the audit log at once, and one more a second: devices can be refused without end.
const NOTED_AT_ONCE: u32 = 200;

/// What the routes work on.
#[derive(Clone)]
pub struct RestState {
    /// The PVA.
    pub pva: Arc<Pva>,
    /// Where verdicts and refusals are put down.
    pub trail: Arc<dyn Trail>,
    /// How many refused validations are put down.
    pub noted: Arc<Trickle>,
}

impl fmt::Debug for RestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestState(…)")
    }
}

impl RestState {
    /// Works on this PVA, with the audit log in its database.
    #[must_use]
    pub fn new(pva: Arc<Pva>) -> Self {
        let trail = Arc::new(AuditTable(pva.store.database().clone()));
        Self { pva, trail, noted: Arc::new(Trickle::new(NOTED_AT_ONCE)) }
    }
}

/// All routes, guarded.
pub fn router(state: RestState, guard: &Guard) -> Router {
    finish(routes(&state, guard), state)
}

/// Their description, JSON.
#[must_use]
pub fn description(state: &RestState, guard: &Guard) -> String {
    document(routes(state, guard))
}

fn routes(state: &RestState, guard: &Guard) -> OpenApiRouter<RestState> {
    let gates = Gates::new(guard, Arc::clone(&state.trail));
    OpenApiRouter::with_openapi(preamble(&ABOUT))
        .merge(suppliers::routes(&gates))
        .merge(references::routes(&gates))
        .merge(enrolments::routes(&gates))
        .merge(platforms::routes(&gates))
        .merge(validations::routes(&gates))
        .merge(audit::routes(&gates))
}

/// A JSON object as a body; the field that is wrong is named.
type Body<T> = Json<Object<T>>;

/// Sees that a body that is not JSON has the media type `wanted`, parameters aside.
///
/// # Errors
/// 415 for another.
fn media_type(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let text = format!("the body has to be sent with Content-Type: {wanted}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(text))
}

/// A path parameter, or a cursor.
///
/// # Errors
/// 400 with what is allowed.
fn parsed<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{error}")))
}
