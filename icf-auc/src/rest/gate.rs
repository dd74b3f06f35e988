//! What stands before every route: its scope, and for writes the Idempotency-Key and the audit log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use service::api::{operations, problem_response};
use service::auth::{Guard, Principal};
use service::problem::Problem;
use utoipa::openapi::{
    path::{ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::{RestState, idempotency};

pub(super) use service::api::Target;

/// The scopes that routes ask for; a token's scopes are checked against them at the start.
pub const SCOPES: &[&str] = &[
    "credentials:read",
    "credentials:write",
    "profiles:read",
    "profiles:write",
    "batches:read",
    "batches:issue",
    crate::chtif::serve::SCOPE,
    crate::chtif::verify::SCOPE,
    "registrations:read",
    "registrations:cancel",
    "peers:read",
    "peers:reset",
    "av-pools:read",
    "av-pools:write",
    "av-pools:export",
    "events:read",
    "audit:read",
];

/// A write, as the audit log names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    /// What, as `credentials.update`.
    pub action: &'static str,
    /// Whether an Idempotency-Key is taken.
    pub idempotent: bool,
}

impl Write {
    /// Is what it is however often it is sent; takes no key.
    pub(super) const fn plain(action: &'static str) -> Self {
        Self { action, idempotent: false }
    }

    /// Creates; takes a key.
    pub(super) const fn creation(action: &'static str) -> Self {
        Self { action, idempotent: true }
    }
}

/// Puts gates before routes, and into their description what the gates do.
pub(super) struct Gates<'a> {
    state: &'a RestState,
    guard: &'a Guard,
}

impl<'a> Gates<'a> {
    pub(super) fn new(state: &'a RestState, guard: &'a Guard) -> Self {
        Self { state, guard }
    }

    /// A route that changes nothing.
    pub(super) fn read(
        &self,
        scope: &'static str,
        routes: UtoipaMethodRouter<RestState>,
    ) -> UtoipaMethodRouter<RestState> {
        let routes = describe(routes, scope, None);
        routes.map(|route| route.route_layer(self.guard.require(scope)))
    }

    /// A route whose handler writes the audit log by itself, before its answer leaves.
    pub(super) fn audited(
        &self,
        scope: &'static str,
        routes: UtoipaMethodRouter<RestState>,
    ) -> UtoipaMethodRouter<RestState> {
        self.read(scope, routes)
    }

    /// A route that changes something.
    pub(super) fn write(
        &self,
        scope: &'static str,
        write: Write,
        routes: UtoipaMethodRouter<RestState>,
    ) -> UtoipaMethodRouter<RestState> {
        let routes = describe(routes, scope, Some(write));
        let state = (self.state.clone(), write);
        routes.map(|route| {
            route
                .route_layer(middleware::from_fn_with_state(state, write_gate))
                .route_layer(self.guard.require(scope))
        })
    }
}

/// Runs a write to its end, whether or not the client still listens, and writes it down.
async fn write_gate(
    State((state, write)): State<(RestState, Write)>,
    principal: Principal,
    mut request: Request,
    next: Next,
) -> Response {
    let target = Target::default();
    request.extensions_mut().insert(target.clone());
    let path = request.uri().path().to_owned();
    let work = tokio::spawn(async move {
        let who = Arc::clone(&principal.name);
        let response = if write.idempotent {
            idempotency::run(&state, &who, request, next).await
        } else if request.headers().contains_key(idempotency::HEADER) {
            Problem::bad_request("this route takes no Idempotency-Key: leave the header out").into_response()
        } else {
            next.run(request).await
        };
        let target = target.or_path(&path);
        if let Err(error) = state.store.audit(&who, write.action, &target, &outcome(&response)).await {
            // It is done and cannot be undone; the log is what remains.
            tracing::error!(%who, action = write.action, %target, %error, "the audit log cannot be written");
        }
        response
    });
    work.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

fn outcome(response: &Response) -> String {
    if response.headers().contains_key(idempotency::REPLAYED) {
        return "replayed".to_owned();
    }
    service::api::outcome(response)
}

/// Adds to the description what holds for all routes, and the Idempotency-Key.
fn describe(
    routes: UtoipaMethodRouter<RestState>,
    scope: &str,
    write: Option<Write>,
) -> UtoipaMethodRouter<RestState> {
    let mut routes = service::api::describe(routes, scope);
    if !write.is_some_and(|write| write.idempotent) {
        return routes;
    }
    for (method, operation) in routes.1.paths.values_mut().flat_map(operations) {
        if method != Method::POST {
            continue;
        }
        operation.parameters.get_or_insert_default().push(
            ParameterBuilder::new()
                .name("Idempotency-Key")
                .parameter_in(ParameterIn::Header)
                .description(Some(
                    "Sent again with the same key within a day, the request is not carried out again: the first \
                     answer is repeated, with `Idempotency-Replayed: true`. The same key with another request is \
                     refused with 422.",
                ))
                .schema(Some(
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .min_length(Some(1))
                        .max_length(Some(idempotency::MAX_KEY))
                        .pattern(Some("^[!-~]+$")),
                ))
                .build()
                .into(),
        );
        operation.responses.responses.entry(StatusCode::CONFLICT.as_u16().to_string()).or_insert_with(|| {
            problem_response("It is there already, or the same request is under way").into()
        });
    }
    routes
}
