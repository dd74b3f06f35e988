//! Rows that cannot be read cost the others nothing.

use schemas::{identity::Imsi, rest::provisioning::ProvisioningResult, rncp::Kind};
use sho::{
    compose::Extra,
    model::{NumberKind, State},
    store::{StoreError, contracts, numbers, parts, subscriptions},
};
use uuid::Uuid;

use crate::rig::Rig;

async fn damage(rig: &Rig, statement: &'static str) {
    let done = sqlx::query(statement).execute(&rig.sho.store.db.writer).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

#[tokio::test]
async fn a_damaged_row_is_left_out_of_listings_and_ends_no_page_early() {
    let rig = Rig::new().await;
    for (n, name) in ["meter-1", "meter-2", "meter-3"].into_iter().enumerate() {
        let device = rig.device(name).await;
        rig.provisioned(&device, Uuid::now_v7(), Kind::Initial).await;
        rig.range(&format!("range-{n}"), NumberKind::Msisdn, &format!("4917{n}00000"), 10).await;
        let part = Extra {
            name: format!("part-{n}"),
            kind: schemas::rncp::PartKind::Data,
            shared: false,
            sensitive: true,
            content: zeroize::Zeroizing::new(vec![1]),
        };
        let mut tx = rig.sho.store.db.write().await.unwrap();
        parts::put(&mut tx, &rig.sho.store.keyring, &part, 0).await.unwrap();
        tx.commit().await.unwrap();
    }
    damage(&rig, "UPDATE contract SET terms = '?' WHERE device_id = 'meter-1'").await;
    damage(&rig, "UPDATE subscription SET terms = '?' WHERE device_id = 'meter-1'").await;
    damage(&rig, "UPDATE number_range SET count = -1 WHERE id = 'range-0'").await;
    damage(&rig, "UPDATE part SET size = -1 WHERE name = 'part-0'").await;
    let mut db = rig.sho.store.db.readers.acquire().await.unwrap();
    let found = contracts::page(&mut db, None, 2).await.unwrap();
    assert_eq!(found.iter().map(|it| it.device_id.as_str()).collect::<Vec<_>>(), ["meter-2", "meter-3"]);
    let found = subscriptions::page(&mut db, None, None, None, 2).await.unwrap();
    assert_eq!(found.iter().map(|it| it.device_id.as_str()).collect::<Vec<_>>(), ["meter-2", "meter-3"]);
    let found = parts::page(&mut db, None, 2).await.unwrap();
    assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["part-1", "part-2"]);
    let found = numbers::page(&mut db, None, 3).await.unwrap();
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["imsis", "range-1", "range-2"]);
}

#[tokio::test]
async fn a_number_that_may_be_of_a_damaged_range_is_not_refused_for_good() {
    let rig = Rig::bare(sho::policy::Policy::default()).await;
    rig.put_range("a", NumberKind::Imsi, "999010000000001", 10, true).await;
    rig.put_range("b", NumberKind::Imsi, "999010000001001", 10, true).await;
    damage(&rig, "UPDATE number_range SET count = -1 WHERE id = 'a'").await;
    let mut tx = rig.sho.store.db.write().await.unwrap();
    let mut take = async |number: &str| {
        numbers::take_delegated(&mut tx, NumberKind::Imsi, number, "meter-1", Uuid::now_v7()).await
    };
    take("999010000001001").await.unwrap();
    let refused = take("999010000000001").await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
}

#[tokio::test]
async fn a_damaged_session_keeps_no_other_from_being_swept() {
    let rig = Rig::new().await;
    let sessions: Vec<(Imsi, Uuid)> = {
        let mut all = Vec::new();
        for name in ["meter-1", "meter-2"] {
            let (device, session) = (rig.device(name).await, Uuid::now_v7());
            let package = rig.package(&device, session, Kind::Initial).await;
            all.push((rig.open(&device, &package).imsi, session));
            if name == "meter-1" {
                rig.report(&device, session, package.rncp, ProvisioningResult::Expired).await;
            }
        }
        all
    };
    let (third, closed) = (rig.device("meter-3").await, Uuid::now_v7());
    rig.provisioned(&third, closed, Kind::Initial).await;
    damage(&rig, "UPDATE session SET kind = '?' WHERE device_id = 'meter-1'").await;
    rig.later(365 * 86_400);
    let swept = rig.sho.sweep().await.unwrap();
    assert_eq!((swept.ended, swept.forgotten), (1, 1));
    assert_ne!(rig.state(sessions[1].1).await, State::Answered);
}
