//! `/v1/sessions`.

use axum::{extract::State, http::StatusCode, response::Response};
use schemas::{
    identity::{OperatorId, Pcid},
    rest::{Page, provisioning::SessionState},
};
use serde::Deserialize;
use service::{
    api::{Gates, page},
    auth::Principal,
    problem::{Json, Path, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{RestState, failed, parsed, types::SessionView, viewer::Viewer};
use crate::{model::Session, store::Filter};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.read("sessions:read", routes!(list)))
        .routes(gates.read("sessions:read", routes!(show)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// In this state alone.
    state: Option<SessionState>,
    /// Of this PCID alone.
    #[param(value_type = Option<String>, pattern = "^[0-9]{6,15}$")]
    pcid: Option<String>,
    /// Of this operator alone.
    #[param(value_type = Option<String>, pattern = "^[a-z0-9-]{1,32}$")]
    operator: Option<String>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Opened before this session.
    after: Option<Uuid>,
}

/// List sessions
///
/// Newest first; of the operator that the token is for.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", operation_id = "listSessions", params(Which),
    responses((status = 200, description = "A page", body = Page<SessionView>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(
    State(state): State<RestState>,
    principal: Principal,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let asked: Option<OperatorId> = which.operator.as_deref().map(parsed).transpose()?;
    let pcid: Option<Pcid> = which.pcid.as_deref().map(parsed).transpose()?;
    let operator = match (Viewer::of(&principal)?, asked) {
        (Viewer::All, asked) => asked,
        (Viewer::Only(mine), None) => Some(mine),
        (Viewer::Only(mine), Some(asked)) if mine == asked => Some(mine),
        (Viewer::Only(mine), Some(_)) => {
            return Err(Problem::new(StatusCode::FORBIDDEN)
                .detail(format!("this token is for operator {mine}; leave `operator` out")));
        }
    };
    let mut kept = String::new();
    if let Some(operator) = which.operator.as_ref() {
        kept += &format!("&operator={operator}");
    }
    if let Some(pcid) = pcid {
        kept += &format!("&pcid={pcid}");
    }
    if let Some(Ok(serde_json::Value::String(state))) = which.state.map(serde_json::to_value) {
        kept += &format!("&state={state}");
    }
    let filter = Filter { operator, state: which.state, pcid, before: which.after };
    let rows = state.dpf.store.list(&filter, limit + 1).await.map_err(failed)?;
    let next = |last: &Session| format!("/v1/sessions?limit={limit}&after={}{kept}", last.id);
    Ok(page::answer(limit, rows, |session| SessionView::new(session, None), next))
}

/// Show a session
///
/// With what happened to it, step by step.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "getSession",
    params(("id" = Uuid, Path, description = "Its name")),
    responses((status = 200, description = "It", body = SessionView),
        (status = 404, description = "There is none of that name of the token's operator", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    let viewer = Viewer::of(&principal)?;
    let id: Uuid = parsed(&id)?;
    let store = &state.dpf.store;
    let session = store.session(id).await.map_err(failed)?.filter(|session| viewer.sees(&session.operator));
    let session =
        session.ok_or_else(|| Problem::not_found(format!("there is no session {id} for this token")))?;
    let history = store.steps(id).await.map_err(failed)?;
    Ok(Json(SessionView::new(session, Some(history))))
}
