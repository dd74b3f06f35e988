//! A confirmable request and what may come of it (RFC 7252 §4.2, §4.8, §5.2), without a socket or a clock.
//!
//! ```text
//! Waiting --due, retransmissions left---> Waiting    (request again, time-out doubled; §4.2)
//! Waiting --due, none left--------------> Ended      (Unacknowledged; §4.2)
//! Waiting --ACK, empty------------------> Separate   (§5.2.2)
//! Waiting --ACK with response-----------> Ended      (Response, piggybacked; §5.2.1)
//! Waiting --RST-------------------------> Ended      (Reset; §4.2)
//! Waiting --CON or NON with our token---> Ended      (Response; its ACK was lost or overtaken; §5.2.2)
//! Separate--CON or NON with our token---> Ended      (Response; a CON is acknowledged; §5.2.2, §5.2.3)
//! Separate--RST-------------------------> Ended      (Reset)
//! Separate--due-------------------------> Ended      (Unanswered)
//! ```

use super::{
    Millis,
    message::{Code, Kind, Message},
};

/// Transmission parameters (RFC 7252 §4.8).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transmission {
    /// ACK_TIMEOUT.
    pub ack_timeout: Millis,
    /// ACK_RANDOM_FACTOR, at least 1.
    pub ack_random_factor: f64,
    /// MAX_RETRANSMIT.
    pub max_retransmit: u32,
}

/// MAX_LATENCY (RFC 7252 §4.8.2).
const MAX_LATENCY: Millis = 100_000;

impl Default for Transmission {
    /// The values of RFC 7252 §4.8, table 2.
    fn default() -> Self {
        Self { ack_timeout: 2_000, ack_random_factor: 1.5, max_retransmit: 4 }
    }
}

impl Transmission {
    fn times(&self, doublings: u32) -> Millis {
        let factor = (1_u64 << doublings.min(32)).saturating_sub(1);
        let longest = (self.ack_timeout as f64 * self.ack_random_factor).ceil() as Millis;
        longest.saturating_mul(factor)
    }

    /// MAX_TRANSMIT_SPAN (RFC 7252 §4.8.2): from the first transmission to the last.
    #[must_use]
    pub fn max_transmit_span(&self) -> Millis {
        self.times(self.max_retransmit)
    }

    /// MAX_TRANSMIT_WAIT (RFC 7252 §4.8.2): from the first transmission until the sender gives up.
    #[must_use]
    pub fn max_transmit_wait(&self) -> Millis {
        self.times(self.max_retransmit + 1)
    }

    /// EXCHANGE_LIFETIME (RFC 7252 §4.8.2): how long a message ID of a confirmable message is not to be used again.
    #[must_use]
    pub fn exchange_lifetime(&self) -> Millis {
        // PROCESSING_DELAY is ACK_TIMEOUT.
        self.max_transmit_span() + 2 * MAX_LATENCY + self.ack_timeout
    }

    /// NON_LIFETIME (RFC 7252 §4.8.2).
    #[must_use]
    pub fn non_lifetime(&self) -> Millis {
        self.max_transmit_span() + MAX_LATENCY
    }

    /// The first time-out: between ACK_TIMEOUT and ACK_TIMEOUT * ACK_RANDOM_FACTOR (RFC 7252 §4.2). `random` is
    /// between 0 and 1.
    fn first_timeout(&self, random: f64) -> Millis {
        let factor = 1.0 + (self.ack_random_factor - 1.0).max(0.0) * random.clamp(0.0, 1.0);
        (self.ack_timeout as f64 * factor) as Millis
    }
}

/// Where an exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Sent and not acknowledged.
    Waiting { retransmitted: u32, timeout: Millis, due: Millis },
    /// Acknowledged; the response comes by itself.
    Separate { due: Millis },
    /// Over.
    Ended,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// The request again, the same octets.
    Request,
    /// An empty acknowledgement of this message ID.
    Acknowledgement(u16),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Response(Message),
    /// The device has no context for it (RFC 7252 §4.2).
    Reset,
    /// Nothing came in spite of all retransmissions.
    Unacknowledged,
    /// Acknowledged, and then nothing came.
    Unanswered,
}

/// What follows of an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// To send now.
    pub send: Option<Send>,
    /// It is over.
    pub end: Option<Outcome>,
}

/// One exchange.
#[derive(Debug, Clone)]
pub struct Exchange {
    parameters: Transmission,
    id: u16,
    token: Vec<u8>,
    state: State,
}

impl Exchange {
    /// Begins: the request with this message ID and token has been sent `now`. `random` is between 0 and 1.
    #[must_use]
    pub fn begin(parameters: Transmission, id: u16, token: Vec<u8>, now: Millis, random: f64) -> Self {
        let timeout = parameters.first_timeout(random);
        let state = State::Waiting { retransmitted: 0, timeout, due: now.saturating_add(timeout) };
        Self { parameters, id, token, state }
    }

    /// When [`tick`](Self::tick) has something to do; `None` once it is over.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        match self.state {
            State::Waiting { due, .. } | State::Separate { due } => Some(due),
            State::Ended => None,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis) -> Effects {
        match self.state {
            State::Waiting { retransmitted, timeout, due } if now >= due => {
                if retransmitted >= self.parameters.max_retransmit {
                    return self.end(Outcome::Unacknowledged, None);
                }
                // §4.2: the time-out is doubled with each retransmission.
                let timeout = timeout.saturating_mul(2);
                let due = now.saturating_add(timeout);
                self.state = State::Waiting { retransmitted: retransmitted + 1, timeout, due };
                Effects { send: Some(Send::Request), end: None }
            }
            State::Separate { due } if now >= due => self.end(Outcome::Unanswered, None),
            _ => Effects::default(),
        }
    }

    /// Whether a message from the request's endpoint belongs to this exchange.
    #[must_use]
    pub fn concerns(&self, message: &Message) -> bool {
        match message.kind {
            Kind::Acknowledgement | Kind::Reset => message.id == self.id,
            // §5.3.2: a response in a message of its own is found by its token.
            Kind::Confirmable | Kind::NonConfirmable => {
                message.code.is_response() && message.token == self.token
            }
        }
    }

    /// A message has come from the request's endpoint. What does not concern it, or comes after the end, changes
    /// nothing.
    pub fn receive(&mut self, message: &Message, now: Millis) -> Effects {
        if self.state == State::Ended || !self.concerns(message) {
            return Effects::default();
        }
        match message.kind {
            Kind::Reset => self.end(Outcome::Reset, None),
            Kind::Acknowledgement if message.code == Code::EMPTY => {
                if let State::Waiting { .. } = self.state {
                    // How long a server may take is nowhere said; as long as it may take to reach it is generous.
                    let due = now.saturating_add(self.parameters.max_transmit_wait());
                    self.state = State::Separate { due };
                }
                Effects::default()
            }
            // §5.3.2: both message ID and token have to match; else it is nobody's response.
            Kind::Acknowledgement if message.code.is_response() && message.token == self.token => {
                self.end(Outcome::Response(message.clone()), None)
            }
            Kind::Acknowledgement => Effects::default(),
            Kind::Confirmable => {
                self.end(Outcome::Response(message.clone()), Some(Send::Acknowledgement(message.id)))
            }
            Kind::NonConfirmable => self.end(Outcome::Response(message.clone()), None),
        }
    }

    fn end(&mut self, outcome: Outcome, send: Option<Send>) -> Effects {
        self.state = State::Ended;
        Effects { send, end: Some(outcome) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_times_are_those_of_section_4_8_2() {
        let parameters = Transmission::default();
        assert_eq!(parameters.max_transmit_span(), 45_000);
        assert_eq!(parameters.max_transmit_wait(), 93_000);
        assert_eq!(parameters.exchange_lifetime(), 247_000);
        assert_eq!(parameters.non_lifetime(), 145_000);
    }
}
