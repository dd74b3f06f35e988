//! The peer state machine, RFC 6733 §5.6.

use super::wins_election;

#[cfg(test)]
mod tests;

/// States of RFC 6733 §5.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection.
    Closed,
    /// Connecting.
    WaitConnAck,
    /// Connected by us, CER sent.
    WaitICea,
    /// Connecting, while the peer has connected to us and sent its CER.
    WaitConnAckElect,
    /// Connected both ways, the election is to leave one.
    WaitReturns,
    /// Open on the connection that the peer has opened.
    ROpen,
    /// Open on the connection that we have opened.
    IOpen,
    /// DPR sent or answered, until the connection is gone.
    Closing,
}

impl State {
    /// R-Open or I-Open: messages flow.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::ROpen | Self::IOpen)
    }
}

/// Whose connection: the prefixes I- and R- of RFC 6733 §5.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Opened by us.
    Initiator,
    /// Opened by the peer.
    Responder,
}

/// Events of RFC 6733 §5.6.1 and §5.6.2. What a message says has been checked before it becomes an event: a CER that
/// gets an error (§5.3) never reaches the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Start: a connection is wanted.
    Start,
    /// R-Conn-CER: an acceptable CER on a new connection. `replaces`: the present connection is not worth
    /// keeping, since the watchdog suspects it or the peer has restarted (a later Origin-State-Id, §8.16).
    RConnCer {
        /// Whether the new connection takes the place of the present one.
        replaces: bool,
    },
    /// I-Rcv-Conn-Ack: the connection we asked for is there.
    IRcvConnAck,
    /// I-Rcv-Conn-Nack: it was refused.
    IRcvConnNack,
    /// Timeout of connecting, of the CEA or of closing.
    Timeout,
    /// I-Rcv-CEA: an acceptable CEA.
    IRcvCea,
    /// I-Rcv-Non-CEA: something else, or a CEA that refuses us or has nothing in common with us.
    IRcvNonCea,
    /// I-Peer-Disc, R-Peer-Disc: the transport is gone.
    PeerDisc(Side),
    /// Send-Message: a request of ours.
    SendMessage,
    /// I-Rcv-Message, R-Rcv-Message: other than those below.
    RcvMessage(Side),
    /// I-Rcv-DWR, R-Rcv-DWR.
    RcvDwr(Side),
    /// I-Rcv-DWA, R-Rcv-DWA.
    RcvDwa(Side),
    /// Stop: the connection is no longer wanted.
    Stop,
    /// I-Rcv-DPR, R-Rcv-DPR.
    RcvDpr(Side),
    /// I-Rcv-DPA, R-Rcv-DPA.
    RcvDpa(Side),
    /// Win-Election: issued by the machine itself after Elect.
    WinElection,
}

/// Actions of RFC 6733 §5.6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// I-Snd-Conn-Req: connect.
    ISndConnReq,
    /// I-Snd-CER.
    ISndCer,
    /// R-Accept: the connection of the R-Conn-CER is the responder's from now on.
    RAccept,
    /// R-Reject: the connection of the R-Conn-CER is closed.
    RReject,
    /// Process-CER.
    ProcessCer,
    /// R-Snd-CEA.
    RSndCea,
    /// Process-CEA.
    ProcessCea,
    /// Elect: §5.6.4, done by the machine.
    Elect,
    /// I-Disc, R-Disc: close this connection.
    Disc(Side),
    /// Error: close whatever is there.
    Error,
    /// Cleanup: forget the attempt.
    Cleanup,
    /// I-Snd-Message, R-Snd-Message.
    SndMessage(Side),
    /// Process.
    Process,
    /// Process-DWR.
    ProcessDwr,
    /// I-Snd-DWA, R-Snd-DWA.
    SndDwa(Side),
    /// Process-DWA.
    ProcessDwa,
    /// I-Snd-DPR, R-Snd-DPR.
    SndDpr(Side),
    /// I-Snd-DPA, R-Snd-DPA.
    SndDpa(Side),
    /// Not of the RFC: after R-Reject of a peer that is open already, ask the present connection for a sign
    /// of life, so that a peer whose old connection is dead is not locked out for two watchdog periods.
    Probe,
}

/// The state of one peer, whichever connections it has.
#[derive(Debug, Clone)]
pub struct Machine {
    state: State,
    wins: bool,
}

type Row = (&'static [Action], State);

impl Machine {
    /// For the peer `peer` of the node `local`, both Origin-Hosts; in state Closed.
    #[must_use]
    pub fn new(local: &str, peer: &str) -> Self {
        Self { state: State::Closed, wins: wins_election(local, peer) }
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes one event and gives the actions it leads to, in order. An event that has no row in the present
    /// state changes nothing and gives no action.
    pub fn handle(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut event = Some(event);
        while let Some((row, next)) = event.take().and_then(|e| transition(self.state, e)) {
            self.state = next;
            actions.extend_from_slice(row);
            // §5.6.4: Elect issues Win-Election locally, or nothing.
            if row.last() == Some(&Action::Elect) && self.wins {
                event = Some(Event::WinElection);
            }
        }
        actions
    }
}

/// One row of the table of RFC 6733 §5.6; rows marked "ours" are added here.
fn transition(state: State, event: Event) -> Option<Row> {
    match state {
        State::Closed => closed(event),
        State::WaitConnAck => wait_conn_ack(event),
        State::WaitICea => wait_i_cea(event),
        State::WaitConnAckElect => wait_conn_ack_elect(event),
        State::WaitReturns => wait_returns(event),
        State::ROpen => r_open(event),
        State::IOpen => i_open(event),
        State::Closing => closing(event),
    }
}

use Action as A;
use Side::{Initiator as I, Responder as R};

fn closed(event: Event) -> Option<Row> {
    Some(match event {
        // Closed | Start | I-Snd-Conn-Req | Wait-Conn-Ack
        Event::Start => (&[A::ISndConnReq], State::WaitConnAck),
        // Closed | R-Conn-CER | R-Accept, Process-CER, R-Snd-CEA | R-Open
        Event::RConnCer { .. } => (&[A::RAccept, A::ProcessCer, A::RSndCea], State::ROpen),
        _ => return None,
    })
}

fn wait_conn_ack(event: Event) -> Option<Row> {
    Some(match event {
        // Wait-Conn-Ack | I-Rcv-Conn-Ack | I-Snd-CER | Wait-I-CEA
        Event::IRcvConnAck => (&[A::ISndCer], State::WaitICea),
        // Wait-Conn-Ack | I-Rcv-Conn-Nack | Cleanup | Closed
        Event::IRcvConnNack => (&[A::Cleanup], State::Closed),
        // Wait-Conn-Ack | R-Conn-CER | R-Accept, Process-CER | Wait-Conn-Ack/Elect
        Event::RConnCer { .. } => (&[A::RAccept, A::ProcessCer], State::WaitConnAckElect),
        // Wait-Conn-Ack | Timeout | Error | Closed
        Event::Timeout => (&[A::Error], State::Closed),
        // Ours: a node that is shut down before the connection came.
        Event::Stop => (&[A::Error], State::Closed),
        _ => return None,
    })
}

fn wait_i_cea(event: Event) -> Option<Row> {
    Some(match event {
        // Wait-I-CEA | I-Rcv-CEA | Process-CEA | I-Open
        Event::IRcvCea => (&[A::ProcessCea], State::IOpen),
        // Wait-I-CEA | R-Conn-CER | R-Accept, Process-CER, Elect | Wait-Returns
        Event::RConnCer { .. } => (&[A::RAccept, A::ProcessCer, A::Elect], State::WaitReturns),
        // Wait-I-CEA | I-Peer-Disc | I-Disc | Closed
        Event::PeerDisc(I) => (&[A::Disc(I)], State::Closed),
        // Wait-I-CEA | I-Rcv-Non-CEA | Error | Closed
        Event::IRcvNonCea => (&[A::Error], State::Closed),
        // Wait-I-CEA | Timeout | Error | Closed
        Event::Timeout => (&[A::Error], State::Closed),
        // Ours: shut down while waiting.
        Event::Stop => (&[A::Error], State::Closed),
        _ => return None,
    })
}

fn wait_conn_ack_elect(event: Event) -> Option<Row> {
    Some(match event {
        // Wait-Conn-Ack/Elect | I-Rcv-Conn-Ack | I-Snd-CER, Elect | Wait-Returns
        Event::IRcvConnAck => (&[A::ISndCer, A::Elect], State::WaitReturns),
        // Wait-Conn-Ack/Elect | I-Rcv-Conn-Nack | R-Snd-CEA | R-Open
        Event::IRcvConnNack => (&[A::RSndCea], State::ROpen),
        // Wait-Conn-Ack/Elect | R-Peer-Disc | R-Disc | Wait-Conn-Ack
        Event::PeerDisc(R) => (&[A::Disc(R)], State::WaitConnAck),
        // Wait-Conn-Ack/Elect | R-Conn-CER | R-Reject | Wait-Conn-Ack/Elect
        Event::RConnCer { .. } => (&[A::RReject], State::WaitConnAckElect),
        // Wait-Conn-Ack/Elect | Timeout | Error | Closed
        Event::Timeout => (&[A::Error], State::Closed),
        // Ours: shut down while waiting.
        Event::Stop => (&[A::Error], State::Closed),
        _ => return None,
    })
}

fn wait_returns(event: Event) -> Option<Row> {
    Some(match event {
        // Wait-Returns | Win-Election | I-Disc, R-Snd-CEA | R-Open
        Event::WinElection => (&[A::Disc(I), A::RSndCea], State::ROpen),
        // Wait-Returns | I-Peer-Disc | I-Disc, R-Snd-CEA | R-Open
        Event::PeerDisc(I) => (&[A::Disc(I), A::RSndCea], State::ROpen),
        // Ours: the peer refuses our CER on the connection we opened (an Election-Lost 4003, or a node that
        // answers before it closes); its own connection is as good.
        Event::IRcvNonCea => (&[A::Disc(I), A::RSndCea], State::ROpen),
        // Wait-Returns | I-Rcv-CEA | R-Disc | I-Open
        Event::IRcvCea => (&[A::Disc(R), A::ProcessCea], State::IOpen),
        // Wait-Returns | R-Peer-Disc | R-Disc | Wait-I-CEA
        Event::PeerDisc(R) => (&[A::Disc(R)], State::WaitICea),
        // Wait-Returns | R-Conn-CER | R-Reject | Wait-Returns
        Event::RConnCer { .. } => (&[A::RReject], State::WaitReturns),
        // Wait-Returns | Timeout | Error | Closed
        Event::Timeout => (&[A::Error], State::Closed),
        // Ours: shut down while waiting.
        Event::Stop => (&[A::Error], State::Closed),
        _ => return None,
    })
}

fn r_open(event: Event) -> Option<Row> {
    Some(match event {
        // R-Open | Send-Message | R-Snd-Message | R-Open
        Event::SendMessage => (&[A::SndMessage(R)], State::ROpen),
        // R-Open | R-Rcv-Message | Process | R-Open
        Event::RcvMessage(R) => (&[A::Process], State::ROpen),
        // R-Open | R-Rcv-DWR | Process-DWR, R-Snd-DWA | R-Open
        Event::RcvDwr(R) => (&[A::ProcessDwr, A::SndDwa(R)], State::ROpen),
        // R-Open | R-Rcv-DWA | Process-DWA | R-Open
        Event::RcvDwa(R) => (&[A::ProcessDwa], State::ROpen),
        // R-Open | R-Conn-CER | R-Reject | R-Open
        Event::RConnCer { replaces: false } => (&[A::RReject, A::Probe], State::ROpen),
        // Ours: the old connection is suspect or of a process that is no more.
        Event::RConnCer { replaces: true } => {
            (&[A::Disc(R), A::RAccept, A::ProcessCer, A::RSndCea], State::ROpen)
        }
        // R-Open | Stop | R-Snd-DPR | Closing
        Event::Stop => (&[A::SndDpr(R)], State::Closing),
        // R-Open | R-Rcv-DPR | R-Snd-DPA | Closing
        Event::RcvDpr(R) => (&[A::SndDpa(R)], State::Closing),
        // R-Open | R-Peer-Disc | R-Disc | Closed
        Event::PeerDisc(R) => (&[A::Disc(R)], State::Closed),
        _ => return None,
    })
}

fn i_open(event: Event) -> Option<Row> {
    Some(match event {
        // I-Open | Send-Message | I-Snd-Message | I-Open
        Event::SendMessage => (&[A::SndMessage(I)], State::IOpen),
        // I-Open | I-Rcv-Message | Process | I-Open
        Event::RcvMessage(I) => (&[A::Process], State::IOpen),
        // I-Open | I-Rcv-DWR | Process-DWR, I-Snd-DWA | I-Open
        Event::RcvDwr(I) => (&[A::ProcessDwr, A::SndDwa(I)], State::IOpen),
        // I-Open | I-Rcv-DWA | Process-DWA | I-Open
        Event::RcvDwa(I) => (&[A::ProcessDwa], State::IOpen),
        // I-Open | R-Conn-CER | R-Reject | I-Open
        Event::RConnCer { replaces: false } => (&[A::RReject, A::Probe], State::IOpen),
        // Ours: as in R-Open.
        Event::RConnCer { replaces: true } => {
            (&[A::Disc(I), A::RAccept, A::ProcessCer, A::RSndCea], State::ROpen)
        }
        // I-Open | Stop | I-Snd-DPR | Closing
        Event::Stop => (&[A::SndDpr(I)], State::Closing),
        // I-Open | I-Rcv-DPR | I-Snd-DPA | Closing
        Event::RcvDpr(I) => (&[A::SndDpa(I)], State::Closing),
        // I-Open | I-Peer-Disc | I-Disc | Closed
        Event::PeerDisc(I) => (&[A::Disc(I)], State::Closed),
        _ => return None,
    })
}

fn closing(event: Event) -> Option<Row> {
    Some(match event {
        // Closing | I-Rcv-DPA | I-Disc | Closed
        Event::RcvDpa(I) => (&[A::Disc(I)], State::Closed),
        // Closing | R-Rcv-DPA | R-Disc | Closed
        Event::RcvDpa(R) => (&[A::Disc(R)], State::Closed),
        // Closing | Timeout | Error | Closed
        Event::Timeout => (&[A::Error], State::Closed),
        // Closing | I-Peer-Disc | I-Disc | Closed
        Event::PeerDisc(I) => (&[A::Disc(I)], State::Closed),
        // Closing | R-Peer-Disc | R-Disc | Closed
        Event::PeerDisc(R) => (&[A::Disc(R)], State::Closed),
        // Ours: both sides have sent a DPR; each wants its DPA.
        Event::RcvDpr(side) => match side {
            I => (&[A::SndDpa(I)], State::Closing),
            R => (&[A::SndDpa(R)], State::Closing),
        },
        // Ours: what was under way when the DPR crossed it is still served (§5.4).
        Event::RcvMessage(_) => (&[A::Process], State::Closing),
        Event::RcvDwr(side) => match side {
            I => (&[A::ProcessDwr, A::SndDwa(I)], State::Closing),
            R => (&[A::ProcessDwr, A::SndDwa(R)], State::Closing),
        },
        Event::RcvDwa(_) => (&[A::ProcessDwa], State::Closing),
        // Ours: the peer is back before its old connection is gone, and must not be locked out.
        Event::RConnCer { .. } => (&[A::Error, A::RAccept, A::ProcessCer, A::RSndCea], State::ROpen),
        _ => return None,
    })
}
