//! What was answered is true after a restart.

use schemas::{rest::provisioning::ValidationRequest, verdict::Reason};
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Device, World, request};

#[tokio::test]
async fn a_used_nonce_stays_used_and_a_verdict_is_repeated() {
    let mut world = World::new().await;
    let [device, held] = world.devices(["m1", "m2"]).await;
    let nonce = world.nonce().await;
    let unused = world.nonce().await;
    let first = request(&nonce, device.evidence(&nonce, |_| ()));
    let signed = world.ask(&first).await.unwrap();
    let id = Uuid::new_v4();
    let batch = world.batch(id, vec![Device::new("m3").platform()]);
    let certificates = world.send_batch(batch.clone()).await.unwrap();
    world.post("/v1/platforms/tre-m2/revoke", json!({"reason": "superseded"})).await.unwrap();
    world.stop().await;

    world.start().await;
    assert_eq!(world.ask(&first).await.unwrap(), signed);
    let elsewhere = ValidationRequest { session: Uuid::new_v4(), ..first.clone() };
    assert_eq!(world.validate(&elsewhere).await.reasons, [Reason::Replayed]);
    assert_eq!(world.send_batch(batch).await.unwrap(), certificates);
    let verdict = world.validate(&request(&unused, held.evidence(&unused, |_| ()))).await;
    assert_eq!(verdict.reasons, [Reason::Revoked], "the nonce of before is good, the platform is not");
    let fresh = world.nonce().await;
    assert!(world.validate(&request(&fresh, device.evidence(&fresh, |_| ()))).await.good);
    assert!(world.audited("validations.judge", "tre-m1", "good").await);
}
