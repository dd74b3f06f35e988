//! Platforms that were revoked, triples that are guessed, devices that open sessions without end.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use reqwest::{Response, StatusCode, header};
use uuid::Uuid;

use crate::harness::{Device, World, code};

async fn look(world: &World, device: &Device, id: Uuid) -> Response {
    world.get(device, &format!("/device/v1/sessions/{id}")).await
}

/// Asks until the answer is another than 200, and sees that it takes no longer than what was said before counts.
async fn noticed(world: &World, device: &Device, id: Uuid) -> Response {
    let began = Instant::now();
    loop {
        let answer = look(world, device, id).await;
        if answer.status() != StatusCode::OK {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody notices");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_platform_revoked_in_the_midst_of_its_session_gets_no_further_on_a_connection_that_is_open() {
    let world = World::new().await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let session = world.open(&meter, Uuid::new_v4()).await;
    let asked = world.register.asked.load(Ordering::SeqCst);
    assert!(asked > 0, "OCSP is asked");
    world.register.revoke(&meter.certificate);
    // `cache` is 100 ms here.
    let refused = noticed(&world, &meter, session.id).await;
    assert_eq!(code(refused).await, (StatusCode::FORBIDDEN, "platform-revoked".to_owned()));
    let evidence = meter.evidence(&session.nonce, |_| {});
    let refused = world.put_evidence(&meter, session.id, evidence).await;
    assert_eq!(code(refused).await, (StatusCode::FORBIDDEN, "platform-revoked".to_owned()));
    let refused = world.post(&meter, "/device/v1/sessions", &meter.open_request(Uuid::new_v4())).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(world.audited("device.admit", "is revoked").await);
    world.open(&other, Uuid::new_v4()).await;
}

#[tokio::test]
async fn a_certificate_that_the_pva_never_issued_is_refused() {
    let world = World::new().await;
    let meter = world.meter();
    world.register.forget(&meter.certificate);
    let refused = world.post(&meter, "/device/v1/sessions", &meter.open_request(Uuid::new_v4())).await;
    assert_eq!(code(refused).await, (StatusCode::FORBIDDEN, "platform-unknown".to_owned()));
    assert_eq!(world.others.read(|log| log.nonces), 0, "and costs nobody anything");
}

#[tokio::test]
async fn while_ocsp_is_away_devices_are_asked_to_come_again_or_let_in_as_is_configured() {
    let mut world = World::new().await;
    let meter = world.meter();
    world.register.away.store(true, Ordering::SeqCst);
    let request = meter.open_request(Uuid::new_v4());
    let later = world.post(&meter, "/device/v1/sessions", &request).await;
    assert!(later.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let text = later.text().await.unwrap();
    assert!(text.contains("/problems/try-again") && text.contains("OCSP"), "{text}");
    // Whoever has no certificate is not concerned.
    let triple = world.http(None).post(world.url("/device/v1/sessions")).json(&request);
    let triple = triple.basic_auth("999710000000001", Some("right")).send().await.unwrap();
    assert_eq!(triple.status(), StatusCode::CREATED);

    world.config.device.ocsp.when_away = service::ocsp::Away::Accept;
    world.restart().await;
    world.open(&meter, Uuid::new_v4()).await;

    world.config.device.ocsp.when_away = service::ocsp::Away::Refuse;
    world.restart().await;
    world.register.away.store(false, Ordering::SeqCst);
    world.open(&meter, Uuid::new_v4()).await;
}

#[tokio::test]
async fn guesses_of_triples_are_heard_for_a_while_and_no_longer() {
    let world = World::new().await;
    let meter = world.meter();
    let session = world.open(&meter, Uuid::new_v4()).await;
    let ask = |password: &'static str| {
        let request = world.http(None).get(world.url(&format!("/device/v1/sessions/{}", session.id)));
        request.basic_auth("999710000000001", Some(password)).send()
    };
    for _ in 0..30 {
        assert_eq!(ask("right").await.unwrap().status(), StatusCode::OK, "right ones are not counted");
    }
    for _ in 0..10 {
        assert_eq!(ask("wrong").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let throttled = ask("wrong").await.unwrap();
    assert!(throttled.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() > 1);
    assert_eq!(code(throttled).await, (StatusCode::TOO_MANY_REQUESTS, "too-many-guesses".to_owned()));
    assert_eq!(ask("right").await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS, "nor would it be told");
    // Who has a certificate is not kept out by a neighbour.
    assert_eq!(look(&world, &meter, session.id).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn sessions_that_end_at_once_count_for_an_hour() {
    let world = World::with("sessions_per_hour = 3").await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000001"));
    world.others.decide(|_, _| {
        let refusal = schemas::rest::provisioning::Refusal {
            code: "no-contract".into(),
            detail: "none".into(),
            retry: true,
        };
        crate::others::answer(&schemas::rest::provisioning::ProvisioningAnswer::Refused { refusal })
    });
    let mut triggers = Vec::new();
    for _ in 0..3 {
        let trigger = Uuid::new_v4();
        let session = world.open(&meter, trigger).await;
        world.send_evidence(&meter, &session).await;
        world.decided(&meter, session.id).await;
        triggers.push(trigger);
    }
    let nonces = world.others.read(|log| log.nonces);
    let refused = world.post(&meter, "/device/v1/sessions", &meter.open_request(Uuid::new_v4())).await;
    let after: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&after), "{after}");
    assert_eq!(code(refused).await, (StatusCode::TOO_MANY_REQUESTS, "too-many-sessions".to_owned()));
    assert_eq!(world.others.read(|log| log.nonces), nonces, "the PVA is not asked");
    // What it has is still there; and nobody is kept out by a device that names its PCID.
    world.open(&meter, triggers[0]).await;
    world.open(&other, Uuid::new_v4()).await;
    assert!(world.audited("device.open", "3 sessions within an hour").await);

    // Many at a time are no more than one after the other, nor do they cost the PVA more.
    let nonces = world.others.read(|log| log.nonces);
    let third = world.device("meter-3", "999710000000003");
    let requests: Vec<_> = (0..12).map(|_| third.open_request(Uuid::new_v4())).collect();
    let at_once = requests.iter().map(|request| world.post(&third, "/device/v1/sessions", request));
    let answers = futures_util::future::join_all(at_once).await;
    let opened = answers.iter().filter(|answer| answer.status() == StatusCode::CREATED).count();
    assert!((1..=3).contains(&opened), "{opened}");
    assert_eq!(world.others.read(|log| log.nonces), nonces + opened);
    assert!(answers.iter().all(|answer| [201, 429].contains(&answer.status().as_u16())));
}
