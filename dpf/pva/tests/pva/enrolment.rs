//! Enrolment: all of a batch or nothing, and by its supplier alone.

use axum::http::{Method, StatusCode};
use schemas::{
    cose::PrivateKey,
    enrolment::{self, Enrolment},
    octets::Octets,
    trust::{Anchors, Leaf, Purpose},
};
use serde_json::json;
use uuid::Uuid;
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{AuthorityInfoAccessSyntax, KeyUsage},
};

use crate::harness::{Device, OCSP_URL, World, now, refused};

#[tokio::test]
async fn certificates_are_what_the_profile_says() {
    let world = World::new().await;
    let [one, two] = world.devices(["m1", "m2"]).await;
    let anchors = Anchors::from_pem(world.platform_ca.pem.as_bytes()).unwrap();
    for device in [&one, &two] {
        let chain = [device.certificate.clone()];
        let leaf = anchors.verify(&chain, Purpose::Platform, now()).unwrap();
        assert!(anchors.verify(&chain, Purpose::Verdict, now()).is_err());
        assert_eq!(leaf.name, device.tre());
        assert_eq!(leaf.device_id.unwrap().as_str(), device.name);
        assert_eq!(leaf.key, device.key.public());
        assert_eq!(leaf.serial.len(), 16);
        let certificate = Certificate::from_der(&device.certificate).unwrap().tbs_certificate;
        let (_, usage) = certificate.get::<KeyUsage>().unwrap().unwrap();
        assert!(usage.digital_signature() && usage.key_agreement() && !usage.key_cert_sign());
        let (_, access) = certificate.get::<AuthorityInfoAccessSyntax>().unwrap().unwrap();
        let shown = format!("{:?}", access.0[0].access_location);
        assert_eq!(access.0[0].access_method.to_string(), "1.3.6.1.5.5.7.48.1");
        assert!(shown.contains(OCSP_URL), "{shown}");
        let validity = certificate.validity;
        let life = validity.not_after.to_unix_duration() - validity.not_before.to_unix_duration();
        assert_eq!(life.as_secs(), 365 * 86_400 + 300);
    }
    assert_ne!(Leaf::parse(&one.certificate).unwrap().serial, Leaf::parse(&two.certificate).unwrap().serial);
}

#[tokio::test]
async fn the_same_batch_again_is_answered_alike() {
    let world = World::new().await;
    let devices = ["m1", "m2", "m3"].map(Device::new);
    let id = Uuid::new_v4();
    let batch = world.batch(id, devices.iter().map(Device::platform).collect());
    let first = world.send_batch(batch.clone()).await.unwrap();
    assert_eq!(world.send_batch(batch).await.unwrap(), first);
    // The same name for something else.
    let other = world.batch(id, vec![Device::new("m4").platform()]);
    let (status, text) = refused(world.send_batch(other).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("another content"), "{text}");
    // The same platforms in another batch keep their certificates.
    let again = world.batch(Uuid::new_v4(), vec![devices[1].platform(), Device::new("m5").platform()]);
    let second = world.send_batch(again).await.unwrap();
    assert_eq!(second[0], first[1]);
    assert!(world.audited("enrolments.create", "", "done").await);
}

#[tokio::test]
async fn nothing_of_a_batch_is_enrolled_if_one_of_it_cannot_be() {
    let world = World::new().await;
    let [there] = world.devices(["m1"]).await;
    let fresh = Device::new("fresh");
    let (other_key, other_model, other_tre, other_device, same_key) = (
        Device::new("m1").platform(),
        {
            let mut p = there.platform();
            p.model = "valve".into();
            p
        },
        {
            let mut p = there.platform();
            p.tre_id = "tre-x".parse().unwrap();
            p
        },
        {
            let mut p = there.platform();
            p.device_id = "x".parse().unwrap();
            p
        },
        {
            let mut p = Device::new("m7").platform();
            p.public_key = there.key.spki().unwrap().into();
            p
        },
    );
    for (bad, why) in [
        (other_key, "TRE tre-m1 is enrolled with another key"),
        (other_model, "another device, supplier or model"),
        (other_tre, "device m1 is enrolled with another TRE"),
        (other_device, "another device, supplier or model"),
        (same_key, "the key of TRE tre-m7 is enrolled for another TRE"),
    ] {
        let batch = world.batch(Uuid::new_v4(), vec![fresh.platform(), bad]);
        let (status, text) = refused(world.send_batch(batch).await);
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        assert!(text.contains(why), "{why}: {text}");
        let (status, _) = refused(world.get("/v1/platforms/tre-fresh").await);
        assert_eq!(status, StatusCode::NOT_FOUND, "{why}: half a batch was enrolled");
    }
    world.post("/v1/platforms/tre-m1/revoke", json!({"reason": "cessationOfOperation"})).await.unwrap();
    let batch = world.batch(Uuid::new_v4(), vec![fresh.platform(), there.platform()]);
    let (status, text) = refused(world.send_batch(batch).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("revoked"), "{text}");
    assert!(world.audited("enrolments.create", "", "is revoked").await);
}

#[tokio::test]
async fn platforms_that_cannot_be_are_named_by_their_place() {
    let world = World::new().await;
    let one = Device::new("m1");
    let two = Device::new("m2");
    let with = |change: fn(&mut enrolment::Platform)| {
        let mut platform = two.platform();
        change(&mut platform);
        platform
    };
    for (bad, why) in [
        (with(|p| p.model = "a/b".into()), "platforms/1: a model"),
        (with(|p| p.public_key = Octets(vec![0x30, 0])), "platforms/1: public_key"),
        (with(|p| p.device_id = "m1".parse().unwrap()), "platforms/1: device m1 is there twice"),
        (with(|p| p.tre_id = "tre-m1".parse().unwrap()), "platforms/1: TRE tre-m1 is there twice"),
        (
            enrolment::Platform { public_key: one.key.spki().unwrap().into(), ..two.platform() },
            "platforms/1: its key is another platform's",
        ),
    ] {
        let batch = world.batch(Uuid::new_v4(), vec![one.platform(), bad]);
        let (status, text) = refused(world.send_batch(batch).await);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(text.contains(why), "{why}: {text}");
    }
    let (status, text) = refused(world.send_batch(world.batch(Uuid::new_v4(), Vec::new())).await);
    assert_eq!((status, text.contains("no platforms")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{text}");
}

#[tokio::test]
async fn only_the_supplier_itself_may_enrol_and_only_while_it_may() {
    let world = World::new().await;
    let platforms = vec![Device::new("m1").platform()];
    let enrolment = |supplier: &str, issued: u64| Enrolment {
        version: 1,
        id: Uuid::new_v4(),
        supplier: supplier.parse().unwrap(),
        issued,
        platforms: platforms.clone(),
    };
    let kind = enrolment::CONTENT_TYPE;
    let of_acme = || enrolment("acme", now()).encode().unwrap();
    let elsewhere = crate::harness::authority("elsewhere");
    for (signed, wanted, why) in [
        (world.root.signer("acme", Purpose::Payload).sign(kind, of_acme()), 403, "purpose enrolment"),
        (world.root.signer("other", Purpose::Enrolment).sign(kind, of_acme()), 403, "signed by \"other\""),
        (elsewhere.signer("acme", Purpose::Enrolment).sign(kind, of_acme()), 403, "not good"),
        (world.supplier.sign("application/other", of_acme()), 400, "content type"),
        (world.supplier.sign(kind, b"x".to_vec()), 422, "CBOR"),
        (
            world
                .root
                .signer("other", Purpose::Enrolment)
                .sign(kind, enrolment("other", now()).encode().unwrap()),
            403,
            "PUT /v1/suppliers/other",
        ),
        (world.supplier.sign(kind, enrolment("acme", now() + 3600).encode().unwrap()), 422, "future"),
    ] {
        let (status, text) = refused(world.send_batch(signed.unwrap()).await);
        assert_eq!(status.as_u16(), wanted, "{text}");
        assert!(text.contains(why), "{why}: {text}");
    }
    let mut changed = world.batch(Uuid::new_v4(), platforms.clone());
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(refused(world.send_batch(changed).await).0, StatusCode::FORBIDDEN);
    let (status, _) =
        refused(world.admin().send(Method::POST, "/v1/enrolments", "application/json", b"{}".to_vec()).await);
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    world.put("/v1/suppliers/acme", json!({"name": "Acme", "enrols": false})).await.unwrap();
    let batch = world.batch(Uuid::new_v4(), platforms.clone());
    assert_eq!(refused(world.send_batch(batch.clone()).await).0, StatusCode::FORBIDDEN);
    world.put("/v1/suppliers/acme", json!({"name": "Acme"})).await.unwrap();
    assert_eq!(world.send_batch(batch).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_supplier_enrols_its_own_identities_alone_and_a_conflict_is_refused_and_audited() {
    let world = World::new().await;
    let batch = |supplier: &str, device: &str| {
        let batch = Enrolment {
            version: 1,
            id: Uuid::new_v4(),
            supplier: supplier.parse().unwrap(),
            issued: now(),
            platforms: vec![Device::new(device).platform()],
        };
        let signer = world.root.signer(supplier, Purpose::Enrolment);
        signer.sign(enrolment::CONTENT_TYPE, batch.encode().unwrap()).unwrap()
    };
    // One supplier alone: every identity is its own.
    world.send_batch(batch("acme", "meter-1")).await.unwrap();
    world.put("/v1/suppliers/rogue", json!({"name": "Rogue"})).await.unwrap();
    for supplier in ["acme", "rogue"] {
        let (status, text) = refused(world.send_batch(batch(supplier, "meter-2")).await);
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        assert!(text.contains("has no identities of its own"), "{text}");
    }
    world.put("/v1/suppliers/acme", json!({"name": "Acme", "devices": ["meter-"]})).await.unwrap();
    for overlapping in ["meter-", "meter-2", "met"] {
        let body = json!({"name": "Rogue", "devices": [overlapping]});
        let (status, text) = refused(world.put("/v1/suppliers/rogue", body).await);
        assert_eq!((status, text.contains("acme")), (StatusCode::CONFLICT, true), "{text}");
    }
    assert_eq!(refused(world.send_batch(batch("rogue", "meter-2")).await).0, StatusCode::CONFLICT);
    world.put("/v1/suppliers/rogue", json!({"name": "Rogue", "devices": ["pump-"]})).await.unwrap();
    let (status, text) = refused(world.send_batch(batch("rogue", "meter-2")).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("meter-2 is not one of the identities of supplier rogue"), "{text}");
    let log = world.get("/v1/audit?limit=20").await.unwrap();
    let entry = log["items"].as_array().unwrap().iter().find(|entry| entry["action"] == "enrolments.create");
    assert!(entry.unwrap()["outcome"].as_str().unwrap().contains("meter-2"), "{log}");
    let theirs = world.send_batch(batch("rogue", "pump-1")).await.unwrap();
    let ours = world.send_batch(batch("acme", "meter-2")).await.unwrap();
    for (certificates, supplier) in [(theirs, "rogue"), (ours, "acme")] {
        let leaf = Leaf::parse(&certificates[0].0).unwrap();
        assert_eq!(leaf.supplier.unwrap().as_str(), supplier);
    }
}

#[tokio::test]
async fn a_compressed_point_is_the_same_key() {
    let world = World::new().await;
    let device = Device::new("m1");
    let mut platform = device.platform();
    let key = PrivateKey::from_pkcs8(&device.key.to_pkcs8().unwrap()).unwrap().public();
    let point = key.to_sec1_point(true);
    // SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 34 octets }.
    let mut spki = device.key.spki().unwrap()[..26].to_vec();
    spki[1] = 0x39;
    spki[24] = 0x22;
    spki.extend_from_slice(point.as_bytes());
    platform.public_key = Octets(spki);
    let first = world.send_batch(world.batch(Uuid::new_v4(), vec![platform])).await.unwrap();
    let second = world.send_batch(world.batch(Uuid::new_v4(), vec![device.platform()])).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_large_batch_is_enrolled_whole() {
    let world = World::new().await;
    // One key is as good as another here, but each has its own.
    let platforms: Vec<_> = (0..1000).map(|n| Device::new(&format!("m{n}")).platform()).collect();
    let certificates = world.send_batch(world.batch(Uuid::new_v4(), platforms)).await.unwrap();
    assert_eq!(certificates.len(), 1000);
    let leaf = Leaf::parse(&certificates[999].0).unwrap();
    assert_eq!(leaf.name, "tre-m999");
    let mut path = "/v1/platforms?supplier=acme&limit=300".to_owned();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = world.get(&path).await.unwrap();
        for item in page["items"].as_array().unwrap() {
            assert!(seen.insert(item["tre_id"].as_str().unwrap().to_owned()));
        }
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 1000);
}
