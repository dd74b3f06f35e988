//! REST under `/v1`: for the DPF (`provisioning`) and for the operator's people and scripts.
//!
//! Every route asks for a scope ([`SCOPES`]); errors are problems (RFC 9457); every write is in the audit log, and so is
//! everything that a device is refused. K and OPc are neither taken nor given.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod audit;
mod contracts;
mod failure;
mod numbers;
mod parts;
mod policy;
mod provisioning;
mod subscriptions;
pub mod types;

use std::sync::Arc;

use axum::Router;
use service::{
    api::{About, AuditTable, Gates, finish, preamble},
    auth::Guard,
};
use utoipa_axum::router::OpenApiRouter;

use crate::machine::Sho;

/// The scopes that routes ask for.
pub const SCOPES: &[&str] = &[
    "provisioning:write",
    "sessions:read",
    "numbers:read",
    "numbers:write",
    "contracts:read",
    "contracts:write",
    "parts:read",
    "parts:write",
    "policy:read",
    "subscriptions:read",
    "subscriptions:update",
    "audit:read",
];

/// All routes, guarded.
pub fn router(sho: Arc<Sho>, guard: &Guard) -> Router {
    finish(routes(&sho, guard), sho)
}

/// The description, as pretty JSON.
#[must_use]
pub fn document(sho: &Arc<Sho>, guard: &Guard) -> String {
    service::api::document(routes(sho, guard))
}

fn routes(sho: &Arc<Sho>, guard: &Guard) -> OpenApiRouter<Arc<Sho>> {
    let about = About {
        title: "Callhome SHO",
        version: env!("CARGO_PKG_VERSION"),
        description: "A Selected Home Operator: numbers, contracts, policy, and the provisioning of devices.\n\n\
            One instance serves one operator. Keys are neither taken nor given.",
        tags: &[
            ("provisioning", "What a DPF asks for a device: steps 10 to 15 and 19"),
            ("numbers", "Ranges of IMSIs and MSISDNs"),
            ("contracts", "For which devices, on which terms"),
            ("parts", "Executables and data that plans add to an RNCP"),
            ("policy", "What is accepted"),
            ("subscriptions", "Our subscribers, without their keys"),
            ("audit", "Who changed what, and what devices were refused"),
        ],
    };
    let gates = Gates::new(guard, Arc::new(AuditTable(sho.store.db.clone())));
    OpenApiRouter::with_openapi(preamble(&about))
        .merge(provisioning::routes(&gates))
        .merge(numbers::routes(&gates))
        .merge(contracts::routes(&gates))
        .merge(parts::routes(&gates))
        .merge(policy::routes(&gates))
        .merge(subscriptions::routes(&gates))
        .merge(audit::routes(&gates))
}
