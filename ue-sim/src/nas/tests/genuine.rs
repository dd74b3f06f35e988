//! Networks that do not prove themselves: T3418, T3420, a barred cell (TS 24.301 §5.4.2.6, §5.4.2.7).

use super::*;

/// A challenge whose MAC-A is wrong.
fn forged() -> String {
    let mut octets = hex::decode(AUTHENTICATION_REQUEST).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    hex::encode(octets)
}

/// §5.4.2.7 c: the procedure waits for another challenge, and goes on if that is genuine.
#[test]
fn a_refused_challenge_holds_the_procedure_until_a_genuine_one() {
    let mut ue = ue();
    ue.attach().unwrap();
    let refused = down(&mut ue, &forged());
    assert_eq!(sent(&refused), ["075c14"]);
    assert!(refused.contains(&Output::Stop(Timer::T3410)), "{refused:?}");
    assert!(refused.contains(&seconds(Timer::T3418, 20)), "{refused:?}");
    let accepted = down(&mut ue, AUTHENTICATION_REQUEST);
    assert_eq!(sent(&accepted), [AUTHENTICATION_RESPONSE]);
    assert!(accepted.contains(&Output::Stop(Timer::T3418)), "{accepted:?}");
    assert!(accepted.contains(&seconds(Timer::T3410, 15)), "{accepted:?}");
    assert!(ue.expired(Timer::T3418).is_empty() && !ue.is_barred());
}

/// §5.4.2.7 e, f: nothing comes within T3420.
#[test]
fn a_refusal_that_nobody_comes_back_to_makes_the_network_false() {
    let mut ue = ue();
    ue.attach().unwrap();
    down(&mut ue, AUTHENTICATION_REQUEST);
    ue.expired(Timer::T3416);
    let refused = down(&mut ue, AUTHENTICATION_REQUEST);
    assert!(refused.contains(&seconds(Timer::T3420, 15)), "{refused:?}");
    let outputs = ue.expired(Timer::T3420);
    assert!(matches!(told(&outputs)[..], [Told::NetworkNotGenuine { .. }]), "{outputs:?}");
    assert_eq!(outputs.last(), Some(&Output::Release));
    assert!(outputs.contains(&seconds(Timer::Barred, 300)), "{outputs:?}");
    ue.connection_released();
    assert_eq!((ue.state(), ue.attach().unwrap_err()), (EmmState::Deregistered, NasError::Barred));
    ue.expired(Timer::Barred);
    assert_eq!(sent(&ue.attach().unwrap()), [ATTACH_REQUEST]);
}

/// §5.4.2.7 c, d, e: whatever they were refused for.
#[test]
fn three_refusals_in_a_row_make_the_network_false() {
    let mut ue = ue();
    ue.attach().unwrap();
    down(&mut ue, AUTHENTICATION_REQUEST);
    ue.expired(Timer::T3416);
    let is_false = |outputs: &[Output]| outputs.contains(&Output::Release);
    assert!(!is_false(&down(&mut ue, &forged())));
    assert!(!is_false(&down(&mut ue, AUTHENTICATION_REQUEST)));
    let third = down(&mut ue, &forged());
    assert!(is_false(&third) && sent(&third) == ["075c14"], "{third:?}");
    // Switched off it forgets that, and needs nobody for it.
    ue.connection_released();
    let off = ue.detach(true).unwrap();
    assert!(sent(&off).is_empty() && off.contains(&Output::Stop(Timer::Barred)), "{off:?}");
    // It is the next row: two are not three.
    ue.attach().unwrap();
    assert!(!is_false(&down(&mut ue, &forged())) && !is_false(&down(&mut ue, &forged())));
}

/// Table 10.2.1: the timers stop with AUTHENTICATION REJECT, and with the connection.
#[test]
fn nothing_is_waited_for_once_it_is_over() {
    for over in [|ue: &mut Ue| down(ue, "0754"), |ue: &mut Ue| ue.connection_released()] {
        let mut ue = ue();
        ue.attach().unwrap();
        down(&mut ue, &forged());
        let outputs = over(&mut ue);
        assert!(outputs.contains(&Output::Stop(Timer::T3418)), "{outputs:?}");
        assert!(ue.expired(Timer::T3418).is_empty() && !ue.is_barred());
    }
}
