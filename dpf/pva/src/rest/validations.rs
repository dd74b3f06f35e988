//! `/v1/nonces` and `/v1/validations`.

use axum::{extract::State, http::StatusCode};
use schemas::{
    octets::Octets,
    rest::{
        Object,
        provisioning::{Nonce, Validation, ValidationRequest},
    },
};
use service::{
    api::Gates,
    auth::Principal,
    problem::{Json, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Body, RestState, failure::OrProblem};
use crate::procedure::{ValidateError, Validated, shown};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    // A nonce is no change that anybody has to answer for; a verdict is put down below, with what it says.
    OpenApiRouter::new()
        .routes(gates.read("nonces:write", routes!(nonce)))
        .routes(gates.read("validations:write", routes!(validate)))
}

/// Get a nonce
///
/// For one piece of evidence (RFC 9711 §4.1).
#[utoipa::path(post, path = "/v1/nonces", tag = "validations", operation_id = "createNonce",
    responses((status = 201, description = "It", body = Nonce)))]
async fn nonce(State(state): State<RestState>) -> Result<(StatusCode, Json<Nonce>), Problem> {
    Ok((StatusCode::CREATED, Json(state.pva.nonce().await.or_problem()?)))
}

/// Validate a platform
///
/// The verdict (CDDL `schemas/cddl/verdict.cddl`) is signed, and says whether the platform is genuine, whole and in a
/// state that is accepted, and if not, why. A `session` and `check` have one verdict: the same request again gets the
/// same one. Other evidence with the same nonce is `replayed`; evidence that is good for one check of a session can be
/// sent for another.
#[utoipa::path(post, path = "/v1/validations", tag = "validations", operation_id = "createValidation",
    request_body = ValidationRequest,
    responses((status = 200, description = "The verdict", body = Validation),
        (status = 409, description = "The session and check have had their verdict for another request",
            body = schemas::rest::Problem, content_type = "application/problem+json")))]
async fn validate(
    State(state): State<RestState>,
    principal: Principal,
    Json(Object(request)): Body<ValidationRequest>,
) -> Result<Json<Validation>, Problem> {
    // To its end, whether or not the client still listens: what was judged is put down.
    let work = tokio::spawn(async move {
        let outcome = state.pva.validate(&request).await;
        record(&state, &principal, &request, &outcome).await;
        outcome
    });
    let outcome = work.await.map_err(|error| Problem::internal(&error))?;
    outcome.or_problem().map(|it| Json(Validation { verdict: Octets(it.signed) }))
}

/// One entry for each verdict that is given, with its reasons; what is repeated was put down before. Of a flood of refusals
/// only some are: whatever device sends bad evidence must not fill the disk.
async fn record(
    state: &RestState,
    principal: &Principal,
    request: &ValidationRequest,
    outcome: &Result<Validated, ValidateError>,
) {
    let (tre, said, refused) = match outcome {
        Ok(Validated { verdict: None, .. }) => return,
        Ok(Validated { verdict: Some(verdict), .. }) if verdict.good => {
            (verdict.tre_id.as_ref(), "good".to_owned(), false)
        }
        Ok(Validated { verdict: Some(verdict), .. }) => {
            let said = format!("refused ({}): {}", shown(&verdict.reasons), verdict.detail);
            (verdict.tre_id.as_ref(), said, true)
        }
        Err(error) => (None, error.to_string(), true),
    };
    let target = match tre {
        Some(tre) => format!("{tre} session {}", request.session),
        None => format!("session {}", request.session),
    };
    let entry = if refused { state.noted.entry(state.noted.allows(), &said) } else { Some(said.clone()) };
    let Some(entry) = entry else {
        tracing::warn!(who = %principal.name, target, said, "not in the audit log: there are too many refusals");
        return;
    };
    if let Err(error) = state.trail.record(&principal.name, "validations.judge", &target, &entry).await {
        tracing::error!(who = %principal.name, target, said, error, "the audit log cannot be written");
    }
}
