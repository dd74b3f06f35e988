//! What a request carries, refused with the field that is wrong.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use schemas::identity::Imsi;
use schemas::rest::Object;
use serde::de::DeserializeOwned;
use service::problem::{Path, Problem};

use super::failure;

/// A JSON body; a field that is wrong is named by its JSON Pointer.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("the body has to be JSON, with Content-Type: application/json"));
        }
        let octets = Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::new(rejection.status()).detail("the body cannot be read, or is too large")
        })?;
        parse(&octets).map(Self)
    }
}

/// Reads JSON: 400 for what is none, 422 for a field.
pub(super) fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() { failure::field(&pointer, error.to_string()) } else { no_json(&error) }
    })?;
    deserializer.end().map_err(|error| no_json(&error))?;
    Ok(value)
}

fn no_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not JSON: {error}"))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
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

/// The IMSI of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImsiOf(pub Imsi);

impl<S: Send + Sync> FromRequestParts<S> for ImsiOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await?;
        text.parse()
            .map(Self)
            .map_err(|error: schemas::identity::ImsiError| Problem::bad_request(error.to_string()))
    }
}
