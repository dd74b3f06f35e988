//! The description of an API (OpenAPI 3.1), made from its routes.

use axum::http::{Method, StatusCode};
use utoipa::OpenApi as _;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, PathItem, Ref, Response, ResponseBuilder, SecurityRequirement,
    path::Operation,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What stands above the routes of an API.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name, as `Callhome DRF`.
    pub title: &'static str,
    /// `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// What it is for and what holds for all of it, Markdown.
    pub description: &'static str,
    /// Name and meaning of each group of routes.
    pub tags: &'static [(&'static str, &'static str)],
}

/// Schemas that the gates name, and no route does.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(schemas::rest::Problem, schemas::rest::FieldError)))]
struct Common;

/// The description before there are routes: begin an `OpenApiRouter::with_openapi(preamble(…))` with it.
#[must_use]
pub fn preamble(about: &About) -> OpenApi {
    let mut document = Common::openapi();
    document.info = InfoBuilder::new()
        .title(about.title)
        .version(about.version)
        .description(Some(about.description))
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
    let tag = |(name, text): &(&str, &str)| TagBuilder::new().name(*name).description(Some(*text)).build();
    document.tags = Some(about.tags.iter().map(tag).collect());
    document
}

/// Adds to the description of routes what holds for all of them: the scope and the problems. [`Gates`](super::Gates)
/// do it.
pub fn describe<S: Clone + Send + Sync + 'static>(
    mut routes: UtoipaMethodRouter<S>,
    scope: &str,
) -> UtoipaMethodRouter<S> {
    for (_, operation) in routes.1.paths.values_mut().flat_map(operations) {
        operation.security = Some(vec![SecurityRequirement::new("token", [scope])]);
        let asks = format!("Asks for the scope `{scope}`.");
        operation.description = Some(match operation.description.take() {
            Some(text) => format!("{text}\n\n{asks}"),
            None => asks,
        });
        let mut problems = vec![
            (StatusCode::BAD_REQUEST, "The request is malformed"),
            (StatusCode::UNAUTHORIZED, "No token, or one that is not known"),
            (StatusCode::FORBIDDEN, "The token lacks the scope"),
            (StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says why"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database cannot do it now; `Retry-After` says when to try again",
            ),
        ];
        if operation.request_body.is_some() {
            problems.extend([
                (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another media type"),
                (StatusCode::UNPROCESSABLE_ENTITY, "A field is wrong; `errors` says which"),
            ]);
        }
        for (status, text) in problems {
            operation
                .responses
                .responses
                .entry(status.as_u16().to_string())
                .or_insert_with(|| problem_response(text).into());
        }
    }
    routes
}

/// A problem, as a response in the description.
#[must_use]
pub fn problem_response(text: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(text)
        .content(crate::problem::MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

/// The operations of a path, by method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// The description of these routes, as `schemas/openapi/<role>.json` has it: indented, with a line end.
#[must_use]
pub fn document<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>) -> String {
    // Served and checked in are one text, but for the white space.
    let value: serde_json::Value = serde_json::from_str(&text(&router.into_openapi())).unwrap_or_default();
    format!("{value:#}\n")
}

/// The description as JSON on one line.
pub(super) fn text(document: &OpenApi) -> String {
    // It holds no value that JSON cannot: serialising fails never.
    let json = serde_json::to_string(document).unwrap_or_default();
    // utoipa 6.0 writes `u-int32` for what the registry of formats calls `uint32`; in a text the quotes would be
    // escaped.
    json.replace("\"format\":\"u-int", "\"format\":\"uint")
}
