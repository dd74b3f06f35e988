//! `/v1/contracts`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use schemas::{identity::DeviceId, rest::Page};
use serde::Deserialize;
use service::{
    api::{Gates, page},
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    failure::{OrProblem, field},
    types::{Contract, NewContract},
};
use crate::{
    machine::Sho,
    model,
    store::{contracts, parts},
};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    let (read, write) = ("contracts:read", "contracts:write");
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write(write, "contracts.put", routes!(put)))
        .routes(gates.write(write, "contracts.delete", routes!(delete)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this device.
    #[param(value_type = Option<DeviceId>)]
    after: Option<DeviceId>,
}

/// List contracts
///
/// By device.
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", operation_id = "listContracts", params(Which),
    responses((status = 200, description = "A page", body = Page<Contract>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(sho): State<Arc<Sho>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let after = which.after.as_ref().map(DeviceId::as_str);
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let rows = contracts::page(&mut reader, after, limit + 1).await.or_problem()?;
    let next = |last: &model::Contract| format!("/v1/contracts?limit={limit}&after={}", last.device_id);
    Ok(page::answer(limit, rows, Contract::from, next))
}

/// Show a contract
#[utoipa::path(get, path = "/v1/contracts/{device_id}", tag = "contracts", operation_id = "getContract",
    params(("device_id" = DeviceId, Path, description = "The device")),
    responses((status = 200, description = "It", body = Contract),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(sho): State<Arc<Sho>>, Path(device): Path<String>) -> Result<Json<Contract>, Problem> {
    let device = named(&device)?;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let contract = contracts::find(&mut reader, &device).await.or_problem()?;
    contract.map(|contract| Json(contract.into())).ok_or_else(|| gone(&device))
}

/// Store a contract
///
/// What it changes of one that is there holds for what is provisioned from then on. A supplier that is not named stays as it
/// was; to have it forgotten, delete the contract first.
#[utoipa::path(put, path = "/v1/contracts/{device_id}", tag = "contracts", operation_id = "putContract",
    params(("device_id" = DeviceId, Path, description = "The device")),
    request_body = NewContract,
    responses((status = 200, description = "It is changed", body = Contract),
        (status = 201, description = "It is new", body = Contract)))]
async fn put(
    State(sho): State<Arc<Sho>>,
    Path(device): Path<String>,
    Json(new): Json<NewContract>,
) -> Result<(StatusCode, Json<Contract>), Problem> {
    let device = named(&device)?;
    new.terms.check().map_err(|error| field(&format!("/terms/{}", error.field), error.rule))?;
    let mut tx = sho.store.db.write().await.or_problem()?;
    for name in &new.terms.parts {
        if parts::find(&mut tx, name).await.or_problem()?.is_none() {
            return Err(field(
                "/terms/parts",
                format!("there is no part {name:?}; PUT /v1/parts/{name} makes it"),
            ));
        }
    }
    let is_new =
        contracts::put(&mut tx, &device, new.supplier.as_ref(), &new.terms, new.suspended, sho.clock.now())
            .await
            .or_problem()?;
    let stored = contracts::find(&mut tx, &device).await.or_problem()?.ok_or_else(|| gone(&device))?;
    tx.commit().await.or_problem()?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(stored.into())))
}

/// Delete a contract
///
/// Nothing is provisioned for the device any more; the subscription that it has stays.
#[utoipa::path(delete, path = "/v1/contracts/{device_id}", tag = "contracts", operation_id = "deleteContract",
    params(("device_id" = DeviceId, Path, description = "The device")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(State(sho): State<Arc<Sho>>, Path(device): Path<String>) -> Result<StatusCode, Problem> {
    let device = named(&device)?;
    let mut tx = sho.store.db.write().await.or_problem()?;
    let deleted = contracts::delete(&mut tx, &device).await.or_problem()?;
    tx.commit().await.or_problem()?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(gone(&device)) }
}

fn named(text: &str) -> Result<DeviceId, Problem> {
    text.parse().map_err(|error: schemas::identity::NameError| Problem::bad_request(error.to_string()))
}

fn gone(device: &DeviceId) -> Problem {
    Problem::not_found(format!("there is no contract for the device {device}"))
}
