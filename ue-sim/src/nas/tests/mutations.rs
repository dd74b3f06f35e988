//! Messages with anything added to their optional part, and with anything at all changed (TS 24.301 §7.5 to §7.7).

use proptest::prelude::*;

use super::receiver::{answers, attaching, outcome, secured, secured_hex};
use super::*;

/// A message, octets of its mandatory part, and whether it goes to a registered UE.
const VALID: [(&str, usize, bool); 14] = [
    (
        "07420129064099f907000100195201c101090d0c70726f766973696f6e696e6705010a2d8001500bf699f907000201c000004164020108",
        38,
        false,
    ),
    ("0744115f0121", 3, false),
    ("07450153 0a", 3, true),
    ("07500bf699f907000201c0000042", 14, true),
    ("075501", 3, true),
    ("0761430790004c0061006245079000 4c00610062", 2, true),
    ("076062", 3, true),
    ("0201d9", 3, false),
    ("6200c50501010621310002301127018 0", 13, true),
    ("5200c95b01065e028686", 3, true),
    ("5200cd24", 4, true),
    ("6200cd243701 21", 4, true),
    ("5200e861", 4, true),
    ("0746", 2, true),
];

fn valid(at: usize) -> (Vec<u8>, usize, Ue) {
    let (message, mandatory, registered) = VALID[at];
    let ue = if registered { attached() } else { attaching() };
    (hex::decode(message.replace(' ', "")).unwrap(), mandatory, ue)
}

/// §7.5: every message, cut off anywhere in what has to be there.
#[test]
fn a_message_cut_off_in_its_mandatory_part_is_answered_or_too_short() {
    for at in 0..VALID.len() {
        let (message, mandatory, _) = valid(at);
        let header = if message[0] & 0x0f == 7 { 2 } else { 3 };
        for length in 1..mandatory {
            let (_, _, mut ue) = valid(at);
            let outputs = secured(&mut ue, &message[..length]);
            let answered = answers(&outputs);
            if length < header {
                assert!(answered.is_empty(), "{at} {length}: {outputs:?}");
                assert!(matches!(told(&outputs)[..], [Told::Discarded(_)]), "{at} {length}: {outputs:?}");
            } else {
                assert_eq!(answered.len(), 1, "{at} {length}: {outputs:?}");
                let deactivated = message[2] == 0xcd && header == 3;
                assert!(deactivated || answered[0].ends_with("60"), "{at} {length}: {outputs:?}");
            }
        }
    }
}

/// IEs that none of these messages has and that need not be understood: one octet, length of one octet, of two.
fn unknown_ie(esm: bool) -> impl Strategy<Value = Vec<u8>> {
    let one = if esm { 0xa0..=0xaf_u8 } else { 0x80..=0x8f };
    let value = || prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        one.prop_map(|octet| vec![octet]),
        (prop::sample::select(vec![0x2a_u8, 0x2b, 0x2f, 0x40, 0x70, 0x75]), value())
            .prop_map(|(iei, value)| { [vec![iei, u8::try_from(value.len()).unwrap()], value].concat() }),
        value().prop_map(|value| [vec![0x7d, 0, u8::try_from(value.len()).unwrap()], value].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// §7.6.1, §7.7.1: what need not be understood changes nothing, wherever it is in the optional part.
    #[test]
    fn what_need_not_be_understood_changes_nothing(
        at in 0..VALID.len(),
        before in prop::collection::vec(unknown_ie(false), 0..3),
        before_esm in prop::collection::vec(unknown_ie(true), 0..3),
        after in prop::collection::vec(unknown_ie(false), 0..3),
        cut in prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
    ) {
        let (message, mandatory, mut plain) = valid(at);
        let esm = message[0] & 0x0f == 2;
        let expected = { let outputs = secured(&mut plain, &message); outcome(&plain, &outputs) };
        let (imperative, optional) = message.split_at(mandatory);
        let front = if esm { before_esm.clone() } else { before };
        let back = if esm { before_esm } else { after };
        let mut odd = [imperative.to_vec(), front.concat(), optional.to_vec(), back.concat()].concat();
        if let Some(value) = cut {
            // An unknown IE that says it is longer than the message.
            odd.extend([0x2a, 0xff]);
            odd.extend(value);
        }
        let (_, _, mut ue) = valid(at);
        let outputs = secured(&mut ue, &odd);
        prop_assert_eq!(outcome(&ue, &outputs), expected, "{}", hex::encode(&odd));
    }

    /// Any octets in the place of any others: nothing panics, and nothing goes by without a word.
    #[test]
    fn whatever_is_changed_is_acted_upon_answered_or_told(
        at in 0..VALID.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
    ) {
        let (mut message, _, mut ue) = valid(at);
        for (place, octet) in changes {
            let place = place.index(message.len());
            message[place] = octet;
        }
        message.truncate(1 + length.index(message.len()));
        let outputs = secured(&mut ue, &message);
        prop_assert!(!outputs.is_empty(), "{}", hex::encode(&message));
        // The UE lives.
        prop_assert!(ue.state() == EmmState::Deregistered || !secured_hex(&mut ue, "0760").is_empty());
    }
}
