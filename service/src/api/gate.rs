//! What stands before every route: its scope, and for writes the audit log.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt};

use super::{Trail, Trickle, describe};
use crate::auth::{Guard, Principal};
use crate::problem::Problem;

/// Puts gates before routes, and into their description what the gates do.
pub struct Gates<'a> {
    guard: &'a Guard,
    trail: Arc<dyn Trail>,
}

impl std::fmt::Debug for Gates<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gates(…)")
    }
}

impl<'a> Gates<'a> {
    /// Lets through whom `guard` lets through; writes are put down in `trail`.
    #[must_use]
    pub fn new(guard: &'a Guard, trail: Arc<dyn Trail>) -> Self {
        Self { guard, trail }
    }

    /// Routes that change nothing.
    pub fn read<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        let routes = describe(routes, scope);
        routes.map(|route| route.route_layer(self.guard.require(scope)))
    }

    /// Routes that change something, `action` as `devices.create`. Who has the scope is put down with what became of
    /// it, refusals included; the write runs to its end also when its client has gone.
    pub fn write<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        action: &'static str,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        self.write_with(scope, action, None, routes)
    }

    /// As [`write`](Self::write), for what devices cause by asking another role, which they can do without end: `limit` says
    /// how much of it is put down.
    pub fn write_for_devices<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        action: &'static str,
        limit: &Arc<Trickle>,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        self.write_with(scope, action, Some(Arc::clone(limit)), routes)
    }

    fn write_with<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        action: &'static str,
        limit: Option<Arc<Trickle>>,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        let routes = describe(routes, scope);
        let state = WriteState { trail: Arc::clone(&self.trail), action, limit };
        routes.map(|route| {
            route
                .route_layer(middleware::from_fn_with_state(state, write_gate))
                .route_layer(self.guard.require(scope))
        })
    }
}

/// To what a write was done. A handler takes it as `Extension<Target>` and says so where the path does not; by default
/// it is what follows `/v1/<collection>/` in the path.
#[derive(Debug, Clone, Default)]
pub struct Target(Arc<OnceLock<String>>);

impl Target {
    /// Says it; the first word counts.
    pub fn is(&self, target: impl ToString) {
        let _ = self.0.set(target.to_string());
    }

    /// What was said, or else what the path of the request says.
    #[must_use]
    pub fn or_path(&self, path: &str) -> String {
        let from_path = || path.split('/').skip(3).collect::<Vec<_>>().join("/");
        self.0.get().cloned().unwrap_or_else(from_path)
    }
}

/// What [`write_gate`] needs.
#[derive(Clone)]
struct WriteState {
    trail: Arc<dyn Trail>,
    action: &'static str,
    limit: Option<Arc<Trickle>>,
}

/// Runs a write to its end, whether or not the client still listens, and writes it down.
async fn write_gate(
    State(WriteState { trail, action, limit }): State<WriteState>,
    principal: Principal,
    mut request: Request,
    next: Next,
) -> Response {
    let target = Target::default();
    request.extensions_mut().insert(target.clone());
    let path = request.uri().path().to_owned();
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        let (who, target) = (principal.name, target.or_path(&path));
        if let Some(limit) = limit {
            limit.record(&*trail, [&who, action, &target, &outcome(&response)]).await;
            return response;
        }
        if let Err(error) = trail.record(&who, action, &target, &outcome(&response)).await {
            // It is done and cannot be undone; the log is what remains.
            tracing::error!(%who, action, %target, error, "the audit log cannot be written");
        }
        response
    });
    work.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

/// An answer, as the audit log has it: `done`, or the problem.
#[must_use]
pub fn outcome(response: &Response) -> String {
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.to_string(),
        None if response.status().is_success() => "done".to_owned(),
        None => response.status().to_string(),
    }
}

/// Headers of every answer: nothing here is to be cached by others or to be taken for another media type.
pub async fn answer_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}
