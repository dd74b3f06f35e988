//! CLRs are sent until they are answered, and no node is in the way of another.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use icf_auc::model::Timestamp;
use s6a::{
    app::CancellationType::MmeUpdateProcedure,
    codec::{Experimental, ResultCode},
};

use crate::{
    lab::{Lab, imsi, until},
    location::nothing_waits,
    mme::{Manner, Told, cancel},
};

#[tokio::test]
async fn three_hundred_ues_that_move_at_once_are_all_cancelled() {
    let lab = Lab::with(300).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    join_all((1..=300).map(|n| one.attached(imsi(n)))).await;
    join_all((1..=300).map(|n| two.attached(imsi(n)))).await;
    let mut left: HashSet<String> = (1..=300).map(|n| imsi(n).to_string()).collect();
    while !left.is_empty() {
        let Told::Cancel { imsi, kind: MmeUpdateProcedure } = one.told().await else { panic!("no CLR") };
        assert!(left.remove(&imsi), "{imsi}: twice");
    }
    nothing_waits(&lab).await;
    icf.stop().await;
}

#[tokio::test]
async fn an_mme_that_does_not_answer_keeps_no_other_waiting() {
    let lab = Lab::with(200).await;
    let icf = lab.start().await;
    let (deaf, two, three) = (icf.mme(1).await, icf.mme(2).await, icf.mme(3).await);
    deaf.manner.send_replace(Manner::Never);
    join_all((1..=100).map(|n| deaf.attached(imsi(n)))).await;
    join_all((101..=200).map(|n| two.attached(imsi(n)))).await;
    join_all((1..=100).map(|n| three.attached(imsi(n)))).await;
    deaf.told().await;
    let begun = Instant::now();
    join_all((101..=200).map(|n| three.attached(imsi(n)))).await;
    for _ in 101..=200 {
        two.told().await;
    }
    // The others' time to answer is two seconds.
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    icf.stop().await;
}

/// RFC 6733 §7.1.3: 3004 may be answered better later; TS 29.272 §5.2.1.2: what is permanent is not tried again.
#[tokio::test]
async fn a_busy_mme_is_asked_again_and_one_that_refuses_is_not() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    one.attached(imsi(2)).await;
    one.manner.send_replace(Manner::With(ResultCode::TOO_BUSY.into()));
    two.attached(imsi(1)).await;
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    one.manner.send_replace(Manner::With(Experimental::USER_UNKNOWN.into()));
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    two.attached(imsi(2)).await;
    assert_eq!(one.told().await, cancel(imsi(2), MmeUpdateProcedure));
    nothing_waits(&lab).await;
    one.is_told_nothing(Duration::from_millis(200)).await;
    icf.stop().await;
}

/// Two ICFs share the database; the MMEs are connected to one each.
#[tokio::test]
async fn the_clr_goes_by_way_of_the_instance_that_the_mme_is_connected_to() {
    let lab = Lab::with(1).await;
    let (a, b) = (lab.start_as("a").await, lab.start_as("b").await);
    let (one, two) = (a.mme(1).await, b.mme(2).await);
    let seqs =
        [one.air(imsi(1)).await, two.air(imsi(1)).await, one.air(imsi(1)).await, two.air(imsi(1)).await]
            .map(|vector| vector.unwrap().seq_and_ind().0);
    assert_eq!(seqs.iter().collect::<HashSet<_>>().len(), 4, "{seqs:?}");
    one.attached(imsi(1)).await;
    // To and fro; each instance has heard of the other's registration by then.
    for (old, new) in [(&one, &two), (&two, &one)] {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        new.attached(imsi(1)).await;
        assert_eq!(old.told().await, cancel(imsi(1), MmeUpdateProcedure));
        nothing_waits(&lab).await;
    }
    until("back", async || lab.store.registration(imsi(1)).await.unwrap()[0].node.host == one.host).await;
    a.stop().await;
    b.stop().await;
}

/// TS 29.272 §5.2.1.1.3: the previous MME is the one that the database knows, not the one that this instance
/// remembers; it hears of what others do only every half second.
#[tokio::test]
async fn a_ue_that_moves_between_instances_faster_than_they_hear_of_it_leaves_no_mme_behind() {
    let lab = Lab::with(1).await;
    let (a, b) = (lab.start_as("a").await, lab.start_as("b").await);
    let (one, two) = (a.mme(1).await, b.mme(2).await);
    // Both remember a UE that is registered nowhere.
    one.air(imsi(1)).await.unwrap();
    two.air(imsi(1)).await.unwrap();
    one.attached(imsi(1)).await;
    two.attached(imsi(1)).await;
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    // Back at once: now the first remembers itself.
    one.attached(imsi(1)).await;
    assert_eq!(two.told().await, cancel(imsi(1), MmeUpdateProcedure));
    nothing_waits(&lab).await;
    a.stop().await;
    b.stop().await;
}

/// RFC 6733 §6.1.6: a sibling of the MME is no relay, and would answer for what it does not serve.
#[tokio::test]
async fn a_clr_for_an_mme_that_is_away_waits_for_it_and_is_not_sent_to_its_sibling() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    one.disconnect().await;
    // As after a restart: nothing is remembered of the one that is away.
    two.disconnect().await;
    icf.stop().await;
    let icf = lab.start().await;
    let two = icf.mme(2).await;
    two.attached(imsi(1)).await;
    until("tried", async || {
        let due = lab.store.due(Timestamp::now().plus(1000), 10).await.unwrap();
        due.first().expect("still to be sent").attempts > 0
    })
    .await;
    let peers = icf.started.node.peers();
    let sibling = peers.iter().find(|peer| peer.identity == two.host).expect("it is connected");
    assert_eq!(sibling.counters.requests_sent, 0, "it was asked to forward");
    let one = icf.mme(1).await;
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    nothing_waits(&lab).await;
    icf.stop().await;
}

/// TS 29.272 §5.2.5.1.3: nor does an instance that has not heard of the move bring the old registration back.
#[tokio::test]
async fn a_nor_from_the_mme_that_the_ue_has_just_left_by_another_instance_gets_5423() {
    let lab = Lab::with(1).await;
    let (a, b) = (lab.start_as("a").await, lab.start_as("b").await);
    let (one, two) = (a.mme(1).await, b.mme(2).await);
    two.air(imsi(1)).await.unwrap();
    one.attached(imsi(1)).await;
    assert!(one.notify(imsi(1)).await.is_success());
    two.attached(imsi(1)).await;
    assert_eq!(one.notify(imsi(1)).await, Experimental::UNKNOWN_SERVING_NODE.into());
    assert_eq!(one.told().await, cancel(imsi(1), MmeUpdateProcedure));
    let registered = lab.store.registration(imsi(1)).await.unwrap();
    assert_eq!(registered.iter().map(|it| it.node.host.as_str()).collect::<Vec<_>>(), [two.host.as_str()]);
    a.stop().await;
    b.stop().await;
}

/// The events of these kinds: kind, command, node, and whether another try follows.
async fn told(lab: &Lab) -> Vec<(String, String, String, bool)> {
    let events = lab.store.events(0, 1000).await.unwrap();
    let kinds = ["not-delivered", "given-up"];
    events
        .into_iter()
        .filter(|it| kinds.contains(&it.event.kind.as_str()))
        .map(|it| {
            let text = |field: &str| it.event.detail[field].as_str().unwrap_or_default().to_owned();
            (it.event.kind.clone(), text("command"), text("node"), !it.event.detail["next_try"].is_null())
        })
        .collect()
}

#[tokio::test]
async fn a_clr_that_is_not_delivered_is_told_with_why_and_what_comes_next() {
    let lab = Lab::with(2).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    one.attached(imsi(1)).await;
    one.attached(imsi(2)).await;
    // Busy: told once, tried again; then refused, which is the end.
    one.manner.send_replace(Manner::With(ResultCode::TOO_BUSY.into()));
    two.attached(imsi(1)).await;
    one.told().await;
    until("told", async || !told(&lab).await.is_empty()).await;
    let expected = |kind: &str, again| (kind.to_owned(), "CLR".to_owned(), one.host.clone(), again);
    assert_eq!(told(&lab).await, [expected("not-delivered", true)]);
    // Beside the event; it may also be under way again, or be gone.
    until("why it waits is kept", async || {
        let waits = lab.store.waiting(&icf_auc::store::Page { after: None, limit: 10 }).await.unwrap();
        waits.first().is_none_or(|waits| {
            waits.queued.attempts >= 1 && waits.why.as_deref().is_some_and(|why| why.contains("3004"))
        })
    })
    .await;
    one.manner.send_replace(Manner::With(Experimental::USER_UNKNOWN.into()));
    until("given up", async || told(&lab).await.len() == 2).await;
    assert_eq!(told(&lab).await[1], expected("given-up", false));
    nothing_waits(&lab).await;
    icf.stop().await;
}
