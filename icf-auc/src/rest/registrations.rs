//! `/v1/registrations`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemas::identity::Imsi;
use schemas::rest::{Page, Registration};
use serde::{Deserialize, Serialize};
use service::problem::{Json, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::ImsiOf;
use super::failure::OrProblem;
use super::gate::{Gates, Write};
use super::{RestState, effects, page};
use crate::model;

const PATH: &str = "/v1/registrations";

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    let read = "registrations:read";
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write("registrations:cancel", Write::plain("registrations.cancel"), routes!(cancel)))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page; one more where a subscriber has two registrations, which stay together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this IMSI.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Imsi>)]
    after: Option<String>,
}

/// List registrations
///
/// By IMSI. A subscriber has at most one with an MME and one with a SGSN.
#[utoipa::path(get, path = PATH, tag = "registrations", operation_id = "listRegistrations", params(Which),
    responses((status = 200, description = "A page", body = Page<Registration>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    page::cursor::<Imsi>(which.after.as_deref(), "an IMSI")?;
    // One more to see whether there is a next page, and one for a second registration of the last subscriber.
    let read = page::read(limit + 1, which.after.as_deref());
    let rows = state.store.registrations(&read).await.or_problem()?;
    let together =
        |at: usize| rows.get(at - 1).is_some_and(|r| rows.get(at).is_some_and(|next| next.imsi == r.imsi));
    let limit = if together(limit as usize) { limit + 1 } else { limit };
    let next = |last: &model::Registration| Which { after: Some(last.imsi.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, Registration::from, next, None)
}

/// Show a subscriber's registrations
#[utoipa::path(get, path = "/v1/registrations/{imsi}", tag = "registrations", operation_id = "getRegistrations",
    params(("imsi" = Imsi, Path, description = "The subscriber")),
    responses((status = 200, description = "One or two", body = Page<Registration>),
        (status = 404, description = "It is not registered", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
) -> Result<Json<Page<Registration>>, Problem> {
    let found = state.store.registration(imsi).await.or_problem()?;
    if found.is_empty() {
        return Err(gone(imsi));
    }
    Ok(Json(Page { items: found.into_iter().map(Registration::from).collect(), next: None, total: None }))
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct How {
    /// Tell the UE to attach again at once (CLR-Flags, Reattach-Required).
    #[serde(default)]
    #[param(required = false)]
    reattach: bool,
}

/// Cancel a subscriber's registrations
///
/// Its serving nodes get a Cancel-Location of type SUBSCRIPTION_WITHDRAWAL (TS 29.272 §7.3.24). To keep it from
/// coming back, block or disable the credential.
#[utoipa::path(delete, path = "/v1/registrations/{imsi}", tag = "registrations",
    operation_id = "cancelRegistrations",
    params(("imsi" = Imsi, Path, description = "The subscriber"), How),
    responses((status = 204, description = "They are forgotten, and the serving nodes are being told"),
        (status = 404, description = "It is not registered", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn cancel(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    Query(how): Query<How>,
) -> Result<StatusCode, Problem> {
    let registrations = state.store.registration(imsi).await.or_problem()?;
    let send = effects::cancel(&registrations, how.reattach);
    if registrations.is_empty() || !state.store.cancel(imsi, send).await.or_problem()? {
        return Err(gone(imsi));
    }
    state.control.changed(Some(imsi));
    Ok(StatusCode::NO_CONTENT)
}

fn gone(imsi: Imsi) -> Problem {
    Problem::not_found(format!("{imsi} is not registered"))
}
