//! What a request carries, refused with the field that is wrong.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use schemas::identity::Imsi;
use schemas::rest::Object;
use serde::de::DeserializeOwned;
use service::problem::{Json, Path, Problem};

/// A JSON body; a field that is wrong is named by its JSON Pointer.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(Object(value)) = Json::from_request(request, state).await?;
        Ok(Self(value))
    }
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
