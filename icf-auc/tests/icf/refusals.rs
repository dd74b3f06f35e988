//! The codes of docs/CAUSES.md, and the attach budget.

use futures_util::future::join_all;
use icf_auc::model::{AccessRule, CredentialState, Timestamp};
use s6a::{
    app::{RatType, UlrFlags},
    base::Outcome,
    codec::{Experimental, ResultCode},
};

use crate::{
    lab::{Lab, credential, imsi},
    mme::Update,
};

#[tokio::test]
async fn air_and_ulr_are_refused_with_the_code_of_the_cause() {
    let lab = Lab::new().await;
    lab.profile("no-eps", |profile| profile.eps = false).await;
    lab.profile("elsewhere", |profile| {
        profile.allowed_plmns = AccessRule::Only(vec!["001-01".parse().unwrap()]);
    })
    .await;
    let with = |n, change: fn(&mut icf_auc::model::Credential)| {
        let mut credential = credential(n);
        change(&mut credential);
        credential
    };
    lab.insert([
        with(2, |c| c.state = CredentialState::Blocked),
        with(3, |c| c.state = CredentialState::Disabled),
        with(4, |c| c.expires_at = Some(Timestamp::now().plus(-10))),
        with(5, |c| c.attach_budget = Some(0)),
        with(6, |c| c.profile = "no-eps".into()),
        with(7, |c| c.profile = "elsewhere".into()),
    ])
    .await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    let unavailable = Outcome::from(Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
    let unknown_eps = Outcome::from(Experimental::UNKNOWN_EPS_SUBSCRIPTION);
    let expected = [
        (1, unavailable, unavailable),
        (2, unavailable, unavailable),
        (3, unknown_eps, unknown_eps),
        (4, unavailable, unavailable),
        (5, unavailable, unavailable),
        (6, unknown_eps, unknown_eps),
        (7, Experimental::ROAMING_NOT_ALLOWED.into(), Experimental::ROAMING_NOT_ALLOWED.into()),
    ];
    // From the store, then from memory.
    for _ in 0..2 {
        for (n, air, ulr) in expected {
            assert_eq!(mme.air(imsi(n)).await.map(drop), Err(air), "AIR of {n}");
            assert_eq!(mme.update(mme.attach(imsi(n))).await.map(drop), Err(ulr), "ULR of {n}");
        }
    }
    assert_eq!(lab.store.registrations(&page()).await.unwrap(), []);
    icf.stop().await;
}

fn page() -> icf_auc::store::Page {
    icf_auc::store::Page { after: None, limit: 100 }
}

#[tokio::test]
async fn a_rat_that_is_not_allowed_gets_5421() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    for rat in [RatType::UTRAN, RatType::GERAN, RatType(4711)] {
        let refused = mme.update(Update { rat, ..mme.attach(imsi(1)) }).await;
        assert_eq!(refused, Err(Experimental::RAT_NOT_ALLOWED.into()), "{rat:?}");
    }
    mme.update(Update { rat: RatType::EUTRAN_NB_IOT, ..mme.attach(imsi(1)) }).await.unwrap();
    icf.stop().await;
}

#[tokio::test]
async fn of_fifty_attaches_at_once_a_budget_of_ten_grants_ten() {
    let lab = Lab::new().await;
    let mut ten = credential(1);
    ten.attach_budget = Some(10);
    lab.insert([ten]).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let answers = join_all((0..50).map(|n| {
        let mme = if n % 2 == 0 { &one } else { &two };
        mme.update(mme.attach(imsi(1)))
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    let exhausted = Err(Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
    assert_eq!(answers.iter().filter(|answer| **answer == exhausted).count(), 40);
    assert_eq!(lab.store.credential(imsi(1)).await.unwrap().unwrap().attaches, 10);
    // It may stay where it is (TS 23.401 §5.3.3: tracking area updates are no attaches).
    let host = lab.store.registration(imsi(1)).await.unwrap().remove(0).node.host;
    let there = if host == one.host { &one } else { &two };
    there.update(Update { flags: UlrFlags::S6A, ..there.attach(imsi(1)) }).await.unwrap();
    icf.stop().await;
}

/// CLR goes from the HSS to the MME (TS 29.272 §5.2.1.2); 3001 is RFC 6733 §7.1.3's.
#[tokio::test]
async fn a_command_of_the_hss_is_not_served() {
    let lab = Lab::new().await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    let outcome = mme.sends_clr(imsi(1)).await;
    assert_eq!(outcome, ResultCode::COMMAND_UNSUPPORTED.into());
    icf.stop().await;
}
