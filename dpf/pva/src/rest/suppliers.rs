//! `/v1/suppliers`.

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
    types::{SupplierPut, SupplierView},
};
use crate::model::Supplier;

/// Beginnings of identities that a supplier may have.
const MAX_PREFIXES: usize = 64;

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.read("suppliers:read", routes!(list)))
        .routes(gates.read("suppliers:read", routes!(show)))
        .routes(gates.write("suppliers:write", "suppliers.put", routes!(put)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this identity.
    after: Option<String>,
}

/// List suppliers
///
/// By identity.
#[utoipa::path(get, path = "/v1/suppliers", tag = "suppliers", operation_id = "listSuppliers", params(Which),
    responses((status = 200, description = "A page", body = Page<SupplierView>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let rows = state.pva.store.suppliers(which.after.as_deref(), limit + 1).await.or_problem()?;
    let next = |last: &Supplier| format!("/v1/suppliers?limit={limit}&after={}", last.id);
    Ok(page::answer(limit, rows, SupplierView::from, next))
}

/// Show a supplier
#[utoipa::path(get, path = "/v1/suppliers/{supplier}", tag = "suppliers", operation_id = "getSupplier",
    description = "Who may enrol platforms.",
    params(("supplier" = SupplierId, Path, description = "Its identity")),
    responses((status = 200, description = "It", body = SupplierView),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    Path(supplier): Path<String>,
) -> Result<Json<SupplierView>, Problem> {
    let id: SupplierId = parsed(&supplier)?;
    let found = state.pva.store.supplier(&id).await.or_problem()?;
    found.map(|supplier| Json(supplier.into())).ok_or_else(|| unknown(&id))
}

/// Create or replace a supplier
///
/// Its enrolments are signed with a certificate of the purpose *enrolment* whose common name is its identity. With
/// `devices` it enrols identities that begin so, and nobody else does; where more than one supplier may enrol, each needs
/// them.
#[utoipa::path(put, path = "/v1/suppliers/{supplier}", tag = "suppliers", operation_id = "putSupplier",
    params(("supplier" = SupplierId, Path, description = "Its identity")),
    request_body = SupplierPut,
    responses((status = 200, description = "It is replaced", body = SupplierView),
        (status = 201, description = "It is created", body = SupplierView),
        (status = 409, description = "Identities of another supplier begin so", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put(
    State(state): State<RestState>,
    Path(supplier): Path<String>,
    Json(Object(asked)): Body<SupplierPut>,
) -> Result<Response, Problem> {
    let id: SupplierId = parsed(&supplier)?;
    failure::text("/name", &asked.name)?;
    if asked.devices.len() > MAX_PREFIXES {
        return Err(Problem::unprocessable(format!("at most {MAX_PREFIXES} beginnings of identities"))
            .with("errors", serde_json::json!([{"pointer": "/devices", "detail": "too many"}])));
    }
    let supplier = Supplier { id, name: asked.name, enrols: asked.enrols, devices: asked.devices };
    let created = state.pva.store.put_supplier(&supplier).await.or_problem()?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(SupplierView::from(supplier))).into_response())
}

pub(super) fn unknown(id: &SupplierId) -> Problem {
    Problem::not_found(format!("there is no supplier {id}; PUT /v1/suppliers/{id} makes it"))
}
