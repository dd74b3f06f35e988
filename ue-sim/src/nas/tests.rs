//! A UE's NAS against what an MME of Open5GS 2.7 sent to it: octets in, octets out; and what no recording has: expired
//! timers, connections that end, messages that are not to be believed.

mod bearers;
mod forbidden;
mod genuine;
mod mutations;
mod receiver;

use schemas::secret::Key128;

use super::*;
use crate::device::Device;

/// The device of the recordings; its keys are good for nothing else.
const K: &str = "81d56ee88ea8686a29dc442cb72582ea";
const OPC: &str = "2e90ad53b8b4c4fbee21862bd5bb7f2c";

const ATTACH_REQUEST: &str = "07417108999917000000001002f07000050201d011d1";
const AUTHENTICATION_REQUEST: &str =
    "0752006547cfff94fe55031b8526717e13cb74105715c5a06fd780006346259dd06fd11f";
const AUTHENTICATION_RESPONSE: &str = "075308dd8cd785d9d5e8ae";
const SECURITY_MODE_COMMAND: &str = "373b74fedd00075d020002f070c14f08ccc95841e90e01d7";
const SECURITY_MODE_COMPLETE: &str = "47da4ef99d00075e23090310100001000001f1";
const ESM_INFORMATION_REQUEST: &str = "270209438b010201d9";
const ESM_INFORMATION_RESPONSE: &str =
    "27e0f69a86010201da280d0c70726f766973696f6e696e67270a80000a00000d00001000";
const ATTACH_ACCEPT: &str = "273d436d0c0207420129064099f9070001002c5201c101090d0c70726f766973696f6e696e6705010a2d80015e\
                             028686270d80000d040a2d00010010020578500bf699f907000201c000004164020108c1";
const ATTACH_COMPLETE: &str = "27242d8b9a02074300035200c2";
const EMM_INFORMATION: &str =
    "27b4237121030761430790004c00610062450790004c0061006246004762115281934000490100";
const SERVICE_REQUEST: &str = "c7038799";
const DETACH_REQUEST: &str = "275b99cb66040745010bf699f907000201c0000041";
const DETACH_ACCEPT: &str = "27cf7b3d14040746";
/// KeNB as the MME gave it to the eNB, after the attach and after the service request.
const KENB: [&str; 2] = [
    "07d0756ae5bbe8905d1bc618a5d935f99297b9f6555bf2d2e19118c49ac8384a",
    "b51dc90ff05dd9fa31b442fc3751d1a6041f0bc1b6c6b4503578682a67e5cc63",
];

fn cell() -> Tai {
    Tai { plmn: "999-70".parse().unwrap(), tac: 1 }
}

fn ue() -> Ue {
    let (k, opc) = (Key128::from_hex(K).unwrap(), Key128::from_hex(OPC).unwrap());
    let device = Device::new("999710000000001".parse().unwrap(), &k, &opc);
    let options = UeOptions { apn: Some("provisioning".into()), ..UeOptions::default() };
    Ue::new(device, cell(), options)
}

/// What is sent, in hexadecimal.
fn sent(outputs: &[Output]) -> Vec<String> {
    let sends = outputs.iter().filter_map(|output| match output {
        Output::Send(octets) => Some(hex::encode(octets)),
        _ => None,
    });
    sends.collect()
}

fn told(outputs: &[Output]) -> Vec<&Told> {
    let told = outputs.iter().filter_map(|output| match output {
        Output::Told(told) if !matches!(told, Told::Message { .. }) => Some(told),
        _ => None,
    });
    told.collect()
}

fn down(ue: &mut Ue, message: &str) -> Vec<Output> {
    ue.downlink(&hex::decode(message).unwrap())
}

/// A registered and connected UE, by the recording.
fn attached() -> Ue {
    let mut ue = ue();
    assert_eq!(sent(&ue.attach().unwrap()), [ATTACH_REQUEST]);
    for (message, answer) in [
        (AUTHENTICATION_REQUEST, AUTHENTICATION_RESPONSE),
        (SECURITY_MODE_COMMAND, SECURITY_MODE_COMPLETE),
        (ESM_INFORMATION_REQUEST, ESM_INFORMATION_RESPONSE),
        (ATTACH_ACCEPT, ATTACH_COMPLETE),
    ] {
        assert_eq!(sent(&down(&mut ue, message)), [answer], "{message}");
    }
    ue
}

#[test]
fn an_attach_with_open5gs_word_for_word() {
    let mut ue = attached();
    assert_eq!(ue.state(), EmmState::Registered);
    assert_eq!(hex::encode(ue.kenb().unwrap()), KENB[0]);
    assert_eq!(ue.s_tmsi(), Some((1, 0xc000_0041)));
    let bearer = ue.bearers().next().unwrap();
    assert_eq!((bearer.ebi, bearer.qci, bearer.mtu), (5, Some(9), Some(1400)));
    assert_eq!(bearer.address, Some([10, 45, 128, 1].into()));
    assert_eq!(bearer.dns, [std::net::Ipv4Addr::new(10, 45, 0, 1)]);
    let information = down(&mut ue, EMM_INFORMATION);
    assert!(sent(&information).is_empty());
    assert!(
        matches!(told(&information)[..], [Told::NetworkName(name)] if name.contains("Lab")),
        "{information:?}"
    );
}

#[test]
fn idle_service_request_and_detach_with_open5gs_word_for_word() {
    let mut ue = attached();
    down(&mut ue, EMM_INFORMATION);
    let released = ue.connection_released();
    assert_eq!(released, [Output::Start(Timer::T3412, std::time::Duration::from_secs(540))]);
    assert_eq!(sent(&ue.service_request().unwrap()), [SERVICE_REQUEST]);
    assert_eq!(hex::encode(ue.kenb().unwrap()), KENB[1]);
    ue.bearers_established();
    assert_eq!(ue.state(), EmmState::Registered);
    assert_eq!(sent(&ue.detach(false).unwrap()), [DETACH_REQUEST]);
    let accepted = down(&mut ue, DETACH_ACCEPT);
    assert!(accepted.contains(&Output::Stop(Timer::T3421)), "{accepted:?}");
    assert_eq!(ue.state(), EmmState::Deregistered);
    assert_eq!(ue.bearers().count(), 0);
}

/// TS 24.301 §4.4.3.2: each of the MME's protected messages a second time.
#[test]
fn nothing_is_taken_twice() {
    let mut ue = attached();
    for message in [ESM_INFORMATION_REQUEST, ATTACH_ACCEPT, EMM_INFORMATION, EMM_INFORMATION] {
        let first = message == EMM_INFORMATION && sent(&down(&mut ue, message)).is_empty();
        let again = down(&mut ue, message);
        assert!(matches!(told(&again)[..], [Told::Discarded(_)]), "{message} {first}: {again:?}");
        assert!(sent(&again).is_empty());
    }
}

/// §4.4.4.2: one bit anywhere in a protected message, and it is not acted upon.
#[test]
fn one_bit_is_enough_to_be_discarded() {
    for at in 0..EMM_INFORMATION.len() / 2 {
        let mut ue = attached();
        let mut octets = hex::decode(EMM_INFORMATION).unwrap();
        octets[at] ^= 0x10;
        let outputs = ue.downlink(&octets);
        assert!(sent(&outputs).is_empty(), "octet {at}: {outputs:?}");
        assert!(!told(&outputs).iter().any(|told| matches!(told, Told::NetworkName(_))), "octet {at}");
        assert_eq!(ue.state(), EmmState::Registered);
    }
}

/// §4.4.4.2: what may come plain before security may not after it; (message, whether it acts before).
#[test]
fn plain_messages_are_taken_before_security_alone() {
    for (message, before) in [
        ("075501", true),  // IDENTITY REQUEST, IMSI
        ("075502", false), // IMEI
        (AUTHENTICATION_REQUEST, true),
        ("0754", true),                          // AUTHENTICATION REJECT
        ("074408", true),                        // ATTACH REJECT, #8
        ("074419", false),                       // #25
        ("074e09", false),                       // SERVICE REJECT, and no service is requested
        ("0746", false),                         // DETACH ACCEPT; it does nothing here
        ("074501", false),                       // DETACH REQUEST, re-attach required
        ("07500bf699f907000201c0000042", false), // GUTI REALLOCATION COMMAND
        ("0761430480616263", false),             // EMM INFORMATION
        ("0201d9", false),                       // ESM INFORMATION REQUEST
        ("5200cd24", false),                     // DEACTIVATE EPS BEARER CONTEXT REQUEST
    ] {
        let mut fresh = ue();
        fresh.attach().unwrap();
        let outputs = down(&mut fresh, message);
        let acted = !sent(&outputs).is_empty() || fresh.state() != EmmState::RegisteredInitiated;
        assert_eq!(acted, before, "{message} before: {outputs:?}");

        let mut secured = attached();
        let outputs = down(&mut secured, message);
        assert!(sent(&outputs).is_empty(), "{message} after: {outputs:?}");
        assert!(matches!(told(&outputs)[..], [Told::Discarded(_)]), "{message} after: {outputs:?}");
        assert_eq!(secured.state(), EmmState::Registered, "{message}");
    }
}

/// §5.4.2.3: the same RAND again, until T3416 expires or the keys are in use.
#[test]
fn a_challenge_that_comes_again_gets_the_same_res() {
    let mut ue = ue();
    ue.attach().unwrap();
    let first = down(&mut ue, AUTHENTICATION_REQUEST);
    assert!(first.contains(&Output::Start(Timer::T3416, Timer::T3416.length())), "{first:?}");
    assert_eq!(sent(&down(&mut ue, AUTHENTICATION_REQUEST)), [AUTHENTICATION_RESPONSE]);
    ue.expired(Timer::T3416);
    let outputs = down(&mut ue, AUTHENTICATION_REQUEST);
    assert!(matches!(told(&outputs)[..], [Told::SynchronisationFailure { .. }]), "{outputs:?}");
}

fn seconds(timer: Timer, seconds: u64) -> Output {
    Output::Start(timer, std::time::Duration::from_secs(seconds))
}

/// TS 33.102 annex C.2.2: a number is remembered before it is answered.
#[test]
fn what_the_usim_accepts_is_kept_before_its_answer_is_sent() {
    let mut ue = ue();
    ue.attach().unwrap();
    let outputs = down(&mut ue, AUTHENTICATION_REQUEST);
    let at = |wanted: fn(&Output) -> bool| outputs.iter().position(wanted).unwrap();
    assert!(at(|output| *output == Output::Keep) < at(|output| matches!(output, Output::Send(_))));
    // The same again changes nothing.
    assert!(!down(&mut ue, AUTHENTICATION_REQUEST).contains(&Output::Keep));
}

/// §5.5.1.2.6 b, §5.5.3.2.6 b, §5.6.1.6 b, §5.5.2.2.4 b: the connection ends in the middle.
#[test]
fn a_procedure_whose_connection_ends_is_given_up() {
    let mut attaching = ue();
    attaching.attach().unwrap();
    let stopped = |timer, procedure| [Output::Stop(timer), Output::Told(Told::Aborted(procedure))];
    assert_eq!(attaching.connection_released(), stopped(Timer::T3410, Procedure::Attach));
    assert_eq!(attaching.state(), EmmState::Deregistered);
    assert_eq!(sent(&attaching.attach().unwrap()), [ATTACH_REQUEST]);

    let mut updating = attached();
    updating.connection_released();
    updating.tracking_area_update(false, false).unwrap();
    // Idle, it has to update periodically again (§5.3.5).
    let periodic = Output::Start(Timer::T3412, std::time::Duration::from_secs(540));
    let outputs = updating.connection_released();
    assert!(outputs.contains(&periodic), "{outputs:?}");
    assert_eq!(told(&outputs), [&Told::Aborted(Procedure::TrackingAreaUpdate)]);
    assert_eq!(updating.state(), EmmState::Registered);

    updating.service_request().unwrap();
    let outputs = updating.connection_released();
    assert!(outputs.contains(&Output::Stop(Timer::T3417)) && outputs.contains(&periodic), "{outputs:?}");
    assert_eq!(updating.state(), EmmState::Registered);

    updating.detach(false).unwrap();
    updating.connection_released();
    assert_eq!(updating.state(), EmmState::Deregistered);
}

/// §10.2, table 10.2.1: nobody answers.
#[test]
fn a_procedure_that_nobody_answers_ends_with_its_timer() {
    let mut ue = ue();
    let begun = ue.attach().unwrap();
    assert!(begun.contains(&Output::Start(Timer::T3410, std::time::Duration::from_secs(15))), "{begun:?}");
    assert!(ue.expired(Timer::T3430).is_empty(), "another's timer");
    let outputs = ue.expired(Timer::T3410);
    assert_eq!(told(&outputs), [&Told::Unanswered(Procedure::Attach)]);
    assert_eq!(ue.state(), EmmState::Deregistered);

    let mut ue = attached();
    ue.connection_released();
    ue.service_request().unwrap();
    assert_eq!(told(&ue.expired(Timer::T3417)), [&Told::Unanswered(Procedure::Service)]);
    assert_eq!(ue.state(), EmmState::Registered);
}

/// §5.5.2.2.4 c: five times in all, each with its own count, then the UE is detached by itself.
#[test]
fn a_detach_that_nobody_answers_is_repeated_four_times() {
    let mut ue = attached();
    let mut requests = sent(&ue.detach(false).unwrap());
    for _ in 0..4 {
        let again = ue.expired(Timer::T3421);
        assert_eq!(told(&again), [&Told::Again(Procedure::Detach)]);
        assert!(again.contains(&seconds(Timer::T3421, 15)), "{again:?}");
        assert_eq!(ue.state(), EmmState::DeregisteredInitiated);
        requests.extend(sent(&again));
    }
    assert_eq!(requests.len(), 5);
    // Octet 6 of a protected message is the sequence number.
    let numbers: Vec<&str> = requests.iter().map(|request| &request[10..12]).collect();
    assert_eq!(numbers, ["03", "04", "05", "06", "07"]);
    let last = ue.expired(Timer::T3421);
    assert!(sent(&last).is_empty(), "{last:?}");
    assert_eq!(told(&last)[0], &Told::Unanswered(Procedure::Detach));
    assert_eq!((ue.state(), ue.bearers().count()), (EmmState::Deregistered, 0));
    // The next one may take as many.
    let mut ue = attached();
    ue.detach(false).unwrap();
    ue.expired(Timer::T3421);
    down(&mut ue, DETACH_ACCEPT);
    assert_eq!(ue.state(), EmmState::Deregistered);
}

/// A refusal is told before what follows from it.
#[test]
fn a_reject_is_the_first_that_is_told_of_it() {
    let mut ue = attached();
    ue.connection_released();
    ue.service_request().unwrap();
    let outputs = down(&mut ue, "074e09");
    assert!(
        matches!(
            told(&outputs)[..],
            [Told::Refused { cause: 9, .. }, .., Told::Detached { reattach: true, .. }]
        ),
        "{outputs:?}"
    );
    assert!(!ue.has_guti());
}

#[test]
fn what_does_not_go_in_a_state_is_said_so() {
    let mut ue = ue();
    for refused in [ue.service_request(), ue.detach(false), ue.tracking_area_update(false, false)] {
        assert!(matches!(refused, Err(NasError::State { state: "deregistered", .. })), "{refused:?}");
    }
    let mut ue = attached();
    assert!(ue.attach().is_err());
}

/// TS 24.301 §7: every message of the recording cut off anywhere, and nothing but noise.
#[test]
fn noise_is_discarded_in_every_state() {
    for mut ue in [ue(), attached()] {
        let before = ue.state();
        let had = ue.bearers().count();
        for message in
            [AUTHENTICATION_REQUEST, SECURITY_MODE_COMMAND, ATTACH_ACCEPT, EMM_INFORMATION, DETACH_ACCEPT]
        {
            for length in 0..message.len() / 2 {
                ue.downlink(&hex::decode(&message[..2 * length]).unwrap());
            }
        }
        for first in 0..=u8::MAX {
            for second in (0..=u8::MAX).step_by(5) {
                ue.downlink(&[first, second, second, first, 0, 255, second]);
            }
        }
        assert_eq!((ue.state(), ue.bearers().count()), (before, had));
    }
}

#[test]
fn nothing_that_is_told_has_a_key_in_it() {
    let mut ue = ue();
    let mut outputs = ue.attach().unwrap();
    for message in [AUTHENTICATION_REQUEST, SECURITY_MODE_COMMAND, ESM_INFORMATION_REQUEST, ATTACH_ACCEPT] {
        outputs.extend(down(&mut ue, message));
    }
    let mut all = format!("{ue:?}");
    for output in &outputs {
        if let Output::Told(told) = output {
            all += &format!("{told} {told:?}");
        }
    }
    for secret in [K, OPC, "dd8cd785d9d5e8ae", KENB[0]] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// §9.9.3.21, §7.5.1: 7 from the network is reserved. Taken, it would stand for "no key is available" in all that the UE
/// asks for later.
#[test]
fn a_challenge_without_a_key_set_identifier_is_answered_with_96() {
    let mut ue = ue();
    ue.attach().unwrap();
    let outputs = down(&mut ue, &AUTHENTICATION_REQUEST.replacen("075200", "075207", 1));
    assert_eq!(sent(&outputs), ["076060"], "{outputs:?}");
    assert!(matches!(told(&outputs)[..], [Told::Discarded(_)]), "{outputs:?}");
    assert_eq!(sent(&down(&mut ue, AUTHENTICATION_REQUEST)), [AUTHENTICATION_RESPONSE]);
}

/// §5.5.1.2.6 c, §5.5.3.2.6 c, §5.6.1.6 c: whoever gives up a procedure gives up its connection too, or the next request
/// would go to an MME that is still busy with this one.
#[test]
fn a_procedure_that_is_given_up_lets_go_of_its_connection() {
    let mut starting = ue();
    starting.attach().unwrap();
    let mut updating = attached();
    updating.connection_released();
    updating.tracking_area_update(false, false).unwrap();
    let mut requesting = attached();
    requesting.connection_released();
    requesting.service_request().unwrap();
    for (mut ue, timer) in [(starting, Timer::T3410), (updating, Timer::T3430), (requesting, Timer::T3417)] {
        let outputs = ue.expired(timer);
        assert_eq!(outputs.iter().filter(|output| **output == Output::Release).count(), 1, "{outputs:?}");
    }
    // Nothing else is let go of.
    assert!(!attached().expired(Timer::T3416).contains(&Output::Release));
}
