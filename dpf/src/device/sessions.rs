//! Steps 9 and 16: opening a session, sending evidence, waiting, fetching the manifest.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::{
    cbor::CborError,
    cose,
    evidence::{self, Evidence},
    rest::{
        Object,
        provisioning::{OpenSession, Session as Shown, SessionState},
    },
    rncp,
    trust::Leaf,
};
use serde::Deserialize;
use service::problem::{Json, Path, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    DeviceState,
    caller::Caller,
    failure::{self, OrProblem, coded},
    own, shown, signed,
};
use crate::{
    certificate::{self, PlatformError},
    machine::{State as S, Step, Why},
    model::{Input, Session, seconds},
    procedure::{Dpf, OpenError},
};

pub(super) fn routes() -> OpenApiRouter<DeviceState> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(put_evidence))
        .routes(routes!(show))
        .routes(routes!(manifest))
}

/// Open a session
///
/// Step 9. The same trigger again gives the same session, wherever it is by then.
#[utoipa::path(post, path = "/device/v1/sessions", tag = "sessions", operation_id = "openSession",
    security(("platform" = []), ("triple" = [])), request_body = OpenSession,
    responses((status = 201, description = "It is open", body = Shown),
        (status = 200, description = "It was opened before", body = Shown),
        (status = 400, description = "Not JSON", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "The certificate or triple is of another device",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The trigger was used for another operator or kind",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong, or the operator is not one of this DPF's",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 429, description = "The device has too many open sessions", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "The PVA gives no nonce now", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn open(
    State(state): State<DeviceState>,
    caller: Caller,
    Json(Object(request)): Json<Object<OpenSession>>,
) -> Result<(StatusCode, Json<Shown>), Response> {
    let dpf = &state.0;
    let (mine, certified) = match &caller {
        Caller::Platform { device, tre, certificate } => {
            (*device == request.device_id && *tre == request.tre_id, Some(certificate.as_slice()))
        }
        Caller::Triple(pcid) => (*pcid == request.pcid, None),
    };
    let target = || format!("trigger {} of {} for {}", request.trigger, request.tre_id, request.operator);
    if !mine {
        dpf.metrics.turned_away.with_label_values(&["not-theirs"]).inc();
        dpf.refused(&caller.name(), "device.open", &target(), "refused: in another device's name").await;
        let text = "the certificate or call-home triple is of another device than the request names";
        return Err(coded(StatusCode::FORBIDDEN, "identity-mismatch", "Another device", text).into_response());
    }
    match dpf.open(&request, certified).await {
        Ok((session, true)) => Ok((StatusCode::CREATED, Json(shown(&session)))),
        Ok((session, false)) => Ok((StatusCode::OK, Json(shown(&session)))),
        Err(error) => {
            if matches!(
                error,
                OpenError::Operator(_)
                    | OpenError::Otherwise(_)
                    | OpenError::TooMany(_)
                    | OpenError::TooOften { .. }
            ) {
                dpf.metrics.turned_away.with_label_values(&["opening"]).inc();
                dpf.refused(&caller.name(), "device.open", &target(), &format!("refused: {error}")).await;
            }
            Err(failure::opening(error))
        }
    }
}

/// Send evidence
///
/// Step 9: an EAT as CWT (RFC 9711, RFC 9782) with the session's nonce, signed by the platform key. From here on the operator
/// is asked. The same evidence again changes nothing; other evidence is refused.
#[utoipa::path(put, path = "/device/v1/sessions/{id}/evidence", tag = "sessions", operation_id = "putEvidence",
    security(("platform" = []), ("triple" = [])), params(("id" = Uuid, Path, description = "The session")),
    request_body(content = Vec<u8>, content_type = "application/eat+cwt", description = "COSE_Sign1"),
    responses((status = 200, description = "It is taken", body = Shown),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform certificate", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Other evidence was taken before, or the session is over",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not evidence of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put_evidence(
    State(state): State<DeviceState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Shown>, Problem> {
    let dpf = &state.0;
    let session = own(dpf, &caller, &id).await?;
    signed(&headers, &body, evidence::CONTENT_TYPE)?;
    if session.evidence_digest.as_deref() == Some(&rncp::digest(&body)) {
        return Ok(Json(shown(&session)));
    }
    if session.state != S::Opened {
        let why = if session.evidence_digest.is_some() { Why::Otherwise } else { Why::Over };
        return Err(failure::not_now(&session, why, "evidence"));
    }
    let certificate = match look(dpf, &session, &body) {
        Ok(leaf) => leaf.der,
        Err(problem) => {
            dpf.metrics.turned_away.with_label_values(&["evidence"]).inc();
            let target = format!("{} of {}", session.id, session.tre_id);
            dpf.refused(&caller.name(), "device.evidence", &target, &format!("refused: {problem}")).await;
            return Err(problem);
        }
    };
    let input = Input::Evidence { octets: body.to_vec(), certificate };
    let applied = dpf.put(session.id, &input).await.or_problem()?.ok_or_else(gone)?;
    match applied.step {
        Step::Not(why) => Err(failure::not_now(&applied.session, why, "evidence")),
        _ => Ok(Json(shown(&applied.session))),
    }
}

/// Whether this is evidence of the session's device at all, and by which certificate. Whether it is true is the PVA's
/// business, as is whether the certificate is revoked.
fn look(dpf: &Dpf, session: &Session, octets: &[u8]) -> Result<Leaf, Problem> {
    const STATUS: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    const TITLE: &str = "Not evidence of this device";
    let (chain, payload) = cose::peek_chain(octets, evidence::CONTENT_TYPE)
        .map_err(|error| coded(STATUS, "evidence-malformed", TITLE, error.to_string()))?;
    let claims = Evidence::decode(&payload).map_err(|error| {
        let version = matches!(error, CborError::Version { .. });
        let code = if version { "unsupported-version" } else { "evidence-malformed" };
        coded(STATUS, code, TITLE, error.to_string())
    })?;
    let named = [
        (claims.device_id == session.device_id, "device"),
        (claims.tre_id == session.tre_id, "TRE"),
        (claims.pcid == session.pcid, "PCID"),
        (claims.nonce.as_ref() == session.nonce, "nonce"),
    ];
    if let Some((_, what)) = named.iter().find(|(same, _)| !same) {
        let text = format!("the evidence is of another {what} than the session");
        return Err(coded(STATUS, "evidence-not-of-session", TITLE, text));
    }
    match certificate::platform(&chain, &dpf.platform_anchors, &session.device_id, &session.tre_id, seconds())
    {
        Ok(leaf) => Ok(leaf),
        Err(error @ PlatformError::Other) => {
            Err(coded(STATUS, "evidence-not-of-session", TITLE, error.to_string()))
        }
        Err(PlatformError::Trust(error)) => match session.certified.as_deref().map(Leaf::parse) {
            // TLS has verified the one that the session was opened with; the PVA says what it thinks of the other.
            Some(Ok(leaf)) => Ok(leaf),
            _ => Err(coded(STATUS, "platform-certificate-not-good", TITLE, error.to_string())),
        },
    }
}

fn gone() -> Problem {
    coded(
        StatusCode::NOT_FOUND,
        "session-unknown",
        "No such session",
        "the session was forgotten; it was over long ago",
    )
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// While the session waits for evidence or for the operator, answer when that changes, or after so many seconds.
    /// The DPF sets a limit of its own to it.
    #[param(maximum = 4_294_967_295_u32)]
    wait: Option<u32>,
}

/// Show a session
///
/// What it waits for, or why it was refused.
#[utoipa::path(get, path = "/device/v1/sessions/{id}", tag = "sessions", operation_id = "getSession",
    security(("platform" = []), ("triple" = [])), params(("id" = Uuid, Path, description = "The session"), Wait),
    responses((status = 200, description = "It", body = Shown),
        (status = 400, description = "wait is no number", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform certificate", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<DeviceState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(Wait { wait }): Query<Wait>,
) -> Result<Json<Shown>, Problem> {
    let dpf = &state.0;
    let first = own(dpf, &caller, &id).await?;
    let longest = dpf.limits.longest_wait;
    let wait = Duration::from_secs(wait.unwrap_or(0).into()).min(longest);
    let before = first.state.shown();
    let waits = matches!(before, SessionState::Opened | SessionState::Relaying);
    if wait.is_zero() || !waits {
        return Ok(Json(shown(&first)));
    }
    let deadline = tokio::time::Instant::now() + wait;
    let session = until(dpf, &first, deadline, |session| session.state.shown() != before).await?;
    Ok(Json(shown(&session)))
}

/// Waits until a session is as wanted, or the deadline, or the DPF stops.
pub(super) async fn until(
    dpf: &Dpf,
    session: &Session,
    deadline: tokio::time::Instant,
    wanted: impl Fn(&Session) -> bool,
) -> Result<Session, Problem> {
    let waiter = dpf.waiting.on(session.id);
    loop {
        let changed = waiter.changed();
        let now = dpf.store.session(session.id).await.or_problem()?.ok_or_else(gone)?;
        if wanted(&now) {
            return Ok(now);
        }
        tokio::select! {
            () = changed => {}
            () = dpf.stop.cancelled() => return Ok(now),
            () = tokio::time::sleep_until(deadline) => return Ok(now),
        }
    }
}

/// Fetch the manifest
///
/// Step 16: what the RNCP consists of, signed by the operator.
#[utoipa::path(get, path = "/device/v1/sessions/{id}/manifest", tag = "sessions", operation_id = "getManifest",
    security(("platform" = []), ("triple" = [])), params(("id" = Uuid, Path, description = "The session")),
    responses((status = 200, description = "COSE_Sign1 (CDDL `schemas/cddl/rncp.cddl`)", body = Vec<u8>,
            content_type = "application/cose"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform certificate", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "There is none yet, or not any more", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn manifest(
    State(state): State<DeviceState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let dpf = &state.0;
    let session = own(dpf, &caller, &id).await?;
    let why = match session.state {
        S::Authorised | S::Validating | S::Downloading => None,
        S::Opened | S::Relaying | S::Generating => Some(Why::TooEarly),
        S::Reported | S::Closed | S::Refused | S::Failed | S::Expired => Some(Why::Over),
    };
    if let Some(why) = why {
        return Err(failure::not_now(&session, why, "the manifest"));
    }
    let octets = dpf.store.manifest(session.id).await.or_problem()?.ok_or_else(gone)?;
    Ok(([(header::CONTENT_TYPE, "application/cose; cose-type=\"cose-sign1\"")], octets).into_response())
}
