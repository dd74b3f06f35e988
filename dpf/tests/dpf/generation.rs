//! R17: an RNCP by the operator's rule, and updates.

use dpf::machine::State;
use reqwest::{Method, StatusCode};
use schemas::{
    cose,
    octets::Octets,
    rest::provisioning::{ProvisioningAnswer, SessionState},
    rncp::{self, CREDENTIALS, Credentials, Kind, Manifest, part_aad},
    trust::{Anchors, Purpose},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    harness::{Device, World, now},
    others::{Does, answer},
};

fn rule(first: &str, last: &str) -> serde_json::Value {
    json!({"first_imsi": first, "last_imsi": last, "home_plmn": "999-01", "apn": "internet"})
}

/// A rule with two numbers, and an operator that lets the DPF use it.
pub async fn prepare(world: &World) {
    let body = rule("999010000000001", "999010000000002");
    let (status, _) = world.rest("sho-a", Method::PUT, "/v1/operators/sho-a/rules/meters", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED);
    world.others.decide(|_, request| {
        let kind = schemas::evidence::CONTENT_TYPE;
        let (mut chain, _) = cose::peek_chain(request.evidence.as_ref(), kind).unwrap();
        let platform_certificate = Octets(chain.remove(0));
        answer(&ProvisioningAnswer::Generate { rule: "meters".into(), platform_certificate })
    });
}

async fn provisioned(world: &World, device: &Device, kind: Kind) -> (Manifest, Credentials) {
    let mut request = device.open_request(Uuid::new_v4());
    request.kind = kind;
    let opened = world.post(device, "/device/v1/sessions", &request).await;
    let session: schemas::rest::provisioning::Session = opened.json().await.unwrap();
    world.send_evidence(device, &session).await;
    let session = world.decided(device, session.id).await;
    assert_eq!(session.state, SessionState::Authorised, "{:?}", session.problem);
    // It is the operator's in every respect: signed with what it issued for that.
    let path = format!("/device/v1/sessions/{}/manifest", session.id);
    let signed = world.get(device, &path).await.bytes().await.unwrap();
    let anchors = Anchors::from_pem(world.root.pem.as_bytes()).unwrap();
    let signed = cose::verify(&signed, rncp::CONTENT_TYPE, &anchors, Purpose::Payload, now()).unwrap();
    assert_eq!(signed.signer.name, "sho-a");
    let manifest = Manifest::decode(&signed.payload).unwrap();
    world.agree(device, session.id, &[]).await;
    let path = format!("/device/v1/sessions/{}/parts/{}", session.id, manifest.parts[0].digest_hex());
    let part = world.get(device, &path).await.bytes().await.unwrap();
    let aad = part_aad(manifest.rncp, CREDENTIALS);
    let mine = Credentials::decode(&cose::decrypt(&part, &aad, &device.key).unwrap()).unwrap();
    let (id, told) = world.others.read(|log| log.generated.last().unwrap().clone());
    assert_eq!((id, told.rncp, told.rule.as_str()), (session.id, manifest.rncp, "meters"));
    let told = Credentials::decode(&cose::decrypt(told.credentials.as_ref(), &aad, &world.sealing).unwrap())
        .unwrap();
    assert!(told.k() == mine.k() && told.opc() == mine.opc() && told.imsi == mine.imsi);
    assert!(mine.k() != mine.opc());
    let report = device.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(device, session.id, report).await.status(), StatusCode::NO_CONTENT);
    world.state(session.id, State::Closed).await;
    (manifest, mine)
}

#[tokio::test]
async fn an_rncp_is_made_by_the_operators_rule_and_the_operator_is_told() {
    let world = World::new().await;
    prepare(&world).await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let (first, one) = provisioned(&world, &meter, Kind::Initial).await;
    let (_, two) = provisioned(&world, &other, Kind::Initial).await;
    assert_eq!(
        (one.imsi.to_string(), two.imsi.to_string()),
        ("999010000000001".into(), "999010000000002".into())
    );
    assert!(one.k() != two.k());
    assert_eq!(
        (one.apn.as_str(), one.amf, one.home_plmn.to_string()),
        ("internet", [0x80, 0], "999-01".to_owned())
    );
    // An update: the number stays, the key does not, and what it replaces is named.
    let (update, newer) = provisioned(&world, &meter, Kind::Update).await;
    assert_eq!((update.replaces, newer.imsi), (Some(first.rncp), one.imsi));
    assert!(newer.k() != one.k());
    let (_, shown) = world.rest("sho-a", Method::GET, "/v1/operators/sho-a/rules/meters", None).await;
    assert_eq!(shown["given"], 2);

    // The third device: there is no number left.
    let third = world.device("meter-3", "999710000000003");
    let session = world.open(&third, Uuid::new_v4()).await;
    world.send_evidence(&third, &session).await;
    let failed = world.decided(&third, session.id).await;
    assert_eq!(
        (failed.state, failed.problem.unwrap().code.as_str()),
        (SessionState::Failed, "numbers-exhausted")
    );
    assert!(world.audited("sessions.failed", "no IMSI left").await);
    // No key is in the file, in whatever form a key has.
    world.started().dpf.store.database().ping().await.unwrap();
    let mut file = std::fs::read(world.folder.path().join("dpf.db")).unwrap();
    file.extend(std::fs::read(world.folder.path().join("dpf.db-wal")).unwrap_or_default());
    for key in [one.k(), one.opc(), two.k(), newer.k()] {
        assert!(!file.windows(16).any(|window| window == key.expose()));
    }
}

#[tokio::test]
async fn before_the_operator_knows_the_device_gets_nothing() {
    let world = World::new().await;
    prepare(&world).await;
    world.others.set(|script| script.generated = Does::Status(503));
    let meter = world.meter();
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    world.others.until("it is told twice", |log| log.generated.len() > 1).await;
    let refused = world.get(&meter, &format!("/device/v1/sessions/{}/manifest", session.id)).await;
    assert_eq!(crate::harness::code(refused).await, (StatusCode::CONFLICT, "not-authorised".to_owned()));
    // It has it, and its HSS does not yet.
    world.others.set(|script| script.generated = Does::Status(202));
    let told = world.others.read(|log| log.generated.len());
    world.others.until("it is told again", |log| log.generated.len() > told + 2).await;
    world.state(session.id, State::Generating).await;
    world.others.set(|script| script.generated = Does::Status(422));
    let failed = world.decided(&meter, session.id).await;
    assert_eq!(
        (failed.state, failed.problem.unwrap().code.as_str()),
        (SessionState::Failed, "operator-rejects")
    );
    assert!(world.started().dpf.store.generated(session.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_made_is_said() {
    let world = World::new().await;
    let meter = world.meter();
    let (stranger, _) = crate::harness::Ca::new("x").certify(&meter.key, "tre-meter-1", |_| {});
    for (rule, certificate, code) in [
        ("nothing", meter.certificate.clone(), "rule-unknown"),
        ("meters", stranger, "platform-certificate-not-good"),
        ("meters", world.device("meter-2", "999710000000002").certificate, "platform-certificate-not-good"),
    ] {
        prepare_once(&world).await;
        let (rule, certificate) = (rule.to_owned(), Octets(certificate));
        world.others.decide(move |_, _| {
            let (rule, platform_certificate) = (rule.clone(), certificate.clone());
            answer(&ProvisioningAnswer::Generate { rule, platform_certificate })
        });
        let session = world.open(&meter, Uuid::new_v4()).await;
        world.send_evidence(&meter, &session).await;
        let failed = world.decided(&meter, session.id).await;
        assert_eq!((failed.state, failed.problem.unwrap().code.as_str()), (SessionState::Failed, code));
    }
    assert!(world.others.read(|log| log.generated.is_empty()));
    let (_, shown) = world.rest("sho-a", Method::GET, "/v1/operators/sho-a/rules/meters", None).await;
    assert_eq!(shown["given"], 0, "nothing was given away");
    // An operator that has not said how.
    world.others.decide(|_, _| {
        answer(&ProvisioningAnswer::Generate {
            rule: "meters".into(),
            platform_certificate: Octets::default(),
        })
    });
    let mut request = meter.open_request(Uuid::new_v4());
    request.operator = "sho-b".parse().unwrap();
    let opened = world.post(&meter, "/device/v1/sessions", &request).await;
    let session: schemas::rest::provisioning::Session = opened.json().await.unwrap();
    world.send_evidence(&meter, &session).await;
    let failed = world.decided(&meter, session.id).await;
    assert_eq!(failed.problem.unwrap().code, "generation-not-configured");
}

async fn prepare_once(world: &World) {
    let body = rule("999010000000001", "999010000000002");
    world.rest("sho-a", Method::PUT, "/v1/operators/sho-a/rules/meters", Some(body)).await;
}

#[tokio::test]
async fn an_update_is_asked_for_once() {
    let world = World::new().await;
    let meter = world.meter();
    let id = Uuid::new_v4();
    let body = json!({"id": id, "pcid": meter.pcid, "operator": "sho-a", "address": "192.0.2.7:5683"});
    let ask =
        |who: &'static str, body: serde_json::Value| world.rest(who, Method::POST, "/v1/updates", Some(body));
    assert_eq!(ask("sho-a", body.clone()).await.0, StatusCode::NOT_FOUND, "nothing is provisioned yet");
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    world.agree(&meter, session.id, &[]).await;
    world.send_report(&meter, session.id, meter.report(session.id, manifest.rncp, None)).await;
    for _ in 0..2 {
        assert_eq!(ask("sho-a", body.clone()).await.0, StatusCode::ACCEPTED);
    }
    let other = json!({"id": id, "pcid": meter.pcid, "operator": "sho-a"});
    assert_eq!(ask("sho-a", other).await.0, StatusCode::CONFLICT);
    // Another operator's token, and another operator.
    assert_eq!(ask("sho-b", body.clone()).await.0, StatusCode::FORBIDDEN);
    let theirs = json!({"id": Uuid::new_v4(), "pcid": meter.pcid, "operator": "sho-b"});
    assert_eq!(ask("sho-b", theirs).await.0, StatusCode::NOT_FOUND);
    world.others.until("the DRF is asked", |log| !log.triggers.is_empty()).await;
    world.others.read(|log| {
        let trigger = &log.triggers[0];
        assert_eq!((log.triggers.len(), trigger.id, trigger.kind), (1, id, Kind::Update));
        assert_eq!(trigger.address, Some("192.0.2.7:5683".parse().unwrap()));
        // The DRF sees to it that the device still is this operator's.
        assert_eq!(trigger.operator, Some("sho-a".parse().unwrap()));
    });
    assert!(world.audited("updates.create", "done").await);
}
