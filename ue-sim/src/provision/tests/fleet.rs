//! Many devices at once.

use super::*;
use crate::{
    provision::{FleetConfig, FleetDevice, FleetReport, provision_many},
    test_dpf::World,
};

#[tokio::test]
async fn a_fleet_is_provisioned_and_says_where_the_time_went() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut devices: Vec<FleetDevice> = (1..=24)
        .map(|number| FleetDevice {
            folder: folder.path().join(number.to_string()),
            device: server.world.manufacture(number),
        })
        .collect();
    // One that a stranger made: the other side does not let it in.
    let stranger = World::new().manufacture(25);
    let stranger = crate::tre::Manufacture { anchors: server.world.root.pem.clone(), ..stranger };
    devices.push(FleetDevice { folder: folder.path().join("25"), device: stranger });
    let config = FleetConfig { drf: server.url.clone(), concurrency: 8, options: OPTIONS };
    let report = provision_many(devices, config).await;
    assert_eq!((report.devices, report.provisioned), (25, 24), "{report:?}");
    assert_eq!(report.otherwise.values().sum::<u64>(), 1);
    for step in [Step::DrfAsked, Step::SessionOpened, Step::EvidenceSent, Step::Installed, Step::Reported] {
        let found = report.steps.iter().find(|found| found.step == step).unwrap();
        assert_eq!((found.took.count, found.seed), (24, step.seed()), "{step:?}");
    }
    assert_eq!(report.whole.count, 24);
    assert!(report.devices_per_second > 0.0);
    let reports = server.reports();
    assert_eq!(reports.len(), 24);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<FleetReport>(&json).unwrap().provisioned, 24);
    // Each has an IMSI of its own, and a session is on with it.
    let tre = Tre::open(folder.path().join("17")).unwrap();
    assert_eq!(tre.usim_of_selected().unwrap().imsi, World::imsi(17));
}
