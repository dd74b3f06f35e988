//! Every route asks for its scope; probes and OCSP alone ask for none.

use std::collections::HashMap;

use axum::http::{Method, StatusCode};
use pva::rest::SCOPES;
use serde_json::Value;
use service::client::{CallError, RoleClient};

use crate::harness::World;

/// Method, path, scope of every route.
const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/v1/suppliers", "suppliers:read"),
    ("GET", "/v1/suppliers/{supplier}", "suppliers:read"),
    ("PUT", "/v1/suppliers/{supplier}", "suppliers:write"),
    ("GET", "/v1/reference-values/{supplier}", "reference-values:read"),
    ("GET", "/v1/reference-values/{supplier}/{model}/{name}", "reference-values:read"),
    ("PUT", "/v1/reference-values/{supplier}/{model}/{name}", "reference-values:write"),
    ("DELETE", "/v1/reference-values/{supplier}/{model}/{name}", "reference-values:write"),
    ("POST", "/v1/enrolments", "enrolments:write"),
    ("GET", "/v1/platforms", "platforms:read"),
    ("GET", "/v1/platforms/{tre}", "platforms:read"),
    ("POST", "/v1/platforms/{tre}/revoke", "platforms:revoke"),
    ("POST", "/v1/platforms/{tre}/certificate", "platforms:write"),
    ("POST", "/v1/nonces", "nonces:write"),
    ("POST", "/v1/validations", "validations:write"),
    ("GET", "/v1/audit", "audit:read"),
    ("GET", "/metrics", "metrics:read"),
];

async fn status(client: &RoleClient, method: &str, path: &str) -> StatusCode {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match client.send(method, path, "application/json", b"{}".to_vec()).await {
        Ok(answer) => answer.status(),
        Err(CallError::Refused { status, .. }) => status,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_route_lets_its_scope_through_and_no_other() {
    let world = World::new().await;
    let others: HashMap<&str, &RoleClient> =
        world.clients.iter().map(|(scope, client)| (scope.as_str(), client)).collect();
    for (method, path, scope) in ROUTES {
        let path = path.replace(['{', '}'], "");
        for (with, client) in &others {
            let status = status(client, method, &path).await;
            let let_through = with == scope || *with == "admin";
            assert_eq!(status != StatusCode::FORBIDDEN, let_through, "{method} {path} with {with}: {status}");
            assert_ne!(status, StatusCode::UNAUTHORIZED);
        }
    }
    assert!(SCOPES.iter().all(|scope| *scope == "platforms:rekey" || ROUTES.iter().any(|r| r.2 == *scope)));
}

#[tokio::test]
async fn without_a_token_there_are_probes_and_the_description_alone() {
    let world = World::new().await;
    let url = world.started.as_ref().unwrap().rest_url.clone().unwrap();
    let ca = std::fs::read(world.folder.path().join("root.crt")).unwrap();
    service::tls::install_provider();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    for (method, path, _) in ROUTES {
        let path = path.replace(['{', '}'], "");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = http.request(method.clone(), format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
        let answer = http.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let described: Value =
        http.get(format!("{url}/openapi.json")).send().await.unwrap().json().await.unwrap();
    let routes: usize =
        described["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(routes, ROUTES.len() - 1, "each route is in the table above, /metrics besides");
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let asked = crate::harness::request(&nonce, device.evidence(&nonce, |e| e.verified_boot = false));
    world.ask(&asked).await.unwrap();
    world.ask(&asked).await.unwrap();
    let answer = world.clients["metrics:read"].send(Method::GET, "/metrics", "", Vec::new()).await.unwrap();
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    for line in [
        "callhome_pva_enrolled_total 1",
        "callhome_pva_nonces_total 1",
        "callhome_pva_verdicts_total{outcome=\"not-secure\"} 1",
        "role=\"pva\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("tre-m1"), "no label names a device");
}
