//! Validation over HTTPS, as an SHO or a DPF asks for it.

use axum::http::StatusCode;
use schemas::{
    cose::Signer,
    evidence::{self, Debugging, Evidence},
    octets::Octets,
    rest::provisioning::ValidationCheck,
    verdict::Reason,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::harness::{BOOT, Device, World, claims, now, refused, request};

#[tokio::test]
async fn good_evidence_gets_a_signed_verdict_that_says_who_and_in_what_state() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let request = request(&nonce, device.evidence(&nonce, |_| ()));
    let verdict = world.validate(&request).await;
    assert!(verdict.good && verdict.reasons.is_empty() && verdict.detail.is_empty(), "{verdict:?}");
    assert_eq!(verdict.nonce, nonce);
    assert_eq!(verdict.evidence.0, Sha256::digest(&request.evidence.0).to_vec());
    assert_eq!(verdict.device_id.unwrap().as_str(), "m1");
    assert_eq!(verdict.tre_id.unwrap().as_str(), "tre-m1");
    assert_eq!(verdict.supplier.unwrap().as_str(), "acme");
    assert_eq!((verdict.model.as_deref(), verdict.state.as_deref()), (Some("meter"), Some("1.0")));
    assert_eq!(verdict.platform_certificate.unwrap().0, device.certificate);
    assert!(verdict.issued <= now() && verdict.expires == verdict.issued + 300);
    assert!(world.audited("validations.judge", "tre-m1", "good").await);
}

/// Each reason, over the wire; the pure table has the finer cases.
#[tokio::test]
async fn each_reason_is_said_signed_and_put_down() {
    type Change = fn(&mut Evidence);
    let world = World::new().await;
    let [device, revoked] = world.devices(["m1", "m2"]).await;
    world.post("/v1/platforms/tre-m2/revoke", json!({"reason": "keyCompromise"})).await.unwrap();
    let stranger = Device { certificate: device.certificate.clone(), ..Device::new("m9") };
    // Signed by the right key, and certified by somebody else.
    let foreign = {
        let ca = crate::harness::authority("elsewhere");
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "tre-m1");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&crate::harness::pair(&device.key), &ca.issuer).unwrap();
        Device { certificate: certificate.der().to_vec(), ..device.clone() }
    };
    // Somebody who says to be m1.
    let other = Device::new("m1");
    let (pem, key) = crate::harness::authority("elsewhere").issue("tre-m1", |_| ());
    let impostor = Device {
        key,
        certificate: schemas::trust::chain_from_pem(pem.as_bytes()).unwrap()[0].to_vec(),
        ..other
    };
    let unknown = Device { key: impostor.key.clone(), certificate: impostor.certificate.clone(), ..stranger };
    let table: Vec<(Reason, &Device, Change)> = vec![
        (Reason::WrongSignature, &impostor, |_| ()),
        (Reason::UnknownPlatform, &unknown, |_| ()),
        (Reason::Revoked, &revoked, |_| ()),
        (Reason::CertificateNotGood, &foreign, |_| ()),
        (Reason::Replayed, &device, |e| e.nonce = Octets(vec![1; 32])),
        (Reason::Stale, &device, |e| e.issued -= 301),
        (Reason::Stale, &device, |e| e.issued += 3600),
        (Reason::StateNotAccepted, &device, |e| e.boot_digest = [1; 32]),
        (Reason::NotSecure, &device, |e| e.debugging = Debugging::Enabled),
        (Reason::NotSecure, &device, |e| e.verified_boot = false),
        (Reason::IdentityMismatch, &device, |e| e.device_id = "m2".parse().unwrap()),
    ];
    for (reason, device, change) in table {
        let nonce = world.nonce().await;
        let request = request(&nonce, device.evidence(&nonce, change));
        let verdict = world.validate(&request).await;
        assert!(!verdict.good, "{reason:?}");
        assert!(verdict.reasons.contains(&reason), "{reason:?}: {verdict:?}");
        assert!(verdict.reasons.iter().all(|it| *it == reason || reason == Reason::Revoked), "{verdict:?}");
        assert!(verdict.platform_certificate.is_none(), "{reason:?}: nothing is to be encrypted to it");
        let authentic = ![Reason::WrongSignature, Reason::UnknownPlatform].contains(&reason);
        assert_eq!(verdict.tre_id.is_some(), authentic, "{reason:?}");
        let session = request.session.to_string();
        assert!(world.audited("validations.judge", &session, pva::metrics::word(reason)).await, "{reason:?}");
    }
    let nonce = world.nonce().await;
    let verdict = world.validate(&request(&nonce, b"not COSE".to_vec())).await;
    assert_eq!(verdict.reasons, [Reason::Malformed]);
    // A nonce that nobody gave.
    let made_up = Octets(vec![3; 32]);
    let verdict = world.validate(&request(&made_up, device.evidence(&made_up, |_| ()))).await;
    assert_eq!(verdict.reasons, [Reason::Replayed]);
}

#[tokio::test]
async fn evidence_of_a_later_version_is_told_so() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let octets = claims("m1", &nonce).encode().unwrap();
    let at = octets.windows(10).position(|w| w == b"evidence:1").unwrap() + 9;
    let mut later = octets;
    later[at] = b'2';
    let signer = Signer::new(&device.key, vec![device.certificate.clone()]).unwrap();
    let signed = signer.sign(evidence::CONTENT_TYPE, later).unwrap();
    let verdict = world.validate(&request(&nonce, signed)).await;
    assert_eq!(verdict.reasons, [Reason::Malformed]);
    assert!(verdict.detail.contains("unsupported version 2"), "{}", verdict.detail);
}

#[tokio::test]
async fn a_nonce_is_for_one_session_and_one_piece_of_evidence() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let first = request(&nonce, device.evidence(&nonce, |_| ()));
    let signed = world.ask(&first).await.unwrap();
    assert!(world.open(&signed).good);
    // The same request again: the same octets.
    assert_eq!(world.ask(&first).await.unwrap(), signed);
    // Other evidence in the same session: replayed, and what was said before stands.
    let mut other = first.clone();
    other.evidence = Octets(device.evidence(&nonce, |e| e.boot_count += 1));
    assert_eq!(world.validate(&other).await.reasons, [Reason::Replayed]);
    assert_eq!(world.ask(&first).await.unwrap(), signed);
    // The same evidence in another session.
    let mut elsewhere = first.clone();
    elsewhere.session = Uuid::new_v4();
    assert_eq!(world.validate(&elsewhere).await.reasons, [Reason::Replayed]);
    // The same evidence for another check of the session: judged anew, so a revocation since is seen.
    let mut download = first.clone();
    download.check = ValidationCheck::Download;
    assert!(world.validate(&download).await.good);
    world.post("/v1/platforms/tre-m1/revoke", json!({"reason": "certificateHold"})).await.unwrap();
    let mut again = first.clone();
    again.check = ValidationCheck::OnRequest;
    assert_eq!(world.validate(&again).await.reasons, [Reason::Revoked]);
    // The verdict of before is history, not opinion.
    assert_eq!(world.ask(&first).await.unwrap(), signed);
}

#[tokio::test]
async fn another_question_in_a_session_that_has_its_verdict_is_refused() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let mut asked = request(&nonce, device.evidence(&nonce, |_| ()));
    world.ask(&asked).await.unwrap();
    asked.requirements.states = vec!["1.0".into()];
    let (status, text) = refused(world.ask(&asked).await);
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("verdict for another request"), "{text}");
}

#[tokio::test]
async fn forged_evidence_does_not_use_up_the_nonce() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let (pem, key) = crate::harness::authority("elsewhere").issue("tre-m1", |_| ());
    let certificate = schemas::trust::chain_from_pem(pem.as_bytes()).unwrap()[0].to_vec();
    let impostor = Device { name: "m1".into(), key, certificate };
    let forged = world.validate(&request(&nonce, impostor.evidence(&nonce, |_| ()))).await;
    assert_eq!(forged.reasons, [Reason::WrongSignature]);
    assert!(world.validate(&request(&nonce, device.evidence(&nonce, |_| ()))).await.good);
}

#[tokio::test]
async fn the_same_request_many_times_at_once_has_one_verdict() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    let nonce = world.nonce().await;
    let asked = request(&nonce, device.evidence(&nonce, |_| ()));
    let answers = eight_times(&world, &asked).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert!(world.open(&answers[0]).good);
}

/// The verdicts of eight requests at once.
async fn eight_times(world: &World, asked: &schemas::rest::provisioning::ValidationRequest) -> Vec<Vec<u8>> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, asked) = (world.admin().clone(), asked.clone());
        tasks.spawn(async move {
            let path = "/v1/validations";
            let answer: schemas::rest::provisioning::Validation =
                client.json(axum::http::Method::POST, path, Some(&asked)).await.unwrap();
            answer.verdict.0
        });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn what_the_relying_party_requires_counts() {
    let world = World::new().await;
    world.reference("old", [1; 32]).await;
    let [device] = world.devices(["m1"]).await;
    for (states, suppliers, boot, good) in [
        (vec![], vec![], BOOT, true),
        (vec!["1.0"], vec!["acme"], BOOT, true),
        (vec!["old"], vec![], BOOT, false),
        (vec!["old"], vec![], [1; 32], true),
        (vec![], vec!["other"], BOOT, false),
    ] {
        let nonce = world.nonce().await;
        let mut asked = request(&nonce, device.evidence(&nonce, |e| e.boot_digest = boot));
        asked.requirements.states = states.iter().map(|s| (*s).to_owned()).collect();
        asked.requirements.suppliers = suppliers.iter().map(|s| s.parse().unwrap()).collect();
        assert_eq!(world.validate(&asked).await.good, good, "{states:?} {suppliers:?}");
    }
}

#[tokio::test]
async fn a_state_whose_reference_value_is_deleted_is_not_accepted_any_more() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    world.delete("/v1/reference-values/acme/meter/1.0").await.unwrap();
    let nonce = world.nonce().await;
    let verdict = world.validate(&request(&nonce, device.evidence(&nonce, |_| ()))).await;
    assert_eq!(verdict.reasons, [Reason::StateNotAccepted]);
}

#[tokio::test]
async fn whoever_sends_bad_evidence_without_end_does_not_fill_the_audit_log() {
    let world = World::new().await;
    let [device] = world.devices(["meter-1"]).await;
    let nonce = world.nonce().await;
    let begun = std::time::Instant::now();
    for _ in 0..400 {
        assert!(!world.validate(&request(&nonce, b"no evidence".to_vec())).await.good);
    }
    let judged = async || world.audit().await.into_iter().filter(|e| e.action == "validations.judge").count();
    let written = judged().await;
    // 200 at once, and one more a second.
    let most = 200 + usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((200..=most).contains(&written), "{written}");
    // A good one is written all the same.
    assert!(world.validate(&request(&nonce, device.evidence(&nonce, |_| {}))).await.good);
    assert!(world.audited("validations.judge", &device.tre(), "good").await);
}
