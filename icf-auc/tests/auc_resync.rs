//! AUTS (TS 33.102 §6.3.3, §6.3.5): what is true is taken, what is forged is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use icf_auc::auc::{
    amf::Amf,
    keys::SubscriberKeys,
    lease::{GrantError, SeqAllocator},
    resync::{MacSFailure, Resync, ResynchronizationInfo, decide, verify},
    sqn::{Layout, Sqn},
};
use schemas::secret::Key128;

/// The AUTS that osmocom's own test of osmo-auc-gen has: SQN_MS is 23.
fn osmocom() -> (SubscriberKeys, ResynchronizationInfo) {
    let keys = SubscriberKeys::from_opc(
        Key128::from_hex("eb215756028d60e3275e613320aec880").unwrap(),
        Key128::from_hex("fb2a3d1b360f599abab99db8669f8308").unwrap(),
    );
    let mut octets = [0; 30];
    hex::decode_to_slice("39fa2f4e3d523d8619a73b4f65c3e14d979498b1f72d3e28c59fa2e72f9c", &mut octets)
        .unwrap();
    (keys, ResynchronizationInfo::from(&octets))
}

#[test]
fn true_auts_reveals_sqn_ms() {
    let (keys, info) = osmocom();
    assert_eq!(verify(&keys.prepare(), &info), Ok(Sqn::new(23).unwrap()));
}

#[test]
fn auts_with_any_bit_flipped_is_refused() {
    let (keys, info) = osmocom();
    let keys = keys.prepare();
    for bit in 0..14 * 8 {
        let mut forged = info;
        forged.auts.0[bit / 8] ^= 0x80 >> (bit % 8);
        assert_eq!(verify(&keys, &forged), Err(MacSFailure), "bit {bit}");
    }
    for bit in 0..16 * 8 {
        let mut forged = info;
        forged.rand[bit / 8] ^= 0x80 >> (bit % 8);
        assert_eq!(verify(&keys, &forged), Err(MacSFailure), "bit {bit} of RAND");
    }
}

/// PyHSS never compares MAC-S, so anybody resets the counter. A forged AUTS that reveals a plausible SQN_MS,
/// with MAC-S of zeros, must not pass.
#[test]
fn pyhss_mac_s_never_compared() {
    let (keys, mut info) = osmocom();
    info.auts.0[6..].fill(0);
    assert_eq!(verify(&keys.prepare(), &info), Err(MacSFailure));
}

/// OAI and omec take RAND ‖ AUTS whole for an AUTS. Ours are told apart by their places in the 30 octets.
#[test]
fn oai_rand_and_auts_taken_whole() {
    let octets: [u8; 30] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let info = ResynchronizationInfo::from(&octets);
    assert_eq!(info.rand[..], octets[..16]);
    assert_eq!(info.auts.0[..], octets[16..]);
}

/// AUTS is computed with AMF 0000 (TS 33.102 §6.3.3), not with the AMF of the challenge.
#[test]
fn auts_with_the_amf_of_the_challenge_is_refused() {
    let (keys, mut info) = osmocom();
    let keys = keys.prepare();
    let mac_s = keys.f1_star(&info.rand, Sqn::new(23).unwrap(), Amf::EUTRAN);
    info.auts.0[6..].copy_from_slice(&mac_s);
    assert_eq!(verify(&keys, &info), Err(MacSFailure));
}

#[test]
fn after_a_resync_the_next_vector_lies_above_seq_ms() {
    let layout = Layout::default();
    let mut numbers = SeqAllocator::new(layout);
    numbers.grant(layout.lease_after(0, 100).unwrap()).unwrap();
    assert_eq!(numbers.take(3).unwrap().collect::<Vec<_>>(), [1, 2, 3]);

    let sqn_ms = layout.sqn(5000, 9).unwrap();
    let Resync::Raise { seq_ms } = decide(layout, sqn_ms, numbers.peek().unwrap()) else {
        panic!("a USIM at 5000 refuses SEQ 4");
    };
    // A lease was on its way when the AUTS came: the USIM would refuse its numbers.
    let late = layout.lease_after(100, 4).unwrap();
    numbers.void_through(seq_ms);
    assert_eq!(numbers.take(1), None);
    assert_eq!(numbers.grant(late), Err(GrantError::NotAbove { floor: 5001 }));
    numbers.grant(layout.lease_after(seq_ms.max(100), 4).unwrap()).unwrap();
    assert_eq!(numbers.peek(), Some(5001));
    // The same AUTS again, replayed: the number is fine by now, nothing moves.
    assert_eq!(decide(layout, sqn_ms, 5001), Resync::Keep);
}
