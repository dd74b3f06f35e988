//! The description is checked in; `UPDATE_GOLDENS=1 cargo test -p icf-auc --test rest document` refreshes it.

use std::path::Path;

use serde_json::Value;

use crate::harness::Api;

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi/icf.json");
    let document = Api::memory().get("/openapi.json").await.ok(200);
    let served = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, served).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        golden == served,
        "schemas/openapi/icf.json is not what is served; if the change is meant: \
         UPDATE_GOLDENS=1 cargo test -p icf-auc --test rest document"
    );
}

#[tokio::test]
async fn every_operation_is_named_once_and_described() {
    let document = Api::memory().get("/openapi.json").await.ok(200);
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
                    "{path}"
                );
            }
        }
    }
}

/// The routes that a Callhome serves are all described, also those that are for other programs.
#[tokio::test]
async fn the_fetch_of_a_credential_is_described_with_its_scope() {
    let document = Api::memory().get("/openapi.json").await.ok(200);
    let operation = &document["paths"]["/v1/chtif/fetch"]["post"];
    assert_eq!(operation["operationId"], "fetchCredential");
    assert_eq!(operation["security"], serde_json::json!([{"token": ["chtif:fetch"]}]));
    for status in ["200", "404", "409", "413", "415", "422"] {
        assert!(operation["responses"][status].is_object(), "{status}");
    }
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    let document = Api::memory().get("/openapi.json").await.ok(200);
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.push(reference.clone());
            }
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
