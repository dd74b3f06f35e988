//! `/v1/audit`.

use std::sync::Arc;

use axum::extract::State;
use schemas::rest::AuditEntry;
use serde::Deserialize;
use service::{
    api::{Gates, audit_page},
    problem::{Json, Problem, Query},
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
    /// Entries on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Those before this one.
    after: Option<i64>,
}

/// List what was done, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "listAudit", params(Which),
    responses((status = 200, description = "A page", body = Vec<AuditEntry>)))]
async fn list(
    State(sho): State<Arc<Sho>>,
    Query(which): Query<Which>,
) -> Result<Json<Vec<AuditEntry>>, Problem> {
    let page = audit_page(&sho.store.db, which.after, super::limit(which.limit)?).await;
    page.map(Json).map_err(StoreError::from).or_problem()
}
