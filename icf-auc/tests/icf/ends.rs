//! What ends by itself (R9).

use std::time::Duration;

use icf_auc::model::Timestamp;
use s6a::app::CancellationType::SubscriptionWithdrawal;

use crate::{
    lab::{Lab, credential, imsi, until},
    mme::cancel,
};

#[tokio::test]
async fn a_credential_that_expires_is_cancelled() {
    let lab = Lab::new().await;
    let mut ends = credential(1);
    ends.expires_at = Some(Timestamp::now().plus(2));
    lab.insert([ends, credential(2)]).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    mme.attached(imsi(2)).await;
    assert_eq!(mme.told().await, cancel(imsi(1), SubscriptionWithdrawal));
    assert!(mme.air(imsi(1)).await.is_err());
    mme.air(imsi(2)).await.unwrap();
    assert_eq!(lab.store.registration(imsi(1)).await.unwrap(), []);
    assert_eq!(lab.store.registration(imsi(2)).await.unwrap().len(), 1);
    icf.stop().await;
}

/// The MME that comes back later has served the UE in good faith: it is told nothing.
#[tokio::test]
async fn a_registration_that_lapses_is_forgotten_without_a_word() {
    let lab = Lab::new().await;
    lab.profile("short", |profile| profile.registration_lifetime = 1).await;
    let mut short = credential(1);
    short.profile = "short".into();
    lab.insert([short]).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    mme.attached(imsi(1)).await;
    assert_eq!(lab.store.registration(imsi(1)).await.unwrap().len(), 1);
    until("forgotten", async || lab.store.registration(imsi(1)).await.unwrap().is_empty()).await;
    mme.is_told_nothing(Duration::from_millis(200)).await;
    // Nor does the next MME find one that would have to be cancelled.
    let two = icf.mme(2).await;
    two.attached(imsi(1)).await;
    mme.is_told_nothing(Duration::from_millis(200)).await;
    icf.stop().await;
}
