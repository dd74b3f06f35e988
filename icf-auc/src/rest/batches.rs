//! `/v1/batches`.

use axum::Extension;
use axum::body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemas::rest::{Batch, IssueRequest, Page};
use serde::{Deserialize, Serialize};
use service::auth::Principal;
use service::problem::{Json, Path, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::allowances::{self, NetworkAllowance};
use super::extract::Body;
use super::failure::{self, Fields, OrProblem};
use super::gate::{Gates, Target, Write};
use super::{NotIssued, RestState, page};
use crate::store;

const PATH: &str = "/v1/batches";
/// Most credentials of one batch.
const MAX_COUNT: u64 = 10_000_000;

pub(super) fn routes(gates: &Gates, issuing: bool) -> OpenApiRouter<RestState> {
    let read = "batches:read";
    let router =
        OpenApiRouter::new().routes(gates.read(read, routes!(list))).routes(gates.read(read, routes!(show)));
    if issuing {
        router.routes(gates.write("batches:issue", Write::plain("batches.issue"), routes!(issue)))
    } else {
        router
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Items on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Start after this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// List batches
///
/// By id.
#[utoipa::path(get, path = PATH, tag = "batches", operation_id = "listBatches", params(Which),
    responses((status = 200, description = "A page", body = Page<Batch>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    let rows = state.store.batches(&page::read(limit, which.after.as_deref())).await.or_problem()?;
    let next = |last: &store::Batch| Which { after: Some(last.id.clone()), ..which.clone() };
    page::answer(PATH, limit, rows, Batch::from, next, None)
}

/// Show a batch
#[utoipa::path(get, path = "/v1/batches/{id}", tag = "batches", operation_id = "getBatch",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "It", body = Batch),
        (status = 404, description = "It does not exist", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(state): State<RestState>, Path(id): Path<String>) -> Result<Json<Batch>, Problem> {
    let batch = state.store.batch(&id).await.or_problem()?;
    let batch = batch.ok_or_else(|| Problem::not_found(format!("there is no batch {id:?}")))?;
    Ok(Json(batch.into()))
}

/// Issue a batch
///
/// Makes `count` credentials from `first` upwards and streams them, encrypted to the recipient with age
/// (`age --decrypt` opens it): inside are lines of NDJSON. A credential is sent after it is stored. Cut short, the
/// batch is completed by the same request: it gives again what was stored, and goes on.
#[utoipa::path(post, path = PATH, tag = "batches", operation_id = "issueBatch", params(NetworkAllowance),
    request_body = IssueRequest,
    responses((status = 200, description = "The batch, encrypted", content_type = "application/octet-stream",
            body = Vec<u8>),
        (status = 409, description = "IMSIs of the range are taken, or the batch is another one",
            body = schemas::rest::Problem, content_type = "application/problem+json")))]
async fn issue(
    State(state): State<RestState>,
    principal: Principal,
    Extension(target): Extension<Target>,
    Query(allow): Query<NetworkAllowance>,
    Body(request): Body<IssueRequest>,
) -> Result<Response, Problem> {
    target.is(&request.id);
    check(&request)?;
    check_networks(&state, &request, allow).await?;
    // There is this route because there is an issuer.
    let issuer = state.issuer.as_ref().ok_or_else(|| Problem::not_found("no batches are issued here"))?;
    let issued = issuer.issue(&principal.name, request).await.map_err(|error| match error {
        NotIssued::Field { field, detail } => failure::field(&format!("/{field}"), detail),
        NotIssued::Conflict(why) => Problem::conflict(why),
        NotIssued::Store(error) => failure::problem(&error),
    })?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, body::Body::from_stream(issued.lines)).into_response())
}

/// A batch is of one network that is served here; one that is being resumed was looked at when it was begun.
async fn check_networks(
    state: &RestState,
    request: &IssueRequest,
    allow: NetworkAllowance,
) -> Result<(), Problem> {
    let Some(last) = request.first.checked_add(request.count - 1) else { return Ok(()) };
    let networks = allowances::networks(&state.networks, allow.allow_other_networks);
    match networks.refusal_of(request.first, last) {
        Some(reason) if state.store.batch(&request.id).await.or_problem()?.is_none() => {
            Err(failure::field("/first", reason))
        }
        _ => Ok(()),
    }
}

fn check(request: &IssueRequest) -> Result<(), Problem> {
    let mut wrong = Fields::default();
    let fit = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if !(1..=64).contains(&request.id.len()) || !request.id.bytes().all(fit) {
        wrong.wrong("/id", "1 to 64 letters, digits, dots, dashes and underscores");
    }
    if !(1..=MAX_COUNT).contains(&request.count) {
        wrong.wrong("/count", format!("1 to {MAX_COUNT}"));
    } else if request.first.checked_add(request.count - 1).is_none() {
        wrong.wrong("/count", format!("so many IMSIs do not fit behind {}", request.first));
    }
    if request.party.as_ref().is_some_and(|party| party.chars().count() > 200) {
        wrong.wrong("/party", "200 characters at most");
    }
    wrong.check()
}
