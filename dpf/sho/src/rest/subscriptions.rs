//! `/v1/subscriptions`: without keys.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use schemas::{
    identity::{DeviceId, Imsi},
    rest::{Page, provisioning::UpdateRequest},
};
use serde::{Deserialize, Serialize};
use service::{
    api::{Gates, page},
    outbox::{Message, enqueue},
    problem::{Json, Path, Problem, Query},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    failure::{OrProblem, field},
    types::Subscription,
};
use crate::{
    machine::{Sho, UPDATE},
    model::{self, SubscriptionState},
    store::subscriptions,
};

/// So long a DPF that is away is asked.
const GIVE_UP: Duration = Duration::from_secs(86_400);

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    OpenApiRouter::new()
        .routes(gates.read("subscriptions:read", routes!(list)))
        .routes(gates.read("subscriptions:read", routes!(show)))
        .routes(gates.write("subscriptions:update", "subscriptions.update", routes!(update)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this IMSI.
    #[param(value_type = Option<Imsi>)]
    after: Option<Imsi>,
    /// Of this device.
    #[param(value_type = Option<DeviceId>)]
    device_id: Option<DeviceId>,
    /// In this state.
    #[param(inline)]
    state: Option<SubscriptionState>,
}

/// List subscriptions
///
/// By IMSI.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "listSubscriptions",
    params(Which),
    responses((status = 200, description = "A page", body = Page<Subscription>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(sho): State<Arc<Sho>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let Which { after, device_id, state, limit: _ } = which;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let rows =
        subscriptions::page(&mut reader, device_id.as_ref(), state, after, limit + 1).await.or_problem()?;
    let next = |last: &model::Subscription| {
        let device = device_id.as_ref().map(|id| format!("&device_id={id}")).unwrap_or_default();
        let state = state.map(|state| format!("&state={}", state.as_str())).unwrap_or_default();
        format!("/v1/subscriptions?limit={limit}{device}{state}&after={}", last.imsi)
    };
    Ok(page::answer(limit, rows, Subscription::from, next))
}

/// Show a subscription
#[utoipa::path(get, path = "/v1/subscriptions/{imsi}", tag = "subscriptions", operation_id = "getSubscription",
    params(("imsi" = Imsi, Path, description = "Its IMSI")),
    responses((status = 200, description = "It", body = Subscription),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(sho): State<Arc<Sho>>, Path(imsi): Path<String>) -> Result<Json<Subscription>, Problem> {
    let imsi = read(&imsi)?;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let found = subscriptions::find(&mut reader, imsi).await.or_problem()?;
    found.map(|found| Json(found.into())).ok_or_else(|| gone(imsi))
}

/// An update that is wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The same for every time it is sent; made, if there is none.
    #[serde(default)]
    id: Option<Uuid>,
    /// Where the device takes triggers now, if it is not where its last notice said.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}$")]
    address: Option<SocketAddr>,
}

/// What was asked of the DPF.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
struct Asked {
    /// Its name.
    id: Uuid,
}

/// Have a device's RNCP updated
///
/// The DPF is asked, as long as it takes, to have the device triggered; the device then comes with a session of kind
/// `update`, and gets an RNCP by the contract as it is then.
#[utoipa::path(post, path = "/v1/subscriptions/{imsi}/update", tag = "subscriptions",
    operation_id = "updateSubscription", params(("imsi" = Imsi, Path, description = "Its IMSI")),
    request_body = Wanted,
    responses((status = 202, description = "The DPF is asked", body = Asked),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is not in use, or no DPF is configured", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn update(
    State(sho): State<Arc<Sho>>,
    Path(imsi): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Asked>), Problem> {
    if sho.dpf.is_none() {
        return Err(Problem::conflict("no DPF is configured: add [dpf] with url and token"));
    }
    if wanted.address.is_some_and(|address| address.port() == 0) {
        return Err(field("/address", "an address with a port, as 10.0.0.7:5683"));
    }
    let imsi = read(&imsi)?;
    let id = wanted.id.unwrap_or_else(Uuid::now_v7);
    let mut tx = sho.store.db.write().await.or_problem()?;
    let found = subscriptions::find(&mut tx, imsi).await.or_problem()?.ok_or_else(|| gone(imsi))?;
    if found.state != SubscriptionState::Active {
        return Err(Problem::conflict("it is not in use, so there is no RNCP to update"));
    }
    let operator = sho.operator.id.clone();
    let request = UpdateRequest { id, pcid: found.pcid, operator, address: wanted.address };
    let body = serde_json::to_vec(&request).map_err(|error| Problem::internal(&error))?;
    let key = id.to_string();
    let message = Message { topic: UPDATE, key: &key, body: &body, give_up_after: GIVE_UP };
    enqueue(&mut tx, &message).await.or_problem()?;
    tx.commit().await.or_problem()?;
    sho.outbox.wake();
    Ok((StatusCode::ACCEPTED, Json(Asked { id })))
}

fn read(imsi: &str) -> Result<Imsi, Problem> {
    imsi.parse().map_err(|error: schemas::identity::ImsiError| Problem::bad_request(error.to_string()))
}

fn gone(imsi: Imsi) -> Problem {
    Problem::not_found(format!("there is no subscription {imsi}"))
}
