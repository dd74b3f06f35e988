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
        self.written_down(scope, action, None, routes)
    }

    /// As [`write`](Self::write), for what the bearer of a token does for strangers, as with claim codes that subscribers
    /// type: of refusals only so many are put down as `refusals` lets through, the others are in the log.
    pub fn write_for_strangers<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        action: &'static str,
        refusals: Trickle,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        self.written_down(scope, action, Some(Arc::new(refusals)), routes)
    }

    fn written_down<S: Clone + Send + Sync + 'static>(
        &self,
        scope: &'static str,
        action: &'static str,
        refusals: Option<Arc<Trickle>>,
        routes: UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S> {
        let routes = describe(routes, scope);
        let state = Write { trail: Arc::clone(&self.trail), action, refusals };
        routes.map(|route| {
            route
                .route_layer(middleware::from_fn_with_state(state, write_gate))
                .route_layer(self.guard.require(scope))
        })
    }
}

/// How a write is put down.
#[derive(Clone)]
struct Write {
    trail: Arc<dyn Trail>,
    action: &'static str,
    /// Of refusals only so many.
    refusals: Option<Arc<Trickle>>,
}

impl Write {
    async fn put_down(&self, who: &str, target: &str, outcome: String) {
        let action = self.action;
        let entry = match &self.refusals {
            Some(refusals) if outcome != DONE => refusals.entry(refusals.allows(), &outcome),
            _ => Some(outcome.clone()),
        };
        let Some(entry) = entry else {
            tracing::warn!(%who, action, %target, outcome, "not in the audit log: there are too many refusals");
            return;
        };
        if let Err(error) = self.trail.record(who, action, target, &entry).await {
            // It is done and cannot be undone; the log is what remains.
            tracing::error!(%who, action, %target, error, "the audit log cannot be written");
        }
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

/// Runs a write to its end, whether or not the client still listens, and writes it down.
async fn write_gate(
    State(write): State<Write>,
    principal: Principal,
    mut request: Request,
    next: Next,
) -> Response {
    let target = Target::default();
    request.extensions_mut().insert(target.clone());
    let path = request.uri().path().to_owned();
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        write.put_down(&principal.name, &target.or_path(&path), outcome(&response)).await;
        response
    });
    work.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

/// What became of a write that was not refused.
const DONE: &str = "done";

/// An answer, as the audit log has it: `done`, or the problem.
#[must_use]
pub fn outcome(response: &Response) -> String {
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.to_string(),
        None if response.status().is_success() => DONE.to_owned(),
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
