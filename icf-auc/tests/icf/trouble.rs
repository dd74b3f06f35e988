//! A database that does not answer.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use s6a::{base::Outcome, codec::Experimental};
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};

use crate::{
    lab::{Lab, imsi, until},
    mme::cancel,
};

/// Another program keeps the database for itself. Who is known goes on being served; the others are told to
/// come again before they give up by themselves.
#[tokio::test]
async fn while_the_store_stalls_requests_are_answered_and_afterwards_served() {
    let lab = Lab::with(3).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.air(imsi(1)).await.unwrap();
    one.attached(imsi(2)).await;
    let mut other = SqliteConnectOptions::from_str(&lab.url()).unwrap().connect().await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();

    one.air(imsi(1)).await.unwrap();
    let unavailable = Outcome::from(Experimental::AUTHENTICATION_DATA_UNAVAILABLE);
    let begun = Instant::now();
    let (air, ulr) = tokio::join!(one.air(imsi(3)), two.update(two.attach(imsi(2))));
    assert_eq!(air.map(drop), Err(unavailable));
    assert_eq!(ulr.map(drop), Err(unavailable));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    until("served", async || one.air(imsi(3)).await.is_ok()).await;
    // The ULR that was given up on may be carried out still; the UE tries again in either case.
    two.attached(imsi(2)).await;
    assert_eq!(one.told().await, cancel(imsi(2), s6a::app::CancellationType::MmeUpdateProcedure));
    one.is_told_nothing(Duration::from_millis(300)).await;
    assert_eq!(lab.store.registration(imsi(2)).await.unwrap()[0].node.host, two.host);
    icf.stop().await;
}
