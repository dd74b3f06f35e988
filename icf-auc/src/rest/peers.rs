//! `/v1/peers` and `/v1/resets`.

use axum::extract::State;
use schemas::rest::{Page, Peer, ResetRequest, ResetResult};
use service::problem::{Json, Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::RestState;
use super::failure::field;
use super::gate::{Gates, Write};

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("peers:read", routes!(list))).routes(gates.write(
        "peers:reset",
        Write::plain("peers.reset"),
        routes!(reset),
    ))
}

/// List Diameter peers
///
/// All of them, those that are configured and not connected too.
#[utoipa::path(get, path = "/v1/peers", tag = "peers", operation_id = "listPeers",
    responses((status = 200, description = "All of them", body = Page<Peer>)))]
async fn list(State(state): State<RestState>) -> Json<Page<Peer>> {
    Json(Page { items: state.control.peers(), next: None, total: None })
}

/// Reset serving nodes
///
/// Every peer that is connected gets a Reset (TS 29.272 §5.2.4.1) and sends Update-Location again for its UEs: for
/// when registrations were lost, as by a restored backup. A restart needs none.
#[utoipa::path(post, path = "/v1/resets", tag = "peers", operation_id = "resetPeers", request_body = ResetRequest,
    responses((status = 200, description = "What each peer has answered", body = Page<ResetResult>)))]
async fn reset(
    State(state): State<RestState>,
    Json(request): Json<ResetRequest>,
) -> Result<Json<Page<ResetResult>>, Problem> {
    let digits = |id: &String| (1..=15).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_digit());
    if request.user_ids.len() > 100 || !request.user_ids.iter().all(digits) {
        return Err(field(
            "/user_ids",
            "up to 100 times leading digits of IMSIs, 1 to 15 each (TS 29.272 §7.3.50)",
        ));
    }
    let items = state.control.reset(&request.user_ids).await;
    Ok(Json(Page { items, next: None, total: None }))
}
