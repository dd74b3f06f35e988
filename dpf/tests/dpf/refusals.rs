//! What is refused, and what fails: each with a clear state, a word for programs, an audit record, and nothing half done.

use axum::{http::StatusCode as Status, response::IntoResponse};
use dpf::machine::State;
use reqwest::{Method, StatusCode};
use schemas::{
    evidence, report,
    rest::provisioning::{ProvisioningAnswer, ProvisioningResult, Refusal, SessionState},
    rncp::{self, Kind},
    verdict::Reason,
};
use uuid::Uuid;

use crate::{
    harness::{Change, World, code, package},
    others::{Does, answer},
};

/// The session's end as everybody sees it.
async fn ends(world: &World, state: SessionState, code: &str, retry: bool) -> Uuid {
    let meter = world.meter();
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    let ended = world.decided(&meter, session.id).await;
    let problem = ended.problem.clone().unwrap();
    assert_eq!(
        (ended.state, problem.code.as_str(), problem.retry),
        (state, code, retry),
        "{}",
        problem.detail
    );
    let refused = world.get(&meter, &format!("/device/v1/sessions/{}/manifest", session.id)).await;
    assert_eq!(crate::harness::code(refused).await, (StatusCode::CONFLICT, code.to_owned()));
    assert_eq!(world.ask_parts(&meter, session.id, &[]).await.status(), StatusCode::CONFLICT);
    assert!(world.started().dpf.store.manifest(session.id).await.unwrap().is_none());
    assert!(world.started().dpf.store.parts(session.id).await.unwrap().is_empty());
    world
        .others
        .until("the DRF is told", |log| log.provisioned.iter().any(|(_, it)| it.session == session.id))
        .await;
    session.id
}

#[tokio::test]
async fn an_rncp_that_is_not_as_it_has_to_be_is_shown_to_nobody() {
    let world = World::new().await;
    let changes: [(&str, Change); 14] = [
        ("another device", |manifest, _| manifest.device_id = "meter-2".parse().unwrap()),
        ("another TRE", |manifest, _| manifest.tre_id = "tre-2".parse().unwrap()),
        ("another PCID", |manifest, _| manifest.pcid = "999710000000009".parse().unwrap()),
        ("another session", |manifest, _| manifest.session = Uuid::nil()),
        ("another operator", |manifest, _| manifest.operator = "sho-b".parse().unwrap()),
        ("another kind", |manifest, _| manifest.kind = Kind::Change),
        ("another RNCP", |manifest, _| manifest.rncp = Uuid::nil()),
        ("another version", |manifest, _| manifest.version = 2),
        ("has expired", |manifest, _| manifest.expires = manifest.issued - 1),
        ("authorisation has expired", |_, package| package.expires_at = time::OffsetDateTime::UNIX_EPOCH),
        ("2 were sent", |_, package| drop(package.parts.pop())),
        ("is not what was signed", |_, package| package.parts[1].0[77] ^= 1),
        ("is not what was signed", |_, package| package.parts.swap(0, 2)),
        ("not signed as an RNCP's", |_, package| package.manifest.0 = b"what?".to_vec()),
    ];
    for (what, change) in changes {
        world.authorise(change);
        let id = ends(&world, SessionState::Failed, "package-invalid", true).await;
        world.others.until("the operator is told", |log| log.reports.iter().any(|(of, _)| *of == id)).await;
        let told = world.others.read(|log| log.reports.iter().find(|(of, _)| *of == id).unwrap().1.clone());
        assert_eq!(told.result, ProvisioningResult::Failed, "{what}");
        assert_ne!(told.rncp, Uuid::nil(), "{what}: so that the operator knows which to take back");
        let said = told.detail.unwrap();
        let unsupported = what == "another version" && said.contains("unsupported version 2");
        assert!(said.contains(what) || unsupported, "{what}: {said}");
    }
    assert!(world.audited("sessions.failed", "package-invalid").await);
}

#[tokio::test]
async fn an_rncp_signed_by_another_operator_or_for_another_purpose_is_refused() {
    let world = World::new().await;
    for signer in [world.keys.sho_b.clone(), world.keys.trigger.clone(), world.keys.pva.clone()] {
        world.others.decide(move |id, request| {
            let package = package(id, request, &signer, |_, _| {});
            answer(&ProvisioningAnswer::Authorised { package })
        });
        ends(&world, SessionState::Failed, "package-invalid", true).await;
    }
}

#[tokio::test]
async fn what_the_operator_refuses_is_refused_in_its_words() {
    let world = World::new().await;
    world.others.decide(|_, _| {
        let refusal = Refusal { code: "no-contract".into(), detail: "sign one first".into(), retry: false };
        answer(&ProvisioningAnswer::Refused { refusal })
    });
    let id = ends(&world, SessionState::Refused, "no-contract", false).await;
    world.others.read(|log| {
        // It knows what it said itself.
        assert!(log.reports.is_empty());
        assert_eq!(log.provisioned[0].1.result, ProvisioningResult::Refused);
    });
    assert!(world.audited("sessions.refused", "no-contract: sign one first").await);
    // The words of others do not go through as they are.
    world.others.decide(|_, _| {
        let refusal = Refusal { code: "../x\n".into(), detail: "a\u{1b}[2J".into(), retry: true };
        answer(&ProvisioningAnswer::Refused { refusal })
    });
    assert_ne!(ends(&world, SessionState::Refused, "operator-refused", true).await, id);
}

#[tokio::test]
async fn an_operator_that_talks_nonsense_or_rejects_ends_the_session() {
    let world = World::new().await;
    world.others.decide(|_, _| "<html>".into_response());
    ends(&world, SessionState::Failed, "operator-nonsense", true).await;
    world.others.decide(|_, _| Status::CONFLICT.into_response());
    ends(&world, SessionState::Failed, "operator-rejects", true).await;
    world.others.decide(|_, _| Status::FOUND.into_response());
    ends(&world, SessionState::Failed, "operator-nonsense", true).await;
    assert!(world.audited("sessions.failed", "operator-nonsense").await);
}

#[tokio::test]
async fn an_operator_that_is_down_or_at_work_is_asked_again() {
    let mut world = World::new().await;
    let meter = world.meter();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (count, signer) = (std::sync::Arc::clone(&asked), world.keys.sho.clone());
    world.others.decide(move |id, request| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Status::SERVICE_UNAVAILABLE.into_response(),
        1 => Status::UNAUTHORIZED.into_response(),
        2 => (Status::ACCEPTED, [("retry-after", "0")]).into_response(),
        3 => Status::ACCEPTED.into_response(),
        _ => {
            let package = package(id, request, &signer, |_, _| {});
            answer(&ProvisioningAnswer::Authorised { package })
        }
    });
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Authorised);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 5);
    // Once for the time that it was out of order.
    let steps = world.started().dpf.store.steps(session.id).await.unwrap();
    assert_eq!(steps.iter().filter(|step| step.step == "waiting").count(), 1);
    assert!(world.audited("sessions.wait", "503").await);

    // Nobody listens there at all; then somebody does.
    let url = std::mem::replace(&mut world.config.operators[0].url, "http://127.0.0.1:1".to_owned());
    world.restart().await;
    world.authorise(|_, _| {});
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    world.others.read(|log| assert!(log.relayed.iter().all(|(id, _)| *id != session.id)));
    world.config.operators[0].url = url;
    world.restart().await;
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Authorised);
}

#[tokio::test]
async fn what_takes_too_long_expires_and_everybody_is_told() {
    let world = World::with("session_lifetime = \"1s\"").await;
    let meter = world.meter();
    let silent = world.open(&meter, Uuid::new_v4()).await;
    world.others.decide(|_, _| (Status::ACCEPTED, [("retry-after", "60")]).into_response());
    let waiting = world.open(&meter, Uuid::new_v4()).await;
    let evidence = meter.evidence(&waiting.nonce, |_| {});
    assert_eq!(world.put_evidence(&meter, waiting.id, evidence.clone()).await.status(), StatusCode::OK);
    for (session, known) in [(&silent, false), (&waiting, true)] {
        let ended = world.decided(&meter, session.id).await;
        assert_eq!(
            (ended.state, ended.problem.unwrap().code.as_str()),
            (SessionState::Expired, "session-expired")
        );
        let id = session.id;
        world
            .others
            .until("the DRF is told", |log| log.provisioned.iter().any(|(_, it)| it.session == id))
            .await;
        if known {
            world
                .others
                .until("the operator is told", |log| log.reports.iter().any(|(of, _)| *of == id))
                .await;
        }
    }
    world.others.read(|log| {
        assert_eq!(log.reports.len(), 1, "it has never heard of the one without evidence");
        assert_eq!(log.reports[0].1.result, ProvisioningResult::Expired);
        assert_eq!(log.reports[0].1.rncp, Uuid::nil());
    });
    // The same evidence is still the same; other comes too late.
    assert_eq!(world.put_evidence(&meter, waiting.id, evidence).await.status(), StatusCode::OK);
    let late = meter.evidence(&silent.nonce, |_| {});
    let refused = world.put_evidence(&meter, silent.id, late).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "session-expired".to_owned()));
    assert!(world.audited("sessions.expired", "session-expired").await);
}

#[tokio::test]
async fn without_the_pva_no_session_is_opened() {
    let world = World::new().await;
    let meter = world.meter();
    let trigger = Uuid::new_v4();
    for does in [Does::Status(503), Does::Nonsense, Does::Silent] {
        world.others.set(|script| script.nonces = does);
        let refused = world.post(&meter, "/device/v1/sessions", &meter.open_request(trigger)).await;
        assert_eq!(refused.headers()["retry-after"], "2");
        assert_eq!(code(refused).await, (StatusCode::SERVICE_UNAVAILABLE, "try-again".to_owned()));
    }
    assert!(world.started().dpf.store.of_trigger(&meter.open_request(trigger)).await.unwrap().is_none());
    assert!(world.audited("pva.nonces", "503").await);
    world.others.set(|script| script.nonces = Does::Good);
    world.open(&meter, trigger).await;
}

#[tokio::test]
async fn an_operator_that_is_not_served_here_is_told_at_once() {
    let world = World::new().await;
    let meter = world.meter();
    let mut request = meter.open_request(Uuid::new_v4());
    request.operator = "nobody".parse().unwrap();
    let refused = world.post(&meter, "/device/v1/sessions", &request).await;
    assert_eq!(code(refused).await, (StatusCode::UNPROCESSABLE_ENTITY, "operator-unknown".to_owned()));
    assert!(world.audited("device.open", "does not provision for operator nobody").await);
    let session = world.open(&meter, request.trigger).await;
    request.operator = "sho-b".parse().unwrap();
    let refused = world.post(&meter, "/device/v1/sessions", &request).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "other-trigger".to_owned()));
    world.state(session.id, State::Opened).await;
}

#[tokio::test]
async fn evidence_that_is_not_the_sessions_is_not_relayed() {
    let world = World::new().await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let session = world.open(&meter, Uuid::new_v4()).await;
    let bad = [
        (meter.evidence(&b"another nonce".to_vec().into(), |_| {}), "evidence-not-of-session"),
        (other.evidence(&session.nonce, |_| {}), "evidence-not-of-session"),
        (
            meter.evidence(&session.nonce, |claims| claims.pcid = "999710000000002".parse().unwrap()),
            "evidence-not-of-session",
        ),
        (b"what?".to_vec(), "evidence-malformed"),
        (meter.signer().sign(evidence::CONTENT_TYPE, b"what?".to_vec()).unwrap(), "evidence-malformed"),
        (meter.report(session.id, Uuid::nil(), None), "evidence-malformed"),
    ];
    for (octets, wanted) in bad {
        let refused = world.put_evidence(&meter, session.id, octets).await;
        assert_eq!(code(refused).await, (StatusCode::UNPROCESSABLE_ENTITY, wanted.to_owned()));
    }
    let large = world.put_evidence(&meter, session.id, vec![0; 70_000]).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    world.state(session.id, State::Opened).await;
    assert!(world.others.read(|log| log.relayed.is_empty()));
    assert!(world.audited("device.evidence", "evidence is of another nonce").await);
    world.send_evidence(&meter, &session).await;
}

#[tokio::test]
async fn a_report_that_is_not_the_sessions_is_not_taken() {
    let world = World::new().await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    let early = world.send_report(&meter, session.id, meter.report(session.id, manifest.rncp, None)).await;
    assert_eq!(code(early).await, (StatusCode::CONFLICT, "parts-not-agreed".to_owned()));
    world.agree(&meter, session.id, &[]).await;
    let (unprocessable, forbidden) = (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::FORBIDDEN);
    let bad = [
        (meter.report(session.id, Uuid::new_v4(), None), unprocessable, "report-not-of-session"),
        (meter.report(Uuid::new_v4(), manifest.rncp, None), unprocessable, "report-not-of-session"),
        (other.report(session.id, manifest.rncp, None), forbidden, "report-wrong-signature"),
        (b"what?".to_vec(), unprocessable, "report-malformed"),
        (
            meter.signer().sign(report::CONTENT_TYPE, b"what?".to_vec()).unwrap(),
            unprocessable,
            "report-malformed",
        ),
        (
            meter.signer().sign(rncp::CONTENT_TYPE, b"what?".to_vec()).unwrap(),
            unprocessable,
            "report-malformed",
        ),
    ];
    for (octets, status, wanted) in bad {
        let refused = world.send_report(&meter, session.id, octets).await;
        assert_eq!(code(refused).await, (status, wanted.to_owned()));
    }
    world.state(session.id, State::Downloading).await;
    assert!(world.audited("device.report", "another RNCP").await);
    // A device that could not read the manifest does not know the RNCP's name.
    let failed = world
        .send_report(&meter, session.id, meter.report(session.id, Uuid::nil(), Some("not-for-me")))
        .await;
    assert_eq!(failed.status(), StatusCode::NO_CONTENT);
    world.others.until("the operator is told", |log| !log.reports.is_empty()).await;
    world.others.read(|log| {
        let told = &log.reports[0].1;
        assert_eq!((told.result, told.rncp), (ProvisioningResult::Failed, manifest.rncp));
        assert_eq!(told.detail.as_deref(), Some("not-for-me"));
        assert!(told.report.is_none(), "it names no RNCP");
    });
}

#[tokio::test]
async fn the_platform_is_validated_before_the_first_part_leaves() {
    let world = World::new().await;
    let meter = world.meter();
    world.authorise(|_, package| package.validate_before_download = true);
    let good = world.authorised(&meter).await;
    assert!(world.others.read(|log| log.validations.is_empty()), "not before the device wants parts");
    // The PVA is out of order for a while.
    world.others.set(|script| script.verdict = Does::Status(503));
    let waits = async {
        world.others.until("it is asked", |log| !log.validations.is_empty()).await;
        world.state(good.id, State::Validating).await;
        let manifest = world.manifest(&meter, good.id).await;
        let path = format!("/device/v1/sessions/{}/parts/{}", good.id, manifest.parts[0].digest_hex());
        let refused = code(world.get(&meter, &path).await).await;
        assert_eq!(refused, (StatusCode::CONFLICT, "parts-not-agreed".to_owned()));
        world.others.set(|script| script.verdict = Does::Good);
    };
    let (needed, ()) = tokio::join!(world.agree(&meter, good.id, &[]), waits);
    assert_eq!(needed.needed.len(), 3);
    // Once is enough.
    world.agree(&meter, good.id, &[]).await;
    assert!(world.audited("sessions.wait", "503").await);

    for (reason, wanted) in [(Reason::Revoked, "platform-revoked"), (Reason::Stale, "evidence-stale")] {
        world.others.set(|script| script.reasons = vec![reason]);
        let session = world.authorised(&meter).await;
        let refused = world.ask_parts(&meter, session.id, &[]).await;
        assert_eq!(code(refused).await, (StatusCode::CONFLICT, wanted.to_owned()));
        world.state(session.id, State::Refused).await;
        let id = session.id;
        world.others.until("the operator is told", |log| log.reports.iter().any(|(of, _)| *of == id)).await;
        let told = world.others.read(|log| log.reports.iter().find(|(of, _)| *of == id).unwrap().1.clone());
        assert_eq!(told.result, ProvisioningResult::Refused);
        assert!(told.detail.unwrap().starts_with(wanted));
    }
    assert!(world.audited("sessions.refused", "platform-revoked").await);
    world.others.set(|script| script.reasons.clear());

    // A verdict that is not the PVA's, one on other evidence, and none at all.
    world.others.set(|script| script.other_signer = true);
    let session = world.authorised(&meter).await;
    let refused = world.ask_parts(&meter, session.id, &[]).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "platform-not-validated".to_owned()));
    world.others.set(|script| script.other_signer = false);
    world.others.set(|script| script.other_evidence = true);
    let session = world.authorised(&meter).await;
    let refused = world.ask_parts(&meter, session.id, &[]).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "platform-not-validated".to_owned()));
    world.state(session.id, State::Failed).await;
    world.others.set(|script| (script.other_evidence, script.verdict) = (false, Does::Nonsense));
    let session = world.authorised(&meter).await;
    let refused = world.ask_parts(&meter, session.id, &[]).await;
    assert_eq!(code(refused).await, (StatusCode::CONFLICT, "platform-not-validated".to_owned()));
}

#[tokio::test]
async fn reports_are_told_until_they_are_taken() {
    let world = World::new().await;
    let meter = world.meter();
    world.others.set(|script| (script.reports, script.registry) = (Does::Status(503), Does::Status(404)));
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    world.agree(&meter, session.id, &[]).await;
    world.send_report(&meter, session.id, meter.report(session.id, manifest.rncp, None)).await;
    world.others.until("the operator is tried twice", |log| log.reports.len() > 1).await;
    world.state(session.id, State::Reported).await;
    // What the device came with is withdrawn when the registry hears of it: not before its operator has the report.
    world.others.read(|log| assert!(log.provisioned.is_empty()));
    world.others.set(|script| script.reports = Does::Good);
    world.state(session.id, State::Closed).await;
    world.others.until("the registry is tried twice", |log| log.provisioned.len() > 1).await;
    world.others.set(|script| script.registry = Does::Good);
    world.others.read(|log| assert!(log.reports.windows(2).all(|two| two[0].1 == two[1].1)));
}

#[tokio::test]
async fn a_report_that_the_operator_never_takes_ends_the_session_and_keeps_the_provisional_credential() {
    let world = World::new().await;
    let meter = world.meter();
    world.others.set(|script| script.reports = Does::Status(409));
    let session = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, session.id).await;
    world.agree(&meter, session.id, &[]).await;
    let report = meter.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(&meter, session.id, report).await.status(), StatusCode::NO_CONTENT);
    world.state(session.id, State::Failed).await;
    // Said again, it is answered alike.
    let report = meter.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(&meter, session.id, report).await.status(), StatusCode::NO_CONTENT);
    // The registry is told that it failed, and so revokes nothing; and why.
    world.others.until("the registry is told", |log| !log.provisioned.is_empty()).await;
    world.others.read(|log| {
        let (_, told) = &log.provisioned[0];
        assert_eq!(told.result, ProvisioningResult::Failed);
        assert!(told.detail.as_deref().is_some_and(|why| why.contains("report-refused")), "{told:?}");
        assert_eq!((log.provisioned.len(), log.reports.len()), (1, 1));
    });
    let (_, shown) = world.rest("admin", Method::GET, &format!("/v1/sessions/{}", session.id), None).await;
    assert_eq!((&shown["state"], &shown["result"]), (&"failed".into(), &"installed".into()), "{shown}");
    assert_eq!(shown["problem"]["code"], "report-refused", "{shown}");
    assert!(world.audited("sessions.failed", "409").await);
    assert_eq!(world.started().dpf.metrics.reports_refused.get(), 1);

    // A device's own failure was told before; its session ends all the same.
    let failed = world.authorised(&meter).await;
    let manifest = world.manifest(&meter, failed.id).await;
    let report = meter.report(failed.id, manifest.rncp, Some("storage-full"));
    assert_eq!(world.send_report(&meter, failed.id, report).await.status(), StatusCode::NO_CONTENT);
    world.state(failed.id, State::Failed).await;
    world.others.until("the registry is told", |log| log.provisioned.len() > 1).await;
    world.others.read(|log| assert_eq!(log.provisioned[1].1.result, ProvisioningResult::Failed));
}

#[tokio::test]
async fn an_operator_that_is_slow_is_asked_again() {
    let mut world = World::prepared("").await;
    world.config.operators[0].timeout = service::config::Span(std::time::Duration::from_millis(300));
    world.start().await;
    world.others.set(|script| script.relay = Does::Silent);
    let meter = world.meter();
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    world.others.until("it is asked twice", |log| log.relayed.len() > 1).await;
    world.others.set(|script| script.relay = Does::Good);
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Authorised);
    assert!(world.audited("sessions.wait", "does not answer").await);
}

#[tokio::test]
async fn a_device_has_a_few_sessions_at_a_time() {
    let world = World::with("open_sessions = 2").await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000001"));
    let trigger = Uuid::new_v4();
    world.open(&meter, trigger).await;
    world.open(&meter, Uuid::new_v4()).await;
    let refused = world.post(&meter, "/device/v1/sessions", &meter.open_request(Uuid::new_v4())).await;
    assert_eq!(code(refused).await, (StatusCode::TOO_MANY_REQUESTS, "too-many-sessions".to_owned()));
    // Those that it has are still there, and another device is not kept out, whatever PCID it claims.
    world.open(&meter, trigger).await;
    world.open(&other, Uuid::new_v4()).await;
    assert!(world.audited("device.open", "2 sessions open").await);
}

#[tokio::test]
async fn whoever_is_refused_without_end_does_not_fill_the_audit_log() {
    let world = World::new().await;
    let dpf = &world.started().dpf;
    for _ in 0..1000 {
        dpf.refused("device:tre-meter-1", "device.part", "a part", "refused: not a part").await;
    }
    let written = service::api::audit_page(dpf.store.database(), None, 500).await.unwrap().len();
    assert!((200..500).contains(&written), "{written}");
    // What is done is written all the same.
    dpf.audit("dpf", "device.certify", "tre-meter-1", "done after all").await;
    assert!(world.audited("device.certify", "done after all").await);
}
