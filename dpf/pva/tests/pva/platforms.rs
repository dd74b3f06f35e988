//! Certificates after enrolment, and revocation.

use axum::http::{Method, StatusCode};
use schemas::{cose::PrivateKey, trust::Leaf};
use serde_json::json;
use service::{client::CallError, config::Span};

use crate::harness::{Device, World, refused, request};

async fn certify(world: &World, scope: &str, tre: &str, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
    let path = format!("/v1/platforms/{tre}/certificate");
    let answer = world.clients[scope].send(Method::POST, &path, "application/pkcs10", request).await?;
    assert_eq!(answer.headers()["content-type"], "application/pkix-cert");
    Ok(answer.body().to_vec())
}

#[tokio::test]
async fn a_certificate_with_most_of_its_life_to_go_is_given_again() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let again = certify(&world, "platforms:write", "tre-m1", device.request()).await.unwrap();
    assert_eq!(again, device.certificate);
}

#[tokio::test]
async fn a_certificate_past_half_of_its_life_is_renewed() {
    let mut world = World::prepared();
    world.config.pva.certificate_lifetime = Span::seconds(1);
    world.start().await;
    world.put("/v1/suppliers/acme", json!({"name": "Acme"})).await.unwrap();
    let [device] = world.devices(["m1"]).await;
    world.stop().await;
    // Its second is over, or will be: with a year, the old one has not half of a year to go.
    world.config.pva.certificate_lifetime = Span::seconds(365 * 86_400);
    world.start().await;
    loop {
        let new = certify(&world, "platforms:write", "tre-m1", device.request()).await.unwrap();
        if new != device.certificate {
            assert_ne!(Leaf::parse(&new).unwrap().serial, Leaf::parse(&device.certificate).unwrap().serial);
            break;
        }
    }
    let shown = world.get("/v1/platforms/tre-m1").await.unwrap();
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 2);
    assert!(shown["certificates"][1]["revoked"].is_null(), "renewal revokes nothing");
}

#[tokio::test]
async fn a_new_key_needs_its_scope_and_supersedes_the_old_one() {
    let world = World::new().await;
    let [mut device, other] = world.devices(["m1", "m2"]).await;
    let old = device.clone();
    device.key = PrivateKey::generate().unwrap();
    let (status, text) = refused(certify(&world, "platforms:write", "tre-m1", device.request()).await);
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("platforms:rekey"), "{text}");
    // `admin` has both scopes.
    device.certificate = certify(&world, "admin", "tre-m1", device.request()).await.unwrap();
    assert_eq!(Leaf::parse(&device.certificate).unwrap().key, device.key.public());
    assert_eq!(certify(&world, "admin", "tre-m1", device.request()).await.unwrap(), device.certificate);
    let shown = world.get("/v1/platforms/tre-m1").await.unwrap();
    assert_eq!(shown["certificates"][1]["revoked"]["reason"], "superseded");
    assert!(shown["certificates"][0]["revoked"].is_null() && shown["revoked"].is_null());
    // Evidence: by the new key it is good, by the old one it is forged.
    let nonce = world.nonce().await;
    let verdict = world.validate(&request(&nonce, old.evidence(&nonce, |_| ()))).await;
    assert_eq!(verdict.reasons, [schemas::verdict::Reason::WrongSignature]);
    assert!(world.validate(&request(&nonce, device.evidence(&nonce, |_| ()))).await.good);
    // The key of another platform.
    let stolen = Device { key: other.key.clone(), ..device.clone() };
    let (status, text) = refused(certify(&world, "admin", "tre-m1", stolen.request()).await);
    assert_eq!((status, text.contains("another platform's")), (StatusCode::CONFLICT, true), "{text}");
    assert!(world.audited("platforms.certify", "tre-m1/certificate", "done").await);
}

#[tokio::test]
async fn a_request_without_proof_of_possession_is_refused() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let good = device.request();
    for at in (0..good.len()).step_by(3).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let (status, text) = refused(certify(&world, "admin", "tre-m1", bad).await);
        assert_eq!(status, StatusCode::BAD_REQUEST, "octet {at}: {text}");
    }
    assert_eq!(refused(certify(&world, "admin", "tre-m1", b"x".to_vec()).await).0, StatusCode::BAD_REQUEST);
    assert_eq!(refused(certify(&world, "admin", "tre-x", good.clone()).await).0, StatusCode::NOT_FOUND);
    assert_eq!(refused(certify(&world, "admin", "tre%2Fx", good).await).0, StatusCode::BAD_REQUEST);
}

/// A request that another program wrote.
#[tokio::test]
async fn a_request_by_openssl_is_good() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    std::fs::write(world.folder.path().join("m1.key"), device.key.to_pem().unwrap()).unwrap();
    let mut command = std::process::Command::new("openssl");
    command.args([
        "req",
        "-new",
        "-key",
        "m1.key",
        "-subj",
        "/CN=x/O=Acme",
        "-addext",
        "subjectAltName=DNS:x",
    ]);
    command.args(["-outform", "DER"]).current_dir(world.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("Debian's openssl is needed: apt-get install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let given = certify(&world, "platforms:write", "tre-m1", output.stdout).await.unwrap();
    assert_eq!(given, device.certificate);
}

#[tokio::test]
async fn a_revoked_platform_gets_no_certificate_and_a_hold_can_be_released() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let revoke =
        async |reason: &str| world.post("/v1/platforms/tre-m1/revoke", json!({ "reason": reason })).await;
    assert_eq!(refused(revoke("removeFromCRL").await).0, StatusCode::CONFLICT);
    let held = revoke("certificateHold").await.unwrap();
    assert_eq!(held["revoked"]["reason"], "certificateHold");
    assert_eq!(held["certificates"][0]["revoked"]["reason"], "certificateHold");
    let (status, text) = refused(certify(&world, "admin", "tre-m1", device.request()).await);
    assert_eq!((status, text.contains("revoked")), (StatusCode::CONFLICT, true), "{text}");
    let free = revoke("removeFromCRL").await.unwrap();
    assert!(free["revoked"].is_null() && free["certificates"][0]["revoked"].is_null(), "{free}");
    assert_eq!(certify(&world, "admin", "tre-m1", device.request()).await.unwrap(), device.certificate);
    let first = revoke("keyCompromise").await.unwrap();
    assert_eq!(revoke("keyCompromise").await.unwrap(), first, "the same again changes nothing");
    for other in ["certificateHold", "removeFromCRL", "superseded"] {
        assert_eq!(refused(revoke(other).await).0, StatusCode::CONFLICT, "{other}");
    }
    for bad in ["remove", "7", "KeyCompromise", ""] {
        assert_eq!(refused(revoke(bad).await).0, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(
        refused(world.post("/v1/platforms/tre-x/revoke", json!({"reason": "unspecified"})).await).0,
        StatusCode::NOT_FOUND
    );
    assert!(world.audited("platforms.revoke", "tre-m1", "done").await);
}
