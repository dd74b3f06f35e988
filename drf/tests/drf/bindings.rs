//! Contracts, claims, rules; and that operators see nothing of one another.

use axum::http::{Method, StatusCode};
use drf::claim::MAX_COUNTED;
use serde_json::json;

use crate::harness::{PCID, World, refused};

async fn resolution(world: &World) -> Option<(String, String)> {
    let found = world.get(&format!("/v1/devices/{PCID}/resolution")).await.ok()?;
    Some((found["operator"].as_str()?.to_owned(), found["why"].as_str()?.to_owned()))
}

#[tokio::test]
async fn a_device_goes_by_contract_else_by_claim_else_by_rule() {
    let world = World::new().await;
    assert_eq!(resolution(&world).await, None);
    let is = |operator: &str, why: &str| Some((operator.to_owned(), why.to_owned()));
    world
        .put("/v1/rules/acme", json!({"priority": 1, "supplier": "acme", "operator": "sho-a"}))
        .await
        .unwrap();
    assert_eq!(resolution(&world).await, is("sho-a", "rule"));
    let claim = json!({"device_id": "meter-1", "claim_code": "K7F2-9QXA", "operator": "sho-b"});
    world.call("claims:write", Method::POST, "/v1/claims", Some(claim)).await.unwrap();
    assert_eq!(resolution(&world).await, is("sho-b", "claim"));
    world.contract(PCID, "sho-a").await;
    assert_eq!(resolution(&world).await, is("sho-a", "contract"));
    let dpf = json!({"name": "A", "dpf": "https://dpf.sho-a.example"});
    world.put("/v1/operators/sho-a", dpf).await.unwrap();
    let found = world.get(&format!("/v1/devices/{PCID}/resolution")).await.unwrap();
    assert_eq!(found["dpf"], "https://dpf.sho-a.example");
    let deleted = world.call("admin", Method::DELETE, "/v1/operators/sho-a", None).await;
    assert_eq!(refused(deleted), StatusCode::CONFLICT);
    let unknown = world.put(&format!("/v1/devices/{PCID}/contract"), json!({"operator": "nobody"})).await;
    assert_eq!(refused(unknown), StatusCode::CONFLICT);
}

#[tokio::test]
async fn wrong_claim_codes_and_unknown_devices_are_one_answer_and_are_throttled() {
    let world = World::new().await;
    let claim = |device: &str, code: &str| {
        let body = json!({"device_id": device, "claim_code": code, "operator": "sho-a"});
        let world = &world;
        async move { world.post("/v1/claims", body).await }
    };
    let by_pcid = json!({"pcid": PCID, "claim_code": "wrong-code", "operator": "sho-a"});
    assert_eq!(refused(world.post("/v1/claims", by_pcid).await), StatusCode::NOT_FOUND);
    for _ in 0..4 {
        assert_eq!(refused(claim("meter-1", "wrong-code").await), StatusCode::NOT_FOUND);
    }
    // Now also the right one, by whichever name.
    assert_eq!(refused(claim("meter-1", "K7F2-9QXA").await), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(resolution(&world).await, None);
    // Who bears another token is not kept out by that.
    let right = json!({"device_id": "meter-1", "claim_code": "K7F2-9QXA", "operator": "sho-a"});
    world.call("sho-a", Method::POST, "/v1/claims", Some(right)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(refused(claim("no-such", "wrong-code").await), StatusCode::NOT_FOUND);
    }
    assert_eq!(refused(claim("no-such", "wrong-code").await), StatusCode::TOO_MANY_REQUESTS);
    assert!(world.audited("claims.make", "meter-1", "429").await);
    world.register("999710000000002", "meter-2").await;
    claim("meter-2", "K7F2-9QXA").await.unwrap();
}

#[tokio::test]
async fn whoever_types_wrong_codes_without_end_does_not_fill_the_audit_log() {
    let world = World::new().await;
    let claim = |code: &str| json!({"device_id": "no-such", "claim_code": code, "operator": "sho-a"});
    let begun = std::time::Instant::now();
    for _ in 0..400 {
        world.post("/v1/claims", claim("wrong-code")).await.unwrap_err();
    }
    let log = service::api::audit_page(&world.drf().desk.db, None, 500).await.unwrap();
    let written = log.iter().filter(|entry| entry.action == "claims.make").count();
    // 200 at once, and one more a second.
    let most = 200 + usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((200..=most).contains(&written), "{written}");
    // What is done is written all the same.
    let right = json!({"device_id": "meter-1", "claim_code": "K7F2-9QXA", "operator": "sho-a"});
    world.post("/v1/claims", right).await.unwrap();
    assert!(world.audited("claims.make", "meter-1", "done").await);
}

#[tokio::test]
async fn names_that_are_invented_neither_fill_the_table_of_wrong_codes_nor_end_a_wait() {
    let world = World::new().await;
    let db = &world.drf().desk.db;
    let count = async |who: &str| -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM claim_failure WHERE target LIKE ?1")
            .bind(format!("{who}: %"))
            .fetch_one(&db.readers)
            .await
            .unwrap()
    };
    let claim =
        |device: &str, code: &str| json!({"device_id": device, "claim_code": code, "operator": "sho-a"});
    for who in ["admin", "sho-a"] {
        for _ in 0..5 {
            let body = Some(claim("meter-1", "wrong-code"));
            let status = refused(world.call(who, Method::POST, "/v1/claims", body).await);
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
    }
    // As many as are counted, each invented after the five of meter-1.
    let now = "(SELECT max(since) FROM claim_failure)";
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MAX_COUNTED}) \
         INSERT INTO claim_failure SELECT 't-admin: device invented-' || n, 1, {now} FROM n"
    )))
    .execute(&db.writer)
    .await
    .unwrap();
    for n in 0..3 {
        world.post("/v1/claims", claim(&format!("new-{n}"), "wrong-code")).await.unwrap_err();
        assert_eq!(count("t-admin").await, MAX_COUNTED, "of this token");
    }
    assert_eq!(count("t-sho-a").await, 1, "another's counts stay");
    for who in ["admin", "sho-a"] {
        let body = Some(claim("meter-1", "K7F2-9QXA"));
        let status = refused(world.call(who, Method::POST, "/v1/claims", body).await);
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{who} still waits");
    }
}

#[tokio::test]
async fn what_is_another_operators_is_not_there_on_any_path() {
    let world = World::new().await;
    world.register("999710000000002", "meter-2").await;
    // To itself alone.
    let path = format!("/v1/devices/{PCID}/contract");
    let other = world.call("sho-a", Method::PUT, &path, Some(json!({"operator": "sho-b"}))).await;
    assert_eq!(refused(other), StatusCode::UNPROCESSABLE_ENTITY);
    world.call("sho-a", Method::PUT, &path, Some(json!({"claim_code": "K7F2-9QXA"}))).await.unwrap();
    world.contract("999710000000002", "sho-b").await;
    world.notice(uuid::Uuid::new_v4(), "127.0.0.1").await.unwrap();

    let device = format!("/v1/devices/{PCID}");
    let missing = world.call("sho-b", Method::GET, "/v1/devices/999719999999999", None).await.unwrap_err();
    let hidden = world.call("sho-b", Method::GET, &device, None).await.unwrap_err();
    let plain = |error: String| error.replace("999719999999999", "X").replace(PCID, "X");
    assert_eq!(plain(missing.to_string()), plain(hidden.to_string()), "nothing tells one from the other");
    let claim = json!({"pcid": PCID, "claim_code": "K7F2-9QXA", "operator": "sho-b"});
    for (method, path, body) in [
        (Method::GET, format!("{device}/resolution"), None),
        (Method::PUT, format!("{device}/contract"), Some(json!({}))),
        (Method::DELETE, format!("{device}/contract"), None),
        (Method::POST, "/v1/claims".to_owned(), Some(claim)),
        (Method::GET, "/v1/operators/sho-a".to_owned(), None),
    ] {
        let answer = world.call("sho-b", method.clone(), &path, body).await;
        assert_eq!(refused(answer), StatusCode::NOT_FOUND, "{method} {path}");
    }
    for (method, path, body) in [
        (Method::PUT, device.clone(), Some(json!({"device_id": "x", "supplier": "x"}))),
        (Method::PATCH, device.clone(), Some(json!({"model": "x"}))),
        (Method::DELETE, device.clone(), None),
        (Method::PUT, "/v1/rules/mine".to_owned(), Some(json!({"priority": 1, "operator": "sho-b"}))),
        (Method::PUT, "/v1/operators/sho-b".to_owned(), Some(json!({"name": "x"}))),
        (Method::GET, "/v1/rules".to_owned(), None),
        (Method::GET, "/v1/audit".to_owned(), None),
    ] {
        let answer = world.call("sho-b", method.clone(), &path, body).await;
        assert_eq!(refused(answer), StatusCode::FORBIDDEN, "{method} {path}");
    }
    for (who, own) in [("sho-a", PCID), ("sho-b", "999710000000002")] {
        let list = world.call(who, Method::GET, "/v1/devices", None).await.unwrap();
        let pcids: Vec<_> = list["items"].as_array().unwrap().iter().map(|d| d["pcid"].clone()).collect();
        assert_eq!(pcids, [own]);
        let list = world.call(who, Method::GET, "/v1/operators", None).await.unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let list = world.call(who, Method::GET, "/v1/triggers", None).await.unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), usize::from(who == "sho-a"));
    }
    assert_eq!(resolution(&world).await.unwrap().0, "sho-a");
}

#[tokio::test]
async fn an_operator_binds_nobodys_device_by_its_claim_code_or_by_a_rule_of_the_registry_alone() {
    let world = World::new().await;
    world.register("999710000000002", "meter-2").await;
    let path = |pcid: &str| format!("/v1/devices/{pcid}/contract");
    let bind = |who: &'static str, pcid: &str, body: serde_json::Value| {
        let path = path(pcid);
        let world = &world;
        async move { world.call(who, Method::PUT, &path, Some(body)).await }
    };
    let plain = |error: service::client::CallError| error.to_string().replace("999719999999999", PCID);
    let none = plain(bind("sho-a", "999719999999999", json!({})).await.unwrap_err());
    let bare = plain(bind("sho-a", PCID, json!({})).await.unwrap_err());
    assert_eq!(bare, none, "it is not told from a device that is not there");
    for _ in 0..5 {
        let wrong = bind("sho-a", PCID, json!({"claim_code": "wrong-code"})).await.unwrap_err();
        assert_eq!(plain(wrong), none);
    }
    assert_eq!(resolution(&world).await, None);
    // Counted as wrong claims are, also by the other route.
    let right = json!({"claim_code": "K7F2-9QXA"});
    assert_eq!(refused(bind("sho-a", PCID, right.clone()).await), StatusCode::TOO_MANY_REQUESTS);
    let claim = json!({"pcid": PCID, "claim_code": "K7F2-9QXA", "operator": "sho-a"});
    let same_bearer = world.call("sho-a", Method::POST, "/v1/claims", Some(claim)).await;
    assert_eq!(refused(same_bearer), StatusCode::TOO_MANY_REQUESTS);
    // A rule of the registry's is a mandate.
    world
        .put("/v1/rules/acme", json!({"priority": 1, "supplier": "acme", "operator": "sho-b"}))
        .await
        .unwrap();
    assert_eq!(refused(bind("sho-a", "999710000000002", right.clone()).await), StatusCode::NOT_FOUND);
    bind("sho-b", "999710000000002", json!({})).await.unwrap();
    let found = world.get("/v1/devices/999710000000002/resolution").await.unwrap();
    assert_eq!((&found["operator"], &found["why"]), (&json!("sho-b"), &json!("contract")));
}

#[tokio::test]
async fn an_import_is_whole_or_not_at_all_and_names_its_lines() {
    let world = World::new().await;
    let line =
        |n: u32, id: &str| json!({"pcid": format!("99971000000{n:04}"), "device_id": id, "supplier": "acme"});
    let lines = |from: u32| {
        (from..from + 3).map(|n| line(n, &format!("d-{n}")).to_string() + "\n").collect::<String>()
    };
    let send = |text: String| async {
        let octets = text.into_bytes();
        world.clients["admin"].send(Method::POST, "/v1/devices/import", "application/x-ndjson", octets).await
    };
    let report = send(lines(100)).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(report.body()).unwrap();
    assert_eq!((&report["stored"], &report["refused"]), (&json!(3), &json!(0)));
    let bad = lines(200) + &line(300, "meter-1").to_string() + "\n";
    assert_eq!(refused(send(bad).await.map(drop)), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused(world.get("/v1/devices/999710000000200").await), StatusCode::NOT_FOUND);
    let text = send(lines(400) + "{}\n").await.map(drop).unwrap_err().to_string();
    assert!(text.contains("line 4"), "{text}");
    let page = world.get("/v1/devices?limit=2").await.unwrap();
    let next = world.get(page["next"].as_str().unwrap()).await.unwrap();
    assert_eq!(next["items"].as_array().unwrap().len(), 2);
    assert_eq!(next["next"], json!(null));
}
