//! Problem details for HTTP APIs, RFC 9457: the one shape every error answer has.

mod extract;
mod json;
mod layer;

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

pub use extract::{Path, Query};
pub use json::{Json, from_json};
pub use layer::with_problems;

/// The media type, RFC 9457 §3.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// One problem, RFC 9457 §3.1: what an HTTP request failed of. Nothing secret belongs in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// §3.1.1 `type`: a URI reference that names the kind of problem; `about:blank` if the status says it all.
    pub kind: Cow<'static, str>,
    /// §3.1.2 `status`.
    pub status: StatusCode,
    /// §3.1.3 `title`: the kind in words, the same for each occurrence.
    pub title: Cow<'static, str>,
    /// §3.1.4 `detail`: this occurrence, and how to put it right.
    pub detail: Option<String>,
    /// §3.1.5 `instance`: what it happened to. [`with_problems`] fills in the request's path.
    pub instance: Option<String>,
    /// §3.2 extension members.
    pub extensions: Map<String, Value>,
}

impl Problem {
    /// A problem that its status describes: type `about:blank`, the status' phrase as title (RFC 9457 §4.2.1).
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            status,
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Unknown Status")),
            detail: None,
            instance: None,
            extensions: Map::new(),
        }
    }

    /// A problem of a kind of its own, with `kind` as a URI reference such as `/problems/quota-exhausted`.
    #[must_use]
    pub fn of_kind(
        status: StatusCode,
        kind: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind: kind.into(), title: title.into(), ..Self::new(status) }
    }

    /// 400 with what is wrong.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).detail(detail)
    }

    /// 404 with what was looked for.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND).detail(detail)
    }

    /// 409 with what is in the way.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT).detail(detail)
    }

    /// 422: well-formed, and yet it cannot be done.
    #[must_use]
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail)
    }

    /// 500. The cause goes to the log; the client is told where to look, not what was found there.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR)
            .detail("an internal error; the server's log has the cause")
    }

    /// 503 with what fails; its answer has `Retry-After: 1`.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE).detail(detail)
    }

    /// Sets `detail`.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Sets `instance`.
    #[must_use]
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Adds an extension member. The members of RFC 9457 itself cannot be replaced this way.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !["type", "status", "title", "detail", "instance"].contains(&name) {
            self.extensions.insert(name.to_owned(), value.into());
        }
        self
    }

    /// The JSON object that is sent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), Value::from(self.kind.as_ref()));
        object.insert("title".to_owned(), Value::from(self.title.as_ref()));
        object.insert("status".to_owned(), Value::from(self.status.as_u16()));
        if let Some(detail) = &self.detail {
            object.insert("detail".to_owned(), Value::from(detail.as_str()));
        }
        if let Some(instance) = &self.instance {
            object.insert("instance".to_owned(), Value::from(instance.as_str()));
        }
        object.extend(self.extensions.clone());
        Value::Object(object)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.title)?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // RFC 9110 §10.2.3, in seconds.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // So that `with_problems` can add the instance.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests;
