//! The description is checked in; `UPDATE_GOLDENS=1 cargo test -p pva --test pva document` refreshes it.

use std::path::Path;

use pva::rest::{RestState, SCOPES, description};
use serde_json::Value;
use service::auth::{Guard, Scope, Token, TokenConfig, Tokens};

use crate::harness::{World, token};

async fn described() -> String {
    let world = World::new().await;
    let hash = Token::parse(&token("admin")).unwrap().hash();
    let tokens = [TokenConfig {
        name: "admin".to_owned(),
        hash: Some(hash),
        token: None,
        scopes: vec![Scope::parse("admin").unwrap()],
    }];
    let guard = Guard::new(Tokens::new(&tokens, SCOPES).unwrap());
    let pva = world.started.as_ref().unwrap().pva.clone();
    let text = description(&RestState::new(pva), &guard);
    let served = world.get("/openapi.json").await.unwrap();
    assert_eq!(served, serde_json::from_str::<Value>(&text).unwrap(), "what is served is what is described");
    text
}

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi/pva.json");
    let served = described().await;
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, served).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        golden == served,
        "schemas/openapi/pva.json is not what is served; if the change is meant: \
         UPDATE_GOLDENS=1 cargo test -p pva --test pva document"
    );
}

#[tokio::test]
async fn every_operation_is_named_once_and_described() {
    let document: Value = serde_json::from_str(&described().await).unwrap();
    let mut names = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
            for field in ["summary", "description"] {
                assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{path}: {field}");
            }
            for status in ["400", "401", "403", "500"] {
                assert!(
                    operation["responses"][status]["content"]["application/problem+json"].is_object(),
                    "{path}: {status}"
                );
            }
        }
    }
    assert!(names.len() >= 15);
}
