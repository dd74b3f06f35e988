//! Platforms that were revoked, and triples that are guessed: where a thief could move a device's address.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{PCID, World};

fn hello() -> Value {
    json!({"pcid": PCID, "device_id": "meter-1", "coap_port": 9})
}

/// The certificate that `World::device` wrote last, DER.
fn certificate(world: &World) -> Vec<u8> {
    let pem = std::fs::read(world.folder.path().join("device.crt")).unwrap();
    schemas::trust::chain_from_pem(&pem).unwrap()[0].to_vec()
}

async fn place(world: &World) -> Option<String> {
    let row: Option<(String,)> = sqlx::query_as("SELECT address FROM place WHERE pcid = ?1")
        .bind(PCID)
        .fetch_optional(&world.drf().desk.db.readers)
        .await
        .unwrap();
    row.map(|(address,)| address)
}

#[tokio::test]
async fn a_revoked_platform_moves_no_address_and_gets_no_rnct() {
    let world = World::new().await;
    world.contract(PCID, "sho-a").await;
    let url = format!("{}/device/v1/hello", world.drf().device_url.as_ref().unwrap());
    let fetch = format!("{}/device/v1/rnct?pcid={PCID}", world.drf().device_url.as_ref().unwrap());
    let device = world.device(Some("meter-1"));
    assert_eq!(device.post(&url).json(&hello()).send().await.unwrap().status(), StatusCode::OK);
    assert!(world.register.asked.load(Ordering::SeqCst) > 0, "OCSP is asked");
    let before = place(&world).await;
    assert!(before.is_some());
    world.register.revoke(&certificate(&world));
    // `cache` is 100 ms here.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let mut elsewhere = hello();
    elsewhere["coap_port"] = json!(10);
    for request in [device.post(&url).json(&elsewhere), device.get(&fetch)] {
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/platform-revoked", "{problem}");
    }
    assert_eq!(place(&world).await, before);
    assert!(world.audited("device.hello", PCID, "is revoked").await);

    let unknown = world.device(Some("meter-1"));
    world.register.forget(&certificate(&world));
    let refused = unknown.post(&url).json(&hello()).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/platform-unknown", "{problem}");
}

#[tokio::test]
async fn while_ocsp_is_away_a_device_is_asked_to_come_again() {
    let world = World::new().await;
    world.contract(PCID, "sho-a").await;
    let url = format!("{}/device/v1/hello", world.drf().device_url.as_ref().unwrap());
    world.register.away.store(true, Ordering::SeqCst);
    let device = world.device(Some("meter-1"));
    let later = device.post(&url).json(&hello()).send().await.unwrap();
    assert_eq!(later.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(later.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(later.text().await.unwrap().contains("OCSP"));
    assert_eq!(place(&world).await, None);
    // Whoever has a triple is not concerned.
    let triple = world.device(None).post(&url).basic_auth("u1", Some("p1")).json(&hello());
    assert_eq!(triple.send().await.unwrap().status(), StatusCode::OK);
    world.register.away.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(device.post(&url).json(&hello()).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn guesses_of_triples_are_heard_for_a_while_and_no_longer() {
    let world = World::new().await;
    world.contract(PCID, "sho-a").await;
    let url = format!("{}/device/v1/hello", world.drf().device_url.as_ref().unwrap());
    let nobody = world.device(None);
    let ask = |pcid: &str, password: &str| {
        let mut hello = hello();
        hello["pcid"] = json!(pcid);
        nobody.post(&url).basic_auth("u1", Some(password)).json(&hello).send()
    };
    for _ in 0..15 {
        assert_eq!(ask(PCID, "p1").await.unwrap().status(), StatusCode::OK, "right ones are not counted");
    }
    // Also of PCIDs that nobody has registered: it tells no difference.
    for n in 0..10 {
        let pcid = if n % 2 == 0 { PCID } else { "999719999999999" };
        assert_eq!(ask(pcid, "wrong").await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    let throttled = ask(PCID, "p1").await.unwrap();
    assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(throttled.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 1);
    // Who has a certificate is not kept out by a neighbour.
    let own = world.device(Some("meter-1"));
    assert_eq!(own.post(&url).json(&hello()).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_device_that_says_hello_without_end_leaves_one_row() {
    let world = World::new().await;
    let url = format!("{}/device/v1/hello", world.drf().device_url.as_ref().unwrap());
    let device = world.device(Some("meter-1"));
    for _ in 0..20 {
        let early = device.post(&url).json(&hello()).send().await.unwrap();
        assert_eq!(early.status(), StatusCode::CONFLICT, "it has no operator yet");
    }
    let (rows,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM notice").fetch_one(&world.drf().desk.db.readers).await.unwrap();
    assert_eq!(rows, 1);
    // Which is followed when its operator is known.
    world.contract(PCID, "sho-a").await;
    assert_eq!(world.triggers().await.len(), 1);
}
