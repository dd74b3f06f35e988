//! Dropped and opened again in every state, a session goes on where it was, once.

use axum::{http::StatusCode as Status, response::IntoResponse};
use dpf::machine::State;
use reqwest::StatusCode;
use schemas::rest::provisioning::SessionState;
use uuid::Uuid;

use crate::{harness::World, others::Does};

#[tokio::test]
async fn a_session_survives_a_restart_in_every_state() {
    let mut world = World::new().await;
    let meter = world.meter();
    world.others.set(|script| {
        (script.verdict, script.reports) = (Does::Status(503), Does::Status(503));
    });
    world.others.decide(|_, _| Status::SERVICE_UNAVAILABLE.into_response());

    let trigger = Uuid::new_v4();
    let session = world.open(&meter, trigger).await;
    world.restart().await;
    let again = world.open(&meter, trigger).await;
    assert_eq!((again.id, &again.nonce, again.state), (session.id, &session.nonce, SessionState::Opened));

    let evidence = meter.evidence(&session.nonce, |_| {});
    world.put_evidence(&meter, session.id, evidence.clone()).await;
    world.restart().await;
    world.state(session.id, State::Relaying).await;
    assert_eq!(world.put_evidence(&meter, session.id, evidence).await.status(), StatusCode::OK);
    world.authorise(|_, package| package.validate_before_download = true);
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Authorised);

    world.restart().await;
    world.state(session.id, State::Authorised).await;
    let manifest = world.manifest(&meter, session.id).await;
    let asked = world.ask_parts(&meter, session.id, &[]);
    let cut = async {
        world.state(session.id, State::Validating).await;
        world.stop.cancel();
    };
    let (answer, ()) = tokio::join!(asked, cut);
    // Told to stop, it does not keep the device.
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.restart().await;
    world.state(session.id, State::Validating).await;
    world.others.set(|script| script.verdict = Does::Good);
    world.state(session.id, State::Downloading).await;

    let base = format!("/device/v1/sessions/{}/parts", session.id);
    let path = format!("{base}/{}", manifest.parts[0].digest_hex());
    let before = world.get(&meter, &path).await.bytes().await.unwrap();
    world.restart().await;
    assert_eq!(world.get(&meter, &path).await.bytes().await.unwrap(), before);
    assert_eq!(world.agree(&meter, session.id, &[]).await.needed.len(), 3);

    let report = meter.report(session.id, manifest.rncp, None);
    assert_eq!(world.send_report(&meter, session.id, report.clone()).await.status(), StatusCode::NO_CONTENT);
    world.restart().await;
    world.state(session.id, State::Reported).await;
    assert_eq!(world.send_report(&meter, session.id, report.clone()).await.status(), StatusCode::NO_CONTENT);
    world.others.set(|script| script.reports = Does::Good);
    world.state(session.id, State::Closed).await;
    world.restart().await;
    assert_eq!(world.send_report(&meter, session.id, report).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.open(&meter, trigger).await.state, SessionState::Closed);

    let steps = world.started().dpf.store.steps(session.id).await.unwrap();
    let steps: Vec<&str> =
        steps.iter().map(|step| step.step.as_str()).filter(|step| *step != "waiting").collect();
    assert_eq!(
        steps,
        ["opened", "evidence", "authorised", "parts-agreed", "platform-good", "reported", "operator-told"]
    );
}

#[tokio::test]
async fn ends_survive_a_restart_and_are_told() {
    let mut world = World::new().await;
    let meter = world.meter();
    world.others.set(|script| (script.reports, script.registry) = (Does::Status(503), Does::Status(503)));
    world.others.decide(|_, _| "what?".into_response());
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Failed);
    world.restart().await;
    world.others.set(|script| (script.reports, script.registry) = (Does::Good, Does::Good));
    let (reports, provisioned) = world.others.read(|log| (log.reports.len(), log.provisioned.len()));
    world
        .others
        .until("both are told", |log| log.reports.len() > reports && log.provisioned.len() > provisioned)
        .await;
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Failed);
}

#[tokio::test]
async fn a_generated_rncp_survives_a_restart_before_the_operator_knows() {
    let mut world = World::new().await;
    let meter = world.meter();
    crate::generation::prepare(&world).await;
    world.others.set(|script| script.generated = Does::Status(503));
    let session = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &session).await;
    world.state(session.id, State::Generating).await;
    let before = world.started().dpf.store.generated(session.id).await.unwrap().unwrap();
    world.restart().await;
    world.state(session.id, State::Generating).await;
    world.others.set(|script| script.generated = Does::Good);
    assert_eq!(world.decided(&meter, session.id).await.state, SessionState::Authorised);
    // What was told is what was made, and it is not kept.
    let told = world.others.read(|log| log.generated.last().unwrap().1.clone());
    assert_eq!(serde_json::to_vec(&told).unwrap(), before);
    assert_eq!(told.rncp, world.manifest(&meter, session.id).await.rncp);
    assert!(world.started().dpf.store.generated(session.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_over_is_forgotten_but_for_what_is_in_the_field() {
    let world = World::new().await;
    let meter = world.meter();
    let mut installed = Vec::new();
    for _ in 0..2 {
        let session = world.authorised(&meter).await;
        let manifest = world.manifest(&meter, session.id).await;
        world.agree(&meter, session.id, &[]).await;
        world.send_report(&meter, session.id, meter.report(session.id, manifest.rncp, None)).await;
        world.state(session.id, State::Closed).await;
        installed.push(session.id);
    }
    let open = world.authorised(&meter).await;
    world.others.decide(|_, _| "what?".into_response());
    let failed = world.open(&meter, Uuid::new_v4()).await;
    world.send_evidence(&meter, &failed).await;
    assert_eq!(world.decided(&meter, failed.id).await.state, SessionState::Failed);

    let store = &world.started().dpf.store;
    assert_eq!(store.forget(0).await.unwrap(), 0);
    // The failed one, and the RNCP that another took the place of.
    assert_eq!(store.forget(i64::MAX).await.unwrap(), 2);
    assert!(store.session(failed.id).await.unwrap().is_none());
    assert!(store.session(installed[0]).await.unwrap().is_none());
    let kept = store.session(installed[1]).await.unwrap().unwrap();
    assert!(store.manifest(kept.id).await.unwrap().is_none());
    assert!(store.has_installed(&kept.operator, kept.pcid).await.unwrap());
    // What is under way keeps all its parts.
    assert_eq!(world.agree(&meter, open.id, &[]).await.needed.len(), 3);
    let path = format!("/device/v1/sessions/{}/parts", open.id);
    for part in store.parts(open.id).await.unwrap() {
        let octets = world.get(&meter, &format!("{path}/{}", part.digest)).await.bytes().await.unwrap();
        assert_eq!(octets.len() as u64, part.size);
    }
}
