//! `/v1/platforms`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use schemas::{
    identity::{SupplierId, TreId},
    rest::{Object, Page},
};
use serde::Deserialize;
use service::{
    api::{Gates, Trickle, page},
    auth::Principal,
    problem::{Json, Path, Problem, Query},
};
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState,
    failure::OrProblem,
    media_type, parsed,
    types::{Binary, PlatformView, RevokeRequest},
};
use crate::model::Platform;

/// The scope that lets a platform have a new key.
pub(super) const REKEY: &str = "platforms:rekey";

pub(super) fn routes(gates: &Gates<'_>, device_entries: &Arc<Trickle>) -> OpenApiRouter<RestState> {
    let certify = routes!(certify);
    let certify = gates.write_for_devices("platforms:write", "platforms.certify", device_entries, certify);
    OpenApiRouter::new()
        .routes(gates.read("platforms:read", routes!(list)))
        .routes(gates.read("platforms:read", routes!(show)))
        .routes(gates.write("platforms:revoke", "platforms.revoke", routes!(revoke)))
        .routes(certify)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this TRE identity.
    after: Option<String>,
    /// Of this supplier alone.
    #[param(value_type = Option<SupplierId>)]
    supplier: Option<String>,
}

/// List platforms
///
/// By TRE identity.
#[utoipa::path(get, path = "/v1/platforms", tag = "platforms", operation_id = "listPlatforms", params(Which),
    responses((status = 200, description = "A page", body = Page<PlatformView>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let supplier: Option<SupplierId> = which.supplier.as_deref().map(parsed).transpose()?;
    let store = &state.pva.store;
    let rows = store.platforms(supplier.as_ref(), which.after.as_deref(), limit + 1).await.or_problem()?;
    let next = |last: &Platform| {
        let of = supplier.as_ref().map(|supplier| format!("&supplier={supplier}")).unwrap_or_default();
        format!("/v1/platforms?limit={limit}&after={}{of}", last.tre_id)
    };
    Ok(page::answer(limit, rows, |platform| PlatformView::new(platform, None), next))
}

/// Show a platform
///
/// With its certificates, newest first.
#[utoipa::path(get, path = "/v1/platforms/{tre}", tag = "platforms", operation_id = "getPlatform",
    params(("tre" = TreId, Path, description = "Its TRE")),
    responses((status = 200, description = "It", body = PlatformView),
        (status = 404, description = "It is not enrolled", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    Path(tre): Path<String>,
) -> Result<Json<PlatformView>, Problem> {
    let tre: TreId = parsed(&tre)?;
    let platform = state.pva.store.platform(&tre).await.or_problem()?;
    let platform = platform.ok_or_else(|| Problem::not_found(format!("TRE {tre} is not enrolled")))?;
    let certificates = state.pva.store.credentials(&tre).await.or_problem()?;
    Ok(Json(PlatformView::new(platform, Some(certificates))))
}

/// Revoke a platform
///
/// And its certificates: OCSP says so from now on, and evidence of it is refused. With `certificateHold` it can be
/// released again, with `removeFromCRL`; every other reason is for good. The same again changes nothing.
#[utoipa::path(post, path = "/v1/platforms/{tre}/revoke", tag = "platforms", operation_id = "revokePlatform",
    params(("tre" = TreId, Path, description = "Its TRE")), request_body = RevokeRequest,
    responses((status = 200, description = "It is revoked, or released", body = PlatformView),
        (status = 404, description = "It is not enrolled", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is revoked for another reason, or not on hold",
            body = schemas::rest::Problem, content_type = "application/problem+json")))]
async fn revoke(
    State(state): State<RestState>,
    Path(tre): Path<String>,
    Json(Object(asked)): Body<RevokeRequest>,
) -> Result<Json<PlatformView>, Problem> {
    let tre: TreId = parsed(&tre)?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let platform = state.pva.store.change(&tre, asked.reason.into(), now).await.or_problem()?;
    let certificates = state.pva.store.credentials(&tre).await.or_problem()?;
    Ok(Json(PlatformView::new(platform, Some(certificates))))
}

/// Give a platform a certificate
///
/// The body is a certification request (PKCS #10, RFC 2986) signed by the platform key; the names in it are passed over.
/// A certificate that has more than half of its life to go is given again. A request of a new key, as after an update
/// of the device, needs the scope `platforms:rekey` besides; the new key takes the old one's place, and the old one's
/// certificates are superseded.
#[utoipa::path(post, path = "/v1/platforms/{tre}/certificate", tag = "platforms",
    operation_id = "certifyPlatform", params(("tre" = TreId, Path, description = "Its TRE")),
    request_body(content = Binary, content_type = "application/pkcs10", description = "PKCS #10, DER"),
    responses((status = 200, description = "The certificate, DER (RFC 2585)", body = Binary,
            content_type = "application/pkix-cert"),
        (status = 404, description = "It is not enrolled", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is revoked, or the key is another platform's",
            body = schemas::rest::Problem, content_type = "application/problem+json")))]
async fn certify(
    State(state): State<RestState>,
    principal: Principal,
    Path(tre): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    media_type(&headers, "application/pkcs10")?;
    let tre: TreId = parsed(&tre)?;
    let certificate = state.pva.certify(&tre, &body, principal.may(REKEY)).await.or_problem()?;
    Ok(([(header::CONTENT_TYPE, "application/pkix-cert")], certificate).into_response())
}
