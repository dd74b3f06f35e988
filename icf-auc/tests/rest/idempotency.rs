//! Idempotency-Key.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Answer, Api, K, OPC, profile};

const PATH: &str = "/v1/credentials";

fn body(n: u8) -> Value {
    json!({"imsi": format!("99971000000000{n}"), "k": K, "opc": OPC})
}

async fn create(api: &Api, scope: &str, key: &str, n: u8) -> Answer {
    api.ask(scope, "POST", PATH, &[("idempotency-key", key)], Some(body(n))).await
}

async fn is_repeated(api: Api) {
    let first = create(&api, "admin", "a", 1).await;
    first.ok(201);
    let again = create(&api, "admin", "a", 1).await;
    assert_eq!(again.ok(201), first.json());
    assert_eq!(again.header("idempotency-replayed"), "true");
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.header(header), first.header(header));
    }
    // Without the key it is another request, and meets what is there.
    api.post(PATH, body(1)).await.problem(409);
    // The same key with another request.
    create(&api, "admin", "a", 2).await.problem(422);
    // Keys are of one bearer each.
    create(&api, "credentials:write", "a", 1).await.problem(409);
    // A refusal is not: its cause may be gone.
    create(&api, "admin", "b", 1).await.problem(409);
    let wrong = json!({"imsi": "999710000000003", "k": K, "opc": OPC, "profile": "not-yet"});
    let try_again = || api.ask("admin", "POST", PATH, &[("idempotency-key", "c")], Some(wrong.clone()));
    try_again().await.problem(422);
    api.delete("/v1/credentials/999710000000001").await.ok(204);
    create(&api, "admin", "b", 1).await.ok(201);
    create(&api, "admin", "b", 1).await.ok(201);
    let log = api.get("/v1/audit?limit=1").await.ok(200);
    assert_eq!(log["items"][0]["outcome"], "replayed");
    api.put("/v1/profiles/not-yet", profile("not-yet")).await.ok(201);
    try_again().await.ok(201);
}

#[tokio::test]
async fn an_answer_is_repeated_from_memory() {
    is_repeated(Api::memory()).await;
}

#[tokio::test]
async fn an_answer_is_repeated_from_sqlite() {
    is_repeated(Api::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_same_request_sent_many_times_at_once_one_is_carried_out() {
    let api = Arc::new(Api::sqlite().await);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { create(&api, "admin", "a", 1).await })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        match answer.status.as_u16() {
            201 if answer.headers.contains_key("idempotency-replayed") => {}
            201 => created += 1,
            // It is being carried out: ask again.
            _ => assert!(answer.problem(409).contains("Idempotency-Key"), "{}", answer.text()),
        }
    }
    assert_eq!(created, 1);
    create(&api, "admin", "a", 1).await.ok(201);
}

#[tokio::test]
async fn a_key_that_is_none_and_a_route_that_takes_none_get_400() {
    let api = Api::memory();
    for key in ["", "a b", &"x".repeat(256)] {
        create(&api, "admin", key, 1).await.problem(400);
    }
    api.credential("999710000000001").await;
    let keyed = [("idempotency-key", "a")];
    api.ask("admin", "PATCH", "/v1/credentials/999710000000001", &keyed, Some(json!({}))).await.problem(400);
    api.ask("admin", "POST", "/v1/credentials/import", &keyed, Some(json!({}))).await.problem(400);
}
