//! `/v1/peers`.

use axum::extract::State;
use schemas::rest::{Page, Peer};
use service::problem::Json;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::RestState;
use super::gate::Gates;

pub(super) fn routes(gates: &Gates) -> OpenApiRouter<RestState> {
    OpenApiRouter::new().routes(gates.read("peers:read", routes!(list)))
}

/// List Diameter peers
///
/// All of them, those that are configured and not connected too.
#[utoipa::path(get, path = "/v1/peers", tag = "peers", operation_id = "listPeers",
    responses((status = 200, description = "All of them", body = Page<Peer>)))]
async fn list(State(state): State<RestState>) -> Json<Page<Peer>> {
    Json(Page { items: state.control.peers(), next: None, total: None })
}
