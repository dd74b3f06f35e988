//! Suppliers and reference values over REST.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, refused};

fn body() -> Value {
    json!({"boot_digest": "0A".repeat(32), "software": "fw", "software_version": "2.0", "hardware_version": "7"})
}

#[tokio::test]
async fn what_is_put_is_what_is_got_until_it_is_deleted() {
    let world = World::new().await;
    let path = "/v1/reference-values/acme/meter/2.0";
    let put = world.put(path, body()).await.unwrap();
    assert_eq!(put["boot_digest"], "0a".repeat(32));
    assert_eq!(world.get(path).await.unwrap(), put);
    let mut other = body();
    other["software"] = json!("other");
    assert_eq!(world.put(path, other).await.unwrap()["software"], "other");
    let list = world.get("/v1/reference-values/acme").await.unwrap();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["1.0", "2.0"]);
    let first = world.get("/v1/reference-values/acme?limit=1").await.unwrap();
    let second = world.get(first["next"].as_str().unwrap()).await.unwrap();
    assert_eq!((second["items"][0]["name"].as_str(), second["next"].is_null()), (Some("2.0"), true));
    world.delete(path).await.unwrap();
    assert_eq!(refused(world.get(path).await).0, StatusCode::NOT_FOUND);
    assert_eq!(refused(world.delete(path).await).0, StatusCode::NOT_FOUND);
    assert!(world.audited("reference-values.delete", "acme/meter/2.0", "done").await);
    assert!(world.audited("reference-values.delete", "acme/meter/2.0", "404").await);
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let world = World::new().await;
    let path = "/v1/reference-values/acme/meter/2.0";
    for (field, value) in [
        ("boot_digest", json!("0a")),
        ("boot_digest", json!("zz".repeat(32))),
        ("software", json!("")),
        ("software_version", json!("a\nb")),
        ("hardware_version", json!("x".repeat(201))),
        ("surprise", json!(1)),
    ] {
        let mut bad = body();
        bad[field] = value;
        let (status, text) = refused(world.put(path, bad).await);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains(field), "{field}: {text}");
    }
    assert_eq!(
        refused(world.put("/v1/reference-values/nobody/meter/x", body()).await).0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        refused(world.put("/v1/reference-values/acme/a%2Fb/x", body()).await).0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        refused(world.put("/v1/suppliers/Acme", json!({"name": "x"})).await).0,
        StatusCode::BAD_REQUEST
    );
    let (status, text) = refused(world.put("/v1/suppliers/acme", json!({"name": ""})).await);
    assert_eq!((status, text.contains("name")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{text}");
    assert_eq!(refused(world.get("/v1/suppliers/nobody").await).0, StatusCode::NOT_FOUND);
    assert_eq!(refused(world.get("/v1/suppliers?limit=0").await).0, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/v1/suppliers").await.unwrap()["items"][0]["name"], "Acme Meters");
}
