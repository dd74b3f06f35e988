//! A device that has a subscription already: updates, first provisioning again, several sessions at once.

use schemas::{rest::provisioning::ProvisioningResult, rncp::Kind};
use sho::{
    config::UpdateKeys,
    machine::{Reported, Step},
    model::State,
    policy::Policy,
};
use uuid::Uuid;

use crate::rig::{Rig, refusal};

#[tokio::test]
async fn an_update_keeps_imsi_and_key_and_names_what_it_replaces() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let nothing = Uuid::now_v7();
    let refused = refusal(rig.ask(nothing, &device.request(nothing, Kind::Update)).await);
    assert_eq!(refused.code, "nothing-to-update");
    let first = Uuid::now_v7();
    let before = rig.provisioned(&device, first, Kind::Initial).await;
    let old = rig.package(&device, first, Kind::Initial).await.rncp;
    rig.contract(&device, r#"{"plan":"meter","apn":"meters"}"#).await;
    let second = Uuid::now_v7();
    let package = rig.package(&device, second, Kind::Update).await;
    let manifest = rig.manifest(&package);
    assert_eq!((manifest.kind, manifest.replaces), (Kind::Update, Some(old)));
    let after = rig.open(&device, &package);
    assert!(after.imsi == before.imsi && after.k() == before.k() && after.apn == "meters");
    rig.report(&device, second, package.rncp, ProvisioningResult::Installed).await;
    rig.sho.settle(second).await.unwrap();
    assert!(rig.authenticates(&after));
    assert_eq!(rig.hss.count(), 1);
}

#[tokio::test]
async fn new_keys_are_taken_back_if_they_are_not_installed() {
    let rig = Rig::with(Policy { update_keys: UpdateKeys::New, ..Policy::default() }).await;
    let device = rig.device("meter-1").await;
    let before = rig.provisioned(&device, Uuid::now_v7(), Kind::Initial).await;
    let failed = Uuid::now_v7();
    let package = rig.package(&device, failed, Kind::Update).await;
    let after = rig.open(&device, &package);
    assert!(after.imsi == before.imsi && after.k() != before.k());
    assert!(rig.authenticates(&after) && !rig.authenticates(&before));
    assert_eq!(rig.report(&device, failed, package.rncp, ProvisioningResult::Failed).await, Reported::Known);
    rig.sho.settle(failed).await.unwrap();
    assert!(rig.authenticates(&before), "the HSS has the old keys again");
    assert_eq!(rig.number(before.imsi).await.as_deref(), Some("assigned"));
    let good = rig.provisioned(&device, Uuid::now_v7(), Kind::Update).await;
    assert!(rig.authenticates(&good) && good.imsi == before.imsi);
}

#[tokio::test]
async fn once_the_old_keys_are_forgotten_a_new_imsi_takes_over_when_it_is_installed() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let before = rig.provisioned(&device, Uuid::now_v7(), Kind::Initial).await;
    rig.later(8 * 86_400);
    rig.sho.sweep().await.unwrap();
    *rig.pva.twist.lock().unwrap() = Some(Box::new(|verdict| verdict.expires += 9 * 86_400));
    let session = Uuid::now_v7();
    let package = rig.package(&device, session, Kind::Update).await;
    let after = rig.open(&device, &package);
    assert_ne!(after.imsi, before.imsi);
    assert!(rig.authenticates(&before) && rig.authenticates(&after), "both until it is installed");
    rig.report(&device, session, package.rncp, ProvisioningResult::Installed).await;
    rig.sho.settle(session).await.unwrap();
    assert!(!rig.authenticates(&before) && rig.authenticates(&after));
    assert_eq!(rig.number(before.imsi).await.as_deref(), Some("retired"));
}

#[tokio::test]
async fn a_later_session_ends_the_one_before_and_the_hss_keeps_the_later_keys() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let first = rig.provisioned(&device, Uuid::now_v7(), Kind::Initial).await;
    // The device has lost everything, and comes twice.
    let (lost, last) = (Uuid::now_v7(), Uuid::now_v7());
    let one = rig.package(&device, lost, Kind::Initial).await;
    rig.later(1);
    let two = rig.package(&device, last, Kind::Initial).await;
    let (one, two) = (rig.open(&device, &one), rig.open(&device, &two));
    assert!(one.imsi == first.imsi && two.imsi == first.imsi && one.k() != two.k());
    assert_eq!(rig.state(lost).await, State::Withdrawing);
    // Settled late: it must not put the old keys over the new ones.
    assert_eq!(rig.sho.settle(lost).await.unwrap(), Step::Taken);
    assert!(rig.authenticates(&two));
    assert_eq!(refusal(rig.ask(lost, &device.request(lost, Kind::Initial)).await).code, "superseded");
}
