//! The description of the API, made from the routes, and a page to read it at.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use bytes::Bytes;
use service::auth::Guard;
use utoipa::OpenApi as _;
use utoipa::openapi::{
    InfoBuilder, OpenApi,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

/// Schemas that the gates name, and no route does.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(schemas::rest::Problem, schemas::rest::FieldError)))]
struct Common;

/// What stands above the routes.
pub(super) fn preamble() -> OpenApi {
    let mut document = Common::openapi();
    document.info = InfoBuilder::new()
        .title("Callhome ICF")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi/preamble.md")))
        .build();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token with the scope that the operation asks for, or with `admin`."))
        .build();
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("token".to_owned(), SecurityScheme::Http(token).into());
    let tags = [
        ("credentials", "Provisional credentials: IMSI, keys, state"),
        ("profiles", "What credentials are good for: APNs, rates, lifetime, networks"),
        ("batches", "Credentials that were issued or imported together"),
        ("chtif", "Credentials for ICFs elsewhere that lack them"),
        ("registrations", "Which serving nodes subscribers are registered with"),
        ("peers", "Diameter peers"),
        ("av-pools", "Ready authentication vectors, taken in and handed out"),
        ("events", "What happened, as pages or as a stream"),
        ("audit", "Who changed what"),
    ];
    let tag = |(name, text)| TagBuilder::new().name(name).description(Some(text)).build();
    document.tags = Some(tags.map(tag).to_vec());
    document
}

/// The description of everything, batches included.
pub fn document(state: &super::RestState, guard: &Guard) -> OpenApi {
    super::routes(state, guard).into_openapi()
}

/// `/openapi.json` and `/docs`.
pub(super) fn pages(document: &OpenApi) -> Router {
    // It holds no value that JSON cannot: serialising fails never.
    let json = serde_json::to_string(document).unwrap_or_default();
    // utoipa 6.0 writes `u-int32` for what the registry of formats calls `uint32`; in a text the quotes would be
    // escaped.
    let json = Bytes::from(json.replace("\"format\":\"u-int", "\"format\":\"uint"));
    let json = move || {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json) }
    };
    Router::new().route("/openapi.json", get(json)).route("/docs", get(docs))
}

/// The page asks for the description beside it and shows it; it loads nothing else.
async fn docs() -> impl IntoResponse {
    const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    ([policy], Html(include_str!("openapi/docs.html")))
}
