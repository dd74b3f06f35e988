//! A USIM against the figures of TS 35.208, and against its own past.

use schemas::identity::Plmn;
use schemas::secret::Key128;

use super::vectors::{SETS, Set};
use super::*;

fn octets<const N: usize>(hex_digits: &str) -> [u8; N] {
    hex::decode(hex_digits).unwrap().try_into().unwrap()
}

fn serving() -> Plmn {
    "999-71".parse().unwrap()
}

impl Set {
    fn usim(&self) -> Usim {
        Usim::new(&Key128::from_hex(self.k).unwrap(), &Key128::from_hex(self.opc).unwrap())
    }

    fn sqn(&self) -> Sqn {
        Sqn::from_octets(octets(self.sqn))
    }

    fn challenge(&self) -> Challenge {
        Challenge::new(&octets(self.rand), &octets(self.autn))
    }

    /// An array that has come as far as `seq` in another entry than the set's.
    fn at(&self, seq: u64) -> SqnArray {
        let mut array = SqnArray::default();
        assert!(array.restore(self.sqn().ind() ^ 1, seq));
        array
    }

    /// Whether the AMF of the set has the separation bit.
    fn for_eps(&self) -> bool {
        octets::<16>(self.autn)[6] & 0x80 != 0
    }
}

#[test]
fn the_figures_of_ts_35_208_authenticate() {
    for set in &SETS {
        let mut usim = set.usim().with_sqn(set.at(set.sqn().seq() - 1));
        let verdict = usim.authenticate(&set.challenge(), serving());
        if !set.for_eps() {
            assert_eq!(verdict.emm_cause(), Some(26), "set {}", set.number);
            continue;
        }
        let Authentication::Accepted(accepted) = verdict else { panic!("set {}: {verdict:?}", set.number) };
        assert_eq!(hex::encode(accepted.res()), set.res, "set {}", set.number);
        assert!(accepted.answers(&octets::<8>(set.res)));
        assert_eq!(hex::encode(accepted.ck().as_octets()), set.ck, "set {}", set.number);
        assert_eq!(hex::encode(accepted.ik().as_octets()), set.ik, "set {}", set.number);
        assert_eq!(hex::encode(accepted.kasme().as_octets()), set.kasme, "set {}", set.number);
        assert_eq!(accepted.sqn(), set.sqn());
        assert_eq!(usim.sqn().highest(), set.sqn());
    }
    assert!(SETS.iter().filter(|set| set.for_eps()).count() > 5);
}

#[test]
fn op_and_opc_make_the_same_usim() {
    for set in &SETS {
        let usim = Usim::from_op(&Key128::from_hex(set.k).unwrap(), &Key128::from_hex(set.op).unwrap());
        assert!(usim.check(&set.challenge()).is_some(), "set {}", set.number);
    }
}

#[test]
fn a_changed_bit_of_rand_or_autn_is_a_mac_failure() {
    let set = &SETS[0];
    for bit in 0..256 {
        let (mut rand, mut autn) = (octets::<16>(set.rand), octets::<16>(set.autn));
        if bit < 128 {
            rand[bit / 8] ^= 1 << (bit % 8)
        } else {
            autn[bit / 8 - 16] ^= 1 << (bit % 8)
        }
        let mut usim = set.usim().with_sqn(set.at(set.sqn().seq() - 1));
        let before = usim.sqn().clone();
        let verdict = usim.authenticate(&Challenge::new(&rand, &autn), serving());
        assert!(matches!(verdict, Authentication::MacFailure), "bit {bit}: {verdict:?}");
        assert_eq!(verdict.emm_cause(), Some(20));
        assert_eq!(usim.sqn(), &before);
    }
}

#[test]
fn a_replay_gets_auts_with_the_highest_sqn_accepted() {
    for set in SETS.iter().filter(|set| set.for_eps()) {
        let mut usim = set.usim().with_sqn(set.at(set.sqn().seq() - 1));
        assert!(usim.authenticate(&set.challenge(), serving()).emm_cause().is_none());
        let verdict = usim.authenticate(&set.challenge(), serving());
        assert_eq!(verdict.emm_cause(), Some(21));
        let Authentication::SynchronisationFailure { auts, sqn, why } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!((sqn, why), (set.sqn(), NotFresh::Used));
        assert_eq!(hex::encode(auts), set.auts, "set {}", set.number);
    }
}

#[test]
fn a_jump_beyond_delta_gets_auts_with_sqn_ms_and_changes_nothing() {
    let set = SETS.iter().find(|set| set.for_eps() && set.sqn().seq() > DELTA_AND_ONE).unwrap();
    let behind = set.sqn().seq() - DELTA_AND_ONE;
    let mut usim = set.usim().with_sqn(set.at(behind));
    let before = usim.sqn().clone();
    let verdict = usim.authenticate(&set.challenge(), serving());
    let Authentication::SynchronisationFailure { auts, why, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(why, NotFresh::Jump);
    assert_eq!(usim.sqn(), &before);
    // SQN_MS comes back out of the AUTS as the home network reads it, TS 33.102 §6.3.5.
    let (rand, auts) =
        (oxirush_security::Rand::new(&octets(set.rand)), oxirush_security::milenage::Auts::new(&auts));
    let sqn_ms = usim.milenage.verify_auts(&rand, &auts).unwrap();
    assert_eq!(Sqn::from_octets(*sqn_ms.as_octets()), before.highest());

    let mut closer = set.usim().with_sqn(set.at(behind + 1));
    assert!(closer.authenticate(&set.challenge(), serving()).emm_cause().is_none());
}

const DELTA_AND_ONE: u64 = sqn::DELTA + 1;

#[test]
fn an_amf_without_separation_bit_is_refused_before_the_number_counts() {
    let set = SETS.iter().find(|set| !set.for_eps()).unwrap();
    let mut usim = set.usim().with_sqn(set.at(set.sqn().seq() - 1));
    let before = usim.sqn().clone();
    assert!(matches!(usim.authenticate(&set.challenge(), serving()), Authentication::NonEpsUnacceptable));
    assert_eq!(usim.sqn(), &before);
}

#[test]
fn kasme_is_bound_to_the_serving_network() {
    let set = &SETS[0];
    let challenge = set.challenge();
    let of = |plmn: &str| {
        let checked = set.usim().check(&challenge).unwrap();
        *checked.derive(&challenge, plmn.parse().unwrap()).kasme().as_octets()
    };
    assert_eq!(hex::encode(of("999-71")), set.kasme);
    assert_ne!(of("999-70"), of("999-71"));
}

#[test]
fn many_at_once_are_checked_as_each_alone() {
    let usims: Vec<_> = SETS.iter().map(|set| (set.usim(), set.challenge())).collect();
    let forged = Challenge::new(&[0; 16], &[0; 16]);
    let mut jobs: Vec<_> = usims.iter().map(|(usim, challenge)| (usim, challenge)).collect();
    jobs.insert(4, (&usims[0].0, &forged));
    let checked = Usim::check_many(&jobs);
    assert_eq!(checked.len(), jobs.len());
    for (at, (one, (usim, challenge))) in checked.iter().zip(&jobs).enumerate() {
        assert_eq!(one.is_some(), at != 4);
        assert_eq!(one.as_ref().map(Checked::sqn), usim.check(challenge).map(|alone| alone.sqn()));
    }
}

#[test]
fn debug_shows_no_secret() {
    let set = &SETS[0];
    let mut usim = set.usim().with_sqn(set.at(set.sqn().seq() - 1));
    let accepted = usim.authenticate(&set.challenge(), serving());
    let shown = format!("{usim:?} {accepted:?}").to_lowercase();
    for secret in [set.k, set.op, set.opc, set.res, set.ck, set.ik, set.kasme] {
        assert!(!shown.contains(secret));
        let decimal: Vec<_> = hex::decode(secret).unwrap().iter().map(u8::to_string).collect();
        assert!(!shown.contains(&decimal.join(", ")));
    }
}
