//! `/v1/audit`.

use axum::{extract::State, response::Response};
use schemas::rest::{AuditEntry, Page};
use serde::Deserialize;
use service::{
    api::{Gates, audit_page, page},
    problem::{Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::RestState;

/// It shows what concerns all operators: a token that is bound to one does not get it.
pub(super) const SCOPE: &str = "audit:read";

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read(SCOPE, routes!(list)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 499, default = 100)]
    limit: Option<u32>,
    /// Entries before this id.
    after: Option<i64>,
}

/// List the audit log
///
/// Newest first: who did what, and whether it was done; what devices were refused too.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "listAudit", params(Which),
    responses((status = 200, description = "A page", body = Page<AuditEntry>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    // One more is read, and 500 is what is read at most.
    let limit = page::limit_to(499, which.limit)?;
    let database = state.dpf.store.database();
    let rows = audit_page(database, which.after, limit + 1)
        .await
        .map_err(|error| service::database::problem(&error))?;
    let next = |last: &AuditEntry| format!("/v1/audit?limit={limit}&after={}", last.id);
    Ok(page::answer(limit, rows, |entry| entry, next))
}
