//! `/v1/chtif`: ICFs elsewhere ask for a credential that they lack (R4), DRF and DPF whose call-home triple one is (R2).

use axum::extract::{DefaultBodyLimit, State};
use schemas::rest::provisioning::{TripleCheck, TripleOwner};
use service::auth::Principal;
use service::problem::{Json, Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::RestState;
use super::extract::Body;
use super::gate::Gates;
use crate::chtif::fetch::{FetchAnswer, FetchRequest, PATH};
use crate::chtif::{serve, verify};

/// Largest body of a request, octets: an IMSI and a public key need no more.
const MAX_BODY: usize = 4096;

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.audited(serve::SCOPE, routes!(fetch)))
        .routes(gates.audited(verify::SCOPE, routes!(verify_triple)))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Hand a credential to an ICF elsewhere
///
/// For another Callhome (`icf.chtif` of its configuration), not for people: the credential leaves with its keys,
/// sealed to the age key that the request names, after the audit log has it who got it. The answer's `next_seq` is
/// the first sequence number that nobody was ever promised here. What is unknown, blocked, disabled, expired or
/// served from a pool of vectors is not there.
#[utoipa::path(post, path = PATH, tag = "chtif", operation_id = "fetchCredential",
    request_body = FetchRequest,
    responses((status = 200, description = "The credential, sealed", body = FetchAnswer),
        (status = 404, description = "There is none to hand out", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Its sequence numbers are used up", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn fetch(
    State(state): State<RestState>,
    who: Principal,
    Body(request): Body<FetchRequest>,
) -> Result<Json<FetchAnswer>, Problem> {
    serve::fetch(&*state.store, &who.name, &request).await.map(Json)
}

/// Ask whose call-home triple this is
///
/// For DRF and DPF: a device without a platform certificate has given them this user name and password. Refusals are
/// in the audit log.
#[utoipa::path(post, path = verify::PATH, tag = "chtif", operation_id = "verifyTriple",
    request_body = TripleCheck,
    responses((status = 200, description = "Its PCID", body = TripleOwner),
        (status = 403, description = "The token lacks the scope, or it is nobody's triple", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn verify_triple(
    State(state): State<RestState>,
    who: Principal,
    Body(check): Body<TripleCheck>,
) -> Result<Json<TripleOwner>, Problem> {
    verify::verify(&*state.store, &who.name, &check).await.map(Json)
}
