//! R4: an ICF that lacks a credential fetches it from the CHTIF elsewhere, over HTTPS, once, and serves it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/fixture.rs"]
mod fixture;

#[path = "chtif/icfs.rs"]
mod icfs;

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use fixture::*;
use futures_util::FutureExt;
use icf_auc::{
    chtif::{fetch::Chtif, seal::Identity, serve::ACTION},
    model::{AuthMaterial, CredentialState, Timestamp},
    store::{CredentialPatch, Store, memory::MemoryStore},
};
use icfs::*;
use oxirush_security::{milenage as oxirush, nas_eps};

/// 4181, DIAMETER_AUTHENTICATION_DATA_UNAVAILABLE (TS 29.272 §7.4.4.1).
const UNAVAILABLE: Answered = Answered::Refused(4181);
/// 5001, DIAMETER_ERROR_USER_UNKNOWN (TS 29.272 §7.4.3.1): what `unknown` is answered with here.
const UNKNOWN: Answered = Answered::Refused(5001);

/// The USIM accepts the vector (TS 33.102 §6.3.3) and comes to the same RES and KASME; gives SEQ.
fn accepted(n: u64, vector: &Vector) -> u64 {
    let AuthMaterial::Keys { k, opc } = credential(n).credential.auth else { panic!("no keys") };
    let usim = oxirush::Milenage::new(&oxirush::K::new(k.expose()), &oxirush::Opc::new(opc.expose()));
    let autn = oxirush_security::Autn::new(&vector.autn);
    let response =
        usim.check_autn(&oxirush_security::Rand::new(&vector.rand), &autn).expect("MAC-A is right");
    assert_eq!(response.res().as_octets(), &vector.xres[..]);
    let network = oxirush_security::Plmn::new("999", "71").unwrap();
    let kasme = nas_eps::derive_kasme(response.ck(), response.ik(), network, &autn);
    assert_eq!(kasme.as_octets(), &vector.kasme);
    response.sqn().get() >> 5
}

fn vector_of(answered: Answered) -> Vector {
    match answered {
        Answered::Vector(vector) => vector,
        Answered::Refused(code) => panic!("refused with {code}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_airs_at_once_for_a_pcid_that_is_elsewhere_are_all_answered_and_fetch_it_once() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let used_at_b = leased(&*b.store, lease(1, 7)).await;
    let a = site.start_a(b.rest(), GOOD_TOKEN).await;
    let mme = Mme::connect(&a).await;

    let answers = futures_util::future::join_all((0..100).map(|_| mme.air(imsi(1)))).await;
    let vectors: Vec<Vector> = answers.into_iter().map(vector_of).collect();
    assert_eq!(b.audit(ACTION).await, [format!("b-knows-a {} done", imsi(1))], "asked for once");

    let seqs: HashSet<u64> = vectors.iter().map(|vector| accepted(1, vector)).collect();
    assert_eq!(seqs.len(), 100, "no SEQ twice");
    assert!(seqs.iter().all(|seq| *seq >= used_at_b.end), "none of those that B has used");
    let here = a.store.credential(imsi(1)).await.unwrap().unwrap();
    assert_eq!(here.auth, credential(1).credential.auth);
    assert_eq!((here.amf, here.ind_bitlen, here.profile.as_str()), ([0x80, 0], 5, "default"));

    // It is here now: B is not needed any more.
    b.stop().await;
    vector_of(mme.air(imsi(1)).await);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_chtif_is_down_the_answer_is_4181_and_a_later_retry_works() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let at = b.rest();
    b.stop().await;
    let a = site.start_a(at, GOOD_TOKEN).await;
    let mme = Mme::connect(&a).await;
    assert_eq!(mme.air(imsi(1)).await, UNAVAILABLE);
    assert!(a.store.credential(imsi(1)).await.unwrap().is_none());

    let b = site.start_b(at).await;
    accepted(1, &vector_of(mme.air(imsi(1)).await));
    assert_eq!(b.audit(ACTION).await.len(), 1);
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_that_is_not_known_the_answer_is_4181_and_nothing_is_stored() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    for token in [WRONG_TOKEN, READ_ONLY_TOKEN] {
        let a = site.start_a(b.rest(), token).await;
        let mme = Mme::connect(&a).await;
        assert_eq!(mme.air(imsi(1)).await, UNAVAILABLE);
        assert!(a.store.credential(imsi(1)).await.unwrap().is_none());
        a.stop().await;
    }
    assert_eq!(b.audit(ACTION).await, [""; 0], "nothing was handed out");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chtif_whose_certificate_another_has_signed_gets_no_token() {
    let (site, other) = (Site::new(), Site::new());
    let b = other.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let a = site.start_a(b.rest(), GOOD_TOKEN).await;
    assert_eq!(Mme::connect(&a).await.air(imsi(1)).await, UNAVAILABLE);
    assert_eq!(b.audit(ACTION).await, [""; 0]);
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pcid_that_nobody_knows_is_asked_for_once() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    let a = site.start_a(b.rest(), GOOD_TOKEN).await;
    let mme = Mme::connect(&a).await;
    let at_once = futures_util::future::join_all((0..20).map(|_| mme.air(imsi(9)))).await;
    assert!(at_once.iter().all(|answered| *answered == UNKNOWN), "{at_once:?}");
    assert_eq!(mme.air(imsi(9)).await, UNKNOWN);
    let audit = b.audit(ACTION).await;
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert!(audit[0].starts_with(&format!("b-knows-a {} 404", imsi(9))), "{audit:?}");
    // Another subscriber's IMSI is not asked for at all: only those with the prefix are.
    assert_eq!(mme.air("001010000000001".parse().unwrap()).await, UNKNOWN);
    assert_eq!(b.audit(ACTION).await.len(), 1);
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_used_or_has_no_keys_is_not_handed_out() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1), credential(2), credential(3), pool_credential(4)]).await.unwrap();
    let patch = |state| CredentialPatch { state: Some(state), ..CredentialPatch::default() };
    b.store.update(imsi(1), None, patch(CredentialState::Blocked), vec![]).await.unwrap();
    b.store.update(imsi(2), None, patch(CredentialState::Disabled), vec![]).await.unwrap();
    let ended =
        CredentialPatch { expires_at: Some(Some(Timestamp::now().plus(-1))), ..CredentialPatch::default() };
    b.store.update(imsi(3), None, ended, vec![]).await.unwrap();
    let me = Identity::generate();
    for n in 1..=5 {
        let (status, body) = site.ask(b.rest(), GOOD_TOKEN, &asked(n, &me.public())).await;
        assert_eq!((status, body["status"].as_u64()), (404, Some(404)), "{n}: {body}");
        assert_eq!(body["detail"], format!("there is no credential {} to hand out", imsi(n)), "all alike");
    }
    assert_eq!(b.audit(ACTION).await.len(), 5);
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_refuses_with_problems_and_its_answer_holds_no_key_in_the_clear() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let me = Identity::generate();
    let good = asked(1, &me.public());
    let cases = [
        (WRONG_TOKEN, good.clone(), 401),
        (READ_ONLY_TOKEN, good.clone(), 403),
        (GOOD_TOKEN, asked(1, "age1nonsense"), 422),
        (GOOD_TOKEN, serde_json::json!({ "imsi": imsi(1).to_string() }), 422),
        (GOOD_TOKEN, serde_json::json!({ "imsi": "x", "recipient": me.public() }), 422),
        (GOOD_TOKEN, serde_json::json!({ "imsi": "x".repeat(5000), "recipient": me.public() }), 413),
    ];
    for (token, body, expected) in cases {
        let (status, problem) = site.ask(b.rest(), token, &body).await;
        assert_eq!((status, problem["status"].as_u64()), (expected, Some(expected.into())), "{problem}");
    }

    let mut next = leased(&*b.store, lease(1, 5)).await.end;
    for _turn in 0..3 {
        let (status, answer) = site.ask(b.rest(), GOOD_TOKEN, &good).await;
        assert_eq!(status, 200, "{answer}");
        let promised = answer["next_seq"].as_u64().unwrap();
        assert!(promised >= next, "each SEQ is promised once: {promised} after {next}");
        next = promised + 1;
        let text = answer.to_string();
        let AuthMaterial::Keys { k, opc } = credential(1).credential.auth else { panic!("no keys") };
        assert!(!text.contains(&hex::encode(k.expose())) && !text.contains(&hex::encode(opc.expose())));
        let plain = opened(&me, &answer);
        assert_eq!(plain["k"], hex::encode(k.expose()));
    }
    assert!(leased(&*b.store, lease(1, 1)).await.start >= next, "nor used here");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_whose_callers_have_gone_is_finished_and_cleared_away() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let chtif = Chtif::new(&site.config_of_a(b.rest(), GOOD_TOKEN).icf.chtif.unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(None));
    for turn in 1..=2 {
        let gone = chtif.fetch(imsi(1), &store).now_or_never();
        assert!(gone.is_none(), "it takes longer than that: the caller goes away meanwhile");
        let arrives = async {
            while store.credential(imsi(1)).await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), arrives).await.expect("it arrives all the same");
        // The one who comes now finds it, and asks nobody.
        assert!(chtif.fetch(imsi(1), &store).await.unwrap());
        assert_eq!(b.audit(ACTION).await.len(), turn);
        // Without it here it is asked for again: nothing of the fetch before is left over.
        store.delete(imsi(1), None, vec![]).await.unwrap();
    }
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_a_profile_that_is_not_here_is_refused_by_its_name() {
    let site = Site::new();
    let b = site.start_b(ANY_PORT).await;
    b.store.insert(vec![credential(1)]).await.unwrap();
    let chtif = Chtif::new(&site.config_of_a(b.rest(), GOOD_TOKEN).icf.chtif.unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(None));
    store.delete_profile("default", None).await.unwrap();
    let refused = chtif.fetch(imsi(1), &store).await.unwrap_err().to_string();
    assert!(refused.contains("default") && refused.contains("create it"), "{refused}");
    b.stop().await;
}

fn asked(n: u64, recipient: &str) -> serde_json::Value {
    serde_json::json!({ "imsi": imsi(n).to_string(), "recipient": recipient })
}

/// Port 0.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
