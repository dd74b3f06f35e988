//! The description is checked in; `UPDATE_GOLDENS=1 cargo test -p drf --test drf document` refreshes it.

use std::path::Path;

use drf::rest::{RestState, SCOPES, description};
use serde_json::Value;
use service::auth::{Guard, Scope, Token, TokenConfig, Tokens};

use crate::harness::{World, token};

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in() {
    let world = World::new().await;
    let tokens = [TokenConfig {
        name: "admin".to_owned(),
        hash: Some(Token::parse(&token("admin")).unwrap().hash()),
        token: None,
        scopes: vec![Scope::parse("admin").unwrap()],
    }];
    let guard = Guard::new(Tokens::new(&tokens, SCOPES).unwrap());
    let text = description(&RestState::new(world.drf().desk.clone()), &guard);
    let served = world.get("/openapi.json").await.unwrap();
    assert_eq!(served, serde_json::from_str::<Value>(&text).unwrap(), "what is served is what is described");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi/drf.json");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        golden == text,
        "schemas/openapi/drf.json is not what is served; if the change is meant: \
         UPDATE_GOLDENS=1 cargo test -p drf --test drf document"
    );
}
