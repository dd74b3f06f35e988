use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::*;
use crate::{
    auth::{Guard, Token, Tokens},
    database::tests::open,
    problem::{Json, Path, Problem},
};

type Entry = [String; 4];

/// Remembers what it is told, and tells who waits.
struct Memory {
    entries: Mutex<Vec<Entry>>,
    told: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Trail for Memory {
    async fn record(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), String> {
        self.entries.lock().unwrap().push([who, action, target, outcome].map(str::to_owned));
        let _ = self.told.send(());
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
}

/// How far the slow write is.
#[derive(Clone, Default)]
struct Steps {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

/// List things
///
/// All of them.
#[utoipa::path(get, path = "/v1/things", tag = "things", operation_id = "listThings",
    responses((status = 200, description = "Things", body = Vec<Thing>)))]
async fn list() -> Json<Vec<Thing>> {
    Json(Vec::new())
}

/// Make a thing
#[utoipa::path(post, path = "/v1/things", tag = "things", operation_id = "createThing", request_body = Thing,
    responses((status = 201, description = "Made", body = Thing), (status = 422, description = "No such name")))]
async fn create(
    Extension(target): Extension<Target>,
    Json(thing): Json<Thing>,
) -> Result<(StatusCode, Json<Thing>), Problem> {
    target.is(&thing.name);
    match thing.name.as_str() {
        "good" => Ok((StatusCode::CREATED, Json(thing))),
        _ => Err(Problem::unprocessable("only good things are made")),
    }
}

/// Delete a thing
#[utoipa::path(delete, path = "/v1/things/{name}", tag = "things", operation_id = "deleteThing",
    params(("name" = String, Path, description = "Which")), responses((status = 204, description = "Gone")))]
async fn delete(State(steps): State<Steps>, Path(name): Path<String>) -> StatusCode {
    if name == "slow" {
        steps.begun.notify_one();
        steps.go_on.notified().await;
    }
    StatusCode::NO_CONTENT
}

struct Bench {
    guard: Guard,
    reader: Token,
    writer: Token,
    trail: Arc<Memory>,
    told: mpsc::UnboundedReceiver<()>,
    steps: Steps,
}

impl Bench {
    fn new() -> Self {
        let (reader, writer) = (Token::generate().unwrap(), Token::generate().unwrap());
        let entry = |name: &str, token: &Token, scope: &str| json!({ "name": name, "hash": token.hash(), "scopes": [scope] });
        let tokens =
            json!([entry("reader", &reader, "things:read"), entry("writer", &writer, "things:write")]);
        let tokens = serde_json::from_value::<Vec<_>>(tokens).unwrap();
        let guard = Guard::new(Tokens::new(&tokens, &["things:read", "things:write"]).unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        let trail = Arc::new(Memory { entries: Mutex::default(), told: tell });
        Self { guard, reader, writer, trail, told, steps: Steps::default() }
    }

    fn routes(&self) -> OpenApiRouter<Steps> {
        let gates = Gates::new(&self.guard, Arc::clone(&self.trail) as Arc<dyn Trail>);
        let about = About {
            title: "Callhome test",
            version: "1.2.3",
            description: "For tests.",
            tags: &[("things", "Things of all kinds")],
        };
        OpenApiRouter::with_openapi(preamble(&about))
            .routes(gates.read("things:read", routes!(list)))
            .routes(gates.write("things:write", "things.create", routes!(create)))
            .routes(gates.write("things:write", "things.delete", routes!(delete)))
    }

    fn request(
        &self,
        token: Option<&Token>,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body)).unwrap(),
            None => request.body(Body::empty()).unwrap(),
        }
    }

    async fn ask(
        &self,
        token: Option<&Token>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        let request = self.request(token, method, path, body.map(|body| body.to_string()));
        let response = finish(self.routes(), self.steps.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn entries(&self) -> Vec<Entry> {
        self.trail.entries.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn every_route_asks_for_its_scope() {
    let bench = Bench::new();
    let thing = || Some(json!({ "name": "good" }));
    for (token, method, body, status) in [
        (None, "GET", None, 401),
        (Some(&bench.writer), "GET", None, 403),
        (Some(&bench.reader), "GET", None, 200),
        (None, "POST", thing(), 401),
        (Some(&bench.reader), "POST", thing(), 403),
        (Some(&bench.writer), "POST", thing(), 201),
    ] {
        let (got, _, _) = bench.ask(token, method, "/v1/things", body).await;
        assert_eq!(got.as_u16(), status, "{method}");
    }
    assert_eq!(bench.entries().len(), 1, "reads, and who may not write, are not in the audit log");
}

#[tokio::test]
async fn writes_are_in_the_audit_log_also_those_refused() {
    let bench = Bench::new();
    let writer = Some(&bench.writer);
    bench.ask(writer, "POST", "/v1/things", Some(json!({ "name": "good" }))).await;
    let (status, _, problem) = bench.ask(writer, "POST", "/v1/things", Some(json!({ "name": "bad" }))).await;
    assert_eq!((status.as_u16(), &problem["detail"]), (422, &json!("only good things are made")));
    let (status, _, _) = bench.ask(writer, "POST", "/v1/things", Some(json!({ "nam": "good" }))).await;
    assert_eq!(status.as_u16(), 422);
    bench.ask(writer, "DELETE", "/v1/things/some", None).await;
    let entries = bench.entries();
    let [made, refused, malformed, deleted] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(made, &["writer", "things.create", "good", "done"]);
    assert_eq!(refused[..3], ["writer", "things.create", "bad"]);
    assert!(refused[3].contains("only good things are made"), "{refused:?}");
    assert_eq!(malformed[..3], ["writer", "things.create", ""]);
    assert!(malformed[3].starts_with("422 "), "{malformed:?}");
    assert_eq!(deleted, &["writer", "things.delete", "some", "done"]);
}

#[tokio::test]
async fn a_write_is_finished_and_put_down_though_its_client_has_gone() {
    let mut bench = Bench::new();
    let request = bench.request(Some(&bench.writer), "DELETE", "/v1/things/slow", None);
    let call = tokio::spawn(finish(bench.routes(), bench.steps.clone()).oneshot(request));
    bench.steps.begun.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    bench.steps.go_on.notify_one();
    bench.told.recv().await.unwrap();
    assert_eq!(bench.entries(), [["writer", "things.delete", "slow", "done"].map(str::to_owned)]);
}

#[tokio::test]
async fn the_description_says_scopes_and_problems_and_needs_no_token() {
    let bench = Bench::new();
    let (status, headers, document) = bench.ask(None, "GET", "/openapi.json", None).await;
    assert_eq!((status.as_u16(), &headers["content-type"]), (200, &"application/json".parse().unwrap()));
    assert_eq!(document["info"]["title"], "Callhome test");
    assert_eq!(document["tags"], json!([{ "name": "things", "description": "Things of all kinds" }]));
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    for schema in ["Problem", "FieldError", "Thing"] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
    for (path, method, scope, statuses) in [
        ("/v1/things", "get", "things:read", &["200", "400", "401", "403", "500", "503"][..]),
        (
            "/v1/things",
            "post",
            "things:write",
            &["201", "400", "401", "403", "413", "415", "422", "500", "503"],
        ),
        ("/v1/things/{name}", "delete", "things:write", &["204", "400", "401", "403", "500", "503"]),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], json!([{ "token": [scope] }]), "{path} {method}");
        assert!(operation["description"].as_str().unwrap().contains(scope), "{path} {method}");
        let answers: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
        assert_eq!(answers, statuses, "{path} {method}");
        let refused = &operation["responses"]["403"]["content"]["application/problem+json"]["schema"];
        assert_eq!(refused["$ref"], "#/components/schemas/Problem", "{path} {method}");
    }
    let create = &document["paths"]["/v1/things"]["post"]["responses"]["422"];
    assert_eq!(create["description"], "No such name", "what a route says of itself stays");

    let text = super::document(bench.routes());
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document, "the golden is what is served");
    assert!(text.ends_with("}\n") && text.lines().count() > 100);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let bench = Bench::new();
    let (status, headers, _) = bench.ask(None, "GET", "/docs", None).await;
    assert_eq!(status.as_u16(), 200);
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none';"));
    let page = include_str!("docs.html");
    assert!(!page.contains("http://") && !page.contains("https://") && page.contains("openapi.json"));
}

#[tokio::test]
async fn every_answer_is_private_and_every_error_a_problem() {
    let bench = Bench::new();
    let large = Some(json!({ "name": "x".repeat(MAX_BODY) }));
    for (token, method, path, body, status) in [
        (None, "GET", "/v1/nowhere", None, 404),
        (Some(&bench.reader), "PUT", "/v1/things", None, 405),
        (Some(&bench.writer), "POST", "/v1/things", large, 413),
    ] {
        let (got, headers, problem) = bench.ask(token, method, path, body).await;
        assert_eq!(got.as_u16(), status);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!((&problem["status"], &problem["instance"]), (&json!(status), &json!(path)));
    }
}

#[tokio::test]
async fn the_audit_table_gives_pages_newest_first_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path()).await;
    let table = AuditTable(db.clone());
    for target in ["a", "b", "c"] {
        table.record("writer", "things.create", target, "done").await.unwrap();
    }
    db.close().await;
    let error = table.record("writer", "things.create", "d", "done").await.unwrap_err();
    assert!(error.contains("closed"), "{error}");

    let db = open(folder.path()).await;
    let targets = |entries: &[schemas::rest::AuditEntry]| -> String {
        entries.iter().map(|entry| entry.target.as_str()).collect()
    };
    let first = audit_page(&db, None, 2).await.unwrap();
    assert_eq!(targets(&first), "cb");
    let rest = audit_page(&db, Some(first[1].id), 2).await.unwrap();
    assert_eq!(targets(&rest), "a");
    let entry = &rest[0];
    assert_eq!([&*entry.who, &*entry.action, &*entry.outcome], ["writer", "things.create", "done"]);
    assert!(entry.at.year() >= 2024 && entry.at <= time::OffsetDateTime::now_utc());
    assert_eq!(audit_page(&db, None, 0).await.unwrap().len(), 1, "a page has at least one entry");
}
