//! Many devices at once.

use super::*;
use crate::{
    fleet::{FleetConfig, FleetDevice, FleetNews, FleetReport, provision_many},
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
    let (news, mut told) = mpsc::unbounded_channel();
    let config = FleetConfig { drf: server.url.clone(), concurrency: 8, options: OPTIONS, news: Some(news) };
    let report = provision_many(devices, config).await;
    let (mut made, mut imsis, mut failed) = (0, std::collections::BTreeSet::new(), Vec::new());
    while let Some(news) = told.recv().await {
        match news {
            FleetNews::Made => made += 1,
            FleetNews::Ended(end) => match end.how {
                Ok(imsi) => drop(imsis.insert(imsi)),
                Err(_) => failed.push(end.pcid),
            },
        }
    }
    // Each device is told of once, with an IMSI of its own.
    assert_eq!((made, imsis.len()), (25, 24));
    assert_eq!(failed, [World::pcid(25)]);
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
