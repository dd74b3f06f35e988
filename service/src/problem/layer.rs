//! Makes every error answer of a router a problem, also those that axum writes itself.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::{MEDIA_TYPE, Problem};

/// Of axum's own error texts no more than this is kept as `detail`.
const MAX_DETAIL: usize = 8 * 1024;

/// Gives the router problems for unknown paths (404), wrong methods (405, with `Allow`), and for every error that
/// an extractor or a layer below answers as plain text; fills in `instance`. Call it last, when all routes are there.
pub fn with_problems<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(unknown_path).layer(middleware::from_fn(speak_problem))
}

async fn unknown_path() -> Problem {
    Problem::not_found("there is no such resource; /openapi.json lists what there is")
}

async fn speak_problem(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None if is_plain(parts.headers.get(header::CONTENT_TYPE)) => {
            let text = to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            let problem = Problem::new(parts.status);
            match (parts.status, text.is_empty()) {
                (StatusCode::METHOD_NOT_ALLOWED, _) => {
                    problem.detail(format!("{method} is not possible here; the Allow header lists what is"))
                }
                (StatusCode::PAYLOAD_TOO_LARGE, _) => {
                    problem.detail("the body is larger than this server takes")
                }
                (_, true) => problem,
                (_, false) => problem.detail(text),
            }
        }
        None => return Response::from_parts(parts, body),
    };
    let problem = if problem.instance.is_none() { problem.instance(path) } else { problem };
    let (_, body) = problem.into_response().into_parts();
    // Status and headers stay those of the answer: Allow, WWW-Authenticate, Retry-After.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, Body::new(body))
}

fn is_plain(content_type: Option<&HeaderValue>) -> bool {
    content_type.is_none_or(|value| value.to_str().is_ok_and(|value| value.starts_with("text/plain")))
}
