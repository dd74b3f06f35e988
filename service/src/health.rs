//! Whether a service lives, whether it can work, and how it does: `/healthz`, `/readyz`, `/metrics`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::problem::Problem;
use crate::telemetry::Metrics;

/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What has to be well for a service to be ready.
pub struct Health {
    stop: CancellationToken,
    checks: Vec<(&'static str, Check)>,
}

impl Health {
    /// Ready until `stop`, so that load balancers look elsewhere during the grace.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, checks: Vec::new() }
    }

    /// Adds a check: `Ok`, or a reason that anybody may read (the probes ask for no token). It is run for every
    /// probe, beside the others, for two seconds at most.
    #[must_use]
    pub fn check<F, R>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || check().boxed())));
        self
    }

    /// Adds the check that the database can be read and written; the reason names the file, the operation and the
    /// operating system's error.
    #[must_use]
    pub fn database(self, name: &'static str, database: Database) -> Self {
        self.check(name, move || {
            let database = database.clone();
            async move { database.check_writable().await }
        })
    }

    /// `GET /healthz`: 200 as long as the process answers. `GET /readyz`: 200, or 503 if a check fails; both with
    /// a JSON body.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/healthz", get(|| async { axum::Json(json!({ "status": "ok" })) }))
            .route("/readyz", get(ready))
            .with_state(Arc::new(self))
    }

    async fn run(&self) -> (bool, Value) {
        let runs = self.checks.iter().map(|(name, check)| async move {
            let start = Instant::now();
            let outcome = tokio::time::timeout(PATIENCE, check()).await;
            let outcome =
                outcome.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
            let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            (*name, outcome, milliseconds)
        });
        let mut well = true;
        let mut checks = Map::new();
        for (name, outcome, milliseconds) in join_all(runs).await {
            let shown = match outcome {
                Ok(()) => json!({ "status": "ok", "ms": milliseconds }),
                Err(reason) => {
                    well = false;
                    json!({ "status": "failed", "reason": reason, "ms": milliseconds })
                }
            };
            checks.insert(name.to_owned(), shown);
        }
        let stopping = self.stop.is_cancelled();
        let status = match (stopping, well) {
            (true, _) => "stopping",
            (false, true) => "ok",
            (false, false) => "failed",
        };
        (well && !stopping, json!({ "status": status, "checks": checks }))
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let (well, report) = health.run().await;
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(report)).into_response()
}

/// `GET /metrics` in Prometheus's text format. It shows names of peers: put it behind a scope, or on an address
/// that only the scraper reaches.
pub fn metrics_router<S: Clone + Send + Sync + 'static>(metrics: Metrics) -> Router<S> {
    Router::new().route("/metrics", get(scrape)).with_state(metrics)
}

async fn scrape(State(metrics): State<Metrics>) -> Result<Response, Problem> {
    let text = metrics.text().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, metrics.media_type())], text).into_response())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn get_text(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (status, body) = (response.status(), to_bytes(response.into_body(), 1 << 20).await.unwrap());
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn one_failed_check_makes_it_unready_and_says_why() {
        let store = Arc::new(AtomicBool::new(false));
        let checked = Arc::clone(&store);
        let stop = CancellationToken::new();
        let router: Router = Health::new(stop.clone())
            .check("diameter", || async { Ok(()) })
            .check("store", move || {
                let well = checked.load(Ordering::SeqCst);
                async move { if well { Ok(()) } else { Err("cannot write".to_owned()) } }
            })
            .router();

        let (status, body) = get_text(&router, "/readyz").await;
        let report: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(report["checks"]["store"]["reason"], "cannot write");
        assert_eq!(report["checks"]["diameter"]["status"], "ok");
        assert_eq!(get_text(&router, "/healthz").await.0, StatusCode::OK);

        store.store(true, Ordering::SeqCst);
        assert_eq!(get_text(&router, "/readyz").await.0, StatusCode::OK);

        stop.cancel();
        let (status, body) = get_text(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("\"stopping\""), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed() {
        let router: Router =
            Health::new(CancellationToken::new()).check("store", std::future::pending).router();
        let (status, body) = get_text(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("no answer within 2 s"), "{body}");
    }

    #[tokio::test]
    async fn metrics_are_served_as_prometheus_text() {
        let router: Router = metrics_router(Metrics::new("1.2.3", "icf").unwrap());
        let (status, body) = get_text(&router, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("callhome_build_info"), "{body}");
    }
}
