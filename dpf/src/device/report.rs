//! Step 18: "reports the success/failure status of the provisioning".

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use schemas::{
    cbor::CborError,
    cose,
    report::{self, InstallReport, InstallResult},
    trust::Leaf,
};
use service::problem::{Path, Problem};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    DeviceState,
    caller::Caller,
    failure::{self, OrProblem, coded},
    own, signed,
};
use crate::{
    machine::{Step, Why},
    model::{Input, Session},
};

/// Characters of the device's word for a failure that are kept.
const MAX_REASON: usize = 64;

pub(super) fn routes() -> OpenApiRouter<DeviceState> {
    OpenApiRouter::new().routes(routes!(report))
}

/// Report
///
/// Step 18: how the installation went, signed by the platform key (CDDL `schemas/cddl/report.cddl`). It is durable when it is
/// answered; the same again is answered alike.
#[utoipa::path(post, path = "/device/v1/sessions/{id}/report", tag = "sessions", operation_id = "report",
    security(("platform" = []), ("triple" = [])), params(("id" = Uuid, Path, description = "The session")),
    request_body(content = Vec<u8>, content_type = "application/vnd.callhome.report+cbor", description = "COSE_Sign1"),
    responses((status = 204, description = "It is taken"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not signed by the session's platform key", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such session of this device", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Another report was taken before, or there is nothing to report",
            body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not a report of this session", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn report(
    State(state): State<DeviceState>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let dpf = &state.0;
    let session = own(dpf, &caller, &id).await?;
    signed(&headers, &body, report::CONTENT_TYPE)?;
    let Some(certificate) = &session.platform_certificate else {
        let why = if session.state.is_open() { Why::TooEarly } else { Why::Over };
        return Err(failure::not_now(&session, why, "a report"));
    };
    let input = match look(&session, certificate, &body) {
        Ok(input) => input,
        Err(problem) => {
            dpf.metrics.turned_away.with_label_values(&["report"]).inc();
            let target = format!("{} of {}", session.id, session.tre_id);
            dpf.refused(&caller.name(), "device.report", &target, &format!("refused: {problem}")).await;
            return Err(problem);
        }
    };
    let applied = dpf.put(session.id, &input).await.or_problem()?;
    match applied {
        Some(applied) => match applied.step {
            Step::Not(why) => {
                let problem = failure::not_now(&applied.session, why, "a report");
                let target = format!("{} of {}", session.id, session.tre_id);
                dpf.refused(&caller.name(), "device.report", &target, &format!("refused: {problem}")).await;
                Err(problem)
            }
            _ => Ok(StatusCode::NO_CONTENT),
        },
        None => Err(failure::not_now(&session, Why::Over, "a report")),
    }
}

fn look(session: &Session, certificate: &[u8], octets: &[u8]) -> Result<Input, Problem> {
    let wrong = |code: &str, text: String| {
        coded(StatusCode::UNPROCESSABLE_ENTITY, code, "Not a report of this session", text)
    };
    let leaf = Leaf::parse(certificate).map_err(|error| Problem::internal(&error))?;
    let payload =
        cose::verify_with(octets, report::CONTENT_TYPE, &leaf.key).map_err(|error| match error {
            cose::CoseError::Signature => {
                let text =
                    "the report is not signed by the platform key that the session's evidence was signed by";
                coded(StatusCode::FORBIDDEN, "report-wrong-signature", "Signed by another key", text)
            }
            error => wrong("report-malformed", error.to_string()),
        })?;
    let report = InstallReport::decode(&payload).map_err(|error| {
        let version = matches!(error, CborError::Version { .. });
        wrong(if version { "unsupported-version" } else { "report-malformed" }, error.to_string())
    })?;
    let installed = report.result == InstallResult::Installed;
    // A device that could not read the manifest cannot name the RNCP.
    let unnamed = !installed && report.rncp == Uuid::nil();
    let named = [
        (report.session == session.id, "session"),
        (report.device_id == session.device_id, "device"),
        (report.tre_id == session.tre_id, "TRE"),
        (unnamed || session.rncp.is_none() || session.rncp == Some(report.rncp), "RNCP"),
    ];
    if let Some((_, what)) = named.iter().find(|(same, _)| !same) {
        return Err(wrong("report-not-of-session", format!("the report is of another {what}")));
    }
    let reason = report
        .reason
        .filter(|_| !installed)
        .map(|reason| reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect::<String>());
    Ok(Input::Report { octets: octets.to_vec(), rncp: report.rncp, installed, reason })
}
