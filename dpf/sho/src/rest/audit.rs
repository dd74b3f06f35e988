//! `/v1/audit`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemas::rest::{AuditEntry, Page};
use serde::Deserialize;
use service::{
    api::{Gates, audit_page, page},
    problem::{Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::failure::OrProblem;
use crate::{machine::Sho, store::StoreError};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    OpenApiRouter::new().routes(gates.read("audit:read", routes!(list)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 499, default = 100)]
    limit: Option<u32>,
    /// Those before this one.
    after: Option<i64>,
}

/// List what was done, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "listAudit", params(Which),
    responses((status = 200, description = "A page", body = Page<AuditEntry>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(sho): State<Arc<Sho>>, Query(which): Query<Which>) -> Result<Response, Problem> {
    // One more is read, and 500 is what is read at most.
    let limit = page::limit_to(499, which.limit)?;
    let rows =
        audit_page(&sho.store.db, which.after, limit + 1).await.map_err(StoreError::from).or_problem()?;
    let next = |last: &AuditEntry| format!("/v1/audit?limit={limit}&after={}", last.id);
    Ok(page::answer(limit, rows, |entry| entry, next))
}
