//! The descriptions are checked in; `UPDATE_GOLDENS=1 cargo test -p dpf --test dpf document` refreshes them.

use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::harness::World;

fn compare(name: &str, served: &Value) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi").join(name);
    let text = format!("{served:#}\n");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        golden == text,
        "schemas/openapi/{name} is not what is served; if the change is meant: \
         UPDATE_GOLDENS=1 cargo test -p dpf --test dpf document"
    );
}

fn named_once(document: &Value, statuses: &[&str]) {
    let mut names = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
            for field in ["summary", "description"] {
                assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{path}: {field}");
            }
            assert!(operation["security"].is_array(), "{path}: who may?");
            for status in statuses {
                let content = &operation["responses"][status]["content"]["application/problem+json"];
                assert!(content.is_object(), "{path}: {status}");
            }
        }
    }
    assert!(!names.is_empty());
}

#[tokio::test]
async fn the_description_for_operators_is_the_one_that_is_checked_in() {
    let world = World::new().await;
    let (_, served) = world.rest("admin", Method::GET, "/openapi.json", None).await;
    named_once(&served, &["400", "401", "403", "500"]);
    compare("dpf.json", &served);
}

#[tokio::test]
async fn the_description_for_devices_is_the_one_that_is_checked_in() {
    let world = World::new().await;
    let served: Value = world.get(&world.meter(), "/openapi.json").await.json().await.unwrap();
    named_once(&served, &["400", "401", "403", "500", "503"]);
    assert_eq!(served, serde_json::from_str::<Value>(&dpf::device::description()).unwrap());
    compare("dpf-device.json", &served);
}
