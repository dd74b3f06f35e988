//! No number is handed out twice.

use std::collections::BTreeSet;

use schemas::{
    rest::provisioning::{ProvisioningAnswer, ProvisioningResult},
    rncp::Kind,
};
use sho::{
    machine::Outcome,
    model::{NumberKind, NumberRange},
    policy::Policy,
    store::{StoreError, numbers},
};
use uuid::Uuid;

use crate::rig::Rig;

#[tokio::test]
async fn a_device_that_fails_again_and_again_has_its_number_again_and_uses_up_none() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let mut numbers = std::collections::HashSet::new();
    for n in 0..40 {
        let session = Uuid::now_v7();
        let package = rig.package(&device, session, Kind::Initial).await;
        numbers.insert(rig.open(&device, &package).imsi);
        let result = if n % 2 == 0 { ProvisioningResult::Failed } else { ProvisioningResult::Expired };
        rig.report(&device, session, package.rncp, result).await;
        rig.sho.settle(session).await.unwrap();
    }
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    // Nor where nothing is taken back, as an HSS is away: sessions that are left behind one after the other.
    let mut sessions = 0;
    let refusal = loop {
        let session = Uuid::now_v7();
        let Outcome::Answer(answer) = rig.ask(session, &device.request(session, Kind::Initial)).await else {
            panic!("the SHO says nothing");
        };
        match *answer {
            ProvisioningAnswer::Refused { refusal } => break refusal,
            _ => sessions += 1,
        }
        assert!(sessions < 20, "numbers are used up without end");
    };
    assert_eq!((refusal.code.as_str(), refusal.retry), ("too-many-numbers", true));
}

#[tokio::test]
async fn sixty_devices_at_once_get_sixty_imsis() {
    let rig = Rig::new().await;
    let mut devices = Vec::new();
    for at in 0..60 {
        devices.push(rig.device(&format!("meter-{at}")).await);
    }
    let mut asked = Vec::new();
    for device in &devices {
        let (sho, session) = (rig.sho.clone(), Uuid::now_v7());
        let request = device.request(session, Kind::Initial);
        asked.push((session, tokio::spawn(async move { sho.provision(session, &request).await.unwrap() })));
    }
    let mut imsis = BTreeSet::new();
    for (device, (session, task)) in devices.iter().zip(asked) {
        task.await.unwrap();
        let package = rig.package(device, session, Kind::Initial).await;
        assert!(imsis.insert(rig.open(device, &package).imsi));
    }
    assert_eq!((imsis.len(), rig.hss.count()), (60, 60));
}

#[tokio::test]
async fn a_number_comes_back_after_quarantine_if_the_device_surely_has_not_got_it_and_else_never() {
    let rig = Rig::bare(Policy::default()).await;
    rig.range("one", NumberKind::Imsi, "999010000000001", 1).await;
    let imsi = "999010000000001".parse().unwrap();
    let (first, second) = (rig.device("meter-1").await, rig.device("meter-2").await);
    let session = Uuid::now_v7();
    let package = rig.package(&first, session, Kind::Initial).await;
    let lost = rig.open(&first, &package);
    assert_eq!(rig.refused(&second, Uuid::now_v7()).await.code, "no-numbers");
    rig.report(&first, session, package.rncp, ProvisioningResult::Failed).await;
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.number(imsi).await.as_deref(), Some("quarantine"));
    assert_eq!(rig.refused(&second, Uuid::now_v7()).await.code, "no-numbers");
    rig.later(30 * 86_400);
    // The verdicts of the PVA are of that time, too.
    *rig.pva.twist.lock().unwrap() = Some(Box::new(|verdict| verdict.expires += 31 * 86_400));
    let session = Uuid::now_v7();
    let package = rig.package(&second, session, Kind::Initial).await;
    let credentials = rig.open(&second, &package);
    assert!(credentials.imsi == imsi && credentials.k() != lost.k(), "the number, with keys of its own");
    assert!(rig.authenticates(&credentials) && !rig.authenticates(&lost));
    // This time nobody can say whether the device has got it.
    rig.report(&second, session, package.rncp, ProvisioningResult::Expired).await;
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.number(imsi).await.as_deref(), Some("retired"));
    rig.later(300 * 86_400);
    *rig.pva.twist.lock().unwrap() = Some(Box::new(|verdict| verdict.expires += 999 * 86_400));
    assert_eq!(rig.refused(&first, Uuid::now_v7()).await.code, "no-numbers");
    assert_eq!(rig.hss.count(), 0);
}

#[tokio::test]
async fn a_range_that_was_used_stays_and_none_overlaps() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    rig.package(&device, Uuid::now_v7(), Kind::Initial).await;
    let mut tx = rig.sho.store.db.write().await.unwrap();
    assert!(matches!(numbers::delete(&mut tx, "imsis").await, Err(StoreError::Conflict(_))));
    let mut range = NumberRange {
        id: "more".into(),
        kind: NumberKind::Imsi,
        first: "999010000001000".into(),
        count: 10,
        next: 0,
        delegated: false,
        closed: false,
        created_at: 0,
    };
    assert!(
        matches!(numbers::put(&mut tx, &range).await, Err(StoreError::Conflict(_))),
        "the thousandth is taken"
    );
    range.first = "999010000001001".into();
    assert!(numbers::put(&mut tx, &range).await.unwrap());
    assert!(numbers::delete(&mut tx, "more").await.unwrap());
    let mut used = numbers::find(&mut tx, "imsis").await.unwrap().unwrap();
    used.count = 0;
    assert!(matches!(numbers::put(&mut tx, &used).await, Err(StoreError::Conflict(_))));
    used.count = 1;
    used.closed = true;
    assert!(!numbers::put(&mut tx, &used).await.unwrap(), "it was there");
    tx.commit().await.unwrap();
    let other = rig.device("meter-2").await;
    assert_eq!(rig.refused(&other, Uuid::now_v7()).await.code, "no-numbers");
}
