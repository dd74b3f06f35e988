//! What other roles use, `/v1/notices` and `/v1/triggers`; and `/v1/audit`.

use axum::{Extension, extract::State, http::StatusCode, response::Response};
use schemas::{
    identity::Pcid,
    rest::{
        AuditEntry, Object, Page, Problem as ProblemShape,
        provisioning::{Notice, TriggerRequest},
    },
};
use serde::Deserialize;
use service::{
    api::{Gates, Target, audit_page, page},
    auth::Principal,
    problem::{Json, Problem, Query},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{Body, RestState, types::Trigger, view};
use crate::{desk::Refused, store};

pub(super) fn routes(gates: &Gates<'_>) -> OpenApiRouter<RestState> {
    OpenApiRouter::new()
        .routes(gates.write("notices:write", "notices.take", routes!(notice)))
        .routes(gates.write("triggers:write", "triggers.make", routes!(trigger)))
        .routes(gates.read("triggers:read", routes!(triggers)))
        .routes(gates.read("audit:read", routes!(audit)))
}

/// Tell of an attached device
///
/// For the ICF (step 6). What is answered with 202 is not lost; the same `id` again changes nothing.
#[utoipa::path(post, path = "/v1/notices", tag = "notices", operation_id = "takeNotice", request_body = Notice,
    responses((status = 202, description = "It is taken"),
        (status = 409, description = "Another notice had this id", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn notice(
    State(state): State<RestState>,
    Extension(target): Extension<Target>,
    Json(Object(notice)): Body<Notice>,
) -> Result<StatusCode, Problem> {
    target.is(notice.pcid);
    state.desk.notice(&notice).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Trigger a device
///
/// For the DPF. The same `id` again gives the same trigger.
#[utoipa::path(post, path = "/v1/triggers", tag = "triggers", operation_id = "makeTrigger",
    request_body = TriggerRequest,
    responses((status = 202, description = "It is on its way", body = Trigger),
        (status = 404, description = "The device is not in the registry", body = ProblemShape,
            content_type = "application/problem+json"),
        (status = 409, description = "It goes to no operator yet, or another trigger had this id",
            body = ProblemShape, content_type = "application/problem+json")))]
async fn trigger(
    State(state): State<RestState>,
    Extension(target): Extension<Target>,
    Json(Object(request)): Body<TriggerRequest>,
) -> Result<(StatusCode, Json<Trigger>), Problem> {
    target.is(request.pcid);
    if request.address.is_some_and(|address| address.port() == 0) {
        let detail = "has to have a port from 1 to 65535".to_owned();
        return Err(Refused::Field { pointer: "/address", detail }.into());
    }
    let trigger = state.desk.trigger(&request).await?;
    Ok((StatusCode::ACCEPTED, Json(Trigger::new(trigger, state.desk.now()))))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichTriggers {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// Of this device alone.
    #[param(value_type = Option<Pcid>)]
    pcid: Option<Pcid>,
    /// Triggers made before this one.
    after: Option<Uuid>,
}

/// List triggers
///
/// Newest first, with what became of them. An operator's token sees its own.
#[utoipa::path(get, path = "/v1/triggers", tag = "triggers", operation_id = "listTriggers", params(WhichTriggers),
    responses((status = 200, description = "A page", body = Page<Trigger>,
            headers(("Link" = String, description = "The next page, rel=\"next\""))),
        (status = 404, description = "There is no trigger `after` any more", body = ProblemShape,
            content_type = "application/problem+json")))]
async fn triggers(
    State(state): State<RestState>,
    who: Principal,
    Query(which): Query<WhichTriggers>,
) -> Result<Response, Problem> {
    let view = view(&who)?;
    let limit = page::limit(which.limit)?;
    let mut db = state.desk.db.readers.acquire().await.map_err(Refused::from)?;
    let before = match which.after {
        None => None,
        Some(id) => {
            let last = store::trigger(&mut db, id).await.map_err(Refused::from)?;
            let last = last.filter(|trigger| view.sees(Some(&trigger.operator)));
            let gone =
                || Problem::not_found("after: there is no such trigger any more; begin again without it");
            Some((last.ok_or_else(gone)?.issued_at, id))
        }
    };
    let rows = store::triggers(&mut db, which.pcid, view.operator(), before, limit + 1).await;
    let now = state.desk.now();
    let of = which.pcid.map_or_else(String::new, |pcid| format!("&pcid={pcid}"));
    let next = |last: &crate::trigger::Trigger| format!("/v1/triggers?limit={limit}{of}&after={}", last.id);
    Ok(page::answer(limit, rows.map_err(Refused::from)?, |trigger| Trigger::new(trigger, now), next))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichEntries {
    /// Items on the page.
    #[param(minimum = 1, maximum = 499, default = 100)]
    limit: Option<u32>,
    /// Entries before this id.
    after: Option<i64>,
}

/// List the audit log
///
/// Newest first: who did what, and whether it was done; refusals of devices too.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "listAudit", params(WhichEntries),
    responses((status = 200, description = "A page", body = Page<AuditEntry>,
        headers(("Link" = String, description = "The next page, rel=\"next\"")))))]
async fn audit(
    State(state): State<RestState>,
    Query(which): Query<WhichEntries>,
) -> Result<Response, Problem> {
    // One more is read, and 500 is what is read at most.
    let limit = page::limit_to(499, which.limit)?;
    let rows = audit_page(&state.desk.db, which.after, limit + 1)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let next = |last: &AuditEntry| format!("/v1/audit?limit={limit}&after={}", last.id);
    Ok(page::answer(limit, rows, |entry| entry, next))
}
