//! Killed at any point, an operator goes on where it was: the same numbers, the same package, once.

use std::time::Duration;

use schemas::{rest::provisioning::ProvisioningResult, rncp::Kind};
use sho::{
    machine::{NoVerdict, Outcome, Reported, Step},
    model::{Received, State},
    store::sessions,
};
use uuid::Uuid;

use crate::rig::Rig;

/// Validated and published are states of passage: see below.
const STEPS: [State; 4] = [State::Received, State::Allocated, State::Composed, State::Answered];

#[tokio::test]
async fn reopened_in_every_state_it_gives_the_same_package_once() {
    for kill_at in STEPS {
        let mut rig = Rig::new().await;
        let device = rig.device("meter-1").await;
        let session = Uuid::now_v7();
        let request = device.request(session, Kind::Initial);
        let mut tx = rig.sho.store.db.write().await.unwrap();
        let received = sessions::receive(&mut tx, session, &request, rig.sho.clock.now()).await.unwrap();
        assert!(matches!(received, Received::Session(_)));
        tx.commit().await.unwrap();
        while rig.state(session).await != kill_at {
            assert_eq!(rig.sho.step(session).await.unwrap(), Step::Taken, "{kill_at:?}");
        }
        rig.reopen().await;
        assert_eq!(rig.state(session).await, kill_at, "a state is durable");
        let package = rig.package(&device, session, Kind::Initial).await;
        rig.reopen().await;
        assert_eq!(rig.package(&device, session, Kind::Initial).await, package, "{kill_at:?}");
        let credentials = rig.open(&device, &package);
        assert_eq!(credentials.imsi.to_string(), "999010000000001", "one number was handed out: {kill_at:?}");
        assert!(rig.authenticates(&credentials));
        assert_eq!(rig.hss.count(), 1);
        // Reported, killed before and after the HSS was told.
        assert_eq!(
            rig.report(&device, session, package.rncp, ProvisioningResult::Installed).await,
            Reported::Known
        );
        rig.reopen().await;
        assert_eq!(rig.state(session).await, State::Reported);
        assert_eq!(rig.sho.settle(session).await.unwrap(), Step::Taken);
        assert_eq!(rig.sho.settle(session).await.unwrap(), Step::Rest);
        rig.reopen().await;
        assert_eq!(
            rig.report(&device, session, package.rncp, ProvisioningResult::Installed).await,
            Reported::Known
        );
        assert_eq!(rig.state(session).await, State::Closed);
        assert_eq!(rig.package(&device, session, Kind::Initial).await, package);
    }
}

/// A session that an older version left in a state that this one only passes through.
#[tokio::test]
async fn from_a_state_that_is_only_passed_through_it_goes_on() {
    let mut rig = Rig::new().await;
    for (number, left_at) in [State::Validated, State::Published].into_iter().enumerate() {
        let device = rig.device(&format!("meter-{number}")).await;
        let session = Uuid::now_v7();
        let request = device.request(session, Kind::Initial);
        let mut tx = rig.sho.store.db.write().await.unwrap();
        sessions::receive(&mut tx, session, &request, rig.sho.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        while rig.state(session).await != State::Composed {
            assert_eq!(rig.sho.step(session).await.unwrap(), Step::Taken);
        }
        let reached = if left_at == State::Published {
            rig.package(&device, session, Kind::Initial).await;
            "UPDATE session SET state = 'published', answered_at = NULL WHERE id = ?1"
        } else {
            "UPDATE session SET state = 'validated', rncp = NULL, numbering = NULL, imsi = NULL, sealed = NULL, \
             amf = NULL, manifest = NULL WHERE id = ?1"
        };
        sqlx::query(reached).bind(session.to_string()).execute(&rig.sho.store.db.writer).await.unwrap();
        rig.reopen().await;
        assert_eq!(rig.state(session).await, left_at);
        let package = rig.package(&device, session, Kind::Initial).await;
        assert_eq!(rig.state(session).await, State::Answered);
        assert!(rig.authenticates(&rig.open(&device, &package)), "{left_at:?}");
    }
}

#[tokio::test]
async fn killed_while_the_hss_answers_it_publishes_again_and_takes_it_for_its_own() {
    let mut rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    *rig.hss.hang.lock().unwrap() = true;
    let request = device.request(session, Kind::Initial);
    let hanging = tokio::spawn({
        let sho = rig.sho.clone();
        async move { sho.provision(session, &request).await }
    });
    let published = async {
        while rig.hss.count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), published).await.unwrap();
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    rig.reopen().await;
    assert_eq!(rig.state(session).await, State::Composed);
    let package = rig.package(&device, session, Kind::Initial).await;
    assert!(rig.authenticates(&rig.open(&device, &package)));
    assert_eq!(rig.hss.count(), 1);
}

#[tokio::test]
async fn while_pva_or_hss_are_away_it_says_later_and_then_goes_on() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let request = device.request(session, Kind::Initial);
    *rig.pva.away.lock().unwrap() = Some(NoVerdict::Away("down".into()));
    assert!(matches!(rig.ask(session, &request).await, Outcome::Later(..)));
    assert_eq!(rig.state(session).await, State::Received);
    *rig.pva.away.lock().unwrap() = None;
    *rig.hss.away.lock().unwrap() = Some(sho::connector::ConnectorError::Away("down".into()));
    assert!(matches!(rig.ask(session, &request).await, Outcome::Later(..)));
    assert_eq!(rig.state(session).await, State::Composed);
    *rig.hss.away.lock().unwrap() = None;
    rig.package(&device, session, Kind::Initial).await;
    // A session that is given up while the HSS is away is taken back when it is there again.
    let second = Uuid::now_v7();
    let other = rig.device("meter-2").await;
    let package = rig.package(&other, second, Kind::Initial).await;
    rig.report(&other, second, package.rncp, ProvisioningResult::Failed).await;
    *rig.hss.away.lock().unwrap() = Some(sho::connector::ConnectorError::Away("down".into()));
    assert!(matches!(rig.sho.settle(second).await.unwrap(), Step::Wait(_)));
    assert_eq!((rig.state(second).await, rig.hss.count()), (State::Withdrawing, 2));
    *rig.hss.away.lock().unwrap() = None;
    assert_eq!(rig.sho.settle(second).await.unwrap(), Step::Taken);
    assert_eq!((rig.state(second).await, rig.hss.count()), (State::Withdrawn, 1));
}
