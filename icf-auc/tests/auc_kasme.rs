//! KASME (TS 33.401 annex A.2) and the AMF separation bit, held against values made elsewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use icf_auc::auc::{
    amf::Amf,
    keys::SubscriberKeys,
    sqn::Sqn,
    vector::{EutranVector, UtranVector},
};
use schemas::{identity::Plmn, secret::Key128};

fn octets<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The vector that Magma's subscriber database tests its own Milenage and KASME with: SQN 7351, PLMN octets
/// 02f859.
#[test]
fn eutran_vector_of_magma() {
    let keys = SubscriberKeys::from_opc(
        Key128::from_hex("8baf473f2f8fd09487cccbd7097c6862").unwrap(),
        Key128::from_hex("8e27b6af0e692e750f32667a3b14605d").unwrap(),
    );
    let plmn = Plmn::from_octets([0x02, 0xf8, 0x59]).unwrap();
    let rand = octets("000102030405060708090a0b0c0d0e0f");
    let vector = EutranVector::generate(&keys.prepare(), rand, Sqn::new(7351).unwrap(), Amf::EUTRAN, plmn);
    assert_eq!(hex::encode(vector.xres), "2daf873d73f310c6");
    assert_eq!(hex::encode(vector.autn), "6fbfa3801f5780007bde59886e96e4fe");
    assert_eq!(hex::encode(vector.kasme), "8748c1c0a2826fa405b1e27ea104434ae556c765e8f061ebdb8ae286c44616c2");
}

/// KASME for PLMN 999-71 of sets of TS 35.208, computed with Python's hmac and hashlib:
/// `hmac.new(f3 + f4, b"\x10\x99\xf9\x17\x00\x03" + sqn_xor_f5 + b"\x00\x06", "sha256")`.
#[test]
fn kasme_as_python_computes_it() {
    let recorded = [
        (1, "e2239758ee467c2bb3a6f15c29785d43bdef51a5dec691bbfa88db7d6d8bc694"),
        (3, "c3b0b6736aa64d1807d27f508af634fa1bc23e3de235d890c18e36cb431e0515"),
        (6, "4df09ade13c6c83cd502066ab338a9e0abad4aeefa7cc9cebc209ed6fbb954b4"),
        (13, "260748d6dea89bb396a31d27bd31e4108cec35563b7af91e7d9467c2a32f7eff"),
        (20, "0059ffd1e4007ed06ee297dcef81cd3ffd22572176ea080cb3759d94f2d5c91e"),
    ];
    let sets: Vec<_> =
        include_str!("data/ts_35_208.txt").lines().filter(|line| !line.starts_with('#')).collect();
    for (number, kasme) in recorded {
        let column: Vec<_> = sets[number - 1].split(' ').collect();
        let [k, rand, sqn, opc] = [column[0], column[1], column[2], column[5]];
        let keys =
            SubscriberKeys::from_opc(Key128::from_hex(k).unwrap(), Key128::from_hex(opc).unwrap()).prepare();
        let vector = EutranVector::generate(
            &keys,
            octets(rand),
            Sqn::from_octets(octets(sqn)),
            Amf::EUTRAN,
            "999-71".parse().unwrap(),
        );
        assert_eq!(hex::encode(vector.kasme), kasme, "set {number}");
    }
}

#[test]
fn kasme_is_bound_to_the_serving_network() {
    let keys = SubscriberKeys::from_opc(Key128::new([1; 16]), Key128::new([2; 16])).prepare();
    let kasme = |plmn: &str| {
        let sqn = Sqn::new(32).unwrap();
        EutranVector::generate(&keys, [3; 16], sqn, Amf::EUTRAN, plmn.parse().unwrap()).kasme
    };
    assert_eq!(kasme("999-71"), kasme("999-71"));
    assert_ne!(kasme("999-71"), kasme("999-70"));
    assert_ne!(kasme("310-410"), kasme("310-41"));
}

#[test]
fn separation_bit_is_set_for_eutran_and_clear_for_utran_whatever_the_credential_says() {
    let keys = SubscriberKeys::from_opc(Key128::new([1; 16]), Key128::new([2; 16])).prepare();
    let sqn = Sqn::new(32).unwrap();
    for amf in [[0x00, 0x00], [0x80, 0x00], [0x39, 0xb9], [0xff, 0xff]] {
        let [first, second] = amf;
        let eutran = EutranVector::generate(&keys, [3; 16], sqn, Amf::new(amf), "999-71".parse().unwrap());
        assert_eq!(eutran.autn[6..8], [first | 0x80, second]);
        let utran = UtranVector::generate(&keys, [3; 16], sqn, Amf::new(amf));
        assert_eq!(utran.autn[6..8], [first & 0x7f, second]);
        // MAC-A covers the AMF: a vector of one access does not pass for the other.
        assert_ne!(eutran.autn[8..], utran.autn[8..]);
    }
}
