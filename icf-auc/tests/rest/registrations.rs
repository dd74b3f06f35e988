//! `/v1/registrations`, `/v1/peers`, `/v1/batches`.

use icf_auc::{model::Timestamp, store::Op};
use serde_json::json;

use crate::harness::Api;

const ONE: &str = "/v1/registrations/999710000000001";

#[tokio::test]
async fn a_registration_is_shown_with_its_serving_node() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    api.get(ONE).await.problem(404);
    api.register("999710000000001", "999-71").await;
    let shown = api.get(ONE).await.ok(200);
    assert_eq!(shown["items"][0]["host"], "mme.localdomain");
    assert_eq!(shown["items"][0]["kind"], "mme");
    assert_eq!(shown["items"][0]["visited_plmn"], "999-71");
    assert_eq!(api.get("/v1/registrations").await.ok(200)["items"], shown["items"]);
}

#[tokio::test]
async fn deleting_a_registration_sends_clr_and_forgets_it() {
    let api = Api::memory();
    api.credential("999710000000001").await;
    for (query, flags) in [("", "None"), ("?reattach=true", "Some(3)")] {
        api.register("999710000000001", "999-71").await;
        api.delete(&format!("{ONE}{query}")).await.ok(204);
        let clr = format!("999710000000001 Cancel {{ cancellation_type: 2, clr_flags: {flags} }}");
        assert!(api.queued().await.contains(&clr), "{:?}", api.queued().await);
        api.get(ONE).await.problem(404);
        api.delete(ONE).await.problem(404);
    }
}

#[tokio::test]
async fn peers_are_those_of_the_running_icf() {
    let api = Api::memory();
    let peers = api.get("/v1/peers").await.ok(200);
    assert_eq!(
        peers["items"][0],
        json!({
            "identity": "mme.localdomain", "realm": "localdomain", "state": "open",
            "address": "tcp://127.0.0.1:40000", "since": null
        })
    );
}

#[tokio::test]
async fn an_issued_batch_is_for_its_recipient_alone() {
    use icf_auc::chtif::seal::Identity;

    let api = Api::memory();
    let recipient = Identity::generate();
    let request = json!({"id": "lot-1", "first": "999710000000001", "count": 3, "profile": "default",
        "recipient": recipient.public()});
    let answer = api.post("/v1/batches", request.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines = String::from_utf8(recipient.open(&answer.body).unwrap().to_vec()).unwrap();
    assert_eq!(lines.lines().count(), 3);
    for line in lines.lines() {
        let issued: serde_json::Value = serde_json::from_str(line).unwrap();
        let k = issued["k"].as_str().unwrap();
        assert!(!answer.body.windows(k.len()).any(|window| window == k.as_bytes()));
    }
    // Asked again, the same credentials come again.
    let again = api.post("/v1/batches", request.clone()).await;
    assert_eq!(recipient.open(&again.body).unwrap().to_vec(), lines.as_bytes());
    // With other terms it is another batch.
    let mut other = request.clone();
    other["triple_url"] = json!("https://home.example/call");
    let why = api.post("/v1/batches", other).await.problem(409);
    assert!(why.contains("another call-home URL"), "{why}");
    assert_eq!(api.get("/v1/batches/lot-1").await.ok(200)["done"], 3);
    assert_eq!(api.get("/v1/batches").await.ok(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/v1/credentials?batch=lot-1&total=true").await.ok(200)["total"], 3);
    api.get("/v1/batches/lot-2").await.problem(404);
}

#[tokio::test]
async fn a_batch_that_cannot_be_issued_is_refused_before_anything_is_stored() {
    let api = Api::memory();
    let recipient = icf_auc::chtif::seal::Identity::generate().public();
    let good = json!({"id": "lot-1", "first": "999710000000001", "count": 3, "profile": "default",
        "recipient": recipient});
    for (field, value) in [
        ("id", json!("a b")),
        ("count", json!(0)),
        ("count", json!(10_000_001)),
        ("profile", json!("gold")),
        ("recipient", json!("age1nonsense")),
        ("first", json!("12")),
    ] {
        let mut request = good.clone();
        request[field] = value;
        let answer = api.post("/v1/batches", request).await;
        answer.problem(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{field}"), "{}", answer.text());
    }
    api.credential("999710000000002").await;
    api.post("/v1/batches", good).await.problem(409);
    assert_eq!(api.get("/v1/credentials?total=true").await.ok(200)["total"], 1);
}

#[tokio::test]
async fn a_reset_names_leading_digits_and_tells_what_each_peer_answers() {
    let api = Api::memory();
    let body = serde_json::json!({ "user_ids": ["99971"] });
    let results = api.post("/v1/resets", body).await.ok(200);
    assert_eq!(results["items"][0]["outcome"], "reset of [\"99971\"]");
    for wrong in ["", "9997a", "9997100000000012"] {
        let body = serde_json::json!({ "user_ids": [wrong] });
        api.post("/v1/resets", body).await.problem(422);
    }
}

#[tokio::test]
async fn what_serving_nodes_were_not_told_yet_is_listed_with_why() {
    for api in [Api::memory(), Api::sqlite().await] {
        for imsi in ["999710000000001", "999710000000002"] {
            api.credential(imsi).await;
            api.register(imsi, "999-71").await;
            api.delete(&format!("/v1/registrations/{imsi}")).await.ok(204);
        }
        let due = api.store.due(Timestamp::now().plus(1), 10).await.unwrap();
        let at = Timestamp::now().plus(60);
        let later = Op::SendLater { id: due[0].id, at, why: "no peer is open".into() };
        api.store.commit(&[later]).await.unwrap();
        let page = api.get("/v1/outgoing?limit=1").await.ok(200);
        let first = &page["items"][0];
        assert_eq!(first["imsi"], "999710000000001");
        assert_eq!((&first["command"], &first["host"]), (&json!("CLR"), &json!("mme.localdomain")));
        assert_eq!((&first["attempts"], &first["why"]), (&json!(1), &json!("no peer is open")));
        let next = page["next"].as_str().unwrap();
        let second = api.get(next).await.ok(200)["items"][0].clone();
        assert_eq!((&second["attempts"], &second["why"]), (&json!(0), &json!(null)));
        api.get("/v1/outgoing?after=x").await.problem(400);
    }
}
