//! The seed's steps 9 to 19, and what a device may repeat, resume and not see.

use dpf::machine::State;
use reqwest::{Method, StatusCode, header};
use schemas::{
    cose,
    rest::provisioning::{ProvisioningResult, Session, SessionState},
    rncp::{CREDENTIALS, digest, part_aad},
};
use uuid::Uuid;

use crate::harness::{SECRET, World, code};

#[tokio::test]
async fn a_device_is_provisioned_in_all_steps() {
    let world = World::new().await;
    let meter = world.meter();
    let trigger = Uuid::new_v4();
    let session = world.open(&meter, trigger).await;
    assert_eq!((session.state, session.nonce.0.len()), (SessionState::Opened, 32));
    // The same trigger, the same session.
    let again = world.open(&meter, trigger).await;
    assert_eq!((again.id, &again.nonce), (session.id, &session.nonce));
    assert_eq!(world.others.read(|log| log.nonces), 1);
    let evidence = meter.evidence(&session.nonce, |_| {});
    for _ in 0..2 {
        assert_eq!(world.put_evidence(&meter, session.id, evidence.clone()).await.status(), StatusCode::OK);
    }
    let other = meter.evidence(&session.nonce, |claims| claims.boot_count += 1);
    let refused = world.put_evidence(&meter, session.id, other).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "otherwise-before".to_owned()));

    let session = world.decided(&meter, session.id).await;
    assert_eq!(session.state, SessionState::Authorised);
    let (relayed, request) = world.others.read(|log| log.relayed[0].clone());
    assert_eq!((relayed, request.evidence.0), (session.id, evidence));
    assert_eq!(request.nonce, session.nonce);

    let early =
        world.get(&meter, &format!("/device/v1/sessions/{}/parts/{}", session.id, "0".repeat(64))).await;
    assert_eq!(code(early).await, (StatusCode::CONFLICT, "parts-not-agreed".to_owned()));
    let manifest = world.manifest(&meter, session.id).await;
    // It has the firmware; a digest of something else means nothing.
    let have = [manifest.parts[1].digest_hex(), "f".repeat(64)];
    let needed = world.agree(&meter, session.id, &have).await;
    let wanted = [manifest.parts[0].digest_hex(), manifest.parts[2].digest_hex()];
    assert_eq!(needed.needed.iter().map(|part| part.digest.clone()).collect::<Vec<_>>(), wanted);
    for part in &manifest.parts {
        let path = format!("/device/v1/sessions/{}/parts/{}", session.id, part.digest_hex());
        let answer = world.get(&meter, &path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_LENGTH].to_str().unwrap(), part.size.to_string());
        let octets = answer.bytes().await.unwrap();
        assert!(part.is(&octets), "{}", part.name);
        if part.name == CREDENTIALS {
            let opened = cose::decrypt(&octets, &part_aad(manifest.rncp, CREDENTIALS), &meter.key).unwrap();
            assert_eq!(opened.as_slice(), SECRET);
        }
    }
    // Repeated reports are answered alike, whatever their signatures and times are.
    for _ in 0..2 {
        let report = meter.report(session.id, manifest.rncp, None);
        assert_eq!(world.send_report(&meter, session.id, report).await.status(), StatusCode::NO_CONTENT);
    }
    world.state(session.id, State::Closed).await;
    let report = meter.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(&meter, session.id, report).await.status(), StatusCode::NO_CONTENT);
    let report = meter.report(session.id, manifest.rncp, Some("storage-full"));
    let refused = world.send_report(&meter, session.id, report).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "otherwise-before".to_owned()));

    world.others.until("the DRF is told", |log| !log.provisioned.is_empty()).await;
    world.others.read(|log| {
        assert_eq!((log.reports.len(), log.provisioned.len(), log.relayed.len()), (1, 1, 1));
        let (id, told) = &log.reports[0];
        assert_eq!((*id, told.result, told.rncp), (session.id, ProvisioningResult::Installed, manifest.rncp));
        assert!(told.report.is_some());
        let (pcid, told) = &log.provisioned[0];
        assert_eq!(told.device_id.as_ref().map(|id| id.as_str()), Some(meter.name.as_str()));
        assert_eq!(
            (pcid.as_str(), told.session, told.result),
            ("999710000000001", session.id, ProvisioningResult::Installed)
        );
    });
    let steps = world.started().dpf.store.steps(session.id).await.unwrap();
    let steps: Vec<&str> = steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps, ["opened", "evidence", "authorised", "parts-agreed", "reported", "operator-told"]);
    assert!(world.audited("sessions.reported", "installed").await);
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut() {
    let world = World::new().await;
    let meter = world.meter();
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    world.agree(&meter, session.id, &[]).await;
    let part = &manifest.parts[1];
    let etag = format!("\"{}\"", part.digest_hex());
    let url = world.url(&format!("/device/v1/sessions/{}/parts/{}", session.id, part.digest_hex()));
    let ask = |range: &str, if_range: Option<&str>| {
        let mut request = meter.http.get(&url).header(header::RANGE, range);
        if let Some(validator) = if_range {
            request = request.header(header::IF_RANGE, validator);
        }
        request.send()
    };
    let mut whole = Vec::new();
    // Cut inside a piece, at its border, and one octet behind it.
    for (first, last) in [(0, 99_999), (100_000, 262_143), (262_144, 262_144), (262_145, 700_000)] {
        let answer = ask(&format!("bytes={first}-{last}"), Some(&etag)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], format!("bytes {first}-{last}/700001").as_str());
        assert_eq!(answer.headers()[header::ETAG], etag.as_str());
        whole.extend_from_slice(&answer.bytes().await.unwrap());
    }
    assert!(part.is(&whole));
    let last = ask("bytes=-1", None).await.unwrap().bytes().await.unwrap();
    assert_eq!(last.as_ref(), &whole[700_000..]);
    let beyond = ask("bytes=700001-", None).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()[header::CONTENT_RANGE], "bytes */700001");
    let changed = ask("bytes=5-6", Some("\"other\"")).await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_eq!(digest(&changed.bytes().await.unwrap()), *part.digest.as_ref());
}

#[tokio::test]
async fn a_device_sees_nothing_of_another() {
    let world = World::new().await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    world.agree(&meter, session.id, &[]).await;
    let base = format!("/device/v1/sessions/{}", session.id);
    let digest = manifest.parts[0].digest_hex();
    for path in [base.clone(), format!("{base}/manifest"), format!("{base}/parts/{digest}")] {
        let refused = world.get(&other, &path).await;
        assert_eq!(code(refused).await, (StatusCode::NOT_FOUND, "session-unknown".to_owned()), "{path}");
    }
    assert_eq!(world.ask_parts(&other, session.id, &[]).await.status(), StatusCode::NOT_FOUND);
    let report = other.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(&other, session.id, report).await.status(), StatusCode::NOT_FOUND);
    let evidence = other.evidence(&session.nonce, |_| {});
    assert_eq!(world.put_evidence(&other, session.id, evidence).await.status(), StatusCode::NOT_FOUND);
    assert!(world.audited("device.session", "another device's").await);

    // A part of another session's, asked for in one's own.
    let mine = world.authorised(&other).await;
    world.agree(&other, mine.id, &[]).await;
    let refused = world.get(&other, &format!("/device/v1/sessions/{}/parts/{digest}", mine.id)).await;
    assert_eq!(code(refused).await, (StatusCode::NOT_FOUND, "part-unknown".to_owned()));
    assert!(world.audited("device.part", "refused").await);
    // The same trigger opens another session; in another's name none.
    let trigger = Uuid::new_v4();
    assert_ne!(world.open(&meter, trigger).await.id, world.open(&other, trigger).await.id);
    let refused = world.post(&other, "/device/v1/sessions", &meter.open_request(trigger)).await;
    assert_eq!(code(refused).await, (StatusCode::FORBIDDEN, "identity-mismatch".to_owned()));
    assert!(world.audited("device.open", "another device's name").await);
}

#[tokio::test]
async fn a_device_without_certificate_shows_its_triple_and_gets_one() {
    let world = World::new().await;
    let meter = world.meter();
    let mut bare = meter.clone();
    bare.http = world.http(None);
    let open = |user: &'static str, password: &'static str| {
        let request = bare.http.post(world.url("/device/v1/sessions")).json(&bare.open_request(Uuid::nil()));
        request.basic_auth(user, Some(password)).send()
    };
    let nobody = world.post(&bare, "/device/v1/sessions", &bare.open_request(Uuid::nil())).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert!(nobody.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
    assert_eq!(open("999710000000001", "wrong").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(open("999710000000002", "right").await.unwrap().status(), StatusCode::FORBIDDEN);
    let opened = open("999710000000001", "right").await.unwrap();
    assert_eq!(opened.status(), StatusCode::CREATED);
    let session: Session = opened.json().await.unwrap();
    // The certificate of the same device sees the same session.
    assert_eq!(
        world.get(&meter, &format!("/device/v1/sessions/{}", session.id)).await.status(),
        StatusCode::OK
    );

    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "tre-meter-1");
    let request = params.serialize_request(&crate::harness::pair(&meter.key)).unwrap().der().to_vec();
    let certify = |body: Vec<u8>| {
        let request = bare.http.post(world.url("/device/v1/platform-certificate"));
        request
            .basic_auth("999710000000001", Some("right"))
            .header("content-type", "application/pkcs10")
            .body(body)
            .send()
    };
    // Not enrolled yet.
    assert_eq!(certify(request.clone()).await.unwrap().status(), StatusCode::NOT_FOUND);
    world
        .others
        .set(|script| drop(script.certificates.insert("tre-meter-1".into(), meter.certificate.clone())));
    let given = certify(request.clone()).await.unwrap();
    assert_eq!(given.headers()[header::CONTENT_TYPE], "application/pkix-cert");
    assert_eq!(given.bytes().await.unwrap(), meter.certificate);
    assert_eq!(certify(b"no request".to_vec()).await.unwrap().status(), StatusCode::BAD_REQUEST);
    // With a certificate one asks for its own TRE alone.
    let other = world.device("meter-2", "999710000000002");
    let refused = world
        .octets(&other, Method::POST, "/device/v1/platform-certificate", "application/pkcs10", request)
        .await;
    assert_eq!(code(refused).await, (StatusCode::FORBIDDEN, "identity-mismatch".to_owned()));
}

#[tokio::test]
async fn two_devices_are_provisioned_beside_each_other() {
    let world = World::new().await;
    let devices = [world.meter(), world.device("meter-2", "999710000000002")];
    let run = |device| {
        let world = &world;
        async move {
            let session = world.authorised(device).await;
            let manifest = world.manifest(device, session.id).await;
            world.agree(device, session.id, &[]).await;
            let report = device.report(session.id, manifest.rncp, None);
            assert_eq!(world.send_report(device, session.id, report).await.status(), StatusCode::NO_CONTENT);
            world.state(session.id, State::Closed).await;
            manifest
        }
    };
    let (one, two) = tokio::join!(run(&devices[0]), run(&devices[1]));
    assert_ne!(one.rncp, two.rncp);
    // They share the firmware, and nothing that is secret.
    assert_eq!(one.parts[1].digest, two.parts[1].digest);
    assert_ne!(one.parts[0].digest, two.parts[0].digest);
}
