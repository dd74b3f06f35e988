//! `/v1/provisioning`: what a DPF asks and reports.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::rest::provisioning::{Generated, ProvisioningAnswer, ProvisioningReport, ProvisioningRequest};
use service::{
    api::Gates,
    problem::{Json, Path, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    failure::{OrProblem, field},
    types::SessionView,
};
use crate::{
    machine::{Outcome, Reported, Sho, Taken},
    store::sessions,
};

const SCOPE: &str = "provisioning:write";
/// When to come again with what was generated.
const COME_AGAIN: Duration = Duration::from_secs(2);

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<Arc<Sho>> {
    // The machine writes the audit log by itself: what is asked again and again is put down once.
    OpenApiRouter::new()
        .routes(gates.read(SCOPE, routes!(request)))
        .routes(gates.read(SCOPE, routes!(report)))
        .routes(gates.read(SCOPE, routes!(generated)))
        .routes(gates.read("sessions:read", routes!(show)))
}

/// Ask for a device's RNCP
///
/// Steps 10 to 15. The same session gives the same answer, however often it is asked; the request has to be the same.
#[utoipa::path(put, path = "/v1/provisioning/{session}", tag = "provisioning", operation_id = "requestProvisioning",
    params(("session" = Uuid, Path, description = "The DPF's session")),
    request_body = ProvisioningRequest,
    responses((status = 200, description = "Authorised, to be generated, or refused", body = ProvisioningAnswer),
        (status = 202, description = "Ask again: the PVA or an HSS is away",
            headers(("Retry-After" = u32, description = "Seconds"))),
        (status = 409, description = "The session is another request's", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "The session is over for long", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn request(
    State(sho): State<Arc<Sho>>,
    Path(session): Path<String>,
    Json(request): Json<ProvisioningRequest>,
) -> Result<Response, Problem> {
    let session = named(&session)?;
    // RFC 9711 §4.1.
    if !(8..=64).contains(&request.nonce.as_ref().len()) {
        return Err(field("/nonce", "8 to 64 octets, base64url without padding"));
    }
    if request.evidence.as_ref().is_empty() {
        return Err(field("/evidence", "what the device has signed; it is empty"));
    }
    // It goes on to where it can also when the DPF has gone.
    let work = tokio::spawn(async move { sho.provision(session, &request).await });
    match work.await.map_err(|error| Problem::internal(&error))?.or_problem()? {
        Outcome::Answer(answer) => Ok(Json(answer).into_response()),
        Outcome::Later(after, why) => Ok(later(after, &why)),
        Outcome::Other => Err(Problem::conflict(
            "this session is of another device or another request; a new request needs a new session",
        )),
        Outcome::Gone => Err(Problem::new(StatusCode::GONE)
            .detail("this session is over, and its package is not kept any more; open a new session")),
    }
}

/// Report how it went
///
/// Step 19. That an RNCP is installed is believed of the device's own signature alone. Repeated reports are answered
/// alike.
#[utoipa::path(post, path = "/v1/provisioning/{session}/report", tag = "provisioning",
    operation_id = "reportProvisioning", params(("session" = Uuid, Path, description = "The DPF's session")),
    request_body = ProvisioningReport,
    responses((status = 204, description = "It is known"),
        (status = 404, description = "There is no such session", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It contradicts what is known", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn report(
    State(sho): State<Arc<Sho>>,
    Path(session): Path<String>,
    Json(report): Json<ProvisioningReport>,
) -> Result<StatusCode, Problem> {
    let id = named(&session)?;
    let work = tokio::spawn(async move { sho.report(id, &report).await });
    match work.await.map_err(|error| Problem::internal(&error))?.or_problem()? {
        Reported::Known => Ok(StatusCode::NO_CONTENT),
        Reported::Unknown => Err(gone(id)),
        Reported::Conflict(what) => Err(Problem::conflict(what)),
        Reported::NotBelieved(what) => Err(field("/report", what)),
    }
}

/// Tell what was generated
///
/// For a session that was answered `generate`: the credentials that the DPF has made by the operator's rule, encrypted
/// to the operator's sealing key. Its numbers are of a delegated range.
#[utoipa::path(post, path = "/v1/provisioning/{session}/generated", tag = "provisioning",
    operation_id = "tellGenerated", params(("session" = Uuid, Path, description = "The DPF's session")),
    request_body = Generated,
    responses((status = 204, description = "The operator's HSS has the subscription"),
        (status = 202, description = "Tell again: an HSS is away",
            headers(("Retry-After" = u32, description = "Seconds"))),
        (status = 404, description = "There is no such session", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It contradicts what is agreed", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn generated(
    State(sho): State<Arc<Sho>>,
    Path(session): Path<String>,
    Json(generated): Json<Generated>,
) -> Result<Response, Problem> {
    let id = named(&session)?;
    let work = tokio::spawn(async move { sho.generated(id, &generated).await });
    match work.await.map_err(|error| Problem::internal(&error))?.or_problem()? {
        Taken::Known => Ok(StatusCode::NO_CONTENT.into_response()),
        Taken::Later(why) => Ok(later(COME_AGAIN, &why)),
        Taken::Unknown => Err(gone(id)),
        Taken::Conflict(what) => Err(Problem::conflict(what)),
        Taken::Wrong(what) => Err(Problem::unprocessable(what)),
    }
}

/// Show a session
#[utoipa::path(get, path = "/v1/provisioning/{session}", tag = "provisioning", operation_id = "getSession",
    params(("session" = Uuid, Path, description = "The DPF's session")),
    responses((status = 200, description = "It", body = SessionView),
        (status = 404, description = "There is no such session", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(sho): State<Arc<Sho>>,
    Path(session): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    let id = named(&session)?;
    let mut reader = sho.store.db.readers.acquire().await.or_problem()?;
    let found = sessions::find(&mut reader, id).await.or_problem()?;
    found.map(|found| Json(found.into())).ok_or_else(|| gone(id))
}

fn later(after: Duration, why: &str) -> Response {
    let seconds = HeaderValue::from(after.as_secs().max(1));
    let body = axum::Json(serde_json::json!({ "waiting": why }));
    (StatusCode::ACCEPTED, [(header::RETRY_AFTER, seconds)], body).into_response()
}

fn named(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::bad_request("a session is a UUID (RFC 9562)"))
}

fn gone(session: Uuid) -> Problem {
    Problem::not_found(format!("there is no session {session}"))
}
