//! `/v1/rules`.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemas::rest::{Object, Page, Problem as ProblemShape};
use service::{
    api::Gates,
    problem::{Json, Path, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState,
    types::{NewRule, RuleShown},
};
use crate::{desk::Refused, resolution::Rule, store};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.read("rules:read", routes!(list)))
        .routes(gates.read("rules:read", routes!(show)))
        .routes(gates.write("rules:write", "rules.put", routes!(put)))
        .routes(gates.write("rules:write", "rules.delete", routes!(delete)))
}

fn name(id: &str) -> Result<(), Problem> {
    let good = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if (1..=64).contains(&id.len()) && id.bytes().all(good) {
        return Ok(());
    }
    Err(Problem::bad_request("a rule's name is 1 to 64 of A-Z a-z 0-9 . _ -"))
}

/// List rules
///
/// All of them, the one that decides first.
#[utoipa::path(get, path = "/v1/rules", tag = "rules", operation_id = "listRules",
    responses((status = 200, description = "The rules", body = Page<RuleShown>)))]
async fn list(State(state): State<RestState>) -> Result<Json<Page<RuleShown>>, Problem> {
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let rules = store::rules(&mut db).await.map_err(Refused::from)?;
    Ok(Json(Page { items: rules.into_iter().map(Into::into).collect(), next: None, total: None }))
}

/// Show a rule
#[utoipa::path(get, path = "/v1/rules/{id}", tag = "rules", operation_id = "getRule",
    params(("id" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = 200, description = "The rule", body = RuleShown),
        (status = 404, description = "There is none of this name", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn show(State(state): State<RestState>, Path(id): Path<String>) -> Result<Json<RuleShown>, Problem> {
    name(&id)?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let rule = store::rule(&mut db, &id).await.map_err(Refused::from)?;
    let rule = rule.ok_or_else(|| Problem::not_found(format!("there is no rule {id}")))?;
    Ok(Json(rule.into()))
}

/// Store a rule
///
/// Devices that wait for it are triggered.
#[utoipa::path(put, path = "/v1/rules/{id}", tag = "rules", operation_id = "putRule",
    params(("id" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    request_body = NewRule,
    responses((status = 200, description = "It was there", body = RuleShown),
        (status = 201, description = "It is new", body = RuleShown)))]
async fn put(
    State(state): State<RestState>,
    Path(id): Path<String>,
    Json(Object(new)): Body<NewRule>,
) -> Result<Response, Problem> {
    name(&id)?;
    if new.priority > 1_000_000 {
        let detail = "0 to 1000000".to_owned();
        return Err(Refused::Field { pointer: "/priority", detail }.into());
    }
    let NewRule { priority, supplier, range, operator } = new;
    let rule = Rule { id, priority: i64::from(priority), supplier, range, operator };
    let new = state.desk.put_rule(&rule).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RuleShown::from(rule))).into_response())
}

/// Take a rule out
#[utoipa::path(delete, path = "/v1/rules/{id}", tag = "rules", operation_id = "deleteRule",
    params(("id" = String, Path, description = "Its name", pattern = "^[A-Za-z0-9._-]{1,64}$")),
    responses((status = 204, description = "It is out"),
        (status = 404, description = "There is none of this name", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn delete(State(state): State<RestState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    name(&id)?;
    state.desk.delete_rule(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
