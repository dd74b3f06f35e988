//! HTTPS for devices (steps 9, 16 and 18): sessions, manifests, parts, reports, platform certificates.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

mod caller;
mod failure;
mod parts;
mod platform;
mod range;
mod report;
mod sessions;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
};
use schemas::rest::provisioning::Session as Shown;
use service::{
    api::{About, document, finish, operations, preamble, problem_response},
    problem::Problem,
};
use utoipa::openapi::{
    OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::{
    device::{caller::Caller, failure::OrProblem},
    model::{Session, instant},
    procedure::Dpf,
};

/// Octets of evidence, a report or a request for a certificate at most.
const MAX_SIGNED: usize = 64 << 10;

const ABOUT: About = About {
    title: "Callhome DPF, devices",
    version: env!("CARGO_PKG_VERSION"),
    description: include_str!("device/preamble.md"),
    tags: &[
        ("sessions", "Provisioning sessions (seed, section 5 steps 9 to 18)"),
        ("platform", "The platform certificate"),
    ],
};

/// What the routes work on.
#[derive(Clone)]
pub struct DeviceState(pub Arc<Dpf>);

impl fmt::Debug for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceState(…)")
    }
}

/// All routes; each sees for itself who calls.
pub fn router(state: DeviceState) -> Router {
    finish(routes(), state)
}

/// Their description, JSON.
#[must_use]
pub fn description() -> String {
    document(routes())
}

fn routes() -> OpenApiRouter<DeviceState> {
    let mut routes = OpenApiRouter::with_openapi(described())
        .merge(sessions::routes())
        .merge(parts::routes())
        .merge(report::routes())
        .merge(platform::routes());
    // What holds for all of them.
    for (_, operation) in routes.get_openapi_mut().paths.paths.values_mut().flat_map(operations) {
        for (status, text) in [
            ("400", "The request is malformed"),
            ("401", "Neither a platform certificate nor a call-home triple"),
            ("403", "The certificate names no device, or another, or is revoked"),
            ("429", "Too many wrong triples came from this address; Retry-After says when to come again"),
            ("500", "The server failed; its log says why"),
            ("503", "Somebody whom the DPF needs does not answer; ask again"),
        ] {
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_owned()).or_insert_with(|| problem_response(text).into());
        }
    }
    routes
}

/// Devices have no tokens.
fn described() -> OpenApi {
    let mut document = preamble(&ABOUT);
    let schemes = &mut document.components.get_or_insert_default().security_schemes;
    schemes.clear();
    let certificate = SecurityScheme::MutualTls {
        description: Some("The platform certificate (TLS 1.3).".to_owned()),
        deprecated: None,
        extensions: None,
    };
    schemes.insert("platform".to_owned(), certificate.into());
    let triple = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "User name and password of the call-home triple, where there is no certificate yet.",
        ))
        .build();
    schemes.insert("triple".to_owned(), SecurityScheme::Http(triple).into());
    document
}

/// The session, if it is the caller's. Somebody else's is not told from none, and is put down.
///
/// # Errors
/// 404.
async fn own(dpf: &Dpf, caller: &Caller, id: &str) -> Result<Session, Problem> {
    let none = || {
        Problem::of_kind(StatusCode::NOT_FOUND, "/problems/session-unknown", "No such session")
            .detail("there is no such session of this device; the RNCT's trigger opens one")
    };
    let Ok(id) = id.parse::<Uuid>() else { return Err(none()) };
    match dpf.store.session(id).await.or_problem()? {
        Some(session) if caller.may(&session) => Ok(session),
        Some(session) => {
            dpf.metrics.turned_away.with_label_values(&["not-theirs"]).inc();
            let target = format!("{id} of {}", session.tre_id);
            dpf.refused(&caller.name(), "device.session", &target, "refused: it is another device's").await;
            Err(none())
        }
        None => Err(none()),
    }
}

/// A session, as its device sees it.
fn shown(session: &Session) -> Shown {
    Shown {
        id: session.id,
        state: session.state.shown(),
        nonce: session.nonce.clone().into(),
        expires_at: instant(session.expires_at),
        problem: session.refusal.clone(),
    }
}

/// A body of this media type, parameters aside, that is not too large.
///
/// # Errors
/// 415, 413.
fn signed(headers: &HeaderMap, body: &Bytes, wanted: &'static str) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
        let text = format!("the body has to be sent with Content-Type: {wanted}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail(text));
    }
    if body.len() > MAX_SIGNED {
        let text = format!("at most {MAX_SIGNED} octets are taken");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail(text));
    }
    Ok(())
}
