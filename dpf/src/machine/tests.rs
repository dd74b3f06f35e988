use super::*;

/// Every event, with the letter that its columns begin with in [`TABLE`].
const EVENTS: [Event; 20] = [
    Event::Evidence { same: true },
    Event::Evidence { same: false },
    Event::Authorised,
    Event::Delegated,
    Event::OperatorRefused,
    Event::Announced,
    Event::Useless,
    Event::Download { check: true },
    Event::Download { check: false },
    Event::PlatformGood,
    Event::PlatformBad,
    Event::Report { same: true, installed: true },
    Event::Report { same: true, installed: false },
    Event::Report { same: false, installed: true },
    Event::Report { same: false, installed: false },
    Event::OperatorKnows { installed: true },
    Event::OperatorKnows { installed: false },
    Event::ReportRefused { installed: true },
    Event::ReportRefused { installed: false },
    Event::Time,
];

/// What follows, row by row of [`State::ALL`], column by column of [`EVENTS`]: the first two letters of the new state,
/// `.` for nothing, `early`, `other`, `over` for what is not taken.
const TABLE: [&str; 11] = [
    // ev=   ev≠   auth deleg refus annou usele down+ down- good bad  rep=i rep=f rep≠i rep≠f knows+ knows- no+ no- time
    "re    re    .  .  .  .  .  early early .  .  early early early early .  .  .  .   ex",
    ".     other au ge rf .  fa early early .  .  early early early early .  .  .  .   ex",
    ".     other .  .  .  au fa early early .  .  early early early early .  .  .  .   ex",
    ".     other .  .  .  .  .  va    do    .  .  early rp    early rp    .  .  .  .   ex",
    ".     other .  .  .  .  fa .     .     do rf early rp    early rp    .  .  .  .   ex",
    ".     other .  .  .  .  .  .     .     .  .  rp    rp    rp    rp    .  .  .  .   ex",
    ".     other .  .  .  .  .  over  over  .  .  .     .     other other cl cl fa fa  .",
    ".     other .  .  .  .  .  over  over  .  .  .     .     other other .  .  .  .   .",
    ".     over  .  .  .  .  .  over  over  .  .  over  over  over  over  .  .  .  .   .",
    ".     over  .  .  .  .  .  over  over  .  .  .     over  over  over  .  .  .  .   .",
    ".     over  .  .  .  .  .  over  over  .  .  over  over  over  over  .  .  .  .   .",
];

fn word(step: Step) -> &'static str {
    match step {
        Step::Stay => ".",
        Step::Not(Why::TooEarly) => "early",
        Step::Not(Why::Otherwise) => "other",
        Step::Not(Why::Over) => "over",
        Step::To(state, _) => match state {
            State::Relaying => "re",
            State::Generating => "ge",
            State::Authorised => "au",
            State::Validating => "va",
            State::Downloading => "do",
            State::Reported => "rp",
            State::Closed => "cl",
            State::Refused => "rf",
            State::Failed => "fa",
            State::Expired => "ex",
            State::Opened => "op",
        },
    }
}

#[test]
fn every_pair_of_state_and_event_does_what_the_table_says() {
    for (state, row) in State::ALL.into_iter().zip(TABLE) {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row.len(), EVENTS.len(), "{state:?}");
        for (event, wanted) in EVENTS.into_iter().zip(row) {
            assert_eq!(word(step(state, event)), wanted, "{state:?}, {event:?}");
        }
    }
}

#[test]
fn whoever_waits_is_told_of_every_end_once() {
    for state in State::ALL {
        for event in EVENTS {
            let Step::To(to, effects) = step(state, event) else { continue };
            let operator: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::TellOperator(_))).collect();
            let registry: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::TellRegistry(_))).collect();
            let ends = !to.is_open() && to != State::Closed;
            // What came with the device is withdrawn when the registry hears that it is of no use any more: not before the
            // operator has it in writing.
            let heard = match event {
                Event::Report { installed, .. } => !installed,
                Event::OperatorKnows { installed } | Event::ReportRefused { installed } => installed,
                _ => ends,
            };
            assert_eq!(registry.len(), usize::from(heard), "{state:?}, {event:?}");
            // The operator need not be told of what it said itself, nor of what it never heard of.
            let refuses = matches!(event, Event::OperatorRefused | Event::ReportRefused { .. });
            let knows = refuses || state == State::Opened;
            assert_eq!(operator.len(), usize::from(ends && !knows), "{state:?}, {event:?}");
        }
    }
}

#[test]
fn every_state_that_waits_for_others_is_driven_and_no_end_is_left() {
    for state in State::ALL {
        for event in EVENTS {
            if let Step::To(to, effects) = step(state, event) {
                let last = [State::Closed, State::Failed].contains(&to);
                assert!(state.is_open() || (state == State::Reported && last), "{state:?}");
                let driven = effects.iter().find(|effect| {
                    matches!(effect, Effect::AskOperator | Effect::Announce | Effect::AskVerifier)
                });
                assert_eq!(driven.copied(), to.drives(), "{state:?}, {event:?}");
            }
        }
        assert_eq!(State::of(state.as_str()), Some(state));
    }
    assert_eq!(State::of("nowhere"), None);
}
