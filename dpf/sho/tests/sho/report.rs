//! Step 19.

use schemas::{
    report::InstallResult,
    rest::provisioning::{ProvisioningReport, ProvisioningResult},
    rncp::Kind,
};
use sho::{
    machine::{Reported, Step},
    model::{State, SubscriptionState},
    policy::Policy,
    store::{sessions, subscriptions},
};
use uuid::Uuid;

use crate::{platform::Device, rig::Rig};

fn report(result: ProvisioningResult, rncp: Uuid, signed: Option<Vec<u8>>) -> ProvisioningReport {
    let at = time::OffsetDateTime::UNIX_EPOCH;
    ProvisioningReport { result, rncp, report: signed.map(Into::into), detail: None, at }
}

#[tokio::test]
async fn that_it_is_installed_is_believed_of_this_device_on_this_rncp_alone() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let package = rig.package(&device, session, Kind::Initial).await;
    let rncp = package.rncp;
    let installed = |signed| report(ProvisioningResult::Installed, rncp, signed);
    let other = Device::new(&rig.root, "meter-2");
    let sign = |device: &Device, session, rncp, result| device.report(session, rncp, result);
    let good = InstallResult::Installed;
    let bad = [
        installed(None),
        installed(Some(b"nonsense".to_vec())),
        installed(Some(sign(&other, session, rncp, good))),
        installed(Some(sign(&device, Uuid::now_v7(), rncp, good))),
        installed(Some(sign(&device, session, Uuid::now_v7(), good))),
        installed(Some(sign(&device, session, rncp, InstallResult::Failed))),
        report(ProvisioningResult::Failed, rncp, Some(sign(&device, session, rncp, good))),
        report(ProvisioningResult::Installed, Uuid::now_v7(), Some(sign(&device, session, rncp, good))),
    ];
    for bad in bad {
        let taken = rig.sho.report(session, &bad).await.unwrap();
        assert!(matches!(taken, Reported::NotBelieved(_)), "{bad:?}");
        assert_eq!(rig.state(session).await, State::Answered);
    }
    assert_eq!(rig.audit().await.matches("not believed").count(), 8);
    let good = installed(Some(device.report(session, rncp, good)));
    assert_eq!(rig.sho.report(session, &good).await.unwrap(), Reported::Known);
    assert_eq!(rig.sho.report(Uuid::now_v7(), &good).await.unwrap(), Reported::Unknown);
}

#[tokio::test]
async fn an_end_that_is_known_is_not_turned_round() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let credentials = rig.provisioned(&device, session, Kind::Initial).await;
    let rncp = rig.package(&device, session, Kind::Initial).await.rncp;
    for result in [ProvisioningResult::Failed, ProvisioningResult::Expired, ProvisioningResult::Refused] {
        assert!(matches!(rig.report(&device, session, rncp, result).await, Reported::Conflict(_)));
    }
    assert!(rig.authenticates(&credentials));
    let other = rig.device("meter-2").await;
    let session = Uuid::now_v7();
    let rncp = rig.package(&other, session, Kind::Initial).await.rncp;
    assert_eq!(rig.report(&other, session, rncp, ProvisioningResult::Expired).await, Reported::Known);
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.report(&other, session, rncp, ProvisioningResult::Expired).await, Reported::Known);
    assert!(matches!(
        rig.report(&other, session, rncp, ProvisioningResult::Installed).await,
        Reported::Conflict(_)
    ));
    assert_eq!(rig.hss.count(), 1);
}

#[tokio::test]
async fn a_device_that_could_not_read_the_manifest_is_believed_without_the_rncps_name() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let rncp = rig.package(&device, session, Kind::Initial).await.rncp;
    // The DPF knows which RNCP it was; the device does not.
    let sign = |result| device.report(session, Uuid::nil(), result);
    let installed = report(ProvisioningResult::Installed, rncp, Some(sign(InstallResult::Installed)));
    let taken = rig.sho.report(session, &installed).await.unwrap();
    assert!(matches!(taken, Reported::NotBelieved(_)), "what is installed has a name: {taken:?}");
    let failed = report(ProvisioningResult::Failed, rncp, Some(sign(InstallResult::Failed)));
    assert_eq!(rig.sho.report(session, &failed).await.unwrap(), Reported::Known);
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.state(session).await, State::Withdrawn);
    assert_eq!(rig.hss.count(), 0, "its subscription is taken back at once");
}

#[tokio::test]
async fn a_subscriber_is_barred_until_the_report_if_the_policy_says_so() {
    let rig = Rig::with(Policy { attach_before_report: false, ..Policy::default() }).await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let package = rig.package(&device, session, Kind::Initial).await;
    let credentials = rig.open(&device, &package);
    assert!(rig.hss.of(credentials.imsi).is_some() && !rig.authenticates(&credentials));
    rig.report(&device, session, package.rncp, ProvisioningResult::Installed).await;
    rig.sho.settle(session).await.unwrap();
    assert!(rig.authenticates(&credentials));
}

#[tokio::test]
async fn keys_are_forgotten_after_retention_and_sessions_without_an_end_end() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let credentials = rig.provisioned(&device, session, Kind::Initial).await;
    assert_eq!(rig.sho.sweep().await.unwrap().forgotten, 0);
    let sealed = async || {
        let mut reader = rig.sho.store.db.readers.acquire().await.unwrap();
        sessions::sealed(&mut reader, session).await.unwrap().is_some()
    };
    assert!(sealed().await);
    // Nobody ever reports on this one.
    let silent = rig.device("meter-2").await;
    let lost = Uuid::now_v7();
    let package = rig.package(&silent, lost, Kind::Initial).await;
    rig.later(7 * 86_400 + 1);
    let swept = rig.sho.sweep().await.unwrap();
    assert_eq!((swept.ended, swept.forgotten), (1, 1));
    assert!(!sealed().await);
    assert_eq!(rig.sho.settle(lost).await.unwrap(), Step::Taken);
    assert_eq!(rig.number(rig.open(&silent, &package).imsi).await.as_deref(), Some("retired"));
    assert!(rig.authenticates(&credentials), "the HSS has them");
    let outcome = rig.ask(session, &device.request(session, Kind::Initial)).await;
    assert_eq!(outcome, sho::machine::Outcome::Gone);
    let mut reader = rig.sho.store.db.readers.acquire().await.unwrap();
    let found = subscriptions::find(&mut reader, credentials.imsi).await.unwrap().unwrap();
    assert_eq!((found.state, found.session), (SubscriptionState::Active, Some(session)));
}

#[tokio::test]
async fn whoever_reports_nonsense_without_end_does_not_fill_the_audit_log() {
    let rig = Rig::new().await;
    let (device, stranger) = (rig.device("meter-1").await, rig.device("meter-2").await);
    let session = Uuid::now_v7();
    let package = rig.package(&device, session, Kind::Initial).await;
    let begun = std::time::Instant::now();
    for _ in 0..400 {
        let reported = rig.report(&stranger, session, package.rncp, ProvisioningResult::Installed).await;
        assert!(matches!(reported, Reported::NotBelieved(_)), "{reported:?}");
    }
    let written = rig.audit().await.matches("not believed").count();
    // 200 at once, and one more a second.
    let most = 200 + usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((200..=most).contains(&written), "{written}");
    // What changes something is written all the same.
    rig.report(&device, session, package.rncp, ProvisioningResult::Installed).await;
    assert!(rig.audit().await.contains("installed"));
}
