//! What rejects forbid, for how long, and what takes it off again (TS 24.301 §5.3.7b, TS 23.122).

use super::*;

/// §5.3.7b: anybody can send a reject that nothing protects. It is obeyed, but not for good and not in the USIM.
#[test]
fn what_nothing_protects_is_forbidden_for_an_hour_at_most() {
    for (reject, list) in [
        ("074403", List::ForbiddenAreasForRoaming),
        ("074408", List::ForbiddenAreasForRoaming),
        ("07440b", List::ForbiddenPlmns),
        ("074423", List::ForbiddenPlmns),
        ("07440e", List::ForbiddenPlmnsForGprs),
        ("07440c", List::ForbiddenAreasForRegionalProvision),
        ("07440d", List::ForbiddenAreasForRoaming),
        ("07440f", List::ForbiddenAreasForRoaming),
        // AUTHENTICATION REJECT, §5.4.2.5.
        ("0754", List::ForbiddenAreasForRoaming),
    ] {
        let mut ue = ue();
        ue.attach().unwrap();
        let outputs = down(&mut ue, reject);
        let started = outputs.iter().find_map(|output| match output {
            Output::Start(Timer::T3247, length) => Some(length.as_secs()),
            _ => None,
        });
        assert!(started.is_some_and(|length| (1800..=3600).contains(&length)), "{reject}: {outputs:?}");
        assert!(
            !outputs.contains(&Output::Keep) && ue.device().usim.forbidden_plmns().is_empty(),
            "{reject}"
        );
        let refused = ue.attach().unwrap_err();
        let NasError::Forbidden(entry) = &refused else { panic!("{reject}: {refused}") };
        assert_eq!((entry.list, entry.doubtful, entry.tai), (list, true, cell()));
        let words = refused.to_string();
        for word in [list.words(), "999-70", "switched off (off)", "T3247"] {
            assert!(words.contains(word), "{reject}: no {word} in: {words}");
        }
        ue.expired(Timer::T3247);
        assert_eq!(sent(&ue.attach().unwrap()), [ATTACH_REQUEST], "{reject}");
        // Once more: switched off it is forgotten at once.
        down(&mut ue, reject);
        assert!(ue.attach().is_err());
        assert!(ue.detach(true).unwrap().contains(&Output::Stop(Timer::T3247)));
        assert!(ue.attach().is_ok(), "{reject}");
    }
    // What forbids nothing starts nothing.
    let mut ue = ue();
    ue.attach().unwrap();
    let outputs = down(&mut ue, "074411");
    assert!(!outputs.iter().any(|output| matches!(output, Output::Start(Timer::T3247, _))), "{outputs:?}");
    assert!(ue.attach().is_ok());
}

/// TS 23.122 §4.4.3.1.2: chosen by hand, a network is tried; an area or an invalid USIM is not.
#[test]
fn a_network_that_is_chosen_by_hand_is_tried_although_it_is_forbidden() {
    for (reject, tried) in [("07440b", true), ("07440e", true), ("07440d", false), ("074408", false)] {
        let mut ue = ue();
        ue.options.manual = true;
        ue.attach().unwrap();
        down(&mut ue, reject);
        assert_eq!(ue.attach().is_ok(), tried, "{reject}");
    }
}

/// TS 31.102 §4.2.16, TS 23.122 §3.1: the USIM's list outlives the power, and a network that accepts the UE leaves it.
#[test]
fn the_usims_list_stays_until_its_network_accepts_the_ue() {
    let mut device = ue().device().clone();
    device.usim.forbid(cell().plmn);
    let mut kept = Ue::new(device.clone(), cell(), UeOptions::default());
    kept.detach(true).unwrap();
    let words = kept.attach().unwrap_err().to_string();
    assert!(words.contains("forbidden PLMNs") && words.contains("--manual"), "{words}");

    let options = UeOptions { apn: Some("provisioning".into()), manual: true, ..UeOptions::default() };
    let mut by_hand = Ue::new(device, cell(), options);
    assert_eq!(sent(&by_hand.attach().unwrap()), [ATTACH_REQUEST]);
    for message in [AUTHENTICATION_REQUEST, SECURITY_MODE_COMMAND, ESM_INFORMATION_REQUEST] {
        down(&mut by_hand, message);
    }
    assert!(!by_hand.device().usim.forbidden_plmns().is_empty());
    let accepted = down(&mut by_hand, ATTACH_ACCEPT);
    assert!(accepted.contains(&Output::Keep), "{accepted:?}");
    assert!(by_hand.device().usim.forbidden_plmns().is_empty());
}
