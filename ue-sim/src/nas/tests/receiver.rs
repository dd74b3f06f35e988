//! What a receiver makes of messages that no sender should send (TS 24.301 §7, TS 24.007 §11.4): octets in, answer and
//! outcome out.

use std::fmt::Write as _;

use super::*;
use oxirush_nas::nas_eps::{Direction, NasEpsSecurityHeaderType, NasSecurityContext};

/// Sends a plain message as the network does that has the UE's keys. EEA0 is what the recording chose.
pub(super) fn secured(ue: &mut Ue, plain: &[u8]) -> Vec<Output> {
    let context = ue.context.as_ref().unwrap();
    let counts = (context.nas.nas_count(Direction::Uplink), context.nas.nas_count(Direction::Downlink));
    let mut network = NasSecurityContext::restore_from_kasme(
        &context.kasme,
        context.nas.integrity_algorithm(),
        context.nas.ciphering_algorithm(),
        counts,
    )
    .unwrap();
    let header = NasEpsSecurityHeaderType::IntegrityProtectedAndCiphered;
    let octets = network.protect_opaque_payload(plain.to_vec(), header, Direction::Downlink).unwrap();
    ue.downlink(&octets)
}

pub(super) fn secured_hex(ue: &mut Ue, plain: &str) -> Vec<Output> {
    secured(ue, &hex::decode(plain).unwrap())
}

/// What the UE sends, without protection.
pub(super) fn answers(outputs: &[Output]) -> Vec<String> {
    let plain = |message: String| if message.starts_with("27") { message[12..].to_owned() } else { message };
    sent(outputs).into_iter().map(plain).collect()
}

/// Security is set, and the ATTACH ACCEPT has not come.
pub(super) fn attaching() -> Ue {
    let mut ue = ue();
    ue.attach().unwrap();
    for message in [AUTHENTICATION_REQUEST, SECURITY_MODE_COMMAND] {
        down(&mut ue, message);
    }
    ue
}

/// An ATTACH ACCEPT with this ESM message in it, and what follows that.
fn attach_accept(container: &str, rest: &str) -> String {
    format!("07420129064099f9070001{:04x}{container}{rest}", container.len() / 2)
}

const DEFAULT_BEARER: &str = "5201c101090d0c70726f766973696f6e696e6705010a2d8001";
const COMPLETE: &str = "074300035200c2";

/// What a UE has and says at the end of something, apart from what it only passed over.
pub(super) fn outcome(ue: &Ue, outputs: &[Output]) -> String {
    let mut text = format!("{:?} {:?} {:?}", ue.state(), ue.s_tmsi(), ue.bearers().collect::<Vec<_>>());
    for output in outputs {
        match output {
            Output::Told(Told::Message { .. } | Told::PassedOver { .. }) => {}
            Output::Send(octets) => {
                write!(text, " {:?}", hex::encode(&octets[octets.len().min(6)..])).unwrap()
            }
            other => write!(text, " {other:?}").unwrap(),
        }
    }
    text
}

/// Table 9.9.4.3.1, §9.9.4.2, §9.9.4.9, TS 24.008 §10.5.6.3, TS 23.003 §9.1: none of this keeps a device off.
#[test]
fn harmless_oddities_of_the_default_bearer_do_not_end_the_attach() {
    for (oddity, container) in [
        ("none", DEFAULT_BEARER),
        ("EPS QoS of 5, zeros", "5201c10509000000000d0c70726f766973696f6e696e6705010a2d8001"),
        ("EPS QoS of 9, zeros", "5201c1090900000000000000000d0c70726f766973696f6e696e6705010a2d8001"),
        ("EPS QoS of 13, 0xff", "5201c10d09ffffffffffffffffffffffff0d0c70726f766973696f6e696e6705010a2d8001"),
        ("EPS QoS of 3, cut short", "5201c1030900000d0c70726f766973696f6e696e6705010a2d8001"),
        ("EPS QoS of 15", "5201c10f0900000000000000000000000000000d0c70726f766973696f6e696e6705010a2d8001"),
        ("PCO 000A echoed", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270480000a00"),
        ("PCO 000D empty", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270480000d00"),
        ("PCO 0010 empty", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270480001000"),
        ("PCO unknown unit", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270680ff0002aabb"),
        ("PCO reserved unit", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270480002300"),
        ("PCO wrong length", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270680000d020a2d"),
        ("PCO cut short", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270480000d04"),
        ("PCO nothing", "5201c101090d0c70726f766973696f6e696e6705010a2d80012700"),
        ("PCO spare bits", "5201c101090d0c70726f766973696f6e696e6705010a2d8001270103"),
        ("PDN address, spare", "5201c101090d0c70726f766973696f6e696e6705f10a2d8001"),
        ("PDN address, longer", "5201c101090d0c70726f766973696f6e696e6709010a2d800100000000"),
        ("APN-AMBR reserved", "5201c101090d0c70726f766973696f6e696e6705010a2d80015e06000000000000"),
        ("APN-AMBR of 1", "5201c101090d0c70726f766973696f6e696e6705010a2d80015e0186"),
        ("APN-AMBR cut short", "5201c101090d0c70726f766973696f6e696e6705010a2d80015e0686"),
        ("ESM cause unknown", "5201c101090d0c70726f766973696f6e696e6705010a2d800158fe"),
        ("unknown IE", "5201c101090d0c70726f766973696f6e696e6705010a2d8001720401020304"),
        ("unknown IE cut short", "5201c101090d0c70726f766973696f6e696e6705010a2d800172ff01"),
        ("IEs out of order", "5201c101090d0c70726f766973696f6e696e6705010a2d800127018058325d0100"),
        ("negotiated QoS nonsense", "5201c101090d0c70726f766973696f6e696e6705010a2d80013001ff"),
    ] {
        let mut ue = attaching();
        let outputs = secured_hex(&mut ue, &attach_accept(container, ""));
        assert_eq!(answers(&outputs), [COMPLETE], "{oddity}: {outputs:?}");
        let bearer = ue.bearers().next().unwrap();
        assert_eq!((ue.state(), bearer.apn.as_str()), (EmmState::Registered, "provisioning"), "{oddity}");
        assert_eq!((bearer.address, bearer.qci), (Some([10, 45, 128, 1].into()), Some(9)), "{oddity}");
        assert!(bearer.dns.is_empty() && bearer.mtu.is_none() && bearer.ambr_kbps.is_none(), "{oddity}");
    }
}

/// TS 24.008 §10.5.6.3: of several units those count that are right, whatever is before or after them.
#[test]
fn the_rest_of_the_options_counts() {
    for units in [
        "000d040a2d000100100205780023000023000000",
        "000a00000d00000d040a2d000100100100001002 0578",
        "802110030000108106000000008306000000 00000d040a2d000100100205 78",
        "000d040a2d0001001002057800 0d04",
    ] {
        let units = units.replace(' ', "");
        let container = format!("{DEFAULT_BEARER}27{:02x}80{units}", 1 + units.len() / 2);
        let mut ue = attaching();
        secured_hex(&mut ue, &attach_accept(&container, ""));
        let bearer = ue.bearers().next().unwrap();
        assert_eq!((&bearer.dns[..], bearer.mtu), (&[[10, 45, 0, 1].into()][..], Some(1400)), "{units}");
    }
}

/// TS 23.003 §9.1 says how an APN is made, not which is understood.
#[test]
fn any_name_of_an_access_point_is_taken() {
    for (octets, name) in [
        ("0c6d795f736572766963655f31", "my_service_1"),
        ("0474657374066d6e63303730", "test.mnc070"),
        // With the end that a name of the DNS has.
        ("047465737400", "test"),
        ("03c3bc6e", "\\xc3\\xbcn"),
        ("0200ff", "\\x00\\xff"),
        (&"0461626364".repeat(24), &["abcd"; 24].join(".")),
    ] {
        let container = format!("5201c10109{:02x}{octets}05010a2d8001", octets.len() / 2);
        let mut ue = attaching();
        let outputs = secured_hex(&mut ue, &attach_accept(&container, ""));
        assert_eq!(answers(&outputs), [COMPLETE], "{name}: {outputs:?}");
        assert_eq!(ue.bearers().next().unwrap().apn, name);
    }
}

/// §7.3, §7.4, §7.5.3, §6.4.1.4: without a default bearer there is no registration, and the network is told why.
#[test]
fn a_default_bearer_that_cannot_be_used_is_refused_with_its_cause() {
    for (what, container, answer) in [
        ("nothing", "5201c1", "5200c360"),
        ("QoS without QCI", "5201c1000d0c70726f766973696f6e696e6705010a2d8001", "5200c360"),
        ("a reserved QCI", "5201c101000d0c70726f766973696f6e696e6705010a2d8001", "5200c360"),
        ("maximum rates of 0", "5201c10501ffffffff0d0c70726f766973696f6e696e6705010a2d8001", "5200c360"),
        ("no APN", "5201c101090005010a2d8001", "5200c360"),
        ("labels beyond the APN", "5201c10109040474657305010a2d8001", "5200c360"),
        ("an address cut short", "5201c10109040374657305010a2d80", "5200c360"),
        ("an address too short", "5201c10109040374657304010a2d80", "5200c360"),
        ("a reserved PDN type", "5201c10109040374657305040a2d8001", "5200c360"),
        ("an unknown IE to be understood", "5201c10109040374657305010a2d80010501aa", "5200c360"),
        ("such an IE cut short", "5201c10109040374657305010a2d800105ffaa", "5200c360"),
        ("no PTI", "5200c10109040374657305010a2d8001", "5200c351"),
        ("the reserved PTI", "52ffc10109040374657305010a2d8001", "5200c351"),
        ("another PTI", "5202c10109040374657305010a2d8001", "5200c32f"),
        ("no bearer identity", "0201c10109040374657305010a2d8001", "0200c32b"),
        ("a reserved bearer identity", "4201c10109040374657305010a2d8001", "4200c32b"),
        ("another message", "0201d9", "0201e862"),
        ("a message of UEs", "0201d031", "0201e861"),
        ("an unknown message", "5201fe010203", "5201e861"),
    ] {
        let mut ue = attaching();
        let outputs = secured_hex(&mut ue, &attach_accept(container, ""));
        assert_eq!(answers(&outputs), [answer], "{what}: {outputs:?}");
        let last = told(&outputs).last().map(ToString::to_string).unwrap_or_default();
        assert!(last.starts_with("the default bearer is refused, ESM cause #"), "{what}: {last}");
        assert_eq!((ue.state(), ue.bearers().count()), (EmmState::Deregistered, 0), "{what}");
        assert!(outputs.contains(&Output::Stop(Timer::T3410)), "{what}: {outputs:?}");
        // It may try again.
        assert!(!sent(&ue.attach().unwrap()).is_empty(), "{what}");
    }
}

/// §7.5.1: EMM STATUS #96, and the procedure goes on waiting.
#[test]
fn an_attach_accept_without_its_mandatory_part_is_answered_with_96() {
    let whole = attach_accept(DEFAULT_BEARER, "");
    for cut in 2..whole.len() / 2 {
        let mut ue = attaching();
        let outputs = secured_hex(&mut ue, &whole[..2 * cut]);
        assert_eq!(answers(&outputs), ["076060"], "{cut}: {outputs:?}");
        assert_eq!(ue.state(), EmmState::RegisteredInitiated, "{cut}");
    }
    for (what, message) in [
        ("no tracking area", "0742012900".to_owned() + "0003" + "5201c1"),
        ("tracking areas of a reserved type", format!("07420129 06 60 99f9070001 0019 {DEFAULT_BEARER}")),
        ("an ESM message of nothing", attach_accept("", "")),
        ("an ESM message too short", attach_accept("5201", "")),
        ("an unknown IE to be understood", attach_accept(DEFAULT_BEARER, "0901aa")),
    ] {
        let mut ue = attaching();
        let outputs = secured_hex(&mut ue, &message.replace(' ', ""));
        assert_eq!(answers(&outputs), ["076060"], "{what}: {outputs:?}");
    }
}

/// Table 9.9.3.33.1, §9.9.3.10, TS 24.008 table 10.5.163: what has a meaning whatever is in it.
#[test]
fn an_attach_accept_with_harmless_oddities_is_taken() {
    let esm = DEFAULT_BEARER;
    for (what, message) in [
        ("spare bits beside the result", format!("0742f12906 4099f90700010019{esm}")),
        ("a reserved result", format!("07420029064099f90700010019{esm}")),
        ("a timer of an unknown unit", format!("0742018906 4099f90700010019{esm}")),
        ("no timer", format!("074201ff064099f90700010019{esm}")),
        ("a list with its spare bit", format!("0742012906c099f90700010019{esm}")),
        ("a list that says 32", format!("07420129063f99f90700010019{esm}")),
        ("a list longer than it says", format!("07420129084099f90700010000 0019{esm}")),
        ("a GUTI too short", attach_accept(esm, "5004f699f907")),
        ("an IMSI for a GUTI", attach_accept(esm, "50080910101032547698")),
        ("a LAI cut short", attach_accept(esm, "1399f9")),
        ("emergency numbers of nothing", attach_accept(esm, "3400")),
        ("emergency numbers nonsense", attach_accept(esm, "3403ffffff")),
        ("a cause that there is not", attach_accept(esm, "53ee")),
        ("equivalent networks cut short", attach_accept(esm, "4a0299f9")),
        ("features of nothing", attach_accept(esm, "6400")),
        ("an extended timer of nothing", attach_accept(esm, "5e00")),
        ("an extended timer, unit not known", attach_accept(esm, "5e01ff")),
        ("T3402 without its octet", attach_accept(esm, "17")),
        ("unknown IEs", attach_accept(esm, "2a0401020304 8f 7d000101")),
    ] {
        let mut ue = attaching();
        let message = message.replace(' ', "");
        let outputs = secured_hex(&mut ue, &message);
        assert_eq!(answers(&outputs), [COMPLETE], "{what}: {outputs:?}");
        assert_eq!(ue.state(), EmmState::Registered, "{what}");
    }
    // The first of a kind counts (§7.6.3), and what is not in its place does not (§7.6.2).
    let (first, second) = ("500bf699f907000201c0000041", "500bf699f907000201c0000042");
    let mut ue = attaching();
    let outputs = secured_hex(&mut ue, &attach_accept(esm, &format!("{first}{second}5311")));
    assert_eq!(ue.s_tmsi(), Some((1, 0xc000_0041)));
    assert!(
        told(&outputs).iter().any(|told| matches!(told, Told::PassedOver { ies, .. } if ies == "50")),
        "{outputs:?}"
    );
    let mut ue = attaching();
    secured_hex(&mut ue, &attach_accept(esm, &format!("5311{first}")));
    assert_eq!(ue.s_tmsi(), None);
}

/// The ATTACH COMPLETE was lost, and T3450 expires (§5.5.1.2.4): nothing changes, and it is sent again.
#[test]
fn an_attach_accept_that_comes_again_is_completed_again() {
    let mut ue = attaching();
    let accept = attach_accept(DEFAULT_BEARER, "");
    secured_hex(&mut ue, &accept);
    let before = outcome(&ue, &[]);
    let outputs = secured_hex(&mut ue, &accept);
    assert_eq!((answers(&outputs), outcome(&ue, &[])), (vec![COMPLETE.to_owned()], before));
    // Another bearer is none of this UE's.
    let other = attach_accept(&DEFAULT_BEARER.replacen("52", "62", 1), "");
    assert_eq!(answers(&secured_hex(&mut ue, &other)), ["076062"]);
}

/// §7.2 to §7.5, of a registered UE: each message that it can be sent, and others; an empty answer: it is ignored.
#[test]
fn every_message_to_a_registered_ue_has_its_answer() {
    for (what, message, answer) in [
        // Too short, of nobody, of a reserved security header type.
        ("EMM without a type", "07", ""),
        ("ESM without a type", "5201", ""),
        ("another protocol", "0b1122", ""),
        ("a header inside", "1700000000000746", ""),
        // §7.4: not known, not for this UE, of the other direction.
        ("EMM, unknown type", "07ff", "076061"),
        ("EMM, unknown type with octets", "0799010203", "076061"),
        ("DOWNLINK NAS TRANSPORT", "076203010203", "076061"),
        ("CS SERVICE NOTIFICATION", "076400", "076061"),
        ("SERVICE ACCEPT", "074f", "076061"),
        ("ATTACH REQUEST, and broken", "0741", "076061"),
        ("ATTACH COMPLETE", "074300035200c2", "076061"),
        ("ESM, unknown type", "5207fe", "5207e861"),
        ("NOTIFICATION", "5200db0101", "5200e861"),
        ("ESM DATA TRANSPORT", "5200eb0001aa", "5200e861"),
        ("PDN CONNECTIVITY REQUEST", "0203d031", "0203e861"),
        // §7.4: not in this state.
        ("ATTACH REJECT", "074411", "076062"),
        ("SERVICE REJECT", "074e09", "076062"),
        ("TRACKING AREA UPDATE REJECT", "074b0a", "076062"),
        ("TRACKING AREA UPDATE ACCEPT", "074900", "076062"),
        ("DETACH ACCEPT", "0746", "076062"),
        // §7.5.1.
        ("ATTACH ACCEPT, cut short", "07420129", "076060"),
        ("ATTACH REJECT without cause", "0744", "076060"),
        ("TRACKING AREA UPDATE ACCEPT without result", "0749", "076060"),
        ("TRACKING AREA UPDATE REJECT without cause", "074b", "076060"),
        ("SERVICE REJECT without cause", "074e", "076060"),
        ("DETACH REQUEST without type", "0745", "076060"),
        ("GUTI REALLOCATION COMMAND without GUTI", "0750", "076060"),
        ("GUTI REALLOCATION COMMAND, short", "07500af699f907000201c00000", "076060"),
        ("GUTI REALLOCATION COMMAND with an IMSI", "0750080910101032547698", "076060"),
        ("IDENTITY REQUEST without type", "0755", "076060"),
        ("AUTHENTICATION REQUEST, RAND cut short", "07520065", "076060"),
        ("EMM STATUS without cause", "0760", "076060"),
        ("EMM INFORMATION, IE to be understood", "07610501aa", "076060"),
        // §7.5.3.
        ("MODIFY, IE to be understood", "5200c90501aa", "5200cb60"),
        ("DEACTIVATE another one without cause", "6200cd", "6200ce"),
        ("DEDICATED, nothing", "6200c5", "6200c760"),
        ("DEDICATED, no QoS", "6200c505", "6200c760"),
        ("DEDICATED, no TFT", "6200c5050101", "6200c760"),
        ("DEDICATED, TFT of nothing", "6200c505010100", "6200c760"),
        ("DEDICATED, maximum rates of 0", "6200c5050501ffffffff0621310002 3011", "6200c760"),
        ("ESM STATUS without cause", "5200e8", "5200e860"),
        // §6.4.2.4.
        ("DEDICATED, another TFT operation", "6200c505010101a0", "6200c72a"),
        ("DEDICATED, TFT to be deleted", "6200c50501010140", "6200c729"),
        ("DEDICATED, a filter cut short", "6200c5050101052131000230", "6200c72a"),
        ("DEDICATED, a component cut short", "6200c5050101052131000130", "6200c72d"),
        ("MODIFY, TFT nonsense", "5200c93601ff", "5200cb2a"),
        // §7.3.1.
        ("DEFAULT, of no procedure", "6200c10109040374657305010a2d8001", "6200c351"),
        ("DEFAULT, of another procedure", "6207c10109040374657305010a2d8001", "6200c32f"),
        ("DEDICATED, of a procedure", "6207c50501010621310002 3011", "6200c72f"),
        ("DEDICATED, reserved", "62ffc50501010621310002 3011", "6200c751"),
        ("MODIFY, of a procedure", "5207c9", "5200cb2f"),
        ("MODIFY, reserved", "52ffc9", "5200cb51"),
        ("ESM INFORMATION REQUEST", "0201d9", "0201e82f"),
        ("ESM INFORMATION REQUEST, no PTI", "0200d9", "0200e851"),
        ("PDN CONNECTIVITY REJECT", "0207d11a", "0207e82f"),
        ("PDN DISCONNECT REJECT", "0207d31a", "0207e82f"),
        ("BEARER RESOURCE ALLOCATION REJECT", "0207d51a", "0207e82f"),
        ("BEARER RESOURCE MODIFICATION REJECT", "0200d71a", "0200e851"),
        // §7.3.2.
        ("DEDICATED, no identity", "0200c50501010621310002 3011", "0200c72b"),
        ("DEDICATED, of no default bearer", "6200c50901010621310002 3011", "6200c72b"),
        ("MODIFY, not there", "9200c9", "9200cb2b"),
        ("MODIFY, no identity", "0200c9", "0200cb2b"),
        ("DEACTIVATE, not there", "9200cd24", "9200ce"),
        // What is right, or right enough.
        ("IDENTITY REQUEST, spare bits, IMEISV", "0755f3", "0756090310100100000001f1"),
        ("IDENTITY REQUEST, a type that there is not", "075507", "0756089999170000000010"),
        ("EMM STATUS of a cause that there is not", "0760ee", ""),
        ("ESM STATUS of a cause that there is not", "5200e8ee", ""),
        ("EMM INFORMATION, nothing right", "076143004501474649ff", ""),
        ("EMM INFORMATION, a name of a reserved coding", "076143 02ff41", ""),
        ("GUTI REALLOCATION COMMAND, spare bits, longer", "07500c0699f907000201c0000042ff", "0751"),
        ("DEDICATED", "6200c50501010621310002 3011", "6200c6"),
        ("DEDICATED, spare bits, zeros for QCI 9", "6200c5f50509000000000621310002 3011", "6200c6"),
        ("MODIFY", "5200c9", "5200ca"),
        ("MODIFY, QoS that cannot be used", "5200c95b0501ffffffff", "5200ca"),
        ("MODIFY, empty QoS and APN-AMBR", "5200c95b005e00", "5200ca"),
    ] {
        let mut ue = attached();
        let before = ue.state();
        let outputs = secured_hex(&mut ue, &message.replace(' ', ""));
        let got = answers(&outputs);
        let expected: Vec<String> =
            [answer].iter().filter(|it| !it.is_empty()).map(ToString::to_string).collect();
        let same = match (what, &got[..]) {
            // Digits of the device.
            (what, [identity]) if what.starts_with("IDENTITY REQUEST,") => identity.starts_with("0756"),
            _ => got == expected,
        };
        assert!(same, "{what}: {got:?}, not {expected:?}; {outputs:?}");
        assert_eq!(ue.state(), before, "{what}");
        assert!(!told(&outputs).is_empty() || !got.is_empty(), "{what}: nothing is said");
        // The default bearer is as it was.
        let bearer = ue.bearers().next().unwrap();
        assert_eq!((bearer.ebi, bearer.qci, bearer.ambr_kbps.is_some()), (5, Some(9), true), "{what}");
    }
}

/// §7.5.3 d: a deactivation of a bearer is obeyed although its cause is missing.
#[test]
fn a_deactivation_without_cause_is_confirmed_and_obeyed() {
    let mut ue = attached();
    secured_hex(&mut ue, "6200c505010106213100023011");
    assert_eq!(ue.bearers().count(), 2);
    assert_eq!(answers(&secured_hex(&mut ue, "6200cd")), ["6200ce"]);
    assert_eq!(ue.bearers().count(), 1);
}

/// §4.4.4.2: before security the few that are looked at are answered, and nothing else.
#[test]
fn before_security_only_what_is_looked_at_is_answered() {
    for (what, message, answer) in [
        ("AUTHENTICATION REQUEST, nothing", "0752", Some("076060")),
        (
            "AUTHENTICATION REQUEST, AUTN too short",
            &format!("{}0f{}", &AUTHENTICATION_REQUEST[..38], "00".repeat(15)),
            Some("076060"),
        ),
        (
            "AUTHENTICATION REQUEST, key set 7",
            &AUTHENTICATION_REQUEST.replacen("075200", "075207", 1),
            Some("076060"),
        ),
        ("ATTACH REJECT without cause", "0744", Some("076060")),
        ("IDENTITY REQUEST without type", "0755", Some("076060")),
        ("an unknown type", "07ff", None),
        ("EMM INFORMATION, IE to be understood", "07610501aa", None),
        ("ESM", "0201d9", None),
    ] {
        let mut ue = ue();
        ue.attach().unwrap();
        let outputs = down(&mut ue, message);
        assert_eq!(sent(&outputs), answer.into_iter().collect::<Vec<_>>(), "{what}: {outputs:?}");
        assert!(matches!(told(&outputs)[..], [Told::Discarded(_)]), "{what}: {outputs:?}");
        assert_eq!(ue.state(), EmmState::RegisteredInitiated, "{what}");
    }
    // Spare bits, a longer AUTN, unknown IEs: it is a challenge all the same.
    let longer = format!("{}{}", AUTHENTICATION_REQUEST.replacen("7410", "7411", 1), "ff");
    for request in [
        AUTHENTICATION_REQUEST.replacen("075200", "0752f0", 1),
        longer,
        format!("{AUTHENTICATION_REQUEST}2a0101"),
    ] {
        let mut ue = ue();
        ue.attach().unwrap();
        assert_eq!(sent(&down(&mut ue, &request)), [AUTHENTICATION_RESPONSE], "{request}");
    }
}

/// §7.5.1 of the one message whose protection is of the context that it brings.
#[test]
fn a_security_mode_command_that_cannot_be_read_is_answered() {
    for inner in ["075d", "075d02", "075d0200", "075d020001f0", "075d020002f0700501aa"] {
        let mut ue = ue();
        ue.attach().unwrap();
        down(&mut ue, AUTHENTICATION_REQUEST);
        let outputs = down(&mut ue, &format!("373b74fedd00{inner}"));
        assert_eq!(sent(&outputs), ["076060"], "{inner}: {outputs:?}");
        // The right one is taken afterwards.
        assert_eq!(sent(&down(&mut ue, SECURITY_MODE_COMMAND)), [SECURITY_MODE_COMPLETE]);
    }
}
