//! `/openapi.json`, and `/docs` to read it at.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

use super::describe::text;

pub(super) fn pages(document: &OpenApi) -> Router {
    let json = Bytes::from(text(document));
    let json = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json) }
    };
    Router::new().route("/openapi.json", get(json)).route("/docs", get(docs))
}

/// The page asks for the description beside it and shows it; it loads nothing else.
async fn docs() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    ([policy], Html(include_str!("docs.html")))
}
