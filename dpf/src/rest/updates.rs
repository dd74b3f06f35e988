//! `/v1/updates` (R17): "update previously downloaded RNCP applications or credentials" (seed, section 4.3).

use axum::{Extension, extract::State, http::StatusCode};
use schemas::rest::{Object, provisioning::UpdateRequest};
use service::{
    api::{Gates, Target},
    auth::Principal,
    problem::{Json, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Body, RestState, failed, viewer::Viewer};
use crate::{model::now, store::Update};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.write("updates:write", "updates.create", routes!(update)))
}

/// Update an RNCP in the field
///
/// The DRF is asked to trigger the device; what it gets then, the operator says in the session that follows. The same `id`
/// again changes nothing.
#[utoipa::path(post, path = "/v1/updates", tag = "updates", operation_id = "createUpdate", request_body = UpdateRequest,
    responses((status = 202, description = "The DRF is asked until it has it"),
        (status = 404, description = "The operator has no RNCP in a device of that PCID", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The id was used for another update", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn update(
    State(state): State<RestState>,
    principal: Principal,
    Extension(target): Extension<Target>,
    Json(Object(request)): Body<UpdateRequest>,
) -> Result<StatusCode, Problem> {
    target.is(format!("{} of {}", request.pcid, request.operator));
    if !Viewer::of(&principal)?.sees(&request.operator) {
        return Err(Problem::new(StatusCode::FORBIDDEN).detail("this token is for another operator"));
    }
    let dpf = &state.dpf;
    if !dpf.store.has_installed(&request.operator, request.pcid).await.map_err(failed)? {
        let text = format!(
            "operator {} has no RNCP in a device of PCID {} that this DPF provisioned",
            request.operator, request.pcid
        );
        return Err(Problem::not_found(text));
    }
    match dpf.store.update(&request, now()).await.map_err(failed)? {
        Update::Taken => {
            dpf.outbox.wake();
            Ok(StatusCode::ACCEPTED)
        }
        Update::Otherwise => {
            Err(Problem::conflict("that id was used for another update; take a new one for each"))
        }
    }
}
