use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use tower::ServiceExt;

use super::*;

const SCOPES: &[&str] = &["credentials:read", "credentials:write"];

fn entry(name: &str, token: &Token, scopes: &[&str]) -> TokenConfig {
    let scopes = scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect();
    TokenConfig { name: name.to_owned(), hash: Some(token.hash()), token: None, scopes }
}

async fn ask(tokens: &Tokens, authorization: &[&str]) -> Response {
    let guard = Guard::new(tokens.clone());
    let who = |principal: Principal| async move { principal.name.to_string() };
    let router = Router::new()
        .route("/", get(who).route_layer(guard.require("credentials:write")))
        .route("/unguarded", get(who));
    let mut request = Request::builder().uri("/");
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn challenge(response: &Response) -> &str {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn only_a_known_token_with_the_scope_comes_through() {
    let (writer, reader, admin) =
        (Token::generate().unwrap(), Token::generate().unwrap(), Token::generate().unwrap());
    let configured = [
        entry("writer", &writer, &["credentials:write"]),
        entry("reader", &reader, &["credentials:read"]),
        entry("root", &admin, &["admin"]),
    ];
    let tokens = Tokens::new(&configured, SCOPES).unwrap();
    let bearer = |token: &Token| format!("Bearer {}", token.expose());

    for (token, name) in [(&writer, "writer"), (&admin, "root")] {
        let response = ask(&tokens, &[&bearer(token)]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(body, name);
    }
    // RFC 9110 §11.1: the scheme is case-insensitive.
    assert_eq!(ask(&tokens, &[&format!("bearer {}", writer.expose())]).await.status(), StatusCode::OK);

    let response = ask(&tokens, &[&bearer(&reader)]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(challenge(&response).ends_with("error=\"insufficient_scope\", scope=\"credentials:write\""));
    assert_eq!(response.headers()[header::CONTENT_TYPE], crate::problem::MEDIA_TYPE);

    let response = ask(&tokens, &[]).await;
    assert_eq!(
        (response.status(), challenge(&response)),
        (StatusCode::UNAUTHORIZED, "Bearer realm=\"callhome\"")
    );
    let response = ask(&tokens, &["Basic YTpi"]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for stranger in [bearer(&Token::generate().unwrap()), "Bearer ".to_owned() + &writer.expose()[..67]] {
        let response = ask(&tokens, &[&stranger]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(challenge(&response).ends_with("error=\"invalid_token\""));
    }
    for malformed in [&["Bearer"] as &[&str], &[&bearer(&writer), &bearer(&writer)]] {
        assert_eq!(ask(&tokens, malformed).await.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_handler_left_outside_the_guard_refuses() {
    let router = Router::new().route("/", get(|_: Principal| async {}));
    let response = router.oneshot(Request::builder().uri("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn without_tokens_there_is_no_server() {
    let error = Tokens::new(&[], SCOPES).unwrap_err().to_string();
    assert!(error.contains("no tokens are configured") && error.contains("callhome keys token"), "{error}");
}

#[test]
fn tokens_that_do_not_add_up_are_refused() {
    let token = Token::generate().unwrap();
    let refusal = |configured: &[TokenConfig]| Tokens::new(configured, SCOPES).unwrap_err().to_string();
    let good = entry("a", &token, &["admin"]);
    assert!(
        refusal(&[entry("a", &token, &["credentials:raed"])])
            .contains("there is no scope `credentials:raed`")
    );
    assert!(refusal(&[entry("a", &token, &[])]).contains("has no scopes"));
    assert!(refusal(&[good.clone(), entry("b", &token, &["admin"])]).contains("same token"));
    assert!(
        refusal(&[good.clone(), entry("a", &Token::generate().unwrap(), &["admin"])]).contains("same name")
    );
    assert!(refusal(&[TokenConfig { hash: None, ..good }]).contains("either `hash"));
}

#[test]
fn a_generated_token_has_256_bits_and_does_not_print() {
    let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
    assert_ne!(one.expose(), other.expose());
    let digits = one.expose().strip_prefix("chm_").unwrap();
    assert_eq!(hex::decode(digits).unwrap().len(), 32);
    let tokens = Tokens::new(&[entry("a", &one, &["admin"])], SCOPES).unwrap();
    let shown = format!("{one:?} {:?} {tokens:?}", one.hash());
    assert!(!shown.contains(digits) && !shown.contains(&one.hash().to_string()[7..]), "{shown}");
}

#[test]
fn a_short_token_from_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    let config = TokenConfig {
        name: "a".to_owned(),
        hash: None,
        token: Some(SecretSource::File(path.clone())),
        scopes: vec![Scope::parse("admin").unwrap()],
    };
    write("hunter2\n");
    let error = Tokens::new(std::slice::from_ref(&config), SCOPES).unwrap_err().to_string();
    assert!(error.contains("32 to 512") && !error.contains("hunter2"), "{error}");
    let token = Token::generate().unwrap();
    write(&format!("{}\n", token.expose()));
    let tokens = Tokens::new(&[config], SCOPES).unwrap();
    assert_eq!(&*tokens.identify(token.expose()).unwrap().name, "a");
}

#[test]
fn a_hash_in_the_configuration_is_sha256_of_the_token() {
    let hash: TokenHash =
        serde_json::from_str("\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"")
            .unwrap();
    assert!(hash == TokenHash::of("abc"));
    let error = serde_json::from_str::<TokenHash>("\"chm_s3cr3t\"").unwrap_err().to_string();
    assert!(!error.contains("s3cr3t"), "{error}");
}

#[test]
fn scopes_have_one_form() {
    for good in ["admin", "credentials:read", "av-pools:write"] {
        assert_eq!(Scope::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "a:", ":a", "A", "a b", "a\"", "a::b"] {
        assert!(Scope::parse(bad).is_err(), "{bad}");
    }
}
