//! `/v1/profiles`.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::rest::{Page, Profile};
use serde::{Deserialize, Serialize};
use service::problem::{Json, Path, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::credentials::{ATTEMPTS, busy};
use super::etag::{Preconditions, changed, etag, tagged};
use super::extract::Body;
use super::failure::{self, Fields, OrProblem};
use super::gate::{Gates, Write};
use super::{RestState, effects, page};
use crate::store::StoreError;

const PATH: &str = "/v1/profiles";

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    let (read, write) = ("profiles:read", "profiles:write");
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write(write, Write::plain("profiles.put"), routes!(put)))
        .routes(gates.write(write, Write::plain("profiles.delete"), routes!(delete)))
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// List profiles
///
/// By name.
#[utoipa::path(get, path = PATH, tag = "profiles", operation_id = "listProfiles", params(Which),
    responses((status = 200, description = "A page", body = Page<Profile>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let mut rows = state.store.profiles().await.or_problem()?;
    rows.retain(|profile| which.after.as_ref().is_none_or(|after| profile.name > *after));
    let next = |last: &Profile| Which { after: Some(last.name.clone()), ..which.clone() };
    page::answer(PATH, limit, rows, |profile| profile, next, None)
}

/// Show a profile
#[utoipa::path(get, path = "/v1/profiles/{name}", tag = "profiles", operation_id = "getProfile",
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "ETag of what you have")),
    responses((status = 200, description = "It", body = Profile,
            headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "What you have is what there is"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    Path(name): Path<String>,
    preconditions: Preconditions,
) -> Result<Response, Problem> {
    let profile = state.store.profile(&name).await.or_problem()?.ok_or_else(|| gone(&name))?;
    Ok(tagged(profile.version, profile, &preconditions))
}

/// Create or replace a profile
///
/// Serving nodes of its credentials are told: with Insert-Subscriber-Data where the APNs, the AMBR or the timer
/// change, with Cancel-Location where the profile no longer allows the network or the radio access.
/// `If-None-Match: *` creates only; `If-Match`, or `version` in the body, replaces that version only.
#[utoipa::path(put, path = "/v1/profiles/{name}", tag = "profiles", operation_id = "putProfile",
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "ETag of the version to replace"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "* to create only")),
    request_body = Profile,
    responses((status = 200, description = "It is replaced", body = Profile,
            headers(("ETag" = String, description = "Its version"))),
        (status = 201, description = "It is created", body = Profile, headers(
            ("Location" = String, description = "Where it is"), ("ETag" = String, description = "Its version"))),
        (status = 409, description = "It is being changed by others", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put(
    State(state): State<RestState>,
    Path(name): Path<String>,
    preconditions: Preconditions,
    Body(asked): Body<Profile>,
) -> Result<Response, Problem> {
    let profile = checked(&name, asked)?;
    let version = profile.version;
    for _ in 0..ATTEMPTS {
        let before = state.store.profile(&name).await.or_problem()?;
        let there = before.as_ref().map(|profile| profile.version);
        preconditions.check(there)?;
        if version != 0 && there != Some(version) {
            return Err(changed(there));
        }
        let send = match &before {
            Some(before) => {
                let registrations = state.store.registrations_of_profile(&name).await.or_problem()?;
                effects::of_profile(before, &profile, &registrations)
            }
            None => Vec::new(),
        };
        match state.store.put_profile(profile.clone(), Some(there.unwrap_or(0)), send).await {
            Ok(after) => {
                state.control.changed(None);
                return stored(there.is_none(), after);
            }
            Err(error) => {
                lost_race(&state, &name, there, version != 0 || preconditions.given(), error).await?
            }
        }
    }
    Err(busy())
}

fn checked(name: &str, mut profile: Profile) -> Result<Profile, Problem> {
    let fit = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(fit) || [".", ".."].contains(&name) {
        return Err(Problem::bad_request(
            "a profile's name is 1 to 64 letters, digits, dots, dashes and underscores",
        ));
    }
    if !profile.name.is_empty() && profile.name != name {
        return Err(failure::field("/name", format!("has to be {name:?}, as in the path, or be left out")));
    }
    name.clone_into(&mut profile.name);
    let mut wrong = Fields::default();
    for field in profile.check() {
        wrong.wrong(field.pointer, field.detail);
    }
    wrong.check()?;
    Ok(profile)
}

fn stored(created: bool, profile: Profile) -> Result<Response, Problem> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = vec![(header::ETAG, etag(profile.version))];
    if created {
        let location = HeaderValue::from_str(&format!("{PATH}/{}", profile.name));
        headers.push((header::LOCATION, location.map_err(|error| Problem::internal(&error))?));
    }
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(profile)).into_response();
    response.headers_mut().extend(headers);
    Ok(response)
}

/// Delete a profile
///
/// Refused while credentials have it.
#[utoipa::path(delete, path = "/v1/profiles/{name}", tag = "profiles", operation_id = "deleteProfile",
    params(("name" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "ETag of the version to delete")),
    responses((status = 204, description = "It is deleted"),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Credentials have it", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn delete(
    State(state): State<RestState>,
    Path(name): Path<String>,
    preconditions: Preconditions,
) -> Result<StatusCode, Problem> {
    for _ in 0..ATTEMPTS {
        let profile = state.store.profile(&name).await.or_problem()?.ok_or_else(|| gone(&name))?;
        preconditions.check(Some(profile.version))?;
        match state.store.delete_profile(&name, Some(profile.version)).await {
            Ok(()) => {
                state.control.changed(None);
                return Ok(StatusCode::NO_CONTENT);
            }
            Err(error) => {
                lost_race(&state, &name, Some(profile.version), preconditions.given(), error).await?;
            }
        }
    }
    Err(busy())
}

/// As for credentials: whether it is to be tried again.
async fn lost_race(
    state: &RestState,
    name: &str,
    read: Option<i64>,
    depends: bool,
    error: StoreError,
) -> Result<(), Problem> {
    if !matches!(error, StoreError::Conflict(_) | StoreError::NotFound(_)) {
        return Err(failure::problem(&error));
    }
    let there = state.store.profile(name).await.or_problem()?.map(|profile| profile.version);
    match there {
        there if there == read => Err(failure::problem(&error)),
        there if depends => Err(changed(there)),
        _ => Ok(()),
    }
}

fn gone(name: &str) -> Problem {
    Problem::not_found(format!("there is no profile {name:?}"))
}
