//! `/v1/outgoing`.

use axum::extract::State;
use axum::response::Response;
use schemas::rest::{Outgoing, Page};
use serde::{Deserialize, Serialize};
use service::problem::{Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::failure::OrProblem;
use super::gate::Gates;
use super::{RestState, page};
use crate::store::Waiting;

const PATH: &str = "/v1/outgoing";

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("registrations:read", routes!(list)))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>)]
    after: Option<String>,
}

/// List requests to serving nodes that are not answered yet
///
/// CLR, IDR and DSR, oldest first: how often each was tried, why the last try failed, and when the next one is. They are
/// tried again for days; the events `not-delivered` and `given-up` tell of the first failure and of the end.
#[utoipa::path(get, path = PATH, tag = "registrations", operation_id = "listOutgoing", params(Which),
    responses((status = 200, description = "A page", body = Page<Outgoing>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    page::cursor::<i64>(which.after.as_deref(), "an id")?;
    let rows = state.store.waiting(&page::read(limit, which.after.as_deref())).await.or_problem()?;
    let next = |last: &Waiting| Which { after: Some(last.queued.id.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, Outgoing::from, next, None)
}
