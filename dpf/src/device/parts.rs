//! Step 16: "a protocol conversation prior to provisioning a RNCP, to see which parts of the RNCP are already available in
//! the TRE" (seed, section 3.2.1), and the download of the rest.

use std::{collections::HashSet, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use schemas::rest::{
    Object,
    provisioning::{HaveParts, NeedPart, NeedParts},
};
use service::problem::{Json, Path, Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    DeviceState,
    caller::Caller,
    failure::{self, OrProblem, coded, later},
    own,
    range::{self, Wanted},
    sessions::until,
};
use crate::{
    machine::{State as S, Step, Why},
    model::Input,
};

/// How long a device waits for the PVA before it is asked to come again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn routes() -> OpenApiRouter<DeviceState> {
    OpenApiRouter::new().routes(routes!(agree)).routes(routes!(part))
}

/// Agree on parts
///
/// Step 16. The device says which parts it has; it is told which of the manifest's have to travel. Digests that are not in
/// the manifest mean nothing. If the operator wants the platform validated once more before the download, this is when the PVA
/// is asked.
#[utoipa::path(post, path = "/device/v1/sessions/{id}/parts", tag = "sessions", operation_id = "agreeOnParts",
    security(("platform" = []), ("triple" = [])), params(("id" = Uuid, Path, description = "The session")),
    request_body = HaveParts,
    responses((status = 200, description = "What has to travel", body = NeedParts),
        (status = 400, description = "Not JSON", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform certificate", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Not authorised, or refused", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 503, description = "The PVA has not answered yet", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn agree(
    State(state): State<DeviceState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Object(have)): Json<Object<HaveParts>>,
) -> Result<Json<NeedParts>, Response> {
    let dpf = &state.0;
    let refuse = IntoResponse::into_response;
    let mine = own(dpf, &caller, &id).await.map_err(refuse)?;
    let have = digests(have).map_err(refuse)?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let applied = dpf.put(mine.id, &Input::Download).await.or_problem().map_err(refuse)?;
    let mut session = match applied {
        Some(applied) => match applied.step {
            Step::Not(why) => {
                return Err(failure::not_now(&applied.session, why, "agreeing on parts").into_response());
            }
            _ => applied.session,
        },
        None => return Err(failure::not_now(&mine, Why::Over, "agreeing on parts").into_response()),
    };
    if session.state == S::Validating {
        let waited = until(dpf, &session, deadline, |session| session.state != S::Validating).await;
        session = waited.map_err(refuse)?;
    }
    match session.state {
        S::Downloading => {}
        S::Validating => {
            let text = "the PVA has not validated the platform for the download yet; ask again";
            return Err(later(text).into_response());
        }
        _ => return Err(failure::not_now(&session, Why::Over, "agreeing on parts").into_response()),
    }
    let mut seen = HashSet::new();
    let parts = dpf.store.parts(session.id).await.or_problem().map_err(refuse)?;
    let needed = parts
        .into_iter()
        .filter(|part| !have.contains(&part.digest) && seen.insert(part.digest.clone()))
        .map(|part| NeedPart { digest: part.digest, size: part.size })
        .collect();
    Ok(Json(NeedParts { needed }))
}

fn digests(have: HaveParts) -> Result<HashSet<String>, Problem> {
    let digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
    if have.have.iter().any(|digest| digest.len() != 64 || !digest.bytes().all(digit)) {
        let text = "have: a digest is SHA-256 in 64 hexadecimal digits, lower case";
        return Err(coded(StatusCode::UNPROCESSABLE_ENTITY, "malformed-digest", "Not a digest", text));
    }
    Ok(have.have.into_iter().collect())
}

/// Fetch a part
///
/// Step 16: the octets that the manifest's digest is of. `ETag` is the digest; one `Range` (RFC 9110 §14) is served, so that
/// a download goes on where it was cut.
#[utoipa::path(get, path = "/device/v1/sessions/{id}/parts/{digest}", tag = "sessions", operation_id = "getPart",
    security(("platform" = []), ("triple" = [])),
    params(("id" = Uuid, Path, description = "The session"),
        ("digest" = String, Path, description = "SHA-256, 64 hexadecimal digits", pattern = "^[0-9a-f]{64}$")),
    responses((status = 200, description = "It", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The range of it", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not a platform certificate", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device, or no such part of it",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 409, description = "Parts are not agreed on, or the session is over",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 416, description = "No octet of that range is there", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn part(
    State(state): State<DeviceState>,
    caller: Caller,
    Path((id, digest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let dpf = &state.0;
    let session = own(dpf, &caller, &id).await?;
    match session.state {
        S::Downloading => {}
        S::Opened | S::Relaying | S::Generating | S::Authorised | S::Validating => {
            return Err(failure::not_now(&session, Why::TooEarly, "the download"));
        }
        _ => return Err(failure::not_now(&session, Why::Over, "the download")),
    }
    let parts = dpf.store.parts(session.id).await.or_problem()?;
    let Some(part) = parts.into_iter().find(|part| part.digest == digest) else {
        dpf.metrics.turned_away.with_label_values(&["no-such-part"]).inc();
        // What was asked for may be anything; only a digest is written down.
        let digit = |octet: u8| octet.is_ascii_hexdigit();
        let asked = if digest.len() == 64 && digest.bytes().all(digit) { digest.as_str() } else { "-" };
        let target = format!("{} part {asked}", session.id);
        dpf.refused(&caller.name(), "device.part", &target, "refused: not a part of the session's RNCP")
            .await;
        let text = "no part of this session's RNCP has that digest";
        return Err(coded(StatusCode::NOT_FOUND, "part-unknown", "No such part", text));
    };
    let etag = format!("\"{}\"", part.digest);
    let (status, first, last) = match range::wanted(&headers, part.size, &etag) {
        Wanted::Whole => (StatusCode::OK, 0, part.size.saturating_sub(1)),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last),
        Wanted::Nothing => {
            let mut problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
                .detail(format!("the part has {} octets", part.size))
                .into_response();
            // RFC 9110 §14.4.
            if let Ok(value) = format!("bytes */{}", part.size).parse() {
                problem.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(problem);
        }
    };
    let length = if part.size == 0 { 0 } else { last - first + 1 };
    let sent = dpf.metrics.octets.clone();
    let octets = dpf.store.octets_of(&session, &part.digest, first, last).inspect(move |piece| {
        if let Ok(piece) = piece {
            sent.inc_by(piece.len() as u64);
        }
    });
    let body = if part.size == 0 { Body::empty() } else { Body::from_stream(octets) };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", part.size));
    }
    response.body(body).map_err(|error| Problem::internal(&error))
}
