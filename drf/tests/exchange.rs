//! The exchange of RFC 7252 §4.2 and §5.2 in a network that loses, doubles and delays: whatever happens, it keeps to the
//! timers, ends, and knows the response if any came through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use drf::coap::{
    Millis,
    exchange::{Exchange, Outcome, Send, Transmission},
    message::{Code, Kind, Message},
};
use proptest::prelude::*;

const ID: u16 = 0x7d34;

fn message(kind: Kind, code: Code, id: u16, token: &[u8]) -> Message {
    Message { kind, code, id, token: token.to_vec(), options: vec![], payload: vec![] }
}

/// How a device answers.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Piggybacked,
    Separate { non: bool, after: Millis },
    Reset,
    Silent,
}

/// What becomes of one transmission, there and back.
#[derive(Debug, Clone, Copy)]
struct Fate {
    lost_there: bool,
    lost_back: bool,
    delay: Millis,
    doubled: bool,
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Piggybacked),
        (any::<bool>(), 0_u64..20_000).prop_map(|(non, after)| Manner::Separate { non, after }),
        Just(Manner::Reset),
        Just(Manner::Silent),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    (any::<bool>(), any::<bool>(), 0_u64..1_000, any::<bool>())
        .prop_map(|(lost_there, lost_back, delay, doubled)| Fate { lost_there, lost_back, delay, doubled })
}

struct Run {
    sent: Vec<Millis>,
    acknowledged: usize,
    outcome: Outcome,
    ended: Millis,
}

/// Plays an exchange to its end.
fn play(manner: Manner, fates: &[Fate], random: f64) -> Run {
    let token = b"token";
    let mut exchange = Exchange::begin(Transmission::default(), ID, token.to_vec(), 0, random);
    let mut sent = vec![0];
    let mut acknowledged = 0;
    // What is on its way to us, by time.
    let mut flying: Vec<(Millis, Message)> = Vec::new();
    let arrive = |flying: &mut Vec<(Millis, Message)>, number: usize, now: Millis| {
        let Some(fate) = fates.get(number).filter(|fate| !fate.lost_there) else { return };
        let at = now + fate.delay;
        let mut answers = match manner {
            Manner::Piggybacked => vec![(at, message(Kind::Acknowledgement, Code::CHANGED, ID, token))],
            Manner::Reset => vec![(at, message(Kind::Reset, Code::EMPTY, ID, b""))],
            Manner::Separate { non, after } => {
                let kind = if non { Kind::NonConfirmable } else { Kind::Confirmable };
                vec![
                    (at, message(Kind::Acknowledgement, Code::EMPTY, ID, b"")),
                    (at + after, message(kind, Code::CHANGED, 9, token)),
                ]
            }
            Manner::Silent => vec![],
        };
        if fate.lost_back {
            answers.truncate(0);
        }
        for answer in answers {
            if fate.doubled {
                flying.push(answer.clone());
            }
            flying.push(answer);
        }
    };
    arrive(&mut flying, 0, 0);
    loop {
        let due = exchange.due().expect("not over");
        flying.sort_by_key(|(at, _)| *at);
        let (now, effects) = match flying.first() {
            Some((at, _)) if *at <= due => {
                let (at, message) = flying.remove(0);
                (at, exchange.receive(&message, at))
            }
            _ => (due, exchange.tick(due)),
        };
        match effects.send {
            Some(Send::Request) => {
                let number = sent.len();
                sent.push(now);
                arrive(&mut flying, number, now);
            }
            Some(Send::Acknowledgement(id)) => {
                assert_eq!(id, 9);
                acknowledged += 1;
            }
            None => {}
        }
        if let Some(outcome) = effects.end {
            assert_eq!(exchange.due(), None);
            for (at, late) in flying {
                assert_eq!(exchange.receive(&late, at), Default::default(), "nothing after the end");
            }
            return Run { sent, acknowledged, outcome, ended: now };
        }
    }
}

proptest! {
    #[test]
    fn timers_are_kept_and_it_ends(
        manner in manner(),
        fates in prop::collection::vec(fate(), 5),
        random in 0.0_f64..=1.0,
    ) {
        let parameters = Transmission::default();
        let run = play(manner, &fates, random);
        // §4.2: at most MAX_RETRANSMIT retransmissions; the first after ACK_TIMEOUT to ACK_TIMEOUT * ACK_RANDOM_FACTOR,
        // each after twice the time of the one before.
        prop_assert!(run.sent.len() <= 5);
        let gaps: Vec<_> = run.sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if let Some(first) = gaps.first() {
            prop_assert!((2_000..=3_000).contains(first));
        }
        for pair in gaps.windows(2) {
            prop_assert_eq!(pair[1], 2 * pair[0]);
        }
        prop_assert!(*run.sent.last().unwrap() <= parameters.max_transmit_span());
        prop_assert!(run.ended <= 2 * parameters.max_transmit_wait());
        let came_through = fates[..run.sent.len()].iter().any(|fate| !fate.lost_there && !fate.lost_back);
        match (&run.outcome, manner) {
            (Outcome::Response(response), Manner::Piggybacked | Manner::Separate { .. }) => {
                prop_assert_eq!(response.code, Code::CHANGED);
                prop_assert!(came_through);
            }
            (Outcome::Reset, Manner::Reset) => prop_assert!(came_through),
            (Outcome::Unacknowledged, _) => {
                prop_assert!(matches!(manner, Manner::Silent) || !came_through);
                prop_assert_eq!(run.sent.len(), 5);
            }
            (outcome, manner) => prop_assert!(false, "{outcome:?} of {manner:?}"),
        }
        // §5.2.2: a separate confirmable response is acknowledged, once, and nothing else is.
        let confirmable = matches!(manner, Manner::Separate { non: false, .. });
        let answered = matches!(run.outcome, Outcome::Response(_));
        prop_assert_eq!(run.acknowledged, usize::from(confirmable && answered));
    }
}

#[test]
fn an_acknowledgement_with_another_token_is_nobodys_response() {
    let mut exchange = Exchange::begin(Transmission::default(), ID, b"token".to_vec(), 0, 0.0);
    for stray in [
        message(Kind::Acknowledgement, Code::CHANGED, ID, b"other"),
        message(Kind::Acknowledgement, Code::CHANGED, ID + 1, b"token"),
        message(Kind::Acknowledgement, Code::POST, ID, b"token"),
        message(Kind::Confirmable, Code::CHANGED, 1, b"other"),
        message(Kind::Confirmable, Code::POST, 1, b"token"),
        message(Kind::Reset, Code::EMPTY, ID + 1, b""),
    ] {
        assert_eq!(exchange.receive(&stray, 1), Default::default(), "{stray:?}");
        assert_eq!(exchange.due(), Some(2_000));
    }
}

#[test]
fn an_acknowledgement_stops_retransmissions_and_silence_after_it_ends_it() {
    let mut exchange = Exchange::begin(Transmission::default(), ID, b"token".to_vec(), 0, 0.0);
    let acknowledged = message(Kind::Acknowledgement, Code::EMPTY, ID, b"");
    assert_eq!(exchange.receive(&acknowledged, 100), Default::default());
    assert_eq!(exchange.tick(5_000), Default::default(), "no retransmission");
    let due = exchange.due().unwrap();
    assert_eq!(due, 100 + 93_000);
    assert_eq!(exchange.tick(due).end, Some(Outcome::Unanswered));
}
