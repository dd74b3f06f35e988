use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post};
use tower::ServiceExt;

use super::*;

#[derive(serde::Deserialize)]
struct Input {
    count: u8,
}

fn router() -> Router {
    let router = Router::new()
        .route("/things/{number}", get(|Path(number): Path<u8>| async move { number.to_string() }))
        .route("/search", get(|Query(input): Query<Input>| async move { input.count.to_string() }))
        .route("/things", post(|Json(input): Json<Input>| async move { input.count.to_string() }))
        .route("/plain", post(|axum::Json(input): axum::Json<Input>| async move { input.count.to_string() }))
        .route("/own", get(|| async { Problem::conflict("taken").with("holder", "x").with("status", 1) }))
        .route("/html", get(|| async { (StatusCode::BAD_REQUEST, axum::response::Html("<p>no</p>")) }))
        .layer(DefaultBodyLimit::max(64));
    with_problems(router)
}

async fn ask(method: &str, path: &str, content_type: Option<&str>, body: &str) -> (Response, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let response = router().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let octets = to_bytes(body, 1 << 20).await.unwrap();
    let json = serde_json::from_slice(&octets).unwrap_or(Value::Null);
    (Response::from_parts(parts, Body::empty()), json)
}

async fn assert_problem(
    method: &str,
    path: &str,
    content_type: Option<&str>,
    body: &str,
    status: u16,
) -> Value {
    let (response, json) = ask(method, path, content_type, body).await;
    assert_eq!(response.status().as_u16(), status, "{json}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    assert_eq!(json["status"], status);
    assert_eq!(json["type"], "about:blank");
    assert_eq!(json["instance"], path.split('?').next().unwrap());
    assert!(json["title"].is_string() && json["detail"].is_string(), "{json}");
    json
}

#[tokio::test]
async fn every_refusal_of_axum_is_a_problem() {
    let json = Some("application/json");
    assert_problem("GET", "/nowhere", None, "", 404).await;
    assert_problem("GET", "/things/many", None, "", 400).await;
    assert_problem("GET", "/search?count=many", None, "", 400).await;
    for path in ["/things", "/plain"] {
        assert_problem("POST", path, json, "{", 400).await;
        assert_problem("POST", path, json, "{\"count\": 256}", 422).await;
        assert_problem("POST", path, Some("text/csv"), "{\"count\": 1}", 415).await;
        assert_problem("POST", path, json, &format!("{{\"count\": {:>70}}}", 1), 413).await;
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rule {
    Any,
    Only(Vec<u8>),
}

#[derive(Debug, serde::Deserialize)]
struct Nested {
    rules: Vec<Rule>,
}

fn refused(body: &str) -> Problem {
    from_json::<Nested>(body.as_bytes()).unwrap_err()
}

#[test]
fn json_of_another_shape_gets_422_with_the_place_and_what_is_expected_there() {
    let read = from_json::<Nested>(br#"{"rules": ["any", {"only": [1]}]}"#).unwrap();
    assert!(matches!(&read.rules[..], [Rule::Any, Rule::Only(only)] if only == &[1]));
    let cases = [
        // What serde_json calls a fault of syntax: an array or a number for an enumeration.
        (r#"{"rules": ["any", [1]]}"#, "/rules/1", "expected"),
        (r#"{"rules": [7]}"#, "/rules/0", "expected"),
        (r#"{"rules": [{"only": [1, "x"]}]}"#, "/rules/0/only/1", "invalid type: string \"x\", expected u8"),
        (r#"{"rules": {}}"#, "/rules", "expected a sequence"),
        ("{}", "", "missing field `rules`"),
        ("7", "", "expected struct Nested"),
    ];
    for (body, pointer, detail) in cases {
        let problem = refused(body);
        assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        let error = &problem.extensions["errors"][0];
        assert_eq!(error["pointer"], pointer, "{body}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{body}: {problem}");
        assert!(problem.detail.unwrap().starts_with(pointer.trim_start_matches('/')), "{body}");
    }
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
    let read = from_json::<Nested>(br#"{"rules": [{"only": [1.0, 2e1]}]}"#).unwrap();
    assert!(matches!(&read.rules[..], [Rule::Only(only)] if only == &[1, 20]));
    for (number, why) in [("1.5", "floating point `1.5`"), ("256.0", "`256`"), ("1e300", "floating point")] {
        let problem = refused(&format!(r#"{{"rules": [{{"only": [7.0, {number}]}}]}}"#));
        assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        let error = &problem.extensions["errors"][0];
        assert_eq!(error["pointer"], "/rules/0/only/1", "{problem}");
        assert!(error["detail"].as_str().unwrap().contains(why), "{problem}");
    }
}

#[test]
fn what_is_no_json_gets_400() {
    for body in [
        "",
        "{",
        r#"{"rules": [any]}"#,
        r#"{"rules": [[}]}"#,
        r#"{"rules": []} x"#,
        r#"{"rules": [[1]"#,
        r#"{"rules": "x""#,
    ] {
        let problem = refused(body);
        assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{body}: {problem}");
        assert!(problem.detail.unwrap().starts_with("the body is not JSON: "));
    }
}

#[tokio::test]
async fn a_wrong_method_still_tells_what_is_allowed() {
    assert_problem("DELETE", "/things", None, "", 405).await;
    let (response, _) = ask("DELETE", "/things", None, "").await;
    assert_eq!(response.headers()[header::ALLOW], "POST");
}

#[tokio::test]
async fn a_problem_of_ones_own_keeps_its_members() {
    let json = assert_problem("GET", "/own", None, "", 409).await;
    assert_eq!(json["holder"], "x");
    assert_eq!(json["detail"], "taken");
}

#[tokio::test]
async fn successes_and_other_media_types_pass_untouched() {
    let (response, json) = ask("POST", "/things", Some("application/json"), "{\"count\": 7}").await;
    assert_eq!((response.status(), json), (StatusCode::OK, Value::from(7)));
    let (response, _) = ask("GET", "/html", None, "").await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
}

#[test]
fn the_cause_of_an_internal_error_stays_inside() {
    let problem = Problem::internal(&"disk on fire at /dev/sda");
    assert!(!problem.to_json().to_string().contains("fire"));
}
