//! TS 35.208 §4.3: the design conformance test data of Milenage, sets 1 to 20.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use icf_auc::auc::{amf::Amf, functions::PreparedKeys, keys::SubscriberKeys, sqn::Sqn, vector::UtranVector};
use schemas::secret::Key128;

struct Set {
    number: usize,
    k: Key128,
    rand: [u8; 16],
    sqn: Sqn,
    amf: Amf,
    op: Key128,
    opc: Key128,
    f1: [u8; 8],
    f1_star: [u8; 8],
    f2: [u8; 8],
    f5: [u8; 6],
    f3: [u8; 16],
    f4: [u8; 16],
    f5_star: [u8; 6],
}

impl Set {
    fn keys(&self) -> PreparedKeys {
        SubscriberKeys::from_opc(self.k.clone(), self.opc.clone()).prepare()
    }
}

fn octets<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn sets() -> Vec<Set> {
    let lines = include_str!("data/ts_35_208.txt").lines().filter(|line| !line.starts_with('#'));
    let sets: Vec<_> = lines
        .zip(1..)
        .map(|(line, number)| {
            let columns: Vec<_> = line.split(' ').collect();
            let [k, rand, sqn, amf, op, opc, f1, f1_star, f2, f5, f3, f4, f5_star] = columns[..] else {
                panic!("set {number} has not 13 columns");
            };
            Set {
                number,
                k: Key128::from_hex(k).unwrap(),
                rand: octets(rand),
                sqn: Sqn::from_octets(octets(sqn)),
                amf: Amf::new(octets(amf)),
                op: Key128::from_hex(op).unwrap(),
                opc: Key128::from_hex(opc).unwrap(),
                f1: octets(f1),
                f1_star: octets(f1_star),
                f2: octets(f2),
                f5: octets(f5),
                f3: octets(f3),
                f4: octets(f4),
                f5_star: octets(f5_star),
            }
        })
        .collect();
    assert_eq!(sets.len(), 20, "TS 35.208 §4.3 has twenty sets");
    sets
}

#[test]
fn opc_of_all_sets() {
    for set in sets() {
        let keys = SubscriberKeys::from_op(set.k.clone(), &set.op);
        assert!(keys.opc() == &set.opc, "set {}", set.number);
    }
}

#[test]
fn f1_and_f1_star_of_all_sets() {
    for set in sets() {
        let keys = set.keys();
        assert_eq!(keys.f1(&set.rand, set.sqn, set.amf), set.f1, "set {}", set.number);
        assert_eq!(keys.f1_star(&set.rand, set.sqn, set.amf), set.f1_star, "set {}", set.number);
    }
}

#[test]
fn f5_star_of_all_sets() {
    for set in sets() {
        assert_eq!(set.keys().f5_star(&set.rand), set.f5_star, "set {}", set.number);
    }
}

/// f2 to f5 as the vector shows them: XRES, CK, IK, and AK by what it makes of SQN.
#[test]
fn f2_f3_f4_f5_of_all_sets() {
    for set in sets() {
        let keys = set.keys();
        let vector = UtranVector::generate(&keys, set.rand, set.sqn, set.amf);
        assert_eq!(vector.xres, set.f2, "set {}", set.number);
        assert_eq!(vector.ck, set.f3, "set {}", set.number);
        assert_eq!(vector.ik, set.f4, "set {}", set.number);
        let concealed = set.sqn.xor(Sqn::from_octets(set.f5)).octets();
        assert_eq!(vector.autn[..6], concealed, "set {}", set.number);
        let amf = set.amf.with_separation_bit(false);
        assert_eq!(vector.autn[6..8], amf.octets(), "set {}", set.number);
        assert_eq!(vector.autn[8..], keys.f1(&set.rand, set.sqn, amf), "set {}", set.number);
    }
}
