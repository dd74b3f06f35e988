//! `/v1/devices`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{
    identity::Pcid,
    rest::{Object, Page, Problem as ProblemShape, provisioning::Provisioned},
};
use serde::Deserialize;
use service::{
    api::{Gates, page},
    auth::Principal,
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState, text,
    types::{Contract, Device, DevicePatch, NewDevice, Resolution},
    view,
};
use crate::{
    desk::{Refused, View},
    resolution::Why,
};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.read("devices:read", routes!(list)))
        .routes(gates.read("devices:read", routes!(show)))
        .routes(gates.write("devices:write", "devices.put", routes!(put)))
        .routes(gates.write("devices:write", "devices.update", routes!(patch)))
        .routes(gates.write("devices:write", "devices.delete", routes!(delete)))
        .routes(gates.read("devices:read", routes!(resolution)))
        .routes(gates.write("contracts:write", "contracts.set", routes!(set_contract)))
        .routes(gates.write("contracts:write", "contracts.end", routes!(end_contract)))
        .routes(gates.write("devices:write", "devices.provisioned", routes!(provisioned)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Devices after this PCID.
    #[param(value_type = Option<Pcid>)]
    after: Option<Pcid>,
}

/// List devices
///
/// In the order of their PCIDs. An operator's token sees its own; a page of those may be shorter than `limit` and still
/// have a `next`.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", operation_id = "listDevices", params(Which),
    responses((status = 200, description = "A page", body = Page<Device>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(
    State(state): State<RestState>,
    who: Principal,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let after = which.after.map(|pcid| pcid.to_string());
    let (found, next) = state.desk.devices(&view(&who)?, after.as_deref(), limit).await?;
    let next = next.map(|after| format!("/v1/devices?limit={limit}&after={after}"));
    let link = next.as_ref().and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok());
    let items = found.into_iter().map(Device::new).collect();
    let mut response = Json(Page { items, next, total: None }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Show a device
#[utoipa::path(get, path = "/v1/devices/{pcid}", tag = "devices", operation_id = "getDevice",
    params(("pcid" = Pcid, Path, description = "Its PCID")),
    responses((status = 200, description = "The device", body = Device),
        (status = 404, description = "It is not in the registry, or is not this operator's", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    who: Principal,
    Path(pcid): Path<Pcid>,
) -> Result<Json<Device>, Problem> {
    Ok(Json(Device::new(state.desk.device(&view(&who)?, pcid).await?)))
}

fn check(model: Option<&str>, subscriber: Option<&str>) -> Result<(), Problem> {
    model.map_or(Ok(()), |model| text("/model", model))?;
    subscriber.map_or(Ok(()), |subscriber| text("/subscriber", subscriber))
}

/// Register a device, or describe it anew
///
/// What binds it stays as it is. A notice that has come before is followed now.
#[utoipa::path(put, path = "/v1/devices/{pcid}", tag = "devices", operation_id = "putDevice",
    params(("pcid" = Pcid, Path, description = "Its PCID")), request_body = NewDevice,
    responses((status = 200, description = "It was there", body = Device),
        (status = 201, description = "It is new", body = Device),
        (status = 409, description = "Another device has this device_id", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn put(
    State(state): State<RestState>,
    Path(pcid): Path<Pcid>,
    Json(Object(new)): Body<NewDevice>,
) -> Result<Response, Problem> {
    check(new.model.as_deref(), new.subscriber.as_deref())?;
    let created = state.desk.put_device(pcid, &new.into()).await?;
    let device = Device::new(state.desk.device(&View::All, pcid).await?);
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(device)).into_response())
}

/// Change a device
#[utoipa::path(patch, path = "/v1/devices/{pcid}", tag = "devices", operation_id = "patchDevice",
    params(("pcid" = Pcid, Path, description = "Its PCID")), request_body = DevicePatch,
    responses((status = 200, description = "As it is now", body = Device),
        (status = 404, description = "It is not in the registry", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "Another device has this device_id", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn patch(
    State(state): State<RestState>,
    Path(pcid): Path<Pcid>,
    Json(Object(patch)): Body<DevicePatch>,
) -> Result<Json<Device>, Problem> {
    let words = |field: &Option<Option<String>>| field.clone().flatten();
    check(words(&patch.model).as_deref(), words(&patch.subscriber).as_deref())?;
    state.desk.patch_device(pcid, &patch.into()).await?;
    Ok(Json(Device::new(state.desk.device(&View::All, pcid).await?)))
}

/// Take a device out of the registry
///
/// Its sequence numbers are not forgotten: registered again, its RNCTs go on above.
#[utoipa::path(delete, path = "/v1/devices/{pcid}", tag = "devices", operation_id = "deleteDevice",
    params(("pcid" = Pcid, Path, description = "Its PCID")),
    responses((status = 204, description = "It is out"),
        (status = 404, description = "It is not in the registry", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn delete(State(state): State<RestState>, Path(pcid): Path<Pcid>) -> Result<StatusCode, Problem> {
    state.desk.delete_device(pcid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show where a device goes
#[utoipa::path(get, path = "/v1/devices/{pcid}/resolution", tag = "devices", operation_id = "resolveDevice",
    params(("pcid" = Pcid, Path, description = "Its PCID")),
    responses((status = 200, description = "Operator, DPF, and why", body = Resolution),
        (status = 404, description = "It is not in the registry, is not this operator's, or goes nowhere yet",
            body = ProblemShape, content_type = "application/problem+json")))]
async fn resolution(
    State(state): State<RestState>,
    who: Principal,
    Path(pcid): Path<Pcid>,
) -> Result<Json<Resolution>, Problem> {
    let (device, _) = state.desk.device(&view(&who)?, pcid).await?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let resolved = state.desk.resolved(&mut db, &device).await.map_err(Refused::from)?;
    let resolved = resolved.ok_or_else(|| Problem::not_found(Refused::NoOperator.to_string()))?;
    let why = (&resolved.why).into();
    let dpf = state.desk.dpf(&resolved.operator);
    let rule = match resolved.why {
        Why::Rule(id) => Some(id),
        _ => None,
    };
    Ok(Json(Resolution { operator: resolved.operator.id, dpf, why, rule }))
}

/// An operator has a contract with the device
///
/// A notice that waits is followed now. With an operator's token a device has to go to that operator already, by a rule or
/// by its subscriber's claim, or its claim code has to be given; wrong ones are counted as those of claims.
#[utoipa::path(put, path = "/v1/devices/{pcid}/contract", tag = "devices", operation_id = "putContract",
    params(("pcid" = Pcid, Path, description = "Its PCID")), request_body = Contract,
    responses((status = 200, description = "The device", body = Device),
        (status = 404, description = "It is not in the registry, or not there for this operator", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "Another operator has a contract", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong codes", body = ProblemShape,
            content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds until the next is heard")))))]
async fn set_contract(
    State(state): State<RestState>,
    who: Principal,
    Path(pcid): Path<Pcid>,
    Json(Object(contract)): Body<Contract>,
) -> Result<Response, Problem> {
    let view = view(&who)?;
    let operator = contract.operator.or_else(|| view.operator().cloned()).ok_or_else(|| Refused::Field {
        pointer: "/operator",
        detail: "say which operator has the contract".to_owned(),
    })?;
    let set = state.desk.set_contract(&view, &who.name, pcid, &operator, contract.claim_code.as_ref()).await;
    if let Err(error) = set {
        return Ok(super::claims::refused(error));
    }
    Ok(Json(Device::new(state.desk.device(&view, pcid).await?)).into_response())
}

/// The contract has ended
#[utoipa::path(delete, path = "/v1/devices/{pcid}/contract", tag = "devices", operation_id = "deleteContract",
    params(("pcid" = Pcid, Path, description = "Its PCID")),
    responses((status = 204, description = "It has ended"),
        (status = 404, description = "There is none, or it is another operator's", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn end_contract(
    State(state): State<RestState>,
    who: Principal,
    Path(pcid): Path<Pcid>,
) -> Result<StatusCode, Problem> {
    state.desk.end_contract(&view(&who)?, pcid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tell how provisioning ended
///
/// For the DPF (step 19). The same session again changes nothing.
#[utoipa::path(post, path = "/v1/devices/{pcid}/provisioned", tag = "devices", operation_id = "provisioned",
    params(("pcid" = Pcid, Path, description = "Its PCID")), request_body = Provisioned,
    responses((status = 204, description = "It is registered"),
        (status = 404, description = "The device is not in the registry", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "The session has ended otherwise before", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn provisioned(
    State(state): State<RestState>,
    Path(pcid): Path<Pcid>,
    Json(Object(told)): Body<Provisioned>,
) -> Result<StatusCode, Problem> {
    state.desk.provisioned(pcid, &told).await?;
    Ok(StatusCode::NO_CONTENT)
}
