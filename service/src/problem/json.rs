//! JSON bodies: what is none is refused with 400, what has the wrong shape with 422 and the field, another media
//! type with 415.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};

use super::Problem;

/// A JSON body, refusing with a problem that names the field; also answers JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("the body has to be JSON, with Content-Type: application/json"));
        }
        let octets = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::new(rejection.status()).detail(match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this server takes",
                _ => "the body cannot be read",
            })
        })?;
        from_json(&octets).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Reads JSON.
///
/// # Errors
/// 400 for what is none; 422 for what does not have the shape of `T`, with the JSON Pointer (RFC 6901) of the field
/// and what is expected there.
pub fn from_json<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(octets);
    let error = match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => return reader.end().map(|()| value).map_err(|error| no_json(&error)),
        Err(error) => error,
    };
    // The reader stops at the first fault; whether all of it is JSON is seen only now.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(octets) {
        return Err(no_json(&error));
    }
    let mut value: Value = serde_json::from_slice(octets).map_err(|error| no_json(&error))?;
    // Of an array where an enumeration is expected `serde_json` says "expected value" and calls it a fault of syntax;
    // read from a value it says what it found and what it expects.
    if !integers(&mut value) && error.inner().is_data() {
        return Err(wrong(&error));
    }
    serde_path_to_error::deserialize(value).map_err(|error| wrong(&error))
}

/// Writes 73.0 as 73, and says whether there was any such number. To JSON Schema, which describes our bodies, both are
/// the same integer (draft 2020-12, core §4.2.3); to serde the first is none.
fn integers(value: &mut Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => {
            // Display of an f64 has neither exponent nor fraction where the number is whole.
            let whole = number.as_f64().and_then(|number| number.to_string().parse::<i64>().ok());
            whole.is_some_and(|whole| {
                *number = whole.into();
                true
            })
        }
        // All of them, not only up to the first: `count` looks at each.
        Value::Array(items) => items.iter_mut().filter_map(|item| integers(item).then_some(())).count() > 0,
        Value::Object(members) => {
            members.values_mut().filter_map(|member| integers(member).then_some(())).count() > 0
        }
        _ => false,
    }
}

fn no_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not JSON: {error}"))
}

fn wrong(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let pointer = pointer(error.path());
    let why = error.inner().to_string();
    let detail = match pointer.trim_start_matches('/') {
        "" => why.clone(),
        field => format!("{field}: {why}"),
    };
    Problem::unprocessable(detail).with("errors", json!([{ "pointer": pointer, "detail": why }]))
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

/// `application/json`, or a type built on it such as `application/merge-patch+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next().and_then(|value| value.to_str().ok()), values.next()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
