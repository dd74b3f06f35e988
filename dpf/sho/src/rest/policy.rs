//! `/v1/policy`.

use std::sync::Arc;

use axum::extract::State;
use service::{api::Gates, problem::Json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::types::PolicyView;
use crate::machine::Sho;

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    OpenApiRouter::new().routes(gates.read("policy:read", routes!(show)))
}

/// Show what is accepted
///
/// It is configured: `[policy]`.
#[utoipa::path(get, path = "/v1/policy", tag = "policy", operation_id = "getPolicy",
    responses((status = 200, description = "It", body = PolicyView)))]
async fn show(State(sho): State<Arc<Sho>>) -> Json<PolicyView> {
    let policy = &sho.policy;
    Json(PolicyView {
        operator: sho.operator.id.clone(),
        plmn: sho.operator.plmn,
        suppliers: policy.suppliers.clone(),
        states: policy.states.clone(),
        max_age: policy.max_age.0.as_secs(),
        validate_before_download: policy.validate_before_download,
        package_lifetime: policy.package_lifetime.0.as_secs(),
        report_within: policy.report_within.0.as_secs(),
        quarantine: policy.quarantine.0.as_secs(),
        key_retention: policy.key_retention.0.as_secs(),
        attach_before_report: policy.attach_before_report,
    })
}
