//! Rows that cannot be read cost the others nothing, and nobody wins by them.

use axum::http::StatusCode;
use schemas::{cose::Signer, enrolment, enrolment::Enrolment};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{BOOT, Device, World, now, refused, request};

/// Damages what is stored, from outside.
async fn damage(world: &World, statement: &'static str) {
    let url = format!("sqlite://{}", world.folder.path().join("pva.db").display());
    let file = sqlx::SqlitePool::connect(&url).await.unwrap();
    let done = sqlx::query(statement).execute(&file).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
    file.close().await;
}

/// All of a listing, read page by page.
async fn listed(world: &World, path: &str, field: &str) -> Vec<String> {
    let (mut next, mut all) = (Some(path.to_owned()), Vec::new());
    while let Some(path) = next {
        let page = world.get(&path).await.unwrap();
        let items = page["items"].as_array().unwrap();
        all.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[tokio::test]
async fn a_damaged_row_is_left_out_of_listings_and_ends_no_page_early() {
    let world = World::new().await;
    world.devices(["meter-1", "meter-2", "meter-3"]).await;
    world.reference("1.1", [2; 32]).await;
    world.reference("1.2", [3; 32]).await;
    world.put("/v1/suppliers/bolt", json!({"name": "Bolt", "enrols": false})).await.unwrap();
    damage(&world, "UPDATE platform SET enrolment = '?' WHERE tre_id = 'tre-meter-1'").await;
    damage(&world, "UPDATE reference_value SET boot_digest = x'00' WHERE name = '1.1'").await;
    damage(&world, "UPDATE supplier SET devices = '?' WHERE id = 'acme'").await;
    assert_eq!(listed(&world, "/v1/platforms?limit=1", "tre_id").await, ["tre-meter-2", "tre-meter-3"]);
    assert_eq!(listed(&world, "/v1/reference-values/acme?limit=1", "name").await, ["1.0", "1.2"]);
    assert_eq!(listed(&world, "/v1/suppliers?limit=1", "id").await, ["bolt"]);
    // What is damaged itself is answered by itself.
    let one = world.get("/v1/platforms/tre-meter-1").await;
    assert_eq!(refused(one).0, StatusCode::INTERNAL_SERVER_ERROR);
    world.get("/v1/platforms/tre-meter-2").await.unwrap();
}

#[tokio::test]
async fn a_damaged_reference_value_is_a_state_that_is_not_accepted_and_the_others_are() {
    let world = World::new().await;
    let [device] = world.devices(["meter-1"]).await;
    world.reference("0.9", [2; 32]).await;
    damage(&world, "UPDATE reference_value SET model = 'meter', boot_digest = x'00' WHERE name = '0.9'")
        .await;
    let nonce = world.nonce().await;
    assert!(world.validate(&request(&nonce, device.evidence(&nonce, |_| {}))).await.good);
    let nonce = world.nonce().await;
    let old = device.evidence(&nonce, |evidence| evidence.boot_digest = [2; 32]);
    assert_ne!(BOOT, [2; 32]);
    assert!(!world.validate(&request(&nonce, old)).await.good);
}

fn batch(signer: &Signer, supplier: &str, names: &[&str]) -> Vec<u8> {
    let platforms = names.iter().map(|name| Device::new(name).platform()).collect();
    let supplier = supplier.parse().unwrap();
    let batch = Enrolment { version: 1, id: Uuid::new_v4(), supplier, issued: now(), platforms };
    signer.sign(enrolment::CONTENT_TYPE, batch.encode().unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_enrolled_with_a_damaged_row_is_refused_by_name() {
    let world = World::new().await;
    world.devices(["meter-1"]).await;
    damage(&world, "UPDATE platform SET enrolment = '?' WHERE tre_id = 'tre-meter-1'").await;
    let (status, text) = refused(world.send_batch(batch(&world.supplier, "acme", &["meter-1"])).await);
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    assert!(text.contains("TRE tre-meter-1") && text.contains("cannot be read"), "{text}");
    world.send_batch(batch(&world.supplier, "acme", &["meter-2"])).await.unwrap();
}

#[tokio::test]
async fn identities_of_a_supplier_that_cannot_be_read_are_nobody_elses() {
    let world = World::new().await;
    let rogue = world.root.signer("rogue", schemas::trust::Purpose::Enrolment);
    let put = async |supplier: &str, devices: &[&str]| {
        let body = json!({"name": supplier, "devices": devices});
        world.put(&format!("/v1/suppliers/{supplier}"), body).await
    };
    put("acme", &["meter-"]).await.unwrap();
    put("pump", &["pump-"]).await.unwrap();
    put("rogue", &[]).await.unwrap();
    damage(&world, "UPDATE supplier SET devices = '?' WHERE id = 'acme'").await;
    // It neither enrols an identity of the damaged one nor takes it for its own.
    let (status, text) = refused(world.send_batch(batch(&rogue, "rogue", &["meter-9"])).await);
    assert_eq!(status, StatusCode::CONFLICT, "{text}");
    let (status, text) = refused(put("rogue", &["meter-"]).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("supplier acme") && text.contains("PUT /v1/suppliers/acme"), "{text}");
    let (_, text) = refused(world.send_batch(batch(&world.supplier, "acme", &["meter-9"])).await);
    assert!(text.contains("PUT /v1/suppliers/acme again"), "{text}");
    // The others go on.
    let pump = world.root.signer("pump", schemas::trust::Purpose::Enrolment);
    world.send_batch(batch(&pump, "pump", &["pump-1"])).await.unwrap();
    // Written again it is whole.
    put("acme", &["meter-"]).await.unwrap();
    world.send_batch(batch(&world.supplier, "acme", &["meter-9"])).await.unwrap();
    put("rogue", &["valve-"]).await.unwrap();
}
