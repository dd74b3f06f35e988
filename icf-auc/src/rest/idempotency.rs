//! Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a creation that is sent twice is done once.
//!
//! The answer is kept in the store, so that it is the same after a restart. That a key is in use right now is
//! known in this process alone; two processes that get one key at the same time are told apart by what they
//! create, which is unique.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use service::api::MAX_BODY;
use service::problem::Problem;
use sha2::{Digest, Sha256};

use super::{RestState, failure};
use crate::store::KeptAnswer;

/// The request's header.
pub(super) const HEADER: &str = "idempotency-key";
/// In an answer that was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, characters.
pub(super) const MAX_KEY: usize = 255;
/// Largest answer that is kept; those of creations are small.
const MAX_ANSWER: usize = 1 << 20;

/// Keys in use right now.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashSet<(String, String)>>>);

/// One of them, until dropped.
struct Flight {
    flights: Flights,
    key: (String, String),
}

impl Flights {
    fn begin(&self, who: &str, key: &str) -> Option<Flight> {
        let key = (who.to_owned(), key.to_owned());
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        new.then(|| Flight { flights: self.clone(), key })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// What is kept of an answer: the headers that say something about what was created, and the body.
#[derive(Serialize, Deserialize)]
struct Kept {
    content_type: Option<String>,
    location: Option<String>,
    etag: Option<String>,
    body: String,
}

/// Carries out a request, or repeats what it was answered before.
pub(super) async fn run(state: &RestState, who: &str, request: Request, next: Next) -> Response {
    match attempt(state, who, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn attempt(state: &RestState, who: &str, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = key(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let _flight = state.flights.begin(who, &key).ok_or_else(|| {
        Problem::conflict("a request with this Idempotency-Key is being carried out; ask again in a second")
    })?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail("the body is larger than this server takes")
    })?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let digest =
        digest(&[parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), content_type, &body]);
    if let Some(kept) = state.store.kept_answer(who, &key).await.map_err(|e| failure::problem(&e))? {
        if kept.request != digest {
            return Err(Problem::unprocessable(
                "this Idempotency-Key was used with another request; take a new key for a new request",
            ));
        }
        return replay(&kept);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    keep(state, who, &key, digest, response).await
}

/// Keeps the answer of what was done. What was refused has changed nothing, and its cause may be gone when it is sent again:
/// a conflict, a pool that was empty, a limit, a failure of ours.
async fn keep(
    state: &RestState,
    who: &str,
    key: &str,
    request: [u8; 32],
    response: Response,
) -> Result<Response, Problem> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER).await.map_err(|error| Problem::internal(&error))?;
    let text = |name| parts.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
    let kept = Kept {
        content_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        etag: text(header::ETAG),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let kept = serde_json::to_vec(&kept).map_err(|error| Problem::internal(&error))?;
    let answer = KeptAnswer { request, status: parts.status.as_u16(), body: kept };
    if let Err(error) = state.store.keep_answer(who, key, answer).await {
        // It is done; the client has to know. Sent again it would meet what it has created.
        tracing::error!(%who, %error, "an answer cannot be kept for its Idempotency-Key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(answer: &KeptAnswer) -> Result<Response, Problem> {
    let kept: Kept = serde_json::from_slice(&answer.body).map_err(|error| Problem::internal(&error))?;
    let status = StatusCode::from_u16(answer.status).map_err(|error| Problem::internal(&error))?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let values = [
        (header::CONTENT_TYPE, kept.content_type),
        (header::LOCATION, kept.location),
        (header::ETAG, kept.etag),
        (REPLAYED, Some("true".to_owned())),
    ];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let visible = |text: &&str| {
        (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
    };
    match (value.to_str().ok().filter(visible), values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!(
            "an Idempotency-Key is one header of 1 to {MAX_KEY} visible ASCII characters, such as a UUID"
        ))),
    }
}

/// Over the parts with their lengths, so that none runs into the next.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
