//! `/v1/credentials/import`.

use axum::body::Body;
use bytes::Bytes;
use serde_json::json;

use crate::harness::{Api, K, OPC};

const PATH: &str = "/v1/credentials/import";

fn line(n: u32) -> String {
    format!(
        "{{\"imsi\":\"9997100000{n:05}\",\"k\":\"{K}\",\"opc\":\"{OPC}\",\"amf\":\"8000\",\"profile\":\"default\"}}\n"
    )
}

#[tokio::test]
async fn ndjson_is_imported_while_it_comes() {
    let api = Api::memory();
    // In pieces that end in the middle of lines.
    let text: String = (0..2500).map(line).collect();
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        text.as_bytes().chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let report = api.post_as(&format!("{PATH}?batch=lot-1"), "application/x-ndjson", body).await.ok(200);
    assert_eq!((&report["records"], &report["stored"]), (&json!(2500), &json!(2500)));
    assert_eq!(api.get("/v1/credentials?batch=lot-1&total=true&limit=1").await.ok(200)["total"], 2500);
    assert_eq!(api.get("/v1/batches/lot-1").await.ok(200)["done"], 2500);
    assert_eq!(api.control.changed.lock().unwrap().as_slice(), [None]);
}

#[tokio::test]
async fn csv_is_imported() {
    let api = Api::memory();
    let text = format!("imsi,k,opc\n999710000000001,{K},{OPC}\n");
    let report = api.post_as(PATH, "text/csv", text).await.ok(200);
    assert_eq!(report["stored"], 1);
}

#[tokio::test]
async fn a_wrong_line_gets_422_and_a_report_that_names_it_and_the_others_are_stored() {
    let api = Api::memory();
    let text = format!("{}{}{}", line(1), line(2).replace(K, "465b5ce8"), line(3));
    let answer = api.post_as(PATH, "application/x-ndjson", text).await;
    assert!(answer.problem(422).contains("line 2"), "{}", answer.text());
    let report = &answer.json()["report"];
    assert_eq!((&report["stored"], &report["refused"]), (&json!(2), &json!(1)));
    let problem = &report["problems"][0];
    assert_eq!((&problem["line"], &problem["field"]), (&json!(2), &json!("k")));
    assert!(!answer.text().contains("465b5ce8"), "{}", answer.text());
    // Put right and sent again, it is stored; sent once more, it is there.
    let text: String = (1..4).map(line).collect();
    let again = &format!("{PATH}?skip_existing=true");
    assert_eq!(api.post_as(again, "application/x-ndjson", text.clone()).await.ok(200)["stored"], 1);
    api.post_as(PATH, "application/x-ndjson", text.clone()).await.problem(422);
    let report =
        api.post_as(&format!("{PATH}?skip_existing=true"), "application/x-ndjson", text).await.ok(200);
    assert_eq!(report["skipped"], 3);
}

#[tokio::test]
async fn a_body_that_breaks_off_says_what_is_stored() {
    let api = Api::memory();
    let pieces =
        [Ok(Bytes::from((0..1000).map(line).collect::<String>())), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = api.post_as(PATH, "application/x-ndjson", body).await;
    assert!(answer.problem(422).starts_with("1000 stored, then it stopped"), "{}", answer.text());
    assert_eq!(api.get("/v1/credentials?total=true&limit=1").await.ok(200)["total"], 1000);
}

#[tokio::test]
async fn another_media_type_gets_415_and_nothing_to_import_422() {
    let api = Api::memory();
    api.post_as(PATH, "image/png", "x").await.problem(415);
    api.post_as(PATH, "text/csv", "imsi,k,opc\n").await.problem(422);
    api.post_as(&format!("{PATH}?format=xml"), "text/csv", "x").await.problem(400);
    api.post_as(&format!("{PATH}?batch=a%20b"), "text/csv", "x").await.problem(400);
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_begins_no_batch() {
    let api = Api::memory();
    let text: String = (0..3).map(line).collect();
    let path = format!("{PATH}?dry_run=true&batch=lot");
    let report = api.post_as(&path, "application/json", text).await.ok(200);
    assert_eq!((&report["dry_run"], &report["stored"]), (&json!(true), &json!(3)));
    assert_eq!(api.get("/v1/credentials?total=true&limit=1").await.ok(200)["total"], 0);
    api.get("/v1/batches/lot").await.problem(404);
    assert!(api.control.changed.lock().unwrap().is_empty());
}
