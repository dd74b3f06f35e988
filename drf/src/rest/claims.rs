//! `/v1/claims`.

use axum::{
    Extension,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use schemas::rest::{Object, Problem as ProblemShape};
use service::{
    api::{Gates, Target, Trickle},
    auth::Principal,
    problem::{Json, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState,
    types::{ClaimRequest, Claimed},
    view,
};
use crate::desk::{Claim, Refused, Subject};

/// Refusals of claims that are in the audit log at once, and one more a second: whoever reaches a portal can type wrong
/// codes without end.
const REFUSALS_AUDITED_AT_ONCE: u32 = 200;

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    let refusals = Trickle::new(REFUSALS_AUDITED_AT_ONCE);
    OpenApiRouter::new().routes(gates.write_for_strangers(
        "claims:write",
        "claims.make",
        refusals,
        routes!(claim),
    ))
}

/// Choose an operator for a device
///
/// For subscribers, who prove with the claim code that the device is theirs. A wrong code and a device that is not there
/// are one answer; after five wrong codes of a token for a device its next is heard a quarter of an hour later. Other tokens
/// are not kept waiting by it.
#[utoipa::path(post, path = "/v1/claims", tag = "claims", operation_id = "claimDevice", request_body = ClaimRequest,
    responses((status = 200, description = "It is chosen", body = Claimed),
        (status = 404, description = "There is no device with that identity and claim code", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "Another operator has a contract with it", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong codes", body = ProblemShape,
            content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds until the next is heard")))))]
async fn claim(
    State(state): State<RestState>,
    who: Principal,
    Extension(target): Extension<Target>,
    Json(Object(request)): Body<ClaimRequest>,
) -> Result<Response, Problem> {
    let subject = match (request.pcid, request.device_id) {
        (Some(pcid), None) => Subject::Pcid(pcid),
        (None, Some(id)) => Subject::Device(id),
        _ => {
            let detail = "give either pcid or device_id".to_owned();
            return Err(Refused::Field { pointer: "/pcid", detail }.into());
        }
    };
    match &subject {
        Subject::Pcid(pcid) => target.is(pcid),
        Subject::Device(id) => target.is(id),
    }
    let claim = Claim { subject, code: request.claim_code, operator: request.operator };
    match state.desk.claim(&view(&who)?, &who.name, &claim).await {
        Ok(device) => Ok(Json(Claimed { pcid: device.pcid, operator: claim.operator }).into_response()),
        Err(error) => Ok(refused(error)),
    }
}

/// With `Retry-After`, where codes are not heard for a while.
pub(super) fn refused(error: Refused) -> Response {
    let wait = match &error {
        Refused::Throttled(seconds) => Some(HeaderValue::from(*seconds)),
        _ => None,
    };
    let mut response = Problem::from(error).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}
