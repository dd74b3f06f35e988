//! `/v1/credentials`.

mod create;
mod patch;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::identity::Imsi;
use schemas::rest::{Credential, CredentialPatch, CredentialState, NewCredential, Page};
use serde::{Deserialize, Serialize};
use service::problem::{Json, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::allowances::{AddressAllowance, Allowances};
use super::etag::{Preconditions, changed, etag, tagged};
use super::extract::{Body, ImsiOf};
use super::failure::OrProblem;
use super::gate::{Gates, Target, Write};
use super::{RestState, effects, import, page};
use crate::store::{CredentialFilter, StoreError};

const PATH: &str = "/v1/credentials";
/// A change that depends on what was read is tried again so often when somebody else was faster.
pub(super) const ATTEMPTS: usize = 16;

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    let (read, write) = ("credentials:read", "credentials:write");
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.write(write, Write::creation("credentials.create"), routes!(create)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write(write, Write::plain("credentials.update"), routes!(update)))
        .routes(gates.write(write, Write::plain("credentials.delete"), routes!(delete)))
        .merge(import::routes(gates))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this IMSI.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Imsi>)]
    after: Option<String>,
    /// The IMSI starts with these digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^[0-9]{1,15}$")]
    prefix: Option<String>,
    /// In this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    state: Option<CredentialState>,
    /// Of this profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    /// Of this batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
    /// Count those that match, on all pages: slow where there are millions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[param(required = false)]
    total: bool,
}

/// List credentials
///
/// By IMSI.
#[utoipa::path(get, path = PATH, tag = "credentials", operation_id = "listCredentials", params(Which),
    responses((status = 200, description = "A page", body = Page<Credential>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    page::cursor::<Imsi>(which.after.as_deref(), "an IMSI")?;
    if let Some(prefix) = &which.prefix
        && !((1..=15).contains(&prefix.len()) && prefix.bytes().all(|octet| octet.is_ascii_digit()))
    {
        return Err(Problem::bad_request("prefix: 1 to 15 decimal digits"));
    }
    let filter = CredentialFilter {
        prefix: which.prefix.clone(),
        state: which.state.map(Into::into),
        profile: which.profile.clone(),
        batch: which.batch.clone(),
    };
    let rows =
        state.store.credentials(&filter, &page::read(limit, which.after.as_deref())).await.or_problem()?;
    let total = if which.total { Some(state.store.count(&filter).await.or_problem()?) } else { None };
    let next =
        |last: &crate::model::Credential| Which { after: Some(last.imsi.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, Credential::from, next, total)
}

/// Store a credential
///
/// K and OPc (or OP, from which OPc is computed) are taken here and told nowhere.
#[utoipa::path(post, path = PATH, tag = "credentials", operation_id = "createCredential", params(Allowances),
    request_body = NewCredential,
    responses((status = 201, description = "It is stored", body = Credential, headers(
        ("Location" = String, description = "Where it is"), ("ETag" = String, description = "Its version")))))]
async fn create(
    State(state): State<RestState>,
    Extension(target): Extension<Target>,
    Query(allow): Query<Allowances>,
    Body(new): Body<NewCredential>,
) -> Result<Response, Problem> {
    let imsi = new.imsi;
    target.is(imsi);
    let credential = create::checked(&state, new, allow).await?;
    state.store.insert(vec![credential]).await.or_problem()?;
    state.control.changed(Some(imsi));
    let stored = state.store.credential(imsi).await.or_problem()?.ok_or_else(|| gone(imsi))?;
    let location = HeaderValue::from_str(&format!("{PATH}/{imsi}")).map_err(|e| Problem::internal(&e))?;
    let headers: [(HeaderName, HeaderValue); 2] =
        [(header::LOCATION, location), (header::ETAG, etag(stored.version))];
    Ok((StatusCode::CREATED, headers, Json(Credential::from(stored))).into_response())
}

/// Show a credential
#[utoipa::path(get, path = "/v1/credentials/{imsi}", tag = "credentials", operation_id = "getCredential",
    params(("imsi" = Imsi, Path, description = "The PCID"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "ETag of what you have")),
    responses((status = 200, description = "It", body = Credential,
            headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "What you have is what there is"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let credential = state.store.credential(imsi).await.or_problem()?.ok_or_else(|| gone(imsi))?;
    Ok(tagged(credential.version, Credential::from(credential), &preconditions))
}

/// Change a credential
///
/// A JSON Merge Patch. Where it is registered, its serving node is told: with Cancel-Location when it is
/// blocked, disabled or expired, with Insert-Subscriber-Data when its profile, address or MSISDN changes.
/// `disabled` cannot be taken back.
#[utoipa::path(patch, path = "/v1/credentials/{imsi}", tag = "credentials", operation_id = "updateCredential",
    params(("imsi" = Imsi, Path, description = "The PCID"), AddressAllowance,
        ("If-Match" = Option<String>, Header, nullable = false,
            description = "ETag of the version to change; without, whichever there is is changed")),
    request_body(content((CredentialPatch = "application/merge-patch+json"), (CredentialPatch = "application/json"))),
    responses((status = 200, description = "It, as it is now", body = Credential,
            headers(("ETag" = String, description = "Its version"))),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It is disabled, or the address is in use", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn update(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    preconditions: Preconditions,
    Query(allow): Query<AddressAllowance>,
    Body(patch): Body<CredentialPatch>,
) -> Result<Response, Problem> {
    let credential = patch::apply(&state, imsi, &preconditions, &patch, allow).await?;
    Ok(tagged(credential.version, Credential::from(credential), &Preconditions::default()))
}

/// Delete a credential
///
/// Its keys are gone for good; its serving node, if any, gets a Cancel-Location. Its sequence numbers are
/// remembered, so that the same IMSI stored again repeats none.
#[utoipa::path(delete, path = "/v1/credentials/{imsi}", tag = "credentials", operation_id = "deleteCredential",
    params(("imsi" = Imsi, Path, description = "The PCID"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "ETag of the version to delete")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    for _ in 0..ATTEMPTS {
        let version = match state.store.credential(imsi).await {
            // Its keys do not open, which may be why it is to go; nobody has read its version.
            Err(StoreError::Sealed(_)) => None,
            found => Some(found.or_problem()?.ok_or_else(|| gone(imsi))?.version),
        };
        preconditions.check(version)?;
        let registrations = state.store.registration(imsi).await.or_problem()?;
        let send = effects::cancel(&registrations, false);
        match (state.store.delete(imsi, version, send).await, version) {
            (Ok(()), _) => {
                state.control.changed(Some(imsi));
                return Ok(StatusCode::NO_CONTENT);
            }
            (Err(error), Some(version)) => lost_race(&state, imsi, version, &preconditions, error).await?,
            (Err(error), None) => return Err(super::failure::problem(&error)),
        }
    }
    Err(busy())
}

/// Whether a change failed because somebody else was faster: then, unless the request asked for the version that
/// was, it is to be tried again.
async fn lost_race(
    state: &RestState,
    imsi: Imsi,
    read: i64,
    preconditions: &Preconditions,
    error: StoreError,
) -> Result<(), Problem> {
    let StoreError::Conflict(_) = &error else {
        return Err(super::failure::problem(&error));
    };
    match state.store.credential(imsi).await.or_problem()?.map(|credential| credential.version) {
        None => Err(gone(imsi)),
        Some(version) if version == read => Err(super::failure::problem(&error)),
        Some(version) if preconditions.given() => Err(changed(Some(version))),
        Some(_) => Ok(()),
    }
}

fn gone(imsi: Imsi) -> Problem {
    Problem::not_found(format!("there is no credential {imsi}"))
}

/// Somebody else was faster every time.
pub(super) fn busy() -> Problem {
    Problem::conflict("it is being changed by others all the time; try again")
}
