//! What stands before every route: its scope, and for writes the Idempotency-Key and the audit log.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use service::auth::{Guard, Principal};
use service::problem::Problem;
use utoipa::openapi::{
    ContentBuilder, PathItem, Ref, ResponseBuilder, SecurityRequirement,
    path::{Operation, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::{RestState, idempotency};

/// The scopes that routes ask for; a token's scopes are checked against them at the start.
pub const SCOPES: &[&str] = &[
    "credentials:read",
    "credentials:write",
    "profiles:read",
    "profiles:write",
    "batches:read",
    "batches:issue",
    crate::chtif::serve::SCOPE,
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

/// To what a write was done; a handler says so where the path does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Target(Arc<OnceLock<String>>);

impl Target {
    /// Says it; the first word counts.
    pub(super) fn is(&self, target: impl ToString) {
        let _ = self.0.set(target.to_string());
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
    let from_path = request.uri().path().split('/').skip(3).collect::<Vec<_>>().join("/");
    let work = tokio::spawn(async move {
        let who = Arc::clone(&principal.name);
        let response = if write.idempotent {
            idempotency::run(&state, &who, request, next).await
        } else if request.headers().contains_key(idempotency::HEADER) {
            Problem::bad_request("this route takes no Idempotency-Key: leave the header out").into_response()
        } else {
            next.run(request).await
        };
        let target = target.0.get().cloned().unwrap_or(from_path);
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
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.to_string(),
        None if response.status().is_success() => "done".to_owned(),
        None => response.status().to_string(),
    }
}

/// Headers of every answer: nothing here is to be cached by others or to be taken for another media type.
pub(super) async fn answer_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}

/// Adds to the description what holds for all routes: scope, problems, Idempotency-Key.
fn describe(
    mut routes: UtoipaMethodRouter<RestState>,
    scope: &str,
    write: Option<Write>,
) -> UtoipaMethodRouter<RestState> {
    for item in routes.1.paths.values_mut() {
        for (method, operation) in operations(item) {
            operation.security = Some(vec![SecurityRequirement::new("token", [scope])]);
            let asks = format!("Asks for the scope `{scope}`.");
            operation.description = Some(match operation.description.take() {
                Some(text) => format!("{text}\n\n{asks}"),
                None => asks,
            });
            let mut problems = vec![
                (StatusCode::BAD_REQUEST, "The request is malformed"),
                (StatusCode::UNAUTHORIZED, "No token, or one that is not known"),
                (StatusCode::FORBIDDEN, "The token lacks the scope"),
                (StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says why"),
            ];
            if operation.request_body.is_some() {
                problems.extend([
                    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
                    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another media type"),
                    (StatusCode::UNPROCESSABLE_ENTITY, "A field is wrong; `errors` says which"),
                ]);
            }
            if method == Method::POST && write.is_some_and(|write| write.idempotent) {
                problems
                    .push((StatusCode::CONFLICT, "It is there already, or the same request is under way"));
                operation.parameters.get_or_insert_default().push(
                    ParameterBuilder::new()
                        .name("Idempotency-Key")
                        .parameter_in(ParameterIn::Header)
                        .description(Some(
                            "Sent again with the same key within a day, the request is not carried out again: \
                             the first answer is repeated, with `Idempotency-Replayed: true`. The same key \
                             with another request is refused with 422.",
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
            }
            for (status, text) in problems {
                operation
                    .responses
                    .responses
                    .entry(status.as_u16().to_string())
                    .or_insert_with(|| problem(text).into());
            }
        }
    }
    routes
}

/// A problem, as a response in the description.
fn problem(text: &str) -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(text)
        .content(service::problem::MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}
