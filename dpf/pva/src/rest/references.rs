//! `/v1/reference-values`.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemas::{
    identity::SupplierId,
    rest::{Object, Page},
};
use serde::Deserialize;
use service::{
    api::{Gates, page},
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState,
    failure::{self, OrProblem},
    parsed,
    suppliers::unknown,
    types::{ReferencePut, ReferenceView},
};
use crate::model::{Label, ReferenceValue};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    let (read, write) = ("reference-values:read", "reference-values:write");
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write(write, "reference-values.put", routes!(put)))
        .routes(gates.write(write, "reference-values.delete", routes!(delete)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this one: model and name with a slash between.
    #[param(pattern = "/")]
    after: Option<String>,
}

/// List a supplier's reference values
///
/// By model and name.
#[utoipa::path(get, path = "/v1/reference-values/{supplier}", tag = "reference-values",
    operation_id = "listReferenceValues",
    params(("supplier" = SupplierId, Path, description = "Whose"), Which),
    responses((status = 200, description = "A page", body = Page<ReferenceView>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(
    State(state): State<RestState>,
    Path(supplier): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let supplier: SupplierId = parsed(&supplier)?;
    let limit = page::limit(which.limit)?;
    let after = match &which.after {
        None => None,
        Some(after) => Some(after.split_once('/').ok_or_else(|| {
            Problem::bad_request("after: has to be a model and a name with a slash between; follow `next`")
        })?),
    };
    let rows = state.pva.store.references(&supplier, after, limit + 1).await.or_problem()?;
    let next = |last: &ReferenceValue| {
        format!("/v1/reference-values/{supplier}?limit={limit}&after={}/{}", last.model, last.name)
    };
    Ok(page::answer(limit, rows, ReferenceView::from, next))
}

type Key = (String, String, String);

fn key(key: &Key) -> Result<(SupplierId, Label, Label), Problem> {
    Ok((parsed(&key.0)?, parsed(&key.1)?, parsed(&key.2)?))
}

/// Show a reference value
#[utoipa::path(get, path = "/v1/reference-values/{supplier}/{model}/{name}", tag = "reference-values",
    operation_id = "getReferenceValue", description = "A system state that is accepted of a model.",
    params(("supplier" = SupplierId, Path, description = "Whose"),
        ("model" = String, Path, description = "Of which model", pattern = "^[A-Za-z0-9._:-]{1,64}$"),
        ("name" = String, Path, description = "What the state is called", pattern = "^[A-Za-z0-9._:-]{1,64}$")),
    responses((status = 200, description = "It", body = ReferenceView),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(state): State<RestState>, Path(path): Path<Key>) -> Result<Json<ReferenceView>, Problem> {
    let (supplier, model, name) = key(&path)?;
    let found = state.pva.store.reference(&supplier, &model, &name).await.or_problem()?;
    found.map(|value| Json(value.into())).ok_or_else(|| gone(&supplier, &model, &name))
}

/// Create or replace a reference value
///
/// Evidence of the model is accepted if it is in one of the model's states. Validations from now on are judged by it.
#[utoipa::path(put, path = "/v1/reference-values/{supplier}/{model}/{name}", tag = "reference-values",
    operation_id = "putReferenceValue",
    params(("supplier" = SupplierId, Path, description = "Whose"),
        ("model" = String, Path, description = "Of which model", pattern = "^[A-Za-z0-9._:-]{1,64}$"),
        ("name" = String, Path, description = "What the state is called", pattern = "^[A-Za-z0-9._:-]{1,64}$")),
    request_body = ReferencePut,
    responses((status = 200, description = "It is replaced", body = ReferenceView),
        (status = 201, description = "It is created", body = ReferenceView),
        (status = 404, description = "The supplier does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put(
    State(state): State<RestState>,
    Path(path): Path<Key>,
    Json(Object(asked)): Body<ReferencePut>,
) -> Result<Response, Problem> {
    let (supplier, model, name) = key(&path)?;
    let mut boot_digest = [0; 32];
    hex::decode_to_slice(&asked.boot_digest, &mut boot_digest)
        .map_err(|_| failure::field("/boot_digest", "has to be SHA-256, 64 hexadecimal digits"))?;
    failure::text("/software", &asked.software)?;
    failure::text("/software_version", &asked.software_version)?;
    if let Some(version) = &asked.hardware_version {
        failure::text("/hardware_version", version)?;
    }
    let value = ReferenceValue {
        supplier,
        model,
        name,
        boot_digest,
        software: asked.software,
        software_version: asked.software_version,
        hardware_version: asked.hardware_version,
    };
    let created = state.pva.store.put_reference(&value).await.or_problem()?;
    let status = match created {
        None => return Err(unknown(&value.supplier)),
        Some(true) => StatusCode::CREATED,
        Some(false) => StatusCode::OK,
    };
    Ok((status, Json(ReferenceView::from(value))).into_response())
}

/// Delete a reference value
///
/// Platforms in that state are not accepted any more.
#[utoipa::path(delete, path = "/v1/reference-values/{supplier}/{model}/{name}", tag = "reference-values",
    operation_id = "deleteReferenceValue",
    params(("supplier" = SupplierId, Path, description = "Whose"),
        ("model" = String, Path, description = "Of which model", pattern = "^[A-Za-z0-9._:-]{1,64}$"),
        ("name" = String, Path, description = "What the state is called", pattern = "^[A-Za-z0-9._:-]{1,64}$")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(State(state): State<RestState>, Path(path): Path<Key>) -> Result<StatusCode, Problem> {
    let (supplier, model, name) = key(&path)?;
    if state.pva.store.delete_reference(&supplier, &model, &name).await.or_problem()? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(gone(&supplier, &model, &name))
}

fn gone(supplier: &SupplierId, model: &Label, name: &Label) -> Problem {
    Problem::not_found(format!("{model} of {supplier} has no reference value {name}"))
}
