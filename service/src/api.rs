//! What every REST API needs: a scope before each route, an audit log of writes, a description, and limits.

mod audit;
mod describe;
mod gate;
pub mod page;
mod pages;
mod retention;
mod trickle;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use utoipa_axum::router::OpenApiRouter;

pub use audit::{AUDIT_MIGRATION, AuditTable, Trail, audit, audit_page};
pub use describe::{About, describe, document, operations, preamble, problem_response};
pub use gate::{Gates, Target, answer_headers, outcome};
pub use retention::{Retention, keep_short};
pub use trickle::{ENTRIES_AT_ONCE, Trickle};

/// Largest body of a request, octets, where a route sets no other.
pub const MAX_BODY: usize = 1 << 20;

/// The routes ready to be served: with `/openapi.json` and `/docs`, which hold no data and need no token; errors are
/// problems (RFC 9457), bodies limited to [`MAX_BODY`], answers not to be cached.
pub fn finish<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>, state: S) -> Router {
    let (routes, document) = router.split_for_parts();
    let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY)).with_state(state);
    let routes = routes.merge(pages::pages(&document));
    crate::problem::with_problems(routes).layer(middleware::from_fn(answer_headers))
}

#[cfg(test)]
mod tests;
