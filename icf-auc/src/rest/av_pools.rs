//! `/v1/av-pools`: ready vectors, taken in and handed out (R3).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemas::identity::Imsi;
use schemas::rest::{AvPool, GenerateVectors, NewVectors, Page, Vector, Vectors, VectorsAdded};
use serde::{Deserialize, Serialize};
use service::problem::{Json, Problem, Query};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Body, ImsiOf};
use super::failure::{self, Fields, OrProblem};
use super::gate::{Gates, Write};
use super::{NoVectors, RestState, page};
use crate::model::AuthMaterial;
use crate::store::PooledVector;

const PATH: &str = "/v1/av-pools";
/// Most vectors added by one request.
const MAX_ADDED: usize = 1000;
/// Most vectors handed out by one request.
const MAX_GENERATED: u32 = 100;

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    let read = "av-pools:read";
    OpenApiRouter::new()
        .routes(gates.read(read, routes!(list)))
        .routes(gates.read(read, routes!(show)))
        .routes(gates.write("av-pools:write", Write::creation("av-pools.add"), routes!(add)))
        // The answer holds keys and is kept nowhere: sent again, it makes new ones.
        .routes(gates.write("av-pools:export", Write::plain("av-pools.export"), routes!(generate)))
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
}

/// List pools of vectors
///
/// By IMSI, with how many are left.
#[utoipa::path(get, path = PATH, tag = "av-pools", operation_id = "listAvPools", params(Which),
    responses((status = 200, description = "A page", body = Page<AvPool>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn list(State(state): State<RestState>, Query(which): Query<Which>) -> Result<Response, Problem> {
    let limit = page::limit(which.limit)?;
    page::cursor::<Imsi>(which.after.as_deref(), "an IMSI")?;
    let rows = state.store.pools(&page::read(limit, which.after.as_deref())).await.or_problem()?;
    let next = |last: &(Imsi, u64, u64)| Which { after: Some(last.0.to_string()), ..which.clone() };
    page::answer(PATH, limit, rows, |(imsi, left, used)| AvPool { imsi, left, used }, next, None)
}

/// Show a pool of vectors
#[utoipa::path(get, path = "/v1/av-pools/{imsi}", tag = "av-pools", operation_id = "getAvPool",
    params(("imsi" = Imsi, Path, description = "Whose")),
    responses((status = 200, description = "How full it is", body = AvPool),
        (status = 404, description = "There is none", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(State(state): State<RestState>, ImsiOf(imsi): ImsiOf) -> Result<Json<AvPool>, Problem> {
    let level = state.store.pool_level(imsi).await.or_problem()?;
    let (left, used) = level.ok_or_else(|| Problem::not_found(format!("{imsi} has no pool of vectors")))?;
    Ok(Json(AvPool { imsi, left, used }))
}

/// Add vectors to a pool
///
/// For a credential that was stored with `pool: true`. They are handed to serving nodes in the order given, each
/// once; a RAND that is or was in the pool is refused.
#[utoipa::path(post, path = "/v1/av-pools/{imsi}/vectors", tag = "av-pools", operation_id = "addVectors",
    params(("imsi" = Imsi, Path, description = "Whose")),
    request_body = NewVectors,
    responses((status = 201, description = "They are added", body = VectorsAdded),
        (status = 404, description = "There is no such credential", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn add(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    Body(new): Body<NewVectors>,
) -> Result<Response, Problem> {
    let vectors = checked(&new)?;
    let credential = state.store.credential(imsi).await.or_problem()?.ok_or_else(|| gone(imsi))?;
    if credential.auth != AuthMaterial::Pool {
        return Err(Problem::conflict(format!(
            "K of {imsi} is here, its vectors are computed; a pool is for a credential stored with pool: true"
        )));
    }
    let added = state.store.add_vectors(imsi, vectors).await.or_problem()?;
    state.control.changed(Some(imsi));
    Ok((StatusCode::CREATED, Json(VectorsAdded { added })).into_response())
}

fn checked(new: &NewVectors) -> Result<Vec<PooledVector>, Problem> {
    if !(1..=MAX_ADDED).contains(&new.vectors.len()) {
        return Err(failure::field("/vectors", format!("1 to {MAX_ADDED}")));
    }
    let mut wrong = Fields::default();
    let mut vectors = Vec::with_capacity(new.vectors.len());
    for (at, vector) in new.vectors.iter().enumerate() {
        let mut pooled = PooledVector { rand: [0; 16], xres: Vec::new(), autn: [0; 16], kasme: [0; 32] };
        let fields: [(&str, &str, &mut [u8]); 3] = [
            ("rand", &vector.rand, &mut pooled.rand),
            ("autn", &vector.autn, &mut pooled.autn),
            ("kasme", &vector.kasme, &mut pooled.kasme),
        ];
        for (name, text, octets) in fields {
            let digits = octets.len() * 2;
            if hex::decode_to_slice(text, octets).is_err() {
                wrong.wrong(format!("/vectors/{at}/{name}"), format!("{digits} hexadecimal digits"));
            }
        }
        // RES is 32 to 128 bits (TS 33.102 §6.3.7).
        match hex::decode(&vector.xres) {
            Ok(xres) if (4..=16).contains(&xres.len()) => pooled.xres = xres,
            _ => wrong
                .wrong(format!("/vectors/{at}/xres"), "8 to 32 hexadecimal digits, an even number of them"),
        }
        vectors.push(pooled);
    }
    wrong.check()?;
    Ok(vectors)
}

/// Hand out vectors
///
/// Makes vectors for a supplier's temporary access. Their sequence numbers are used up; every request makes new
/// ones. KASME is bound to the visited network (TS 33.401 annex A.2). The answer is kept nowhere.
#[utoipa::path(post, path = "/v1/av-pools/{imsi}/vectors:generate", tag = "av-pools",
    operation_id = "generateVectors",
    params(("imsi" = Imsi, Path, description = "Whose")),
    request_body = GenerateVectors,
    responses((status = 200, description = "The vectors", body = Vectors),
        (status = 404, description = "There is no such credential", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "It has no keys here, or may not be used", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn generate(
    State(state): State<RestState>,
    ImsiOf(imsi): ImsiOf,
    Body(asked): Body<GenerateVectors>,
) -> Result<Json<Vectors>, Problem> {
    if !(1..=MAX_GENERATED).contains(&asked.count) {
        return Err(failure::field("/count", format!("1 to {MAX_GENERATED}")));
    }
    let made = state.control.vectors(imsi, asked.visited_plmn, asked.count).await;
    let made = made.map_err(|error| match error {
        NoVectors::Unknown(_) => gone(imsi),
        NoVectors::NoKeys(_) | NoVectors::NotAllowed(_) => Problem::conflict(error.to_string()),
        NoVectors::Store(error) => failure::problem(&error),
    })?;
    Ok(Json(Vectors { imsi, vectors: made.iter().map(Vector::from).collect() }))
}

fn gone(imsi: Imsi) -> Problem {
    Problem::not_found(format!("there is no credential {imsi}"))
}
