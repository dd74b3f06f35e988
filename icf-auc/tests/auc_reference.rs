//! The fast path against two other implementations on random inputs: crate `milenage`, which the AuC would
//! use if it were fast enough, and `oxirush-security`, which the UE simulator's USIM is made of.

use ::milenage::Milenage;
use icf_auc::auc::{
    amf::Amf,
    keys::SubscriberKeys,
    resync::{Auts, MacSFailure, ResynchronizationInfo, verify},
    sqn::Sqn,
    vector::{EutranVector, UtranVector},
};
use oxirush_security::{milenage as oxirush, nas_eps};
use proptest::prelude::*;
use schemas::{identity::Plmn, secret::Key128};

fn plmn() -> impl Strategy<Value = (String, String)> {
    ("[0-9]{3}", "[0-9]{2,3}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn vectors_agree_with_crate_milenage(
        k: [u8; 16], op: [u8; 16], rand: [u8; 16], sqn in 0..1u64 << 48, amf: [u8; 2],
    ) {
        let sqn = Sqn::new(sqn).unwrap();
        let keys = SubscriberKeys::from_op(Key128::new(k), &Key128::new(op));
        let mut reference = Milenage::new_with_op(k, op);
        prop_assert_eq!(keys.opc().expose(), reference.opc());
        let keys = keys.prepare();

        let vector = UtranVector::generate(&keys, rand, sqn, Amf::new(amf));
        let (res, ck, ik, ak) = reference.f2345(&rand);
        prop_assert_eq!((vector.xres, vector.ck, vector.ik), (res, ck, ik));
        prop_assert_eq!(&vector.autn[..6], sqn.xor(Sqn::from_octets(ak)).octets());
        let amf = [amf[0] & 0x7f, amf[1]];
        prop_assert_eq!(&vector.autn[8..], reference.f1(&rand, &sqn.octets(), &amf));
        prop_assert_eq!(keys.f1_star(&rand, sqn, Amf::new(amf)), reference.f1star(&rand, &sqn.octets(), &amf));
        prop_assert_eq!(keys.f5_star(&rand), reference.f5star(&rand));
    }

    #[test]
    fn eutran_vectors_satisfy_an_independent_usim(
        k: [u8; 16], op: [u8; 16], rand: [u8; 16], sqn in 0..1u64 << 48, amf: [u8; 2], (mcc, mnc) in plmn(),
    ) {
        let keys = SubscriberKeys::from_op(Key128::new(k), &Key128::new(op));
        let plmn: Plmn = format!("{mcc}-{mnc}").parse().unwrap();
        let vector =
            EutranVector::generate(&keys.prepare(), rand, Sqn::new(sqn).unwrap(), Amf::new(amf), plmn);

        let k = oxirush::K::new(&k);
        let usim = oxirush::Milenage::new(&k, &oxirush::Opc::from_op(&k, &oxirush::Op::new(&op)));
        let autn = oxirush_security::Autn::new(&vector.autn);
        let response = usim.check_autn(&oxirush_security::Rand::new(&rand), &autn).unwrap();
        prop_assert_eq!(response.sqn().get(), sqn);
        prop_assert!(response.amf().separation_bit());
        prop_assert_eq!(response.res().as_octets(), &vector.xres);
        let network = oxirush_security::Plmn::new(&mcc, &mnc).unwrap();
        let kasme = nas_eps::derive_kasme(response.ck(), response.ik(), network, &autn);
        prop_assert_eq!(kasme.as_octets(), &vector.kasme);
    }

    #[test]
    fn auts_of_an_independent_usim_verifies_and_reveals_sqn_ms(
        k: [u8; 16], opc: [u8; 16], rand: [u8; 16], sqn_ms in 0..1u64 << 48,
    ) {
        let usim = oxirush::Milenage::new(&oxirush::K::new(&k), &oxirush::Opc::new(&opc));
        let auts = usim.auts(
            &oxirush_security::Rand::new(&rand),
            &oxirush::Sqn::try_from(sqn_ms).unwrap(),
        );
        let keys = SubscriberKeys::from_opc(Key128::new(k), Key128::new(opc)).prepare();
        let info = ResynchronizationInfo { rand, auts: Auts(*auts.as_octets()) };
        prop_assert_eq!(verify(&keys, &info), Ok(Sqn::new(sqn_ms).unwrap()));
        // The same AUTS under another challenge is none.
        let mut other = rand;
        other[15] ^= 1;
        prop_assert_eq!(verify(&keys, &ResynchronizationInfo { rand: other, ..info }), Err(MacSFailure));
    }
}
