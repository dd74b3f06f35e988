//! `/v1/av-pools` (R3).

use serde_json::{Value, json};

use crate::harness::Api;

const VECTORS: &str = "/v1/av-pools/999710000000001/vectors";

fn vector(n: u8) -> Value {
    let octets = |count: usize| format!("{n:02x}").repeat(count);
    json!({"rand": octets(16), "xres": octets(8), "autn": octets(16), "kasme": octets(32)})
}

#[tokio::test]
async fn vectors_fill_the_pool_of_a_credential_without_keys() {
    let api = Api::memory();
    api.post(VECTORS, json!({"vectors": [vector(1)]})).await.problem(404);
    let stored = api.post("/v1/credentials", json!({"imsi": "999710000000001", "pool": true})).await.ok(201);
    assert_eq!(stored["pool"], true);
    assert_eq!(
        api.post(VECTORS, json!({"vectors": [vector(1), vector(2)]})).await.ok(201),
        json!({"added": 2})
    );
    let level = json!({"imsi": "999710000000001", "left": 2, "used": 0});
    assert_eq!(api.get("/v1/av-pools/999710000000001").await.ok(200), level);
    assert_eq!(api.get("/v1/av-pools").await.ok(200)["items"], json!([level]));
    // A RAND is never used twice.
    api.post(VECTORS, json!({"vectors": [vector(2)]})).await.problem(409);
    api.get("/v1/av-pools/999710000000009").await.problem(404);
}

#[tokio::test]
async fn a_credential_with_keys_takes_no_vectors() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.post(VECTORS, json!({"vectors": [vector(1)]})).await.problem(409);
}

#[tokio::test]
async fn vectors_of_other_lengths_get_422() {
    let api = Api::memory();
    api.post("/v1/credentials", json!({"imsi": "999710000000001", "pool": true})).await.ok(201);
    for (field, value) in [("rand", "00"), ("xres", "000000"), ("autn", "zz"), ("kasme", "")] {
        let mut wrong = vector(1);
        wrong[field] = json!(value);
        let answer = api.post(VECTORS, json!({"vectors": [vector(2), wrong]})).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/vectors/1/{field}"));
    }
    api.post(VECTORS, json!({"vectors": []})).await.problem(422);
}

#[tokio::test]
async fn vectors_are_handed_out_to_who_may_export_them() {
    let api = Api::memory();
    let generate = |imsi: &str| format!("/v1/av-pools/{imsi}/vectors:generate");
    let body = json!({"visited_plmn": "999-71", "count": 2});
    let path = generate("999710000000001");
    let made = api.ask("av-pools:export", "POST", &path, &[], Some(body.clone())).await.ok(200);
    assert_eq!(made["vectors"], json!([vector(0), vector(1)]));
    api.ask("av-pools:write", "POST", &path, &[], Some(body.clone())).await.problem(403);
    api.post(&generate("999710000000007"), body.clone()).await.problem(404);
    api.post(&generate("999710000000008"), body.clone()).await.problem(409);
    api.post(&generate("999710000000009"), body.clone()).await.problem(409);
    for count in [0, 101] {
        api.post(&path, json!({"visited_plmn": "999-71", "count": count})).await.problem(422);
    }
    // The answer holds keys: it is not kept, so that there is no key to repeat it by.
    let keyed = [("idempotency-key", "x")];
    api.ask("av-pools:export", "POST", &path, &keyed, Some(body)).await.problem(400);
}
