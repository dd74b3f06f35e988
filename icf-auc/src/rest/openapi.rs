//! The description of the API, made from the routes.

use service::api::About;
use service::auth::Guard;
use utoipa::openapi::OpenApi;

/// What stands above the routes.
pub(super) const ABOUT: About = About {
    title: "Callhome ICF",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("openapi/preamble.md"),
    tags: &[
        ("credentials", "Provisional credentials: IMSI, keys, state"),
        ("profiles", "What credentials are good for: APNs, rates, lifetime, networks"),
        ("batches", "Credentials that were issued or imported together"),
        ("chtif", "Credentials for ICFs elsewhere that lack them"),
        ("registrations", "Which serving nodes subscribers are registered with"),
        ("peers", "Diameter peers"),
        ("av-pools", "Ready authentication vectors, taken in and handed out"),
        ("events", "What happened, as pages or as a stream"),
        ("audit", "Who changed what"),
    ],
};

/// The description of everything, batches included.
pub fn document(state: &super::RestState, guard: &Guard) -> OpenApi {
    super::routes(state, guard).into_openapi()
}
