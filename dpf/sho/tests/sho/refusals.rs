//! Every reason to refuse a device has a code, is in the audit log, and leaves nothing behind.

use schemas::{rncp::Kind, trust::Purpose, verdict::Reason};
use sho::{
    machine::{NoVerdict, Outcome},
    model::State,
    policy::Policy,
    store::{Store, contracts},
};
use uuid::Uuid;

use crate::{
    platform::{Authority, Device},
    rig::{Rig, refusal},
};

/// Refused with this code, again and again, audited, and nothing is left of it.
async fn is_refused(rig: &Rig, device: &Device, code: &str) {
    let session = Uuid::now_v7();
    let refused = rig.refused(device, session).await;
    assert_eq!(refused.code, code, "{}", refused.detail);
    assert!(!refused.detail.is_empty());
    assert_eq!(rig.refused(device, session).await, refused, "the same answer again");
    assert_eq!(rig.state(session).await, State::Refused);
    let audit = rig.audit().await;
    let entry = format!("device:{} provisioning.refuse {session} refused: {code}", device.device_id);
    assert_eq!(audit.matches(&entry).count(), 1, "{audit}");
    assert_eq!(rig.hss.count(), 0);
}

#[tokio::test]
async fn no_contract_or_a_suspended_one() {
    let rig = Rig::new().await;
    let stranger = Device::new(&rig.root, "stranger");
    rig.pva.knows(&stranger);
    is_refused(&rig, &stranger, "no-contract").await;
    assert_eq!(
        rig.pva.asked.load(std::sync::atomic::Ordering::SeqCst),
        0,
        "the PVA is not asked for strangers"
    );
    let device = rig.device("meter-1").await;
    let mut tx = rig.sho.store.db.write().await.unwrap();
    let terms = contracts::find(&mut tx, &device.device_id).await.unwrap().unwrap().terms;
    contracts::put(&mut tx, &device.device_id, None, &terms, true, 0).await.unwrap();
    tx.commit().await.unwrap();
    is_refused(&rig, &device, "contract-suspended").await;
}

#[tokio::test]
async fn a_platform_that_the_pva_does_not_find_good() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    for (reason, code) in [
        (Reason::Revoked, "platform-revoked"),
        (Reason::UnknownPlatform, "platform-unknown"),
        (Reason::Replayed, "evidence-replayed"),
        (Reason::Stale, "evidence-stale"),
        (Reason::StateNotAccepted, "state-not-accepted"),
        (Reason::WrongSignature, "evidence-wrong-signature"),
    ] {
        rig.pva.finds(reason);
        is_refused(&rig, &device, code).await;
    }
    *rig.pva.away.lock().unwrap() = Some(NoVerdict::Refused("no".into()));
    is_refused(&rig, &device, "validation-failed").await;
}

#[tokio::test]
async fn a_device_that_another_supplier_enrolled_than_the_contract_says() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let mut tx = rig.sho.store.db.write().await.unwrap();
    let terms = contracts::find(&mut tx, &device.device_id).await.unwrap().unwrap().terms;
    let rogue = "rogue".parse().unwrap();
    contracts::put(&mut tx, &device.device_id, Some(&rogue), &terms, false, 0).await.unwrap();
    tx.commit().await.unwrap();
    is_refused(&rig, &device, "supplier-mismatch").await;
    // Where the contract does not say, whoever the first good verdict names has to be named by all.
    let other = rig.device("meter-2").await;
    rig.provisioned(&other, Uuid::now_v7(), Kind::Initial).await;
    *rig.pva.twist.lock().unwrap() = Some(Box::new(|verdict| verdict.supplier = "rogue".parse().ok()));
    assert_eq!(rig.refused(&other, Uuid::now_v7()).await.code, "supplier-mismatch");
}

#[tokio::test]
async fn a_platform_that_the_policy_does_not_accept() {
    let policy = Policy { suppliers: vec!["other".parse().unwrap()], ..Policy::default() };
    let rig = Rig::with(policy).await;
    let device = rig.device("meter-1").await;
    is_refused(&rig, &device, "supplier-not-accepted").await;
    let asked = rig.pva.requests.lock().unwrap()[0].requirements.clone();
    assert_eq!(
        (asked.max_age, asked.suppliers[0].as_str()),
        (Some(300), "other"),
        "the PVA knows what is required"
    );
    let rig = Rig::with(Policy { states: vec!["fw-2".into()], ..Policy::default() }).await;
    let device = rig.device("meter-1").await;
    is_refused(&rig, &device, "state-not-accepted").await;
}

#[tokio::test]
async fn a_verdict_of_another_signer_nonce_evidence_device_or_time() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let twists: [fn(&mut schemas::verdict::Verdict); 8] = [
        |v| v.nonce = vec![0; 32].into(),
        |v| v.evidence = vec![0; 32].into(),
        |v| v.device_id = Some("meter-2".parse().unwrap()),
        |v| v.device_id = None,
        |v| v.tre_id = Some("tre-meter-2".parse().unwrap()),
        |v| v.platform_certificate = None,
        |v| v.expires = v.issued - 600,
        |v| v.issued += 3600,
    ];
    for twist in twists {
        *rig.pva.twist.lock().unwrap() = Some(Box::new(twist));
        is_refused(&rig, &device, "verdict-not-valid").await;
    }
    // Another device's certificate: the RNCP would be encrypted to it.
    let other = Device::new(&rig.root, "meter-2");
    let certificate = other.certificate.clone();
    *rig.pva.twist.lock().unwrap() =
        Some(Box::new(move |v| v.platform_certificate = Some(certificate.clone().into())));
    is_refused(&rig, &device, "verdict-not-valid").await;
    *rig.pva.twist.lock().unwrap() = None;
    // The right authority and the wrong purpose; the wrong authority.
    rig.pva.signs_as(rig.root.signer("pva", Purpose::Payload));
    is_refused(&rig, &device, "verdict-not-valid").await;
    rig.pva.signs_as(Authority::new("root").signer("pva", Purpose::Verdict));
    is_refused(&rig, &device, "verdict-not-valid").await;
}

#[tokio::test]
async fn a_verdict_that_was_given_for_another_session() {
    use sho::machine::Validator;
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    rig.package(&device, Uuid::now_v7(), Kind::Initial).await;
    let asked = rig.pva.requests.lock().unwrap()[0].clone();
    let earlier = rig.pva.validate(&asked).await.unwrap();
    *rig.pva.replay.lock().unwrap() = Some(earlier);
    let session = Uuid::now_v7();
    assert_eq!(rig.refused(&device, session).await.code, "verdict-not-valid");
}

#[tokio::test]
async fn a_verdict_that_ended_while_the_hss_was_away() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let request = device.request(session, Kind::Initial);
    *rig.hss.away.lock().unwrap() = Some(sho::connector::ConnectorError::Away("down".into()));
    assert!(matches!(rig.ask(session, &request).await, Outcome::Later(..)));
    rig.later(301);
    *rig.hss.away.lock().unwrap() = None;
    assert_eq!(refusal(rig.ask(session, &request).await).code, "verdict-expired");
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.number("999010000000001".parse().unwrap()).await.as_deref(), Some("quarantine"));
    assert_eq!(rig.hss.count(), 0);
}

#[tokio::test]
async fn an_imsi_that_the_hss_has_given_to_somebody_else() {
    let rig = Rig::new().await;
    let (first, second) = (rig.device("meter-1").await, rig.device("meter-2").await);
    let package = rig.package(&first, Uuid::now_v7(), Kind::Initial).await;
    let mut foreign = rig.hss.of(rig.open(&first, &package).imsi).unwrap();
    foreign.imsi = "999010000000002".parse().unwrap();
    rig.hss.subscribers.lock().unwrap().insert(foreign.imsi, foreign.clone());
    let session = Uuid::now_v7();
    assert_eq!(rig.refused(&second, session).await.code, "number-taken");
    rig.sho.settle(session).await.unwrap();
    assert!(rig.hss.of(foreign.imsi).is_some(), "it is not ours to take away");
    assert_eq!(rig.number(foreign.imsi).await.as_deref(), Some("retired"));
    let package = rig.package(&second, Uuid::now_v7(), Kind::Initial).await;
    assert_eq!(rig.open(&second, &package).imsi.to_string(), "999010000000003");
}

#[tokio::test]
async fn a_session_of_another_device_or_request() {
    let rig = Rig::new().await;
    let (first, second) = (rig.device("meter-1").await, rig.device("meter-2").await);
    let session = Uuid::now_v7();
    let package = rig.package(&first, session, Kind::Initial).await;
    assert_eq!(rig.ask(session, &second.request(session, Kind::Initial)).await, Outcome::Other);
    let mut other = first.request(session, Kind::Initial);
    other.evidence.0.push(0);
    assert_eq!(rig.ask(session, &other).await, Outcome::Other);
    assert_eq!(rig.ask(session, &first.request(session, Kind::Update)).await, Outcome::Other);
    assert_eq!(rig.package(&first, session, Kind::Initial).await, package);
    assert!(rig.audit().await.contains("device:meter-2 provisioning.request"));
}

#[tokio::test]
async fn another_operators_database_is_not_opened() {
    let rig = Rig::new().await;
    let error = Store::open(&rig.url(), rig.keyring(), &"sho-b".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("sho-a") && error.to_string().contains("sho-b"), "{error}");
}
