//! `/v1/audit`.

use axum::extract::State;
use axum::response::Response;
use schemas::rest::{AuditEntry, Page};
use serde::{Deserialize, Serialize};
use service::problem::{Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::failure::OrProblem;
use super::gate::Gates;
use super::{RestState, page};
use crate::store;

const PATH: &str = "/v1/audit";

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("audit:read", routes!(list)))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Entries before this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>)]
    after: Option<String>,
}

/// List the audit log
///
/// Newest first: who changed what, and whether it was done.
#[utoipa::path(get, path = PATH, tag = "audit", operation_id = "listAudit", params(Which),
    responses((status = 200, description = "A page", body = Page<AuditEntry>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    page::cursor::<i64>(which.after.as_deref(), "the id of an entry")?;
    let rows = state.store.audit_log(&page::read(limit, which.after.as_deref())).await.or_problem()?;
    let next = |last: &store::AuditEntry| Which { after: Some(last.id.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, AuditEntry::from, next, None)
}
