//! Every row of the table of RFC 6733 §5.6, and sequences of events.

use proptest::prelude::*;

use super::*;

/// The table as the RFC has it: state, event, actions, next state. "won" and "lost" tell how an election ends
/// at once, "Win-Election" being an event that the machine issues itself.
const RFC_6733_5_6: &str = "
Closed | Start | I-Snd-Conn-Req | Wait-Conn-Ack
Closed | R-Conn-CER | R-Accept, Process-CER, R-Snd-CEA | R-Open
Wait-Conn-Ack | I-Rcv-Conn-Ack | I-Snd-CER | Wait-I-CEA
Wait-Conn-Ack | I-Rcv-Conn-Nack | Cleanup | Closed
Wait-Conn-Ack | R-Conn-CER | R-Accept, Process-CER | Wait-Conn-Ack/Elect
Wait-Conn-Ack | Timeout | Error | Closed
Wait-I-CEA | I-Rcv-CEA | Process-CEA | I-Open
Wait-I-CEA | R-Conn-CER lost | R-Accept, Process-CER, Elect | Wait-Returns
Wait-I-CEA | R-Conn-CER won | R-Accept, Process-CER, Elect, I-Disc, R-Snd-CEA | R-Open
Wait-I-CEA | I-Peer-Disc | I-Disc | Closed
Wait-I-CEA | I-Rcv-Non-CEA | Error | Closed
Wait-I-CEA | Timeout | Error | Closed
Wait-Conn-Ack/Elect | I-Rcv-Conn-Ack lost | I-Snd-CER, Elect | Wait-Returns
Wait-Conn-Ack/Elect | I-Rcv-Conn-Ack won | I-Snd-CER, Elect, I-Disc, R-Snd-CEA | R-Open
Wait-Conn-Ack/Elect | I-Rcv-Conn-Nack | R-Snd-CEA | R-Open
Wait-Conn-Ack/Elect | R-Peer-Disc | R-Disc | Wait-Conn-Ack
Wait-Conn-Ack/Elect | R-Conn-CER | R-Reject | Wait-Conn-Ack/Elect
Wait-Conn-Ack/Elect | Timeout | Error | Closed
Wait-Returns | Win-Election | I-Disc, R-Snd-CEA | R-Open
Wait-Returns | I-Peer-Disc | I-Disc, R-Snd-CEA | R-Open
Wait-Returns | I-Rcv-CEA | R-Disc, Process-CEA | I-Open
Wait-Returns | R-Peer-Disc | R-Disc | Wait-I-CEA
Wait-Returns | R-Conn-CER | R-Reject | Wait-Returns
Wait-Returns | Timeout | Error | Closed
R-Open | Send-Message | R-Snd-Message | R-Open
R-Open | R-Rcv-Message | Process | R-Open
R-Open | R-Rcv-DWR | Process-DWR, R-Snd-DWA | R-Open
R-Open | R-Rcv-DWA | Process-DWA | R-Open
R-Open | R-Conn-CER | R-Reject, Probe | R-Open
R-Open | Stop | R-Snd-DPR | Closing
R-Open | R-Rcv-DPR | R-Snd-DPA | Closing
R-Open | R-Peer-Disc | R-Disc | Closed
I-Open | Send-Message | I-Snd-Message | I-Open
I-Open | I-Rcv-Message | Process | I-Open
I-Open | I-Rcv-DWR | Process-DWR, I-Snd-DWA | I-Open
I-Open | I-Rcv-DWA | Process-DWA | I-Open
I-Open | R-Conn-CER | R-Reject, Probe | I-Open
I-Open | Stop | I-Snd-DPR | Closing
I-Open | I-Rcv-DPR | I-Snd-DPA | Closing
I-Open | I-Peer-Disc | I-Disc | Closed
Closing | I-Rcv-DPA | I-Disc | Closed
Closing | R-Rcv-DPA | R-Disc | Closed
Closing | Timeout | Error | Closed
Closing | I-Peer-Disc | I-Disc | Closed
Closing | R-Peer-Disc | R-Disc | Closed
";

/// What is added here, in the same form.
const OURS: &str = "
Wait-Conn-Ack | Stop | Error | Closed
Wait-I-CEA | Stop | Error | Closed
Wait-Conn-Ack/Elect | Stop | Error | Closed
Wait-Returns | Stop | Error | Closed
Wait-Returns | I-Rcv-Non-CEA | I-Disc, R-Snd-CEA | R-Open
R-Open | R-Conn-CER replaces | R-Disc, R-Accept, Process-CER, R-Snd-CEA | R-Open
I-Open | R-Conn-CER replaces | I-Disc, R-Accept, Process-CER, R-Snd-CEA | R-Open
Closing | I-Rcv-DPR | I-Snd-DPA | Closing
Closing | R-Rcv-DPR | R-Snd-DPA | Closing
Closing | I-Rcv-Message | Process | Closing
Closing | R-Rcv-Message | Process | Closing
Closing | I-Rcv-DWR | Process-DWR, I-Snd-DWA | Closing
Closing | R-Rcv-DWR | Process-DWR, R-Snd-DWA | Closing
Closing | I-Rcv-DWA | Process-DWA | Closing
Closing | R-Rcv-DWA | Process-DWA | Closing
Closing | R-Conn-CER | Error, R-Accept, Process-CER, R-Snd-CEA | R-Open
Closing | R-Conn-CER replaces | Error, R-Accept, Process-CER, R-Snd-CEA | R-Open
";

const STATES: [(&str, State); 8] = [
    ("Closed", State::Closed),
    ("Wait-Conn-Ack", State::WaitConnAck),
    ("Wait-I-CEA", State::WaitICea),
    ("Wait-Conn-Ack/Elect", State::WaitConnAckElect),
    ("Wait-Returns", State::WaitReturns),
    ("R-Open", State::ROpen),
    ("I-Open", State::IOpen),
    ("Closing", State::Closing),
];

const EVENTS: [(&str, Event); 21] = [
    ("Start", Event::Start),
    ("R-Conn-CER", Event::RConnCer { replaces: false }),
    ("R-Conn-CER replaces", Event::RConnCer { replaces: true }),
    ("I-Rcv-Conn-Ack", Event::IRcvConnAck),
    ("I-Rcv-Conn-Nack", Event::IRcvConnNack),
    ("Timeout", Event::Timeout),
    ("I-Rcv-CEA", Event::IRcvCea),
    ("I-Rcv-Non-CEA", Event::IRcvNonCea),
    ("I-Peer-Disc", Event::PeerDisc(Side::Initiator)),
    ("R-Peer-Disc", Event::PeerDisc(Side::Responder)),
    ("Send-Message", Event::SendMessage),
    ("I-Rcv-Message", Event::RcvMessage(Side::Initiator)),
    ("R-Rcv-Message", Event::RcvMessage(Side::Responder)),
    ("I-Rcv-DWR", Event::RcvDwr(Side::Initiator)),
    ("R-Rcv-DWR", Event::RcvDwr(Side::Responder)),
    ("I-Rcv-DWA", Event::RcvDwa(Side::Initiator)),
    ("R-Rcv-DWA", Event::RcvDwa(Side::Responder)),
    ("Stop", Event::Stop),
    ("I-Rcv-DPR", Event::RcvDpr(Side::Initiator)),
    ("R-Rcv-DPR", Event::RcvDpr(Side::Responder)),
    ("Win-Election", Event::WinElection),
];

const DPAS: [(&str, Event); 2] =
    [("I-Rcv-DPA", Event::RcvDpa(Side::Initiator)), ("R-Rcv-DPA", Event::RcvDpa(Side::Responder))];

const ACTIONS: [(&str, Action); 21] = [
    ("I-Snd-Conn-Req", Action::ISndConnReq),
    ("I-Snd-CER", Action::ISndCer),
    ("R-Accept", Action::RAccept),
    ("R-Reject", Action::RReject),
    ("Process-CER", Action::ProcessCer),
    ("R-Snd-CEA", Action::RSndCea),
    ("Process-CEA", Action::ProcessCea),
    ("Elect", Action::Elect),
    ("I-Disc", Action::Disc(Side::Initiator)),
    ("R-Disc", Action::Disc(Side::Responder)),
    ("Error", Action::Error),
    ("Cleanup", Action::Cleanup),
    ("I-Snd-Message", Action::SndMessage(Side::Initiator)),
    ("R-Snd-Message", Action::SndMessage(Side::Responder)),
    ("Process", Action::Process),
    ("Process-DWR", Action::ProcessDwr),
    ("I-Snd-DWA", Action::SndDwa(Side::Initiator)),
    ("R-Snd-DWA", Action::SndDwa(Side::Responder)),
    ("Process-DWA", Action::ProcessDwa),
    ("I-Snd-DPR", Action::SndDpr(Side::Initiator)),
    ("R-Snd-DPR", Action::SndDpr(Side::Responder)),
];

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

fn action(name: &str) -> Action {
    match name {
        "I-Snd-DPA" => Action::SndDpa(Side::Initiator),
        "R-Snd-DPA" => Action::SndDpa(Side::Responder),
        "Probe" => Action::Probe,
        _ => named(&ACTIONS, name).unwrap_or_else(|| panic!("action {name}")),
    }
}

fn event(name: &str) -> Event {
    named(&EVENTS, name).or_else(|| named(&DPAS, name)).unwrap_or_else(|| panic!("event {name}"))
}

struct Expected {
    state: State,
    event: Event,
    wins: bool,
    actions: Vec<Action>,
    next: State,
}

fn rows(table: &str) -> impl Iterator<Item = Expected> {
    table.trim().lines().map(|line| {
        let [state, name, actions, next] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let won = name.strip_suffix(" won");
        let name = won.or_else(|| name.strip_suffix(" lost")).unwrap_or(name);
        Expected {
            state: named(&STATES, state).unwrap(),
            event: event(name),
            wins: won.is_some(),
            actions: actions.split(", ").map(action).collect(),
            next: named(&STATES, next).unwrap(),
        }
    })
}

#[test]
fn every_row_of_the_rfc_and_of_ours_leads_where_it_says() {
    for row in rows(RFC_6733_5_6).chain(rows(OURS)) {
        let mut machine = Machine { state: row.state, wins: row.wins };
        let actions = machine.handle(row.event);
        assert_eq!((actions, machine.state()), (row.actions, row.next), "{:?} {:?}", row.state, row.event);
    }
}

#[test]
fn what_has_no_row_changes_nothing() {
    let known: Vec<_> = rows(RFC_6733_5_6).chain(rows(OURS)).map(|row| (row.state, row.event)).collect();
    let mut without = 0;
    for (_, state) in STATES {
        for (_, event) in EVENTS.into_iter().chain(DPAS) {
            // Whether a new connection replaces another matters only where one is open.
            let plain = match event {
                Event::RConnCer { .. } if !state.is_open() => Event::RConnCer { replaces: false },
                other => other,
            };
            if known.contains(&(state, plain)) {
                continue;
            }
            let mut machine = Machine { state, wins: true };
            assert_eq!((machine.handle(event), machine.state()), (vec![], state), "{state:?} {event:?}");
            without += 1;
        }
    }
    assert!(without > 50, "{without}");
}

/// The world around a machine: which connections there are.
#[derive(Debug, Default)]
struct World {
    connecting: bool,
    initiator: bool,
    responder: bool,
}

impl World {
    fn possible(&self, event: Event) -> bool {
        match event {
            Event::IRcvConnAck | Event::IRcvConnNack => self.connecting,
            Event::IRcvCea
            | Event::IRcvNonCea
            | Event::PeerDisc(Side::Initiator)
            | Event::RcvMessage(Side::Initiator)
            | Event::RcvDwr(Side::Initiator)
            | Event::RcvDwa(Side::Initiator)
            | Event::RcvDpr(Side::Initiator)
            | Event::RcvDpa(Side::Initiator) => self.initiator,
            Event::PeerDisc(Side::Responder)
            | Event::RcvMessage(Side::Responder)
            | Event::RcvDwr(Side::Responder)
            | Event::RcvDwa(Side::Responder)
            | Event::RcvDpr(Side::Responder)
            | Event::RcvDpa(Side::Responder) => self.responder,
            // Issued by the machine alone.
            Event::WinElection => false,
            _ => true,
        }
    }

    fn step(&mut self, machine: &mut Machine, event: Event) {
        match event {
            Event::IRcvConnAck => (self.connecting, self.initiator) = (false, true),
            Event::IRcvConnNack => self.connecting = false,
            // A timer of connecting ends the attempt.
            Event::Timeout | Event::Stop if machine.state() != State::Closed => self.connecting = false,
            _ => {}
        }
        let actions = machine.handle(event);
        for action in &actions {
            match action {
                Action::ISndConnReq => {
                    assert!(!self.connecting && !self.initiator, "connects twice");
                    self.connecting = true;
                }
                Action::RAccept => {
                    assert!(!self.responder, "accepts a second connection beside the first");
                    self.responder = true;
                }
                Action::Disc(Side::Initiator) => self.initiator = false,
                Action::Disc(Side::Responder) => self.responder = false,
                Action::Error => (self.initiator, self.responder) = (false, false),
                Action::RSndCea => assert!(self.responder),
                Action::ISndCer => assert!(self.initiator),
                _ => {}
            }
        }
        // What the driver does with a connection that comes when nobody wants it any more.
        if event == Event::IRcvConnAck && !actions.contains(&Action::ISndCer) {
            self.initiator = false;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never two open connections of one peer, never one that the machine has forgotten.
    #[test]
    fn whatever_happens_an_open_peer_has_one_connection_and_a_closed_one_none(
        wins: bool,
        events in prop::collection::vec(0..EVENTS.len() + DPAS.len(), 0..80),
    ) {
        let mut machine = Machine { state: State::Closed, wins };
        let mut world = World::default();
        for index in events {
            let event = EVENTS.iter().chain(&DPAS).nth(index).unwrap().1;
            if !world.possible(event) {
                continue;
            }
            world.step(&mut machine, event);
            let connections = (world.initiator, world.responder);
            match machine.state() {
                State::Closed => prop_assert_eq!(connections, (false, false)),
                State::ROpen => prop_assert_eq!(connections, (false, true)),
                State::IOpen => prop_assert_eq!(connections, (true, false)),
                State::Closing => prop_assert!(world.initiator != world.responder),
                State::WaitICea => prop_assert_eq!(connections, (true, false)),
                State::WaitReturns => prop_assert_eq!(connections, (true, true)),
                State::WaitConnAck => prop_assert!(world.connecting && connections == (false, false)),
                State::WaitConnAckElect => prop_assert!(world.connecting && connections == (false, true)),
            }
        }
    }

    /// Two nodes that connect to each other at the same time keep the same one of the two connections.
    #[test]
    fn both_sides_of_an_election_keep_the_same_connection(hosts in ("[a-c]{1,4}", "[a-c]{1,4}")) {
        let (a, b) = hosts;
        prop_assume!(a != b);
        let mut at_a = Machine { state: State::WaitICea, wins: Machine::new(&a, &b).wins };
        let mut at_b = Machine { state: State::WaitICea, wins: Machine::new(&b, &a).wins };
        at_a.handle(Event::RConnCer { replaces: false });
        at_b.handle(Event::RConnCer { replaces: false });
        // The winner has closed its own connection and answered on the other's.
        let (winner, loser) = if a > b { (&at_a, &mut at_b) } else { (&at_b, &mut at_a) };
        prop_assert_eq!(winner.state(), State::ROpen);
        prop_assert_eq!(loser.state(), State::WaitReturns);
        loser.handle(Event::IRcvCea);
        prop_assert_eq!(loser.state(), State::IOpen);
    }
}
