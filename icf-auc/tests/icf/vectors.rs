//! AIR (TS 29.272 §5.2.3.1).

use futures_util::future::join_all;
use icf_auc::{model::AuthMaterial, store::PooledVector};
use s6a::{app::vectors::ResynchronizationInfo, codec::Experimental};

use crate::{
    lab::{K, Lab, OPC, credential, imsi},
    mme::{Mme, Vector},
};

#[tokio::test]
async fn air_is_answered_from_the_store_and_then_from_memory_with_rising_sqns() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    let mut last = 0;
    // Across several leases.
    for _ in 0..40 {
        let (seq, _) = mme.air(imsi(1)).await.unwrap().seq_and_ind();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    // What was leased and not used is skipped, not used again.
    icf.stop().await;
    let icf = lab.start().await;
    let (seq, _) = icf.mme(1).await.air(imsi(1)).await.unwrap().seq_and_ind();
    assert!(seq > last, "{seq} after {last}");
    icf.stop().await;
}

#[tokio::test]
async fn five_hundred_imsis_never_seen_before_are_answered_at_once() {
    let lab = Lab::with(500).await;
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    let vectors = join_all((1..=500).map(|n| mme.air(imsi(n)))).await;
    let mut rands: Vec<_> = vectors.into_iter().map(|vector| vector.unwrap().rand).collect();
    rands.sort_unstable();
    rands.dedup();
    assert_eq!(rands.len(), 500);
    icf.stop().await;
}

#[tokio::test]
async fn many_airs_for_one_imsi_never_share_a_seq() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let asked = (0..200).map(|n| if n % 2 == 0 { one.air(imsi(1)) } else { two.air(imsi(1)) });
    let mut seqs: Vec<u64> =
        join_all(asked).await.into_iter().map(|vector| vector.unwrap().seq_and_ind().0).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 200);
    icf.stop().await;
}

/// TS 33.102 §C.1.2: one MME's vectors must not make another's stale. The IND is the same after a restart.
#[tokio::test]
async fn each_mme_has_its_own_ind() {
    let lab = Lab::with(1).await;
    let mut before = None;
    for _ in 0..2 {
        let icf = lab.start().await;
        let (one, two) = (icf.mme(1).await, icf.mme(2).await);
        let ind = async |mme: &Mme| mme.air(imsi(1)).await.unwrap().seq_and_ind().1;
        let inds = (ind(&one).await, ind(&two).await);
        assert_ne!(inds.0, inds.1);
        assert_eq!(ind(&one).await, inds.0);
        assert_eq!(*before.get_or_insert(inds), inds);
        icf.stop().await;
    }
}

/// TS 29.272 §7.3.17 and §5.2.3.1.3; a peer that is not configured for more is given one.
#[tokio::test]
async fn several_vectors_come_in_the_order_of_their_sqns() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let five = Mme::connect(&icf.endpoint, "five.visited.example").await;
    for asked in [3, 5, 9] {
        let vectors = five.vectors(imsi(1), asked, None).await.unwrap();
        assert_eq!(vectors.len(), asked.min(5) as usize);
        let seqs: Vec<u64> = vectors.iter().map(|vector| vector.seq_and_ind().0).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    }
    assert_eq!(icf.mme(1).await.vectors(imsi(1), 5, None).await.unwrap().len(), 1);
    icf.stop().await;
}

/// The RAND and AUTS of a USIM whose highest SQN is `sqn`.
pub fn auts(vector: &Vector, sqn: u64) -> ResynchronizationInfo {
    use oxirush_security::milenage::{self, Milenage, Opc, Sqn};
    let octets = |text: &str| <[u8; 16]>::try_from(hex::decode(text).unwrap()).unwrap();
    let usim = Milenage::new(&milenage::K::new(&octets(K)), &Opc::new(&octets(OPC)));
    let auts = usim.auts(&oxirush_security::Rand::new(&vector.rand), &Sqn::try_from(sqn).unwrap());
    ResynchronizationInfo::new(vector.rand, *auts.as_octets())
}

/// TS 33.102 §6.3.5, also for a USIM that is far ahead, and for one that is not ahead at all.
#[tokio::test]
async fn after_a_resynchronisation_sqns_go_on_above_the_usims() {
    let lab = Lab::with(1).await;
    let icf = lab.start().await;
    let (one, two) = (icf.mme(1).await, icf.mme(2).await);
    let refused = one.air(imsi(1)).await.unwrap();
    let ms = 5_000_000 << 5 | 7;
    let next = one.vectors(imsi(1), 1, Some(auts(&refused, ms))).await.unwrap().remove(0);
    let (seq, _) = next.seq_and_ind();
    assert!(seq > 5_000_000, "{seq}");
    let (after, _) = two.air(imsi(1)).await.unwrap().seq_and_ind();
    assert!(after > seq, "{after} after {seq}");
    // Said again: nothing is handed out twice.
    let again = one.vectors(imsi(1), 1, Some(auts(&refused, ms))).await.unwrap().remove(0);
    assert!(again.seq_and_ind().0 > after);
    let mut forged = auts(&refused, 9_000_000 << 5).0;
    forged[29] ^= 1;
    let refused = one.vectors(imsi(1), 1, Some(ResynchronizationInfo(forged))).await;
    assert_eq!(refused, Err(Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into()));
    assert!(one.air(imsi(1)).await.unwrap().seq_and_ind().0 < 9_000_000);
    icf.stop().await;
}

#[tokio::test]
async fn an_av_pool_is_handed_out_in_order_once_and_then_refused_with_4181() {
    let lab = Lab::new().await;
    let mut pooled = credential(1);
    pooled.auth = AuthMaterial::Pool;
    lab.insert([pooled]).await;
    let vector =
        |n: u8| PooledVector { rand: [n; 16], xres: vec![n; 8], autn: [n ^ 1; 16], kasme: [n ^ 2; 32] };
    let icf = lab.start().await;
    let mme = icf.mme(1).await;
    let dry = Err(Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
    assert_eq!(mme.air(imsi(1)).await, dry);
    lab.store.add_vectors(imsi(1), (1..=3).map(vector).collect()).await.unwrap();
    for n in 1..=3 {
        assert_eq!(mme.air(imsi(1)).await.unwrap(), {
            let PooledVector { rand, xres, autn, kasme } = vector(n);
            Vector { rand, xres, autn, kasme }
        });
    }
    assert_eq!(mme.air(imsi(1)).await, dry);
    icf.stop().await;
}
