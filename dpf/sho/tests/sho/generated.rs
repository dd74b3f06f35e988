//! R17: the DPF makes the RNCP by the operator's rules.

use schemas::{
    cose,
    rest::provisioning::{Generated, ProvisioningAnswer, ProvisioningResult},
    rncp::{CREDENTIALS, Credentials, Kind, part_aad},
    secret::Key128,
};
use sho::{
    connector::ConnectorError,
    machine::{Outcome, Taken},
    model::{NumberKind, State},
    policy::Policy,
};
use uuid::Uuid;

use crate::rig::Rig;

fn generated(rig: &Rig, rncp: Uuid, imsi: &str) -> (Generated, Credentials) {
    let (k, opc) = (Key128::new([1; 16]), Key128::new([2; 16]));
    let plmn = "999-01".parse().unwrap();
    let credentials = Credentials::new(imsi.parse().unwrap(), &k, &opc, [0x80, 0], "internet".into(), plmn);
    let aad = part_aad(rncp, CREDENTIALS);
    let sealed = cose::encrypt(&credentials.encode().unwrap(), &aad, &rig.sealing.public()).unwrap();
    (Generated { rncp, rule: "meters".into(), credentials: sealed.into() }, credentials)
}

#[tokio::test]
async fn what_a_dpf_has_generated_is_published_once_and_only_of_a_delegated_range() {
    let rig = Rig::bare(Policy::default()).await;
    rig.range("own", NumberKind::Imsi, "999010000000001", 10).await;
    rig.put_range("dpf", NumberKind::Imsi, "999010000009000", 10, true).await;
    let device = rig.device("meter-1").await;
    rig.contract(&device, r#"{"plan":"meter","rule":"meters"}"#).await;
    let session = Uuid::now_v7();
    let request = device.request(session, Kind::Initial);
    let Outcome::Answer(answer) = rig.ask(session, &request).await else { panic!() };
    let ProvisioningAnswer::Generate { rule, platform_certificate } = *answer else { panic!() };
    assert_eq!((rule.as_str(), &platform_certificate.0), ("meters", &device.certificate));

    let rncp = Uuid::now_v7();
    for (imsi, why) in [("999010000000001", "is not delegated"), ("999010000008000", "in no range of ours")] {
        let (bad, _) = generated(&rig, rncp, imsi);
        let Taken::Conflict(what) = rig.sho.generated(session, &bad).await.unwrap() else { panic!("{imsi}") };
        assert!(what.contains(why), "{what}");
    }
    let (good, credentials) = generated(&rig, rncp, "999010000009000");
    let moved = Generated { rncp: Uuid::now_v7(), ..good.clone() };
    assert!(matches!(rig.sho.generated(session, &moved).await.unwrap(), Taken::Wrong(_)), "for another RNCP");
    let other = Generated { rule: "others".into(), ..good.clone() };
    assert!(matches!(rig.sho.generated(session, &other).await.unwrap(), Taken::Wrong(_)));
    assert_eq!(rig.state(session).await, State::Delegated);

    *rig.hss.away.lock().unwrap() = Some(ConnectorError::Away("down".into()));
    assert!(matches!(rig.sho.generated(session, &good).await.unwrap(), Taken::Later(_)));
    *rig.hss.away.lock().unwrap() = None;
    for _ in 0..2 {
        assert_eq!(rig.sho.generated(session, &good).await.unwrap(), Taken::Known);
        assert!(rig.authenticates(&credentials));
    }
    assert!(matches!(rig.sho.generated(session, &moved).await.unwrap(), Taken::Conflict(_)));
    rig.report(&device, session, rncp, ProvisioningResult::Installed).await;
    rig.sho.settle(session).await.unwrap();
    assert_eq!(rig.state(session).await, State::Closed);

    // The same number for another device.
    let second = rig.device("meter-2").await;
    rig.contract(&second, r#"{"plan":"meter","rule":"meters"}"#).await;
    let session = Uuid::now_v7();
    rig.ask(session, &second.request(session, Kind::Initial)).await;
    let (again, _) = generated(&rig, Uuid::now_v7(), "999010000009000");
    assert!(matches!(rig.sho.generated(session, &again).await.unwrap(), Taken::Conflict(_)));
}
