//! `/v1/operators`.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemas::{
    identity::OperatorId,
    rest::{Object, Page, Problem as ProblemShape},
};
use service::{
    api::Gates,
    auth::Principal,
    problem::{Json, Path, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState, text,
    types::{NewOperator, Operator},
    view,
};
use crate::{desk::Refused, store};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.read("operators:read", routes!(list)))
        .routes(gates.read("operators:read", routes!(show)))
        .routes(gates.write("operators:write", "operators.put", routes!(put)))
        .routes(gates.write("operators:write", "operators.delete", routes!(delete)))
}

fn gone(id: &OperatorId) -> Refused {
    Refused::NotFound(format!("{id} is not in the directory"))
}

/// List operators
///
/// All of them, on one page. An operator's token sees its own.
#[utoipa::path(get, path = "/v1/operators", tag = "operators", operation_id = "listOperators",
    responses((status = 200, description = "The directory", body = Page<Operator>)))]
async fn list(State(state): State<RestState>, who: Principal) -> Result<Json<Page<Operator>>, Problem> {
    let view = view(&who)?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let operators = store::operators(&mut db).await.map_err(Refused::from)?;
    let items =
        operators.into_iter().filter(|operator| view.sees(Some(&operator.id))).map(Into::into).collect();
    Ok(Json(Page { items, next: None, total: None }))
}

/// Show an operator
#[utoipa::path(get, path = "/v1/operators/{id}", tag = "operators", operation_id = "getOperator",
    params(("id" = OperatorId, Path, description = "Its identity")),
    responses((status = 200, description = "The operator", body = Operator),
        (status = 404, description = "It is not in the directory", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    who: Principal,
    Path(id): Path<OperatorId>,
) -> Result<Json<Operator>, Problem> {
    let view = view(&who)?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let operator = store::operator(&mut db, &id).await.map_err(Refused::from)?;
    let operator = operator.filter(|operator| view.sees(Some(&operator.id))).ok_or_else(|| gone(&id))?;
    Ok(Json(operator.into()))
}

/// Store an operator
#[utoipa::path(put, path = "/v1/operators/{id}", tag = "operators", operation_id = "putOperator",
    params(("id" = OperatorId, Path, description = "Its identity")), request_body = NewOperator,
    responses((status = 200, description = "It was there", body = Operator),
        (status = 201, description = "It is new", body = Operator)))]
async fn put(
    State(state): State<RestState>,
    Path(id): Path<OperatorId>,
    Json(Object(new)): Body<NewOperator>,
) -> Result<Response, Problem> {
    text("/name", &new.name)?;
    if new.plmns.len() > 64 {
        let detail = "64 networks at most".to_owned();
        return Err(Refused::Field { pointer: "/plmns", detail }.into());
    }
    if let Some(dpf) = &new.dpf {
        let good = dpf.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        if !good || dpf.len() > 500 || !dpf.bytes().all(|c| c.is_ascii_graphic()) {
            let detail =
                "has to be an https:// URL of at most 500 characters: devices take no other".to_owned();
            return Err(Refused::Field { pointer: "/dpf", detail }.into());
        }
    }
    let operator = store::Operator { id, name: new.name, plmns: new.plmns, dpf: new.dpf };
    let mut tx = state.desk.db.write().await.map_err(Refused::from)?;
    let new = store::put_operator(&mut tx, &operator, state.desk.now()).await.map_err(Refused::from)?;
    tx.commit().await.map_err(Refused::from)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Operator::from(operator))).into_response())
}

/// Take an operator out of the directory
#[utoipa::path(delete, path = "/v1/operators/{id}", tag = "operators", operation_id = "deleteOperator",
    params(("id" = OperatorId, Path, description = "Its identity")),
    responses((status = 204, description = "It is out"),
        (status = 404, description = "It is not in the directory", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "Devices or rules go to it", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn delete(State(state): State<RestState>, Path(id): Path<OperatorId>) -> Result<StatusCode, Problem> {
    if id == state.desk.policy.operator {
        return Err(Refused::Conflict("it is the registration operator (drf.operator)".to_owned()).into());
    }
    let mut tx = state.desk.db.write().await.map_err(Refused::from)?;
    let deleted = store::delete_operator(&mut tx, &id).await.map_err(Refused::from)?;
    match deleted {
        None => Err(Refused::Conflict("devices or rules go to it: end that first".to_owned()).into()),
        Some(false) => Err(gone(&id).into()),
        Some(true) => {
            tx.commit().await.map_err(Refused::from)?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
