//! Promises to the request path.

use std::{collections::HashSet, sync::Arc};

use icf_auc::{
    model::{CredentialState, NodeKind, Registration, Timestamp},
    store::{CredentialPatch, Done, Event, Op, OutgoingMessage, Store, StoreError, TakeOver},
};
use ipnet::IpNet;

use super::fixture::*;

type S = Arc<dyn Store>;

pub async fn leases_of_a_batch_are_disjoint_and_ascend(store: S) {
    store.insert(credentials(0..3)).await.unwrap();
    let ops = [lease(0, 4), lease(1, 1), lease(0, 10), lease(2, 1024), lease(0, 1)];
    let results = store.commit(&ops).await.unwrap();
    let ranges: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    let expected = [1..5, 1..2, 5..15, 1..1025, 15..16].map(Done::Lease);
    assert_eq!(ranges, expected);
    assert_eq!(leased(&*store, lease(0, 2)).await, 16..18);
}

pub async fn leases_never_overlap_under_64_concurrent_committers(store: S) {
    store.insert(credentials(0..4)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64u32 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut granted = Vec::new();
            for round in 0..8u32 {
                let ops: Vec<Op> =
                    (0..8).map(|n| lease(u64::from(n % 4), 1 + (task + round + n) % 7)).collect();
                for (op, result) in ops.iter().zip(store.commit(&ops).await.unwrap()) {
                    let (Op::Lease { imsi, count, .. }, Ok(Done::Lease(range))) = (op, result) else {
                        panic!()
                    };
                    assert_eq!(range.end - range.start, u64::from(*count));
                    granted.extend(range.map(|seq| (*imsi, seq)));
                }
            }
            granted
        });
    }
    let mut seen = HashSet::new();
    while let Some(granted) = tasks.join_next().await {
        for one in granted.unwrap() {
            assert!(seen.insert(one), "{one:?} was granted twice");
        }
    }
    assert!(seen.len() > 64 * 8 * 8);
}

pub async fn resynchronisation_leases_above_seq_ms(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let above = |seq| Op::Lease { imsi: imsi(0), count: 4, above: Some(seq) };
    assert_eq!(leased(&*store, above(1000)).await, 1001..1005);
    // SEQ_MS below what was handed out: nothing comes twice (TS 33.102 §6.3.5).
    assert_eq!(leased(&*store, above(7)).await, 1005..1009);
    assert_eq!(leased(&*store, lease(0, 1)).await, 1009..1010);
}

pub async fn seq_never_wraps(store: S) {
    let last = (1u64 << 43) - 1;
    let mut new = credential(0);
    new.next_seq = last - 1;
    let mut wide = credential(1);
    wide.credential.ind_bitlen = 16;
    wide.next_seq = (1 << 32) - 1;
    store.insert(vec![new, wide]).await.unwrap();
    assert_eq!(leased(&*store, lease(0, 10)).await, last - 1..last + 1);
    assert!(matches!(one(&*store, lease(0, 1)).await, Err(StoreError::SequenceExhausted(i)) if i == imsi(0)));
    assert_eq!(leased(&*store, lease(1, 10)).await, (1 << 32) - 1..1 << 32);
    assert!(matches!(one(&*store, lease(1, 1)).await, Err(StoreError::SequenceExhausted(_))));
}

pub async fn an_operation_that_fails_fails_alone(store: S) {
    store.insert(credentials(0..2)).await.unwrap();
    let tiny: IpNet = "10.9.9.9/32".parse().unwrap();
    let from_tiny = |n| Op::Register {
        registration: Box::new(registration(n, "mme")),
        count_attach: true,
        pool: Some(tiny),
        take_over: TakeOver::default(),
        notify: false,
    };
    let ops = [lease(9, 1), lease(0, 1), from_tiny(0), from_tiny(1), register(9, "mme"), lease(1, 1)];
    let results = store.commit(&ops).await.unwrap();
    assert!(matches!(&results[0], Err(StoreError::NotFound(what)) if what.contains(&imsi(9).to_string())));
    assert_eq!(results[1].as_ref().unwrap(), &Done::Lease(1..2));
    let done = Done::Registered { address: Some("10.9.9.9".parse().unwrap()), send: Vec::new() };
    assert_eq!(results[2].as_ref().unwrap(), &done);
    assert!(matches!(results[3], Err(StoreError::PoolExhausted(pool)) if pool == tiny));
    assert!(matches!(results[4], Err(StoreError::NotFound(_))));
    assert_eq!(results[5].as_ref().unwrap(), &Done::Lease(1..2));
    assert!(store.registration(imsi(1)).await.unwrap().is_empty(), "half an operation was done");
    assert_eq!(store.credential(imsi(1)).await.unwrap().unwrap().attaches, 0);
}

pub async fn snapshots_hold_credential_profile_and_live_registration(store: S) {
    store.insert(credentials(0..4)).await.unwrap();
    let mut lapsed = registration(2, "mme");
    lapsed.expires_at = Timestamp::now().plus(-1);
    let mut sgsn = registration(3, "sgsn");
    sgsn.kind = NodeKind::Sgsn;
    let put = |r: Registration| Op::Register {
        registration: Box::new(r),
        count_attach: false,
        pool: None,
        take_over: TakeOver::default(),
        notify: false,
    };
    let ops = [put(registration(0, "mme")), put(registration(1, "mme")), put(lapsed), put(sgsn)];
    store.commit(&ops).await.unwrap();
    one(&*store, Op::Purge { imsi: imsi(1), host: "mme".into() }).await.unwrap();
    let mut all = store.snapshots(&[imsi(3), imsi(0), imsi(77), imsi(1), imsi(2)]).await.unwrap();
    all.sort_by_key(|s| s.credential.imsi);
    assert_eq!(all.len(), 4, "those unknown are left out");
    for (n, snapshot) in (0..).zip(&all) {
        let stored = store.credential(imsi(n)).await.unwrap().unwrap();
        assert_eq!(*snapshot.credential, stored);
        assert_eq!(snapshot.credential.auth, credential(n).credential.auth);
        assert_eq!(snapshot.profile.name, "default");
        assert_eq!(snapshot.registration.is_some(), n == 0, "{n}: live ones of an MME only");
    }
    let mut profile = store.profile("default").await.unwrap().unwrap();
    profile.periodic_tau = Some(54);
    store.put_profile(profile, None, Vec::new()).await.unwrap();
    assert_eq!(
        store.snapshots(&[imsi(0)]).await.unwrap()[0].profile.periodic_tau,
        Some(54),
        "not from a cache"
    );
}

pub async fn a_registration_replaces_its_own_kind_only(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let sgsn = Registration { kind: NodeKind::Sgsn, ..registration(0, "sgsn1") };
    let put = |r: Registration| Op::Register {
        registration: Box::new(r),
        count_attach: false,
        pool: None,
        take_over: TakeOver::default(),
        notify: false,
    };
    for r in [registration(0, "mme1"), sgsn.clone(), registration(0, "mme2")] {
        one(&*store, put(r)).await.unwrap();
    }
    let all = store.registration(imsi(0)).await.unwrap();
    assert_eq!(all, [registration_at(0, "mme2", &all[0]), sgsn]);
}

/// The registration with the end that was stored.
fn registration_at(n: u64, host: &str, stored: &Registration) -> Registration {
    Registration { expires_at: stored.expires_at, ..registration(n, host) }
}

/// A CLR of type 0 to the previous node of the same kind, of type 4 to that of the other.
fn takes_over(registration: Registration, count_attach: bool) -> Op {
    let cancel = |cancellation_type| Some(OutgoingMessage::Cancel { cancellation_type, clr_flags: None });
    let take_over = TakeOver { same_kind: cancel(0), other_kind: cancel(4) };
    Op::Register { registration: Box::new(registration), count_attach, pool: None, take_over, notify: false }
}

/// To whom something is to be sent, with its Cancellation-Type.
async fn cancelled(store: &dyn Store) -> Vec<(String, u32)> {
    let due = store.due(Timestamp::now(), 100).await.unwrap();
    let cancel = due.into_iter().map(|queued| match queued.outgoing.message {
        OutgoingMessage::Cancel { cancellation_type, .. } => (queued.outgoing.node.host, cancellation_type),
        other => panic!("{other:?}"),
    });
    cancel.collect()
}

pub async fn registering_counts_attaches_and_cancels_the_previous_node(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let first = one(&*store, takes_over(registration(0, "mme1"), true)).await.unwrap();
    assert_eq!(first, Done::Registered { address: None, send: Vec::new() }, "there was none before");
    let second = one(&*store, takes_over(registration(0, "mme2"), true)).await.unwrap();
    let Done::Registered { send, .. } = second else { panic!("{second:?}") };
    // Of the same node, however it is written, nobody is told (RFC 6733 §4.3.1).
    one(&*store, takes_over(registration(0, "MME2"), false)).await.unwrap();
    assert_eq!(store.credential(imsi(0)).await.unwrap().unwrap().attaches, 2);
    let due = store.due(Timestamp::now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|queued| queued.id).collect::<Vec<_>>(), send);
    assert_eq!((due[0].attempts, due[0].outgoing.imsi, &due[0].outgoing.node), (0, imsi(0), &node("mme1")));
    assert_eq!(cancelled(&*store).await, [("mme1".to_owned(), 0)]);
}

/// TS 29.272 §5.2.1.1.3; also of two that are committed at once.
pub async fn the_transaction_finds_the_previous_node_itself(store: S) {
    store.insert(credentials(0..2)).await.unwrap();
    let sgsn = Registration { kind: NodeKind::Sgsn, ..registration(0, "sgsn") };
    let both = Op::Register {
        registration: Box::new(sgsn),
        count_attach: false,
        pool: None,
        take_over: TakeOver::default(),
        notify: false,
    };
    let moves = ["mme1", "mme2", "mme3"].map(|host| takes_over(registration(0, host), false));
    let ops = [&[both], &moves[..]].concat();
    for done in store.commit(&ops).await.unwrap() {
        done.unwrap();
    }
    let told = [("sgsn", 4), ("mme1", 0), ("mme2", 0)].map(|(host, kind)| (host.to_owned(), kind));
    assert_eq!(cancelled(&*store).await, told);
    let left = store.registration(imsi(0)).await.unwrap();
    assert_eq!(left.iter().map(|r| r.node.host.as_str()).collect::<Vec<_>>(), ["mme3"]);
    // Neither one that has lapsed nor one that has purged the UE is told anything.
    let lapsed = Registration { expires_at: Timestamp::now().plus(-1), ..registration(1, "mme1") };
    let purge = Op::Purge { imsi: imsi(1), host: "mme2".into() };
    let ops = [
        takes_over(lapsed, false),
        takes_over(registration(1, "mme2"), false),
        purge,
        takes_over(registration(1, "mme3"), false),
    ];
    store.commit(&ops).await.unwrap();
    assert_eq!(cancelled(&*store).await.len(), 3, "no more than before");
}

pub async fn addresses_are_unique_kept_and_used_again(store: S) {
    store.insert(credentials(0..300)).await.unwrap();
    let ops: Vec<Op> = (0..300).map(|n| register(n, "mme")).collect();
    let mut seen = HashSet::new();
    for result in store.commit(&ops).await.unwrap() {
        let Ok(Done::Registered { address: Some(address), .. }) = result else { panic!("{result:?}") };
        assert!(seen.insert(address), "{address} twice");
    }
    assert!(!seen.contains(&"10.45.128.0".parse().unwrap()), "the network's own address");
    let first = address(&*store, register(0, "mme2")).await;
    assert_eq!(first, Some("10.45.128.1".parse().unwrap()), "an address stays with its credential");
    assert_eq!(store.registration(imsi(0)).await.unwrap()[0].address, first);
    store.delete(imsi(0), None, Vec::new()).await.unwrap();
    store.insert(credentials(300..302)).await.unwrap();
    assert_eq!(address(&*store, register(300, "mme")).await, first, "a free address is used again");
    assert!(seen.insert(address(&*store, register(301, "mme")).await.unwrap()));
}

pub async fn an_exhausted_pool_takes_back_addresses_of_expired_credentials(store: S) {
    store.insert(credentials(0..6)).await.unwrap();
    let net: IpNet = "10.1.1.0/30".parse().unwrap();
    let op = |n| Op::Register {
        registration: Box::new(registration(n, "mme")),
        count_attach: false,
        pool: Some(net),
        take_over: TakeOver::default(),
        notify: false,
    };
    let first = address(&*store, op(0)).await;
    let second = address(&*store, op(1)).await;
    assert_ne!(first, second);
    assert!(matches!(one(&*store, op(2)).await, Err(StoreError::PoolExhausted(_))));
    let over = CredentialPatch { expires_at: Some(Some(Timestamp(1))), ..CredentialPatch::default() };
    store.update(imsi(0), None, over, Vec::new()).await.unwrap();
    assert!(matches!(one(&*store, op(2)).await, Err(StoreError::PoolExhausted(_))), "it is still registered");
    store.cancel(imsi(0), Vec::new()).await.unwrap();
    assert_eq!(address(&*store, op(2)).await, first);
    assert_eq!(store.credential(imsi(0)).await.unwrap().unwrap().address, None);
    let off = CredentialPatch { state: Some(CredentialState::Disabled), ..CredentialPatch::default() };
    store.update(imsi(1), None, off, Vec::new()).await.unwrap();
    store.cancel(imsi(1), Vec::new()).await.unwrap();
    // In one batch with the one that would lose it: it keeps it.
    let results = store.commit(&[op(1), op(3)]).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap(), &Done::Registered { address: second, send: Vec::new() });
    assert!(matches!(results[1], Err(StoreError::PoolExhausted(_))));
}

pub async fn purge_and_deregister_only_from_the_serving_node(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    one(&*store, register(0, "mme1.example")).await.unwrap();
    let purge = |host: &str| Op::Purge { imsi: imsi(0), host: host.into() };
    let forget = |host: &str| Op::Deregister { imsi: imsi(0), kind: NodeKind::Mme, host: host.into() };
    assert_eq!(one(&*store, purge("mme2.example")).await.unwrap(), Done::Changed(false));
    assert!(!store.registration(imsi(0)).await.unwrap()[0].purged);
    assert_eq!(one(&*store, purge("MME1.Example")).await.unwrap(), Done::Changed(true));
    assert!(store.registration(imsi(0)).await.unwrap()[0].purged);
    assert_eq!(one(&*store, forget("mme2.example")).await.unwrap(), Done::Changed(false));
    assert_eq!(one(&*store, forget("mme1.example")).await.unwrap(), Done::Changed(true));
    assert!(store.registration(imsi(0)).await.unwrap().is_empty());
    assert_eq!(one(&*store, purge("mme1.example")).await.unwrap(), Done::Changed(false));
}

/// A NOR that was decided on before the UE moved does not bring its old registration back.
pub async fn a_renewal_is_for_the_registration_that_is_still_there(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let until = Timestamp::now().plus(7200);
    let renew = |host: &str, imei: Option<&str>| Op::Renew {
        imsi: imsi(0),
        kind: NodeKind::Mme,
        host: host.into(),
        expires_at: until,
        imei: imei.map(str::to_owned),
    };
    assert_eq!(one(&*store, renew("mme1", None)).await.unwrap(), Done::Changed(false));
    one(&*store, register(0, "mme1")).await.unwrap();
    assert_eq!(one(&*store, renew("MME1", None)).await.unwrap(), Done::Changed(true));
    let kept = store.registration(imsi(0)).await.unwrap().remove(0);
    assert_eq!((kept.expires_at, kept.imei.as_deref()), (until, Some("35609204079300")));
    let results = store.commit(&[register(0, "mme2"), renew("mme1", None), renew("mme2", Some("1"))]).await;
    let results: Vec<_> = results.unwrap().into_iter().skip(1).map(Result::unwrap).collect();
    assert_eq!(results, [Done::Changed(false), Done::Changed(true)]);
    let kept = store.registration(imsi(0)).await.unwrap().remove(0);
    assert_eq!((kept.node.host.as_str(), kept.imei.as_deref()), ("mme2", Some("1")));
    one(&*store, Op::Purge { imsi: imsi(0), host: "mme2".into() }).await.unwrap();
    assert_eq!(one(&*store, renew("mme2", None)).await.unwrap(), Done::Changed(false));
}

pub async fn operations_of_one_batch_see_each_other(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let forget = Op::Deregister { imsi: imsi(0), kind: NodeKind::Mme, host: "a".into() };
    let purge = Op::Purge { imsi: imsi(0), host: "b".into() };
    let ops = [register(0, "a"), forget.clone(), forget, register(0, "b"), purge];
    let results = store.commit(&ops).await.unwrap();
    let changed: Vec<_> = [1, 2, 4].into_iter().map(|at: usize| results[at].clone().unwrap()).collect();
    assert_eq!(changed, [true, false, true].map(Done::Changed));
    let all = store.registration(imsi(0)).await.unwrap();
    assert_eq!((all.len(), all[0].node.host.as_str(), all[0].purged), (1, "b", true));
    assert_eq!(store.credential(imsi(0)).await.unwrap().unwrap().attaches, 2);
}

pub async fn queued_messages_stay_until_they_are_answered(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let sends = vec![cancel_of(0, "mme1"), cancel_of(0, "mme2")];
    store.update(imsi(0), None, CredentialPatch::default(), sends).await.unwrap();
    let now = Timestamp::now();
    let due = store.due(now, 10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(store.due(now, 1).await.unwrap(), due[..1]);
    let later = Op::SendLater { id: due[0].id, at: now.plus(60), why: "no answer".into() };
    assert_eq!(one(&*store, later).await.unwrap(), Done::Changed(true));
    assert_eq!(store.due(now, 10).await.unwrap(), due[1..]);
    let again = store.due(now.plus(60), 10).await.unwrap();
    assert_eq!(again.iter().find(|q| q.id == due[0].id).unwrap().attempts, 1);
    assert_eq!(one(&*store, Op::Sent(due[1].id)).await.unwrap(), Done::Changed(true));
    assert_eq!(one(&*store, Op::Sent(due[1].id)).await.unwrap(), Done::Changed(false));
    assert!(store.due(now, 10).await.unwrap().is_empty());
}

pub async fn lapsed_and_revocable_registrations_are_found(store: S) {
    store.insert(credentials(0..4)).await.unwrap();
    for n in 0..4 {
        one(&*store, register(n, "mme")).await.unwrap();
    }
    let now = Timestamp::now();
    assert!(store.lapsed(now, 10).await.unwrap().is_empty());
    assert_eq!(store.lapsed(now.plus(7200), 3).await.unwrap().len(), 3);
    assert!(store.revocable(now, 10).await.unwrap().is_empty());
    let state = |state| CredentialPatch { state: Some(state), ..CredentialPatch::default() };
    let ends = CredentialPatch { expires_at: Some(Some(now.plus(100))), ..CredentialPatch::default() };
    store.update(imsi(0), None, ends.clone(), Vec::new()).await.unwrap();
    store.update(imsi(1), None, state(CredentialState::Blocked), Vec::new()).await.unwrap();
    store.update(imsi(2), None, state(CredentialState::Disabled), Vec::new()).await.unwrap();
    let revocable = async |at| {
        let mut found: Vec<_> = store.revocable(at, 10).await.unwrap().iter().map(|r| r.imsi).collect();
        found.sort();
        found
    };
    assert_eq!(revocable(now).await, [imsi(1), imsi(2)]);
    assert_eq!(revocable(now.plus(100)).await, [imsi(0), imsi(1), imsi(2)]);
    store.update(imsi(1), None, state(CredentialState::Active), Vec::new()).await.unwrap();
    one(&*store, Op::Purge { imsi: imsi(2), host: "mme".into() }).await.unwrap();
    assert!(revocable(now).await.is_empty(), "active again; purged, so that no CLR is due");
    // Registered again after the end was set.
    one(&*store, register(0, "mme2")).await.unwrap();
    assert_eq!(revocable(now.plus(100)).await, [imsi(0)]);
}

pub async fn ind_is_the_same_for_ever_and_32_nodes_have_their_own(store: S) {
    let mut inds = HashSet::new();
    for n in 0..32 {
        let (instance, node) = (format!("icf{}", n % 2), format!("mme{n}.example"));
        let ind = store.ind(&instance, &node).await.unwrap();
        assert!(ind < 32 && inds.insert(ind), "{ind} twice");
        assert_eq!(store.ind(&instance, &node.to_ascii_uppercase()).await.unwrap(), ind);
    }
    let first = store.ind("icf0", "mme0.example").await.unwrap();
    assert_eq!(store.ind("icf0", "mme33.example").await.unwrap(), first, "given out longest ago");
    assert_eq!(store.ind("icf0", "mme33.example").await.unwrap(), first);
    assert_ne!(store.ind("icf0", "mme34.example").await.unwrap(), first);
}

pub async fn vectors_are_handed_out_once_oldest_first(store: S) {
    store.insert(vec![pool_credential(0), credential(1)]).await.unwrap();
    store.add_vectors(imsi(0), (1..=5).map(vector).collect()).await.unwrap();
    let take = |n, count| Op::TakeVectors { imsi: imsi(n), count };
    assert_eq!(one(&*store, take(0, 2)).await.unwrap(), Done::Vectors(vec![vector(1), vector(2)]));
    let both = store.commit(&[take(0, 2), take(0, 9), take(0, 1), take(1, 1)]).await.unwrap();
    let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
    let expected = [vec![vector(3), vector(4)], vec![vector(5)], vec![], vec![]].map(Done::Vectors);
    assert_eq!(both, expected);
    assert_eq!(store.pool_level(imsi(0)).await.unwrap(), Some((0, 5)));
}

pub async fn events_rise_and_tell_what_happened(store: S) {
    let start = store.last_event().await.unwrap();
    store.insert(credentials(0..1)).await.unwrap();
    let told = Event { kind: "told".into(), imsi: None, detail: serde_json::json!({ "a": [1, "x"] }) };
    let purge = Op::Purge { imsi: imsi(0), host: "mme".into() };
    store.commit(&[register(0, "mme"), purge, Op::Tell(told.clone())]).await.unwrap();
    store.cancel(imsi(0), Vec::new()).await.unwrap();
    store.update(imsi(0), None, CredentialPatch::default(), Vec::new()).await.unwrap();
    store.delete(imsi(0), None, Vec::new()).await.unwrap();
    let events = store.events(start, 100).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|e| e.event.kind.as_str()).collect();
    let expected = [
        "credentials-added",
        "registered",
        "purged",
        "told",
        "cancelled",
        "credential-changed",
        "credential-deleted",
    ];
    assert_eq!(kinds, expected);
    assert!(events.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(events[3].event, told);
    assert_eq!(events[1].event.imsi, Some(imsi(0)));
    assert_eq!(store.last_event().await.unwrap(), events[6].id);
    assert_eq!(store.events(events[4].id, 1).await.unwrap(), events[5..6]);
}
