use schemas::trust::ServerRole;
use std::{path::PathBuf, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request},
    http::HeaderMap,
    response::{IntoResponse, Redirect},
    routing::{any, get, post},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::{SecretSource, Span},
    role::{RestConfig, RestTls},
    serve::{HttpLimits, HttpServer},
    tls::testing::Authority,
};

const TOKEN: &str = "chm_0123456789abcdef0123456789abcdef";

fn token(folder: &tempfile::TempDir, text: &str) -> SecretSource {
    let path = folder.path().join("token");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    SecretSource::File(path)
}

fn config(folder: &tempfile::TempDir, url: &str, ca: Option<PathBuf>) -> PeerRole {
    PeerRole { url: url.to_owned(), token: token(folder, TOKEN), ca, timeout: Span::seconds(30) }
}

fn authorised(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value.as_bytes() == format!("Bearer {TOKEN}").as_bytes())
}

fn router() -> Router {
    Router::new()
        .route(
            "/v1/echo",
            post(|headers: HeaderMap, Json(body): Json<Value>| async move {
                Json(json!({ "authorised": authorised(&headers), "body": body }))
            }),
        )
        .route("/v1/nothing", any(|| async { StatusCode::NO_CONTENT }))
        .route("/v1/text", get(|| async { "no JSON" }))
        .route(
            "/v1/raw",
            post(|request: Request| async move {
                let kind = request.headers()["content-type"].clone();
                ([("content-type", kind)], Body::new(request.into_body())).into_response()
            }),
        )
        .route(
            "/v1/refused/{status}",
            any(|Path(status): Path<u16>| async move {
                Problem::new(StatusCode::from_u16(status).unwrap()).detail("because").with("quota", 3)
            }),
        )
        .route("/v1/page", any(|| async { (StatusCode::BAD_GATEWAY, "<html>proxy</html>") }))
        .route("/v1/elsewhere", any(|| async { Redirect::temporary("/v1/nothing") }))
        .route("/v1/never", any(std::future::pending::<()>))
        .route("/v1/octets/{count}", get(|Path(count): Path<usize>| async move { vec![7_u8; count] }))
}

struct Server {
    url: String,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(tls: &RestConfig) -> Server {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = HttpServer::bind(listen, tls.tls().unwrap(), HttpLimits::default()).await.unwrap();
    let (url, stop) = (server.url(), CancellationToken::new());
    tokio::spawn(server.run(router(), stop.clone()));
    Server { url, stop }
}

/// A server without TLS, and who asks it.
async fn pair() -> (Server, RoleClient) {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&RestConfig::default()).await;
    let client =
        RoleClient::new(ServerRole::Pva, &config(&folder, &format!("{}/", server.url), None)).unwrap();
    (server, client)
}

#[test]
fn plain_http_is_for_loopback_alone_and_https_needs_a_ca() {
    let folder = tempfile::tempdir().unwrap();
    let set_up = |url: &str| RoleClient::new(ServerRole::Pva, &config(&folder, url, None));
    for good in
        ["http://127.0.0.1:8080", "http://127.8.9.10", "http://[::1]:8080/base", "http://localhost:80/"]
    {
        set_up(good).unwrap();
    }
    for far in [
        "http://192.0.2.1:8080",
        "http://[2001:db8::1]",
        "http://pva.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
    ] {
        let error = set_up(far).unwrap_err().to_string();
        assert!(error.contains("loopback") && error.contains("https://"), "{far}: {error}");
    }
    for wrong in ["ftp://127.0.0.1", "pva", "", "http://127.0.0.1/?a=b", "http://127.0.0.1/#x"] {
        assert!(matches!(set_up(wrong), Err(ClientError::Url { .. })), "{wrong}");
    }
    let error = set_up("http://me:hunter2@127.0.0.1").unwrap_err();
    assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
    let error = set_up("https://pva.example").unwrap_err().to_string();
    assert!(error.contains("ca for https://pva.example is missing"), "{error}");
}

#[test]
fn a_token_of_two_lines_is_refused_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        PeerRole { token: token(&folder, "first\nsecond"), ..config(&folder, "http://127.0.0.1", None) };
    std::fs::write(folder.path().join("token"), "first\nsecond").unwrap();
    let error = RoleClient::new(ServerRole::Pva, &config).unwrap_err();
    assert!(!format!("{error}{error:?}").contains("first"), "{error}");
}

#[tokio::test]
async fn json_goes_there_with_the_token_and_comes_back() {
    let (_server, client) = pair().await;
    let answer: Value = client.json(Method::POST, "/v1/echo", Some(&json!({ "a": [1, 2] }))).await.unwrap();
    assert_eq!(answer, json!({ "authorised": true, "body": { "a": [1, 2] } }));
    let nothing = client.json::<(), Option<Value>>(Method::GET, "/v1/nothing", None).await.unwrap();
    assert_eq!(nothing, None);
    client.json::<(), ()>(Method::DELETE, "/v1/nothing", None).await.unwrap();
    assert!(!format!("{client:?}").contains(TOKEN));
}

#[tokio::test]
async fn octets_go_there_and_come_back_with_their_type() {
    let (_server, client) = pair().await;
    let answer = client.send(Method::POST, "/v1/raw", "application/cbor", vec![0xa1, 0, 0xff]).await.unwrap();
    assert_eq!(answer.body().as_ref(), [0xa1, 0, 0xff]);
    assert_eq!(answer.headers()["content-type"], "application/cbor");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_problem() {
    let (server, client) = pair().await;
    for (status, transient) in
        [(403, false), (404, false), (409, false), (429, true), (500, true), (503, true)]
    {
        let path = format!("/v1/refused/{status}");
        let error = client.json::<(), ()>(Method::PUT, &path, None).await.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{status}");
        assert_eq!(error.status().unwrap().as_u16(), status);
        let text = error.to_string();
        assert!(text.contains(&format!("PUT {}{path}", server.url)) && text.contains("because"), "{text}");
        assert_eq!(text.contains("give our token this scope"), status == 403, "{text}");
        let CallError::Refused { problem, .. } = error else { panic!("{error}") };
        assert_eq!(problem.detail.as_deref(), Some("because"));
        assert_eq!(problem.extensions["quota"], 3);
    }
    let error = client.json::<(), ()>(Method::GET, "/v1/page", None).await.unwrap_err();
    let CallError::Refused { status, problem } = &error else { panic!("{error}") };
    assert_eq!((status.as_u16(), problem.title.as_ref()), (502, "Bad Gateway"), "no problem, but a status");
}

#[tokio::test]
async fn what_no_role_answers_is_nonsense() {
    let (_server, client) = pair().await;
    for path in ["/v1/text", "/v1/elsewhere"] {
        let error = client.json::<(), Value>(Method::GET, path, None).await.unwrap_err();
        assert!(matches!(error, CallError::Nonsense { .. }) && !error.is_transient(), "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
    let error = client.json::<(), u32>(Method::GET, "/v1/nothing", None).await.unwrap_err();
    assert!(error.to_string().contains("not the JSON that is expected"), "{error}");
}

#[tokio::test]
async fn an_answer_may_have_sixteen_mebioctets_and_not_one_more() {
    let (_server, client) = pair().await;
    let get =
        async |count: usize| client.send(Method::GET, &format!("/v1/octets/{count}"), "", Vec::new()).await;
    assert_eq!(get(MAX_ANSWER).await.unwrap().body().len(), MAX_ANSWER);
    let error = get(MAX_ANSWER + 1).await.unwrap_err();
    assert!(matches!(error, CallError::Nonsense { .. }) && error.to_string().contains("larger"), "{error}");
}

#[tokio::test]
async fn no_answer_in_time_and_nobody_there_are_worth_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&RestConfig::default()).await;
    let short = PeerRole { timeout: Span(Duration::from_millis(100)), ..config(&folder, &server.url, None) };
    let client = RoleClient::new(ServerRole::Pva, &short).unwrap();
    let error = client.json::<(), ()>(Method::GET, "/v1/never", None).await.unwrap_err();
    assert!(matches!(error, CallError::Unavailable { .. }) && error.is_transient(), "{error}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = RoleClient::new(ServerRole::Pva, &config(&folder, &format!("http://{free}"), None)).unwrap();
    let error = client.json::<(), ()>(Method::GET, "/v1/nothing", None).await.unwrap_err();
    assert!(matches!(error, CallError::Unavailable { .. }) && error.is_transient(), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(&free.to_string()) && text.contains("refused"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn over_https_only_whom_the_ca_has_signed_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = authority.issue("localhost");
    let tls = Some(RestTls { cert: files.cert.clone(), key: files.key.clone() });
    let server = serve(&RestConfig { tls, ..RestConfig::default() }).await;
    let url = server.url.replace("127.0.0.1", "localhost");
    let client = RoleClient::new(ServerRole::Pva, &config(&folder, &url, Some(authority.file()))).unwrap();
    client.json::<(), ()>(Method::GET, "/v1/nothing", None).await.unwrap();
    let client = RoleClient::new(ServerRole::Pva, &config(&folder, &url, Some(stranger.file()))).unwrap();
    let error = client.json::<(), ()>(Method::GET, "/v1/nothing", None).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
