//! `/v1/parts`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::Response,
};
use schemas::{rest::Page, rncp::PartKind};
use serde::Deserialize;
use service::{
    api::{Gates, page},
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};
use zeroize::Zeroizing;

use super::{failure::OrProblem, types::Part};
use crate::{
    compose::Extra,
    machine::Sho,
    model::is_part_name,
    store::parts::{self, PartInfo},
};

/// Octets of a part at most: an RNCP has to fit into one answer to the DPF.
const MAX: usize = 8 << 20;

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    let (read, write) = ("parts:read", "parts:write");
    let put = gates.write(write, "parts.put", routes!(put));
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(put.map(|route| route.route_layer(DefaultBodyLimit::max(MAX))))
        .routes(gates.write(write, "parts.delete", routes!(delete)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// `executable` or `data`.
    #[param(value_type = String, pattern = "^(executable|data)$")]
    kind: PartKind,
    /// RNCPs of other operators may refer to it, so that it does not travel again.
    #[serde(default)]
    #[param(required = false)]
    shared: bool,
    /// It is encrypted to each platform; then it is never shared.
    #[serde(default)]
    #[param(required = false)]
    sensitive: bool,
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

/// List parts
///
/// By name, without their octets.
#[utoipa::path(get, path = "/v1/parts", tag = "parts", operation_id = "listParts", params(Which),
    responses((status = 200, description = "A page", body = Page<Part>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(sho): State<Arc<Sho>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let rows = parts::page(&mut reader, which.after.as_deref(), limit + 1).await.or_problem()?;
    let next = |last: &PartInfo| format!("/v1/parts?limit={limit}&after={}", last.name);
    Ok(page::answer(limit, rows, Part::from, next))
}

/// Show a part
///
/// Without its octets.
#[utoipa::path(get, path = "/v1/parts/{name}", tag = "parts", operation_id = "getPart",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "It", body = Part),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(sho): State<Arc<Sho>>, Path(name): Path<String>) -> Result<Json<Part>, Problem> {
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let part = parts::find(&mut reader, &name).await.or_problem()?;
    part.map(|part| Json(part.into())).ok_or_else(|| gone(&name))
}

/// Store a part
///
/// RNCPs that are composed from then on hold it; 8 MiB at most.
#[utoipa::path(put, path = "/v1/parts/{name}", tag = "parts", operation_id = "putPart",
    params(("name" = String, Path, description = "Its name, but neither credentials nor profile",
        pattern = "^[a-z0-9.-]{1,64}$"), How),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "Its octets"),
    responses((status = 200, description = "It is changed", body = Part),
        (status = 201, description = "It is new", body = Part)))]
async fn put(
    State(sho): State<Arc<Sho>>,
    Path(name): Path<String>,
    Query(how): Query<How>,
    content: Bytes,
) -> Result<(StatusCode, Json<Part>), Problem> {
    if !is_part_name(&name) {
        return Err(Problem::bad_request(
            "the name of a part is 1 to 64 of a-z 0-9 . - and neither credentials nor profile",
        ));
    }
    if how.kind == PartKind::Credentials {
        return Err(Problem::bad_request("kind: executable or data; credentials are made for each device"));
    }
    if how.shared && how.sensitive {
        return Err(Problem::bad_request("a sensitive part is never shared: leave one of them out"));
    }
    if content.is_empty() {
        return Err(Problem::bad_request("the body has no octets; send the part as it is"));
    }
    let content = Zeroizing::new(content.to_vec());
    let part = Extra { name, kind: how.kind, shared: how.shared, sensitive: how.sensitive, content };
    let mut tx = sho.store.db.write().await.or_problem()?;
    let new = parts::put(&mut tx, &sho.store.keyring, &part, sho.clock.now()).await.or_problem()?;
    let stored = parts::find(&mut tx, &part.name).await.or_problem()?.ok_or_else(|| gone(&part.name))?;
    tx.commit().await.or_problem()?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(stored.into())))
}

/// Delete a part
///
/// As long as no contract names it.
#[utoipa::path(delete, path = "/v1/parts/{name}", tag = "parts", operation_id = "deletePart",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "A contract names it", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(State(sho): State<Arc<Sho>>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let mut tx = sho.store.db.write().await.or_problem()?;
    let deleted = parts::delete(&mut tx, &name).await.or_problem()?;
    tx.commit().await.or_problem()?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone(&name)) }
}

fn gone(name: &str) -> Problem {
    Problem::not_found(format!("there is no part {name:?}; GET /v1/parts lists them"))
}
