//! `/v1/operators/{id}/rules/{name}` (R17).

use axum::{extract::State, http::StatusCode};
use schemas::identity::OperatorId;
use service::{
    api::Gates,
    auth::Principal,
    problem::{Json, Path, Problem},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Body, RestState, failed, field, parsed,
    types::{RuleBody, RuleView},
    viewer::Viewer,
};
use crate::{
    model::{Rule, now},
    store::RuleError,
};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("rules:read", routes!(show))).routes(gates.write(
        "rules:write",
        "rules.put",
        routes!(put),
    ))
}

/// Show a rule
///
/// With how many numbers it has given away.
#[utoipa::path(get, path = "/v1/operators/{id}/rules/{name}", tag = "operators", operation_id = "getRule",
    params(("id" = OperatorId, Path, description = "The operator"), ("name" = String, Path, description = "The rule", pattern = "^[a-z0-9.-]{1,64}$")),
    responses((status = 200, description = "It", body = RuleView),
        (status = 404, description = "There is no such rule for this token", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn show(
    State(state): State<RestState>,
    principal: Principal,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<RuleView>, Problem> {
    let operator = operator(&state, &principal, &id)?;
    let store = &state.dpf.store;
    let rule = store.rule(&operator, &name).await.map_err(failed)?;
    let rule = rule.ok_or_else(|| Problem::not_found("the operator has no rule of that name"))?;
    let given = store.allocation(&rule).await.map_err(failed)?.given;
    Ok(Json(RuleView::new(rule, given)))
}

/// Store a rule
///
/// New, or in the place of what was there; numbers that were given away stay given away.
#[utoipa::path(put, path = "/v1/operators/{id}/rules/{name}", tag = "operators", operation_id = "putRule",
    params(("id" = OperatorId, Path, description = "The operator"),
        ("name" = String, Path, description = "1 to 64 of a-z 0-9 . -", pattern = "^[a-z0-9.-]{1,64}$")),
    request_body = RuleBody,
    responses((status = 201, description = "It is new", body = RuleView),
        (status = 200, description = "It is changed", body = RuleView),
        (status = 404, description = "There is no such operator for this token", body = schemas::rest::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Its IMSIs are another rule's", body = schemas::rest::Problem,
            content_type = "application/problem+json")))]
async fn put(
    State(state): State<RestState>,
    principal: Principal,
    Path((id, name)): Path<(String, String)>,
    Json(schemas::rest::Object(body)): Body<RuleBody>,
) -> Result<(StatusCode, Json<RuleView>), Problem> {
    let operator = operator(&state, &principal, &id)?;
    let rule = rule(operator, name, body)?;
    let store = &state.dpf.store;
    let new = store.put_rule(&rule, now()).await.map_err(|error| match error {
        RuleError::Store(error) => failed(error),
        error => Problem::conflict(error.to_string()),
    })?;
    let given = store.allocation(&rule).await.map_err(failed)?.given;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(RuleView::new(rule, given))))
}

/// The operator of a path, if the token is for it. Somebody else's is not told from none.
fn operator(state: &RestState, principal: &Principal, id: &str) -> Result<OperatorId, Problem> {
    let viewer = Viewer::of(principal)?;
    let operator: OperatorId = parsed(id)?;
    if viewer.sees(&operator) && state.dpf.operators.contains_key(&operator) {
        Ok(operator)
    } else {
        Err(Problem::not_found("there is no such operator for this token"))
    }
}

fn rule(operator: OperatorId, name: String, body: RuleBody) -> Result<Rule, Problem> {
    let letter = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b".-".contains(&octet);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(letter) {
        return Err(Problem::bad_request("the name of a rule is 1 to 64 of a-z 0-9 . -"));
    }
    let (first, last) = (body.first_imsi, body.last_imsi);
    if first.digits() != last.digits() || first.number() > last.number() {
        return Err(field("/last_imsi", "has as many digits as first_imsi and is not below it"));
    }
    let plmn = format!("{}{}", body.home_plmn.mcc(), body.home_plmn.mnc());
    if !first.has_prefix(&plmn) || !last.has_prefix(&plmn) {
        return Err(field("/home_plmn", "the IMSIs have to begin with its MCC and MNC (TS 23.003 §2.2)"));
    }
    // Network identifier, TS 23.003 §9.1.1.
    let label = |label: &str| {
        let inside = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        !label.is_empty() && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    if body.apn.len() > 63 || !body.apn.split('.').all(label) {
        let why = "labels of a-z A-Z 0-9 and -, joined by dots, 63 characters at most (TS 23.003 §9.1)";
        return Err(field("/apn", why));
    }
    let mut amf = [0x80, 0];
    if let Some(text) = &body.amf {
        hex::decode_to_slice(text, &mut amf)
            .map_err(|_| field("/amf", "four hexadecimal digits (TS 33.102 annex H)"))?;
    }
    Ok(Rule {
        operator,
        name,
        first_imsi: first,
        last_imsi: last,
        home_plmn: body.home_plmn,
        apn: body.apn,
        amf,
    })
}
