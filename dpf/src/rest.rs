//! The REST API: for operators, each its own sessions, rules and updates; for the DPF's administration, all of them.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod audit;
mod rules;
mod sessions;
pub mod types;
mod updates;
mod viewer;

use std::{fmt, sync::Arc};

use axum::Router;
use schemas::{identity::OperatorId, rest::Object};
use serde_json::json;
use service::{
    api::{About, AuditTable, Gates, Trail, document, finish, preamble},
    auth::{Guard, TokenConfig},
    problem::{Json, Problem},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{procedure::Dpf, store::StoreError};

/// The scopes that routes ask for.
const ROUTES: &[&str] = &["sessions:read", "rules:read", "rules:write", "updates:write", audit::SCOPE];
/// What a scope begins with that binds a token to an operator.
const BOUND: &str = "operator:";

const ABOUT: About = About {
    title: "Callhome DPF",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("rest/preamble.md"),
    tags: &[
        ("sessions", "Provisioning sessions and their history"),
        ("operators", "Rules by which RNCPs are made for an operator"),
        ("updates", "RNCPs in the field"),
        ("audit", "Who did what"),
    ],
};

/// What the routes work on.
#[derive(Clone)]
pub struct RestState {
    /// The DPF.
    pub dpf: Arc<Dpf>,
    /// Where writes are put down.
    pub trail: Arc<dyn Trail>,
}

impl fmt::Debug for RestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestState(…)")
    }
}

impl RestState {
    /// Works on this DPF, with the audit log in its database.
    #[must_use]
    pub fn new(dpf: Arc<Dpf>) -> Self {
        let trail = Arc::new(AuditTable(dpf.store.database().clone()));
        Self { dpf, trail }
    }
}

/// All routes, guarded.
pub fn router(state: RestState, guard: &Guard) -> Router {
    finish(routes(&state.trail, guard), state)
}

/// Their description, JSON.
#[must_use]
pub fn description(trail: &Arc<dyn Trail>, guard: &Guard) -> String {
    document(routes(trail, guard))
}

fn routes(trail: &Arc<dyn Trail>, guard: &Guard) -> OpenApiRouter<RestState> {
    let gates = Gates::new(guard, Arc::clone(trail));
    OpenApiRouter::with_openapi(preamble(&ABOUT))
        .merge(sessions::routes(&gates))
        .merge(rules::routes(&gates))
        .merge(updates::routes(&gates))
        .merge(audit::routes(&gates))
}

/// The scopes that tokens may have where these are the operators.
#[must_use]
pub fn scopes<'a>(operators: impl Iterator<Item = &'a OperatorId>) -> Vec<String> {
    let bound = operators.map(|operator| format!("{BOUND}{operator}"));
    ROUTES.iter().map(|scope| (*scope).to_owned()).chain(bound).collect()
}

/// Sees that tokens say for which operator they are: one that is not `admin` is for one, and one that sees what all do is for
/// none.
///
/// # Errors
/// Which token is not, and what to do.
pub fn check_tokens(tokens: &[TokenConfig]) -> anyhow::Result<()> {
    for token in tokens {
        let has = |wanted: &str| token.scopes.iter().any(|scope| scope.as_str() == wanted);
        let bound = token.scopes.iter().filter(|scope| scope.as_str().starts_with(BOUND)).count();
        let needs = ROUTES.iter().any(|scope| *scope != audit::SCOPE && has(scope));
        let name = &token.name;
        if has(service::auth::ADMIN) {
            continue;
        }
        anyhow::ensure!(
            bound <= 1,
            "rest.tokens: {name:?} is bound to {bound} operators; make a token for each"
        );
        anyhow::ensure!(
            bound == 1 || !needs,
            "rest.tokens: {name:?} is bound to no operator; add the scope operator:⟨identity⟩, or admin for all"
        );
        anyhow::ensure!(
            bound == 0 || !has(audit::SCOPE),
            "rest.tokens: {name:?} is bound to an operator, and {} shows what concerns all; take one of them away",
            audit::SCOPE
        );
    }
    Ok(())
}

/// A JSON object as a body; the field that is wrong is named.
type Body<T> = Json<Object<T>>;

/// A path parameter, or a cursor.
///
/// # Errors
/// 400 with what is allowed.
fn parsed<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{error}")))
}

/// The store failed.
fn failed(error: StoreError) -> Problem {
    service::database::problem(&error)
}

/// A field of the body is wrong; `pointer` as in RFC 6901.
fn field(pointer: &str, why: &str) -> Problem {
    Problem::unprocessable(format!("{}: {why}", pointer.trim_start_matches('/')))
        .with("errors", json!([{ "pointer": pointer, "detail": why }]))
}
