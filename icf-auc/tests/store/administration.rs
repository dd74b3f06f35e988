//! Promises to administration.

use std::sync::Arc;

use icf_auc::{
    model::{CallHomeTriple, CredentialState, IssuingMode, NodeKind, Profile, Registration, Timestamp},
    store::{
        Batch, CredentialFilter, CredentialPatch, IssuingTerms, KeptAnswer, Op, OpcSource, Page, Store,
        StoreError, TakeOver,
    },
};

use super::fixture::*;

type S = Arc<dyn Store>;

fn page(after: Option<String>, limit: u32) -> Page {
    Page { after, limit }
}

pub async fn a_credential_comes_back_as_it_was_stored(store: S) {
    let mut new = credential(0);
    let c = &mut new.credential;
    c.triple = Some(CallHomeTriple {
        url: "https://home.example/".into(),
        user: "u".into(),
        password: String::from("p").into(),
    });
    c.imsi = "001010000000001".parse().unwrap();
    c.amf = [0x12, 0x34];
    c.ind_bitlen = 7;
    c.state = CredentialState::Blocked;
    c.expires_at = Some(Timestamp(2_000_000_000));
    c.attach_budget = Some(3);
    c.address = Some("2001:db8::9".parse().unwrap());
    c.msisdn = Some("49170123456".into());
    c.mode = IssuingMode::Subscriber;
    c.batch = Some("b1".into());
    let mut expected = c.clone();
    store.insert(vec![new]).await.unwrap();
    let stored = store.credential(expected.imsi).await.unwrap().unwrap();
    assert!(stored.created_at.0 > 1_000_000_000 && stored.updated_at == stored.created_at);
    expected.created_at = stored.created_at;
    expected.updated_at = stored.updated_at;
    expected.version = 1;
    assert_eq!(stored, expected);
    assert_eq!(store.credential(imsi(5)).await.unwrap(), None);
}

pub async fn insert_stores_all_or_none(store: S) {
    store.insert(credentials(5..6)).await.unwrap();
    let error = store.insert(credentials(0..10)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(what) if what.contains(&imsi(5).to_string())), "{error}");
    let twice = store.insert(vec![credential(1), credential(1)]).await.unwrap_err();
    assert!(matches!(&twice, StoreError::Conflict(what) if what.contains(&imsi(1).to_string())), "{twice}");
    let mut lost = credentials(0..2);
    lost[1].credential.profile = "nowhere".into();
    assert!(matches!(store.insert(lost).await, Err(StoreError::NotFound(what)) if what.contains("nowhere")));
    assert_eq!(store.count(&CredentialFilter::default()).await.unwrap(), 1);
    assert_eq!(store.existing(&[imsi(4), imsi(5), imsi(6)]).await.unwrap(), [imsi(5)]);
    store.insert(Vec::new()).await.unwrap();
    store.insert(credentials(100..1700)).await.unwrap();
    assert_eq!(store.count(&CredentialFilter::default()).await.unwrap(), 1601);
}

pub async fn sequence_numbers_outlive_the_credential(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    assert_eq!(leased(&*store, lease(0, 100)).await, 1..101);
    store.delete(imsi(0), None, Vec::new()).await.unwrap();
    assert!(matches!(one(&*store, lease(0, 1)).await, Err(StoreError::NotFound(_))));
    store.insert(credentials(0..1)).await.unwrap();
    assert_eq!(leased(&*store, lease(0, 1)).await, 101..102, "not from 1 again");
    store.delete(imsi(0), None, Vec::new()).await.unwrap();
    let mut ahead = credential(0);
    ahead.next_seq = 5000;
    store.insert(vec![ahead]).await.unwrap();
    assert_eq!(leased(&*store, lease(0, 1)).await, 5000..5001);
}

pub async fn a_profile_lifetime_ends_its_credentials(store: S) {
    let brief = Profile { lifetime: Some(600), ..Profile::provisioning("brief", None) };
    store.put_profile(brief, Some(0), Vec::new()).await.unwrap();
    let mut all = credentials(0..2);
    for new in &mut all {
        new.credential.profile = "brief".into();
    }
    all[1].credential.expires_at = Some(Timestamp(77));
    store.insert(all).await.unwrap();
    let first = store.credential(imsi(0)).await.unwrap().unwrap();
    assert_eq!(first.expires_at, Some(first.created_at.plus(600)));
    assert_eq!(store.credential(imsi(1)).await.unwrap().unwrap().expires_at, Some(Timestamp(77)));
}

pub async fn credentials_are_listed_by_prefix_state_profile_and_batch(store: S) {
    store.put_profile(Profile::provisioning("other", None), Some(0), Vec::new()).await.unwrap();
    let mut all = credentials(0..20);
    for (at, new) in all.iter_mut().enumerate() {
        new.credential.batch = (at % 2 == 0).then(|| "even".to_owned());
        new.credential.profile = if at < 5 { "other" } else { "default" }.into();
    }
    all[3].credential.state = CredentialState::Blocked;
    let mut short = credential(0);
    short.credential.imsi = "999710".parse().unwrap();
    let mut elsewhere = credential(0);
    elsewhere.credential.imsi = "001010000000001".parse().unwrap();
    all.extend([short, elsewhere]);
    store.insert(all).await.unwrap();

    let count = async |filter: CredentialFilter| {
        let listed = store.credentials(&filter, &page(None, 1000)).await.unwrap();
        assert!(listed.is_sorted_by_key(|c| c.imsi));
        assert_eq!(store.count(&filter).await.unwrap(), listed.len() as u64);
        listed.len()
    };
    let any = CredentialFilter::default;
    assert_eq!(count(any()).await, 22);
    assert_eq!(count(CredentialFilter { prefix: Some("99971".into()), ..any() }).await, 21);
    assert_eq!(count(CredentialFilter { prefix: Some("00101".into()), ..any() }).await, 1);
    assert_eq!(count(CredentialFilter { prefix: Some("99971000000001".into()), ..any() }).await, 10);
    assert_eq!(count(CredentialFilter { prefix: Some("999710000000007".into()), ..any() }).await, 1);
    assert_eq!(count(CredentialFilter { state: Some(CredentialState::Blocked), ..any() }).await, 1);
    assert_eq!(count(CredentialFilter { profile: Some("other".into()), ..any() }).await, 5);
    assert_eq!(count(CredentialFilter { batch: Some("even".into()), ..any() }).await, 10);
    let both = CredentialFilter { batch: Some("even".into()), profile: Some("other".into()), ..any() };
    assert_eq!(count(both).await, 3);
    assert!(store.count(&CredentialFilter { prefix: Some("12x".into()), ..any() }).await.is_err());

    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let part = store.credentials(&any(), &page(after, 5)).await.unwrap();
        seen.extend(part.iter().map(|c| c.imsi));
        match part.last() {
            Some(last) => after = Some(last.imsi.to_string()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 22);
    assert!(seen.is_sorted_by(|a, b| a < b), "nothing twice, nothing left out");
}

pub async fn an_update_of_what_has_changed_is_refused(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    let patch = CredentialPatch { attach_budget: Some(Some(9)), ..CredentialPatch::default() };
    let changed = store.update(imsi(0), Some(1), patch.clone(), Vec::new()).await.unwrap();
    assert_eq!((changed.version, changed.attach_budget), (2, Some(9)));
    assert_eq!(store.credential(imsi(0)).await.unwrap().unwrap(), changed);
    let refused = store.update(imsi(0), Some(1), patch.clone(), vec![cancel_of(0, "m")]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert!(store.due(Timestamp::now(), 1).await.unwrap().is_empty(), "nothing of a refused update is done");
    assert!(matches!(store.delete(imsi(0), Some(1), Vec::new()).await, Err(StoreError::Conflict(_))));
    let lost = CredentialPatch { profile: Some("nowhere".into()), ..CredentialPatch::default() };
    assert!(matches!(store.update(imsi(0), None, lost, Vec::new()).await, Err(StoreError::NotFound(_))));
    assert!(matches!(store.update(imsi(1), None, patch, Vec::new()).await, Err(StoreError::NotFound(_))));
    store.delete(imsi(0), Some(2), Vec::new()).await.unwrap();
    assert!(matches!(store.delete(imsi(0), None, Vec::new()).await, Err(StoreError::NotFound(_))));
}

pub async fn an_assigned_address_is_nobody_elses(store: S) {
    store.insert(credentials(0..4)).await.unwrap();
    let wanted = "10.45.128.1".parse().unwrap();
    let patch = |address| CredentialPatch { address: Some(address), ..CredentialPatch::default() };
    store.update(imsi(0), None, patch(Some(wanted)), Vec::new()).await.unwrap();
    let error = store.update(imsi(1), None, patch(Some(wanted)), Vec::new()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(what) if what.contains("10.45.128.1")), "{error}");
    let mut same = credential(9);
    same.credential.address = Some(wanted);
    assert!(matches!(store.insert(vec![same]).await, Err(StoreError::Conflict(_))));
    assert_eq!(address(&*store, register(0, "mme")).await, Some(wanted));
    let next = address(&*store, register(1, "mme")).await.unwrap();
    assert_ne!(next, wanted);
    let freed = store.update(imsi(0), None, patch(None), Vec::new()).await.unwrap();
    assert_eq!(freed.address, None);
    assert_eq!(address(&*store, register(2, "mme")).await, Some(wanted), "it is free again");
}

pub async fn profiles_are_versioned_and_kept_while_used(store: S) {
    let default = store.profile("default").await.unwrap().unwrap();
    assert_eq!((default.version, default.address_pool), (1, Some(POOL.parse().unwrap())));
    let new = store.put_profile(Profile::provisioning("fast", None), Some(0), Vec::new()).await.unwrap();
    assert_eq!(new.version, 1);
    let again = store.put_profile(new.clone(), Some(0), Vec::new()).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    let changed = Profile { attach_budget: Some(1), ..new };
    let changed = store.put_profile(changed, Some(1), vec![cancel_of(0, "m")]).await.unwrap();
    assert_eq!(changed.version, 2);
    assert_eq!(store.due(Timestamp::now(), 9).await.unwrap().len(), 1);
    assert_eq!(store.profile("fast").await.unwrap(), Some(changed.clone()));
    let stale = store.put_profile(changed, Some(1), Vec::new()).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))));
    let names: Vec<_> = store.profiles().await.unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["default", "fast"]);
    store.insert(credentials(0..1)).await.unwrap();
    let used = store.delete_profile("default", None).await.unwrap_err();
    assert!(matches!(&used, StoreError::Conflict(what) if what.contains("default")), "{used}");
    assert!(matches!(store.delete_profile("fast", Some(1)).await, Err(StoreError::Conflict(_))));
    store.delete_profile("fast", Some(2)).await.unwrap();
    assert!(matches!(store.delete_profile("fast", None).await, Err(StoreError::NotFound(_))));
    let gone = store.put_profile(Profile::provisioning("fast", None), Some(2), Vec::new()).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));
}

pub async fn cancel_forgets_registrations_and_queues_once(store: S) {
    store.insert(credentials(0..1)).await.unwrap();
    one(&*store, register(0, "mme")).await.unwrap();
    assert!(store.cancel(imsi(0), vec![cancel_of(0, "mme")]).await.unwrap());
    assert!(store.registration(imsi(0)).await.unwrap().is_empty());
    assert!(!store.cancel(imsi(0), vec![cancel_of(0, "mme")]).await.unwrap());
    assert_eq!(store.due(Timestamp::now(), 9).await.unwrap().len(), 1, "two that cancel send one CLR");
}

pub async fn registrations_are_paged_and_found_by_profile(store: S) {
    store.put_profile(Profile::provisioning("other", None), Some(0), Vec::new()).await.unwrap();
    let mut all = credentials(0..5);
    all[4].credential.profile = "other".into();
    store.insert(all).await.unwrap();
    for n in 0..5 {
        one(&*store, register(n, "mme")).await.unwrap();
    }
    let sgsn = Registration { kind: NodeKind::Sgsn, ..registration(1, "sgsn") };
    let take_over = TakeOver::default();
    let op = Op::Register {
        registration: Box::new(sgsn),
        count_attach: false,
        pool: None,
        take_over,
        notify: false,
    };
    one(&*store, op).await.unwrap();
    let (mut after, mut seen) = (None, 0);
    loop {
        let part = store.registrations(&page(after, 2)).await.unwrap();
        let Some(last) = part.last() else { break };
        after = Some(last.imsi.to_string());
        seen += part.len();
    }
    assert_eq!(seen, 6, "one that is registered twice is not torn apart");
    let other = store.registrations_of_profile("other").await.unwrap();
    assert_eq!(other.iter().map(|r| r.imsi).collect::<Vec<_>>(), [imsi(4)]);
    assert_eq!(store.registrations_of_profile("default").await.unwrap().len(), 5);
}

pub async fn batches_audit_log_and_answers_are_kept(store: S) {
    let batch = |id: &str, done| Batch {
        id: id.into(),
        mode: IssuingMode::Supplier,
        first: Some(imsi(0)),
        count: 100,
        done,
        profile: "default".into(),
        party: Some("Supplier".into()),
        created_at: Timestamp(5),
        terms: None,
    };
    let terms = IssuingTerms { opc: OpcSource::Op, amf: [0x80, 1], triple_url: Some("https://x".into()) };
    let issued = Batch { terms: Some(terms), ..batch("0", 7) };
    for one in [batch("a", 0), batch("b", 1), batch("a", 50), issued.clone()] {
        store.put_batch(one).await.unwrap();
    }
    assert_eq!(store.batch("0").await.unwrap(), Some(issued));
    assert_eq!(store.batch("a").await.unwrap(), Some(batch("a", 50)));
    assert_eq!(store.batch("c").await.unwrap(), None);
    assert_eq!(store.batches(&page(Some("a".into()), 9)).await.unwrap(), [batch("b", 1)]);

    for n in 0..3 {
        store.audit("cli:root", "credentials.update", &n.to_string(), "done").await.unwrap();
    }
    let newest = store.audit_log(&page(None, 2)).await.unwrap();
    assert_eq!(newest.iter().map(|e| e.target.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    let rest = store.audit_log(&page(Some(newest[1].id.to_string()), 9)).await.unwrap();
    assert_eq!((rest.len(), rest[0].target.as_str(), rest[0].who.as_str()), (1, "0", "cli:root"));

    let answer = KeptAnswer { request: [7; 32], status: 201, body: b"{}".to_vec() };
    store.keep_answer("token", "key", answer.clone()).await.unwrap();
    assert_eq!(store.kept_answer("token", "key").await.unwrap(), Some(answer));
    assert_eq!(store.kept_answer("other", "key").await.unwrap(), None);
    store.ping().await.unwrap();
}

pub async fn pools_have_levels_and_refuse_a_rand_twice(store: S) {
    store.insert(vec![pool_credential(0), credential(1), pool_credential(2)]).await.unwrap();
    assert_eq!(store.add_vectors(imsi(0), (1..=3).map(vector).collect()).await.unwrap(), 3);
    one(&*store, Op::TakeVectors { imsi: imsi(0), count: 1 }).await.unwrap();
    for again in [1, 3] {
        let twice = store.add_vectors(imsi(0), vec![vector(9), vector(again)]).await;
        assert!(matches!(twice, Err(StoreError::Conflict(_))), "{again}: was, or is there");
    }
    assert_eq!(store.pool_level(imsi(0)).await.unwrap(), Some((2, 1)), "none of a refused call is added");
    assert_eq!(store.pool_level(imsi(1)).await.unwrap(), None);
    assert!(matches!(store.add_vectors(imsi(1), vec![vector(4)]).await, Err(StoreError::Conflict(_))));
    assert!(matches!(store.add_vectors(imsi(8), vec![vector(4)]).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.pools(&page(None, 9)).await.unwrap(), [(imsi(0), 2, 1), (imsi(2), 0, 0)]);
    store.delete(imsi(0), None, Vec::new()).await.unwrap();
    store.insert(vec![pool_credential(0)]).await.unwrap();
    let used = store.add_vectors(imsi(0), vec![vector(1)]).await;
    assert!(matches!(used, Err(StoreError::Conflict(_))), "a RAND that went out never comes again");
}
