//! The REST API: registry, directory, bindings, triggers.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod claims;
mod devices;
mod documents;
mod import;
mod operators;
mod roles;
mod rules;
pub mod types;

use std::{fmt, sync::Arc};

use axum::Router;
use schemas::{identity::OperatorId, rest::Object};
use service::{
    api::{About, AuditTable, Gates, Trail, document, finish, preamble},
    auth::{Guard, Principal},
    problem::{Json, Problem},
};
use utoipa_axum::router::OpenApiRouter;

use crate::desk::{Desk, View};

/// The scopes that routes ask for; a token's scopes are checked against them at the start.
pub const SCOPES: &[&str] = &[
    "devices:read",
    "devices:write",
    "contracts:write",
    "claims:write",
    "operators:read",
    "operators:write",
    "rules:read",
    "rules:write",
    "notices:write",
    "triggers:read",
    "triggers:write",
    "audit:read",
];

/// What the scope of an operator's token begins with; its identity follows.
pub const OPERATOR_SCOPE: &str = "operator:";

/// What an operator's token may do besides: each of these routes keeps to what is the operator's.
pub const OPERATOR_MAY: &[&str] =
    &["devices:read", "contracts:write", "claims:write", "operators:read", "triggers:read"];

const ABOUT: About = About {
    title: "Callhome DRF",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("rest/preamble.md"),
    tags: &[
        ("devices", "Devices, and whose they are"),
        ("operators", "Selected Home Operators"),
        ("rules", "Devices that go to an operator unless something else is said"),
        ("claims", "Subscribers choose"),
        ("notices", "The ICF tells of attached devices"),
        ("triggers", "RNCTs, and what became of them"),
        ("audit", "Who did what"),
    ],
};

/// What the routes work on.
#[derive(Clone)]
pub struct RestState {
    /// The DRF.
    pub desk: Desk,
    /// Where refusals are put down.
    pub trail: Arc<dyn Trail>,
}

impl fmt::Debug for RestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestState(…)")
    }
}

impl RestState {
    /// Works on this DRF, with the audit log in its database.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        let trail = Arc::new(AuditTable(desk.db.clone()));
        Self { desk, trail }
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
        .merge(devices::routes(&gates))
        .merge(documents::routes(&gates))
        .merge(import::routes(&gates))
        .merge(operators::routes(&gates))
        .merge(rules::routes(&gates))
        .merge(claims::routes(&gates))
        .merge(roles::routes(&gates))
}

/// A JSON object as a body; the field that is wrong is named.
type Body<T> = Json<Object<T>>;

/// Whose devices a token sees.
///
/// # Errors
/// 403 for a scope that names no operator: the start refuses such tokens.
fn view(principal: &Principal) -> Result<View, Problem> {
    let mut operators =
        principal.scopes.iter().filter_map(|scope| scope.as_str().strip_prefix(OPERATOR_SCOPE));
    match (operators.next(), operators.next()) {
        (None, _) => Ok(View::All),
        (Some(operator), None) => operator
            .parse::<OperatorId>()
            .map(View::Operator)
            .map_err(|error| Problem::new(axum::http::StatusCode::FORBIDDEN).detail(error.to_string())),
        _ => Err(Problem::new(axum::http::StatusCode::FORBIDDEN).detail("a token is of one operator")),
    }
}

/// A text of 1 to 200 characters without control characters.
///
/// # Errors
/// 422 that names the field.
fn text(pointer: &'static str, text: &str) -> Result<(), Problem> {
    let characters = text.chars().count();
    if (1..=200).contains(&characters) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = "has to have 1 to 200 characters, none of them a control character".to_owned();
    Err(crate::desk::Refused::Field { pointer, detail }.into())
}
