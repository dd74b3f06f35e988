//! What a person changes, and what MMEs are told of it (TS 29.272 §5.2.1.2, §5.2.2, §5.2.4).

use std::time::Duration;

use s6a::{
    app::{
        CancellationType::{self, SubscriptionWithdrawal},
        DsrFlags,
    },
    codec::Experimental,
};
use serde_json::{Value, json};

use crate::{
    lab::{Icf, Lab, imsi, until},
    mme::{Told, cancel},
};

const SHORT: Duration = Duration::from_millis(300);

fn profile(uplink: u32, periodic_tau: Option<u32>) -> Value {
    let ambr = json!({"uplink": uplink, "downlink": 128_000});
    json!({"apns": [{"name": "provisioning", "ambr": ambr}], "ambr": ambr, "periodic_tau": periodic_tau})
}

async fn put_profile(icf: &Icf, profile: Value) {
    let (status, answer) = icf.rest("PUT", "/v1/profiles/default", "", &profile).await;
    assert_eq!(status, 200, "{answer}");
}

async fn patch(icf: &Icf, n: u64, change: Value) {
    let path = format!("/v1/credentials/{}", imsi(n));
    let (status, answer) = icf.rest("PATCH", &path, "", &change).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn disabling_a_credential_cancels_it_once_and_refuses_it_at_once() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    mme.attached(imsi(2)).await;
    mme.air(imsi(1)).await.unwrap();
    patch(&icf, 1, json!({"state": "disabled"})).await;
    let unknown_eps = Err(Experimental::UNKNOWN_EPS_SUBSCRIPTION.into());
    assert_eq!(mme.air(imsi(1)).await.map(drop), unknown_eps);
    assert_eq!(mme.update(mme.attach(imsi(1))).await.map(drop), unknown_eps);
    assert_eq!(mme.told().await, cancel(imsi(1), SubscriptionWithdrawal));
    assert_eq!(lab.store.registration(imsi(1)).await.unwrap(), []);
    // Not again by the sweeper, that hears of the change a little later.
    mme.is_told_nothing(Duration::from_millis(1200)).await;
    // The other is served as before, and one that is only blocked will be once more.
    mme.air(imsi(2)).await.unwrap();
    patch(&icf, 2, json!({"state": "blocked"})).await;
    assert_eq!(mme.told().await, cancel(imsi(2), SubscriptionWithdrawal));
    assert!(mme.air(imsi(2)).await.is_err());
    patch(&icf, 2, json!({"state": "active"})).await;
    mme.air(imsi(2)).await.unwrap();
    mme.attached(imsi(2)).await;
    mme.is_told_nothing(SHORT).await;
    icf.stop().await;
}

#[tokio::test]
async fn deleting_a_credential_cancels_it() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    let (status, _) = icf.rest("DELETE", &format!("/v1/credentials/{}", imsi(1)), "", &Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(mme.told().await, cancel(imsi(1), SubscriptionWithdrawal));
    let unknown = Err(Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
    assert_eq!(mme.air(imsi(1)).await.map(drop), unknown);
    icf.stop().await;
}

#[tokio::test]
async fn a_changed_profile_is_inserted_at_each_mme() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    assert_eq!(one.update(one.attach(imsi(1))).await, Ok(128_000));
    two.attached(imsi(2)).await;
    put_profile(&icf, profile(64_000, Some(3600))).await;
    for (mme, n) in [(&one, 1), (&two, 2)] {
        let told = Told::Insert { imsi: imsi(n).to_string(), uplink: 64_000, periodic_tau: Some(3600) };
        assert_eq!(mme.told().await, told);
    }
    assert_eq!(one.update(one.attach(imsi(1))).await, Ok(64_000));
    // What the UE does not notice is not told.
    let mut same = profile(64_000, Some(3600));
    same["attach_budget"] = json!(7);
    put_profile(&icf, same).await;
    one.is_told_nothing(SHORT).await;
    two.is_told_nothing(SHORT).await;
    icf.stop().await;
}

/// An IDR without the AVP leaves the timer as it was: it takes a DSR (TS 29.272 §5.2.2.2.1).
#[tokio::test]
async fn a_profile_that_loses_its_periodic_tau_is_told_by_dsr() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    put_profile(&icf, profile(64_000, Some(3600))).await;
    mme.attached(imsi(1)).await;
    put_profile(&icf, profile(64_000, None)).await;
    let told = [mme.told().await, mme.told().await];
    let imsi = imsi(1).to_string();
    let flags = DsrFlags::SUBSCRIBED_PERIODIC_RAU_TAU_TIMER.0;
    assert!(told.contains(&Told::Delete { imsi: imsi.clone(), flags }), "{told:?}");
    assert!(told.contains(&Told::Insert { imsi, uplink: 64_000, periodic_tau: None }), "{told:?}");
    icf.stop().await;
}

#[tokio::test]
async fn a_profile_that_no_longer_allows_the_network_cancels() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    let mut elsewhere = profile(64_000, None);
    elsewhere["allowed_plmns"] = json!({"only": ["001-01"]});
    put_profile(&icf, elsewhere).await;
    assert_eq!(mme.told().await, cancel(imsi(1), SubscriptionWithdrawal));
    let refused = mme.update(mme.attach(imsi(1))).await;
    assert_eq!(refused.map(drop), Err(Experimental::ROAMING_NOT_ALLOWED.into()));
    icf.stop().await;
}

#[tokio::test]
async fn a_reset_is_sent_to_every_mme_and_tells_what_each_answered() {
    let lab = Lab::with(0).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let (status, answer) = icf.rest("POST", "/v1/resets", "", &json!({"user_ids": ["99971"]})).await;
    assert_eq!(status, 200, "{answer}");
    for mme in [&one, &two] {
        assert_eq!(mme.told().await, Told::Reset { user_ids: vec!["99971".into()] });
        let results = answer["items"].as_array().unwrap();
        let result = results.iter().find(|result| result["peer"] == mme.host.as_str()).unwrap();
        assert!(result["outcome"].as_str().unwrap().contains("2001"), "{result}");
    }
    icf.stop().await;
}

#[tokio::test]
async fn what_another_process_changes_takes_effect_soon() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    mme.air(imsi(1)).await.unwrap();
    assert!(mme.air(imsi(3)).await.is_err());
    let other = lab.other_handle().await;
    let blocked = icf_auc::store::CredentialPatch {
        state: Some(icf_auc::model::CredentialState::Blocked),
        ..Default::default()
    };
    let begun = std::time::Instant::now();
    other.update(imsi(1), None, blocked, Vec::new()).await.unwrap();
    lab.insert([crate::lab::credential(3)]).await;
    // Nothing was queued with it: the sweeper sees that it has ended.
    assert_eq!(mme.told().await, cancel(imsi(1), CancellationType::SubscriptionWithdrawal));
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    assert!(mme.air(imsi(1)).await.is_err());
    mme.air(imsi(3)).await.unwrap();
    let mut faster = icf_auc::model::Profile::provisioning("default", None);
    faster.ambr.uplink = 1_000_000;
    other.put_profile(faster, None, Vec::new()).await.unwrap();
    until("told", async || mme.update(mme.attach(imsi(2))).await == Ok(1_000_000)).await;
    icf.stop().await;
}
