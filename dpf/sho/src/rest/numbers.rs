//! `/v1/number-ranges`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use schemas::rest::Page;
use serde::Deserialize;
use service::{
    api::{Gates, page},
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    failure::{OrProblem, field},
    types::{NewNumberRange, NumberRange},
};
use crate::{machine::Sho, model, model::NumberError, store::numbers};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    let (read, write) = ("numbers:read", "numbers:write");
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write(write, "numbers.put", routes!(put)))
        .routes(gates.write(write, "numbers.delete", routes!(delete)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this name.
    after: Option<String>,
}

/// List number ranges
///
/// By name.
#[utoipa::path(get, path = "/v1/number-ranges", tag = "numbers", operation_id = "listNumberRanges",
    params(Which),
    responses((status = 200, description = "A page", body = Page<NumberRange>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(sho): State<Arc<Sho>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let rows = numbers::page(&mut reader, which.after.as_deref(), limit + 1).await.or_problem()?;
    let next = |last: &model::NumberRange| format!("/v1/number-ranges?limit={limit}&after={}", last.id);
    Ok(page::answer(limit, rows, NumberRange::from, next))
}

/// Show a number range
#[utoipa::path(get, path = "/v1/number-ranges/{id}", tag = "numbers", operation_id = "getNumberRange",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 200, description = "It", body = NumberRange),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(sho): State<Arc<Sho>>, Path(id): Path<String>) -> Result<Json<NumberRange>, Problem> {
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let range = numbers::find(&mut reader, &id).await.or_problem()?;
    range.map(|range| Json(range.into())).ok_or_else(|| gone(&id))
}

/// Store a number range
///
/// Of one that is there, `count` and `closed` can be changed. No number is ever in two ranges.
#[utoipa::path(put, path = "/v1/number-ranges/{id}", tag = "numbers", operation_id = "putNumberRange",
    params(("id" = String, Path, description = "Its name", pattern = "^[a-z0-9-]{1,64}$")),
    request_body = NewNumberRange,
    responses((status = 200, description = "It is changed", body = NumberRange),
        (status = 201, description = "It is new", body = NumberRange),
        (status = 409, description = "It overlaps another, or cannot be changed so", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put(
    State(sho): State<Arc<Sho>>,
    Path(id): Path<String>,
    Json(new): Json<NewNumberRange>,
) -> Result<(StatusCode, Json<NumberRange>), Problem> {
    let letter = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    if !(1..=64).contains(&id.len()) || !id.bytes().all(letter) {
        return Err(Problem::bad_request("the name of a range is 1 to 64 of a-z 0-9 -"));
    }
    let NewNumberRange { kind, first, count, delegated, closed } = new;
    let created_at = sho.clock.now();
    let range = model::NumberRange { id, kind, first, count, next: 0, delegated, closed, created_at };
    range.check(sho.operator.plmn).map_err(|error| {
        let pointer = if error == NumberError::Count { "/count" } else { "/first" };
        let text = error.to_string();
        field(pointer, text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail))
    })?;
    let mut tx = sho.store.db.write().await.or_problem()?;
    let new = numbers::put(&mut tx, &range).await.or_problem()?;
    let stored = numbers::find(&mut tx, &range.id).await.or_problem()?.ok_or_else(|| gone(&range.id))?;
    tx.commit().await.or_problem()?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(stored.into())))
}

/// Delete a number range
///
/// As long as no number of it was ever handed out; after that it can only be closed.
#[utoipa::path(delete, path = "/v1/number-ranges/{id}", tag = "numbers", operation_id = "deleteNumberRange",
    params(("id" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Numbers of it were handed out", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(State(sho): State<Arc<Sho>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let mut tx = sho.store.db.write().await.or_problem()?;
    let deleted = numbers::delete(&mut tx, &id).await.or_problem()?;
    tx.commit().await.or_problem()?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone(&id)) }
}

fn gone(id: &str) -> Problem {
    Problem::not_found(format!("there is no number range {id:?}; GET /v1/number-ranges lists them"))
}
