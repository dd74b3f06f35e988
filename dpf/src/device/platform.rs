//! The first or a new platform certificate: "obtaining new Platform Credentials when required" (seed, section 2.6).

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemas::trust::Leaf;
use service::{client::CallError, problem::Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    DeviceState,
    caller::Caller,
    failure::{coded, later},
    signed,
};
use crate::certificate;

/// PKCS #10, RFC 5967.
const REQUEST: &str = "application/pkcs10";
/// RFC 2585 §4.1.
const CERTIFICATE: &str = "application/pkix-cert";

pub(super) fn routes() -> OpenApiRouter<DeviceState> {
    OpenApiRouter::new().routes(routes!(certify))
}

/// Get a platform certificate
///
/// A certification request (RFC 2986) whose common name is the TRE, signed by the platform key; the PVA says whether the TRE
/// is enrolled with that key.
#[utoipa::path(post, path = "/device/v1/platform-certificate", tag = "platform", operation_id = "certify",
    security(("platform" = []), ("triple" = [])),
    request_body(content = Vec<u8>, content_type = "application/pkcs10", description = "PKCS #10, DER"),
    responses((status = 200, description = "The certificate, DER", body = Vec<u8>,
            content_type = "application/pkix-cert"),
        (status = 400, description = "Not a request", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 401, description = "Who calls?", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 403, description = "Of another TRE, or another key than is enrolled", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "The TRE is not enrolled", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is revoked", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = schemas::rest::Problem, content_type = "application/problem+json"),
        (status = 503, description = "The PVA does not answer", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn certify(
    State(state): State<DeviceState>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let dpf = &state.0;
    signed(&headers, &body, REQUEST).map_err(IntoResponse::into_response)?;
    let Some(tre) = certificate::requested(&body) else {
        let text = "the body is no PKCS #10 request in DER whose common name is a TRE identity";
        return Err(
            coded(StatusCode::BAD_REQUEST, "request-malformed", "Not a request", text).into_response()
        );
    };
    if let Caller::Platform { tre: mine, .. } = &caller
        && *mine != tre
    {
        dpf.metrics.turned_away.with_label_values(&["not-theirs"]).inc();
        dpf.refused(&caller.name(), "device.certify", tre.as_str(), "refused: another TRE's").await;
        let text = "the request names another TRE than the certificate of this connection";
        return Err(coded(StatusCode::FORBIDDEN, "identity-mismatch", "Another TRE", text).into_response());
    }
    let path = format!("/v1/platforms/{tre}/certificate");
    let answer = {
        let Ok(_turn) = dpf.certify_turns.try_acquire() else {
            return Err(later("others are being given certificates; ask again").into_response());
        };
        dpf.pva.send(Method::POST, &path, REQUEST, body.to_vec()).await
    };
    let refused = |status: StatusCode, problem: &Problem| {
        let text = problem.detail.clone().unwrap_or_else(|| problem.title.to_string());
        coded(status, "platform-certificate-refused", "The PVA gives no certificate", text).into_response()
    };
    match answer {
        Ok(answer) => match Leaf::parse(answer.body()) {
            Ok(leaf) if leaf.tre_id().as_ref() == Some(&tre) => {
                // As often as it likes, it gets the one that is in force.
                dpf.audit_limited(&caller.name(), "device.certify", tre.as_str(), "done").await;
                Ok(([(header::CONTENT_TYPE, CERTIFICATE)], answer.into_body()).into_response())
            }
            _ => {
                dpf.trouble("pva", "certify", "it answers something else than this TRE's certificate").await;
                Err(later("the PVA's answer makes no sense; ask again").into_response())
            }
        },
        Err(CallError::Refused { status, problem })
            if [
                StatusCode::BAD_REQUEST,
                StatusCode::FORBIDDEN,
                StatusCode::NOT_FOUND,
                StatusCode::CONFLICT,
            ]
            .contains(&status) =>
        {
            dpf.metrics.turned_away.with_label_values(&["certificate"]).inc();
            let outcome = format!("refused by the PVA: {problem}");
            dpf.refused(&caller.name(), "device.certify", tre.as_str(), &outcome).await;
            Err(refused(status, &problem))
        }
        Err(error) => {
            dpf.trouble("pva", "certify", &error.to_string()).await;
            Err(later("the PVA does not give certificates now; ask again").into_response())
        }
    }
}
