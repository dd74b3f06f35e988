//! `/v1/enrolments`.

use std::sync::Arc;

use axum::{body::Bytes, extract::State, http::HeaderMap};
use schemas::octets::Octets;
use service::{
    api::Gates,
    problem::{Json, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{RestState, failure::OrProblem, media_type, types::Binary};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.write("enrolments:write", "enrolments.create", routes!(create)))
}

/// Enrol a batch of platforms
///
/// The batch (CDDL `schemas/cddl/enrolment.cddl`) is a COSE_Sign1 by its supplier's certificate of the purpose
/// *enrolment*. All of it is enrolled, or nothing. The answer has the platforms' certificates, DER, in the order of the
/// batch; the same batch again is answered alike. A platform that is enrolled already, just so, keeps its certificate;
/// one that is enrolled with another key, device, supplier or model, or revoked, refuses the batch.
#[utoipa::path(post, path = "/v1/enrolments", tag = "enrolments", operation_id = "createEnrolment",
    request_body(content = Binary, content_type = "application/cose", description = "COSE_Sign1"),
    responses((status = 200, description = "The certificates", body = Vec<Octets>),
        (status = 409, description = "Something of it is enrolled otherwise", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn create(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Vec<Octets>>, Problem> {
    media_type(&headers, "application/cose")?;
    Arc::clone(&state.pva).enrol(&body).await.or_problem().map(Json)
}
