//! Who may do what.

use axum::body::Body;
use axum::http::Request;
use icf_auc::rest::SCOPES;
use serde_json::Value;

use crate::harness::{Api, token};

/// Every operation of the description: method, path with its parameters filled in, scope.
async fn operations(api: &Api) -> Vec<(String, String, String)> {
    let document = api.send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await.ok(200);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope =
                operation["security"][0]["token"][0].as_str().expect("every operation asks for a scope");
            let path = path.replace("{imsi}", "999710000000001").replace("{name}", "x").replace("{id}", "x");
            operations.push((method.to_uppercase(), path, scope.to_owned()));
        }
    }
    assert!(operations.len() >= 20, "{operations:?}");
    operations
}

fn request(method: &str, path: &str, authorization: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    request.body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn no_route_is_open() {
    let api = Api::memory();
    for (method, path, _) in operations(&api).await {
        let answer = api.send(request(&method, &path, None)).await;
        answer.problem(401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        let unknown = format!("Bearer chm_{}", "f".repeat(64));
        api.send(request(&method, &path, Some(&unknown))).await.problem(401);
    }
}

#[tokio::test]
async fn each_route_asks_for_its_own_scope() {
    let api = Api::memory();
    for (method, path, scope) in operations(&api).await {
        for other in SCOPES.iter().filter(|other| **other != scope) {
            let answer = api.send(request(&method, &path, Some(&format!("Bearer {}", token(other))))).await;
            let detail = answer.problem(403);
            assert!(detail.contains(&scope), "{method} {path} with {other}: {detail}");
        }
        let answer = api.send(request(&method, &path, Some(&format!("Bearer {}", token(&scope))))).await;
        assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.text());
    }
    assert_eq!(api.store.count(&icf_auc::store::CredentialFilter::default()).await.unwrap(), 0);
}

#[tokio::test]
async fn every_scope_is_asked_for_somewhere() {
    let asked: Vec<String> =
        operations(&Api::memory()).await.into_iter().map(|(_, _, scope)| scope).collect();
    for scope in SCOPES {
        assert!(asked.iter().any(|one| one == scope), "{scope}");
    }
}

#[tokio::test]
async fn what_holds_no_data_is_read_without_a_token() {
    let api = Api::memory();
    for path in ["/openapi.json", "/docs"] {
        let answer = api.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let page = api.send(Request::get("/docs").body(Body::empty()).unwrap()).await;
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    // The lab has no internet: the page loads nothing from anywhere else.
    assert!(!page.text().contains("://"), "{}", page.text());
}

#[tokio::test]
async fn errors_that_axum_makes_are_problems_too() {
    let api = Api::memory();
    api.get("/v1/nothing").await.problem(404);
    api.get("/").await.problem(404);
    let answer = api.ask("admin", "PUT", "/v1/credentials", &[], None).await;
    answer.problem(405);
    assert!(answer.header("allow").contains("POST"));
    api.post_as("/v1/credentials", "text/plain", "x").await.problem(415);
    api.post_as("/v1/credentials", "application/json", "{").await.problem(400);
    api.post_as("/v1/credentials", "application/json", "{} {}").await.problem(400);
    api.post_as("/v1/credentials", "application/json", vec![b' '; 2 << 20]).await.problem(413);
    api.get("/v1/credentials/12ab").await.problem(400);
    api.get("/v1/credentials/%ff").await.problem(400);
    api.get("/v1/credentials?limit=0").await.problem(400);
    api.get("/v1/credentials?limit=501").await.problem(400);
    api.get("/v1/credentials?state=asleep").await.problem(400);
    let detail = api.get("/v1/credentials?stat=blocked").await.problem(400);
    assert!(detail.contains("stat"), "{detail}");
}

#[tokio::test]
async fn every_write_is_in_the_audit_log_with_who_and_what_became_of_it() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.ask("credentials:write", "DELETE", "/v1/credentials/999710000000001", &[], None).await.ok(204);
    api.ask("credentials:write", "DELETE", "/v1/credentials/999710000000001", &[], None).await.problem(404);
    api.get("/v1/credentials").await.ok(200);
    let log = api.get("/v1/audit").await.ok(200);
    let said: Vec<String> = log["items"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(
        said,
        [
            "only-credentials-write credentials.delete 999710000000001 404",
            "only-credentials-write credentials.delete 999710000000001 done",
            "only-admin credentials.create 999710000000001 done",
        ]
    );
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    let outcome = text("outcome");
    format!("{} {} {} {}", text("who"), text("action"), text("target"), outcome.split(' ').next().unwrap())
}
