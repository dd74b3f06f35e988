//! ULR, and the CLR to the MME that the UE has left (TS 29.272 §5.2.1).

use std::time::Duration;

use icf_auc::model::Timestamp;
use s6a::app::CancellationType::{MmeUpdateProcedure, SubscriptionWithdrawal};

use crate::{
    lab::{Lab, imsi, until},
    mme::cancel,
};

pub async fn nothing_waits(lab: &Lab) {
    let all = Timestamp::now().plus(1000);
    until("the queue empty", async || lab.store.due(all, 10).await.unwrap().is_empty()).await;
}

#[tokio::test]
async fn the_mme_that_the_ue_has_left_gets_a_clr() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    // Again at the same MME: nothing is cancelled.
    one.attached(imsi(1)).await;
    two.attached(imsi(1)).await;
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    nothing_waits(&lab).await;
    one.is_told_nothing(Duration::from_millis(200)).await;
    two.is_told_nothing(Duration::from_millis(50)).await;
    let registered = lab.store.registration(imsi(1)).await.unwrap();
    assert_eq!(registered.len(), 1);
    assert_eq!(registered[0].node.host, two.host);
    icf.stop().await;
}

#[tokio::test]
async fn an_mme_that_was_away_gets_its_clr_when_it_comes_back() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    one.disconnect().await;
    two.attached(imsi(1)).await;
    // Long enough for tries that fail.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let one = icf.mme(1).await;
    let begun = std::time::Instant::now();
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    assert!(begun.elapsed() < Duration::from_secs(1), "at once, not at the next try");
    nothing_waits(&lab).await;
    icf.stop().await;
}

#[tokio::test]
async fn a_clr_survives_a_restart_of_the_icf() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    one.disconnect().await;
    two.attached(imsi(1)).await;
    icf.stop().await;
    two.disconnect().await;
    let icf = lab.start().await;
    let one = icf.mme(1).await;
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    nothing_waits(&lab).await;
    icf.stop().await;
}

#[tokio::test]
async fn a_clr_to_where_the_ue_has_returned_is_not_sent() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let host = one.host.clone();
    one.attached(imsi(1)).await;
    one.disconnect().await;
    two.attached(imsi(1)).await;
    // It returns by way of a relay, so that its CLR cannot have been delivered yet.
    two.update(crate::mme::Update { host: &host, ..two.attach(imsi(1)) }).await.unwrap();
    assert_eq!(two.told().await, cancel(imsi(1), MmeUpdateProcedure));
    let one = icf.mme(1).await;
    one.is_told_nothing(Duration::from_millis(500)).await;
    nothing_waits(&lab).await;
    assert_eq!(lab.store.registration(imsi(1)).await.unwrap()[0].node.host, host);
    icf.stop().await;
}

/// Of MMEs that register a UE at once one keeps it, and each of the others is told so.
#[tokio::test]
async fn of_many_mmes_at_once_all_but_one_get_a_clr() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mut mmes = Vec::new();
    for n in 1..=8 {
        mmes.push(icf.mme(n).await);
    }
    futures_util::future::join_all(mmes.iter().map(|mme| mme.attached(imsi(1)))).await;
    let kept = lab.store.registration(imsi(1)).await.unwrap().remove(0).node.host;
    for mme in &mmes {
        if mme.host == kept {
            mme.is_told_nothing(Duration::from_millis(200)).await;
        } else {
            assert_eq!(mme.told().await, cancel(imsi(1), MmeUpdateProcedure), "{}", mme.host);
        }
    }
    nothing_waits(&lab).await;
    icf.stop().await;
}

/// A withdrawal by hand, too: it ended the registration of then, not the one that the UE has made since.
#[tokio::test]
async fn a_withdrawal_that_waits_for_an_mme_is_not_sent_once_the_ue_is_registered_there_again() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let host = one.host.clone();
    one.attached(imsi(1)).await;
    one.attached(imsi(2)).await;
    one.disconnect().await;
    for n in [1, 2] {
        let path = format!("/v1/registrations/{}", imsi(n));
        assert_eq!(icf.rest("DELETE", &path, "", &serde_json::Value::Null).await.0, 204);
    }
    // The first registers again, by way of another node, before the MME is back; the second does not.
    two.update(crate::mme::Update { host: &host, ..two.attach(imsi(1)) }).await.unwrap();
    let one = icf.mme(1).await;
    assert_eq!(one.told().await, cancel(imsi(2), SubscriptionWithdrawal));
    nothing_waits(&lab).await;
    one.is_told_nothing(Duration::from_millis(200)).await;
    assert_eq!(lab.store.registration(imsi(1)).await.unwrap()[0].node.host, host);
    icf.stop().await;
}
