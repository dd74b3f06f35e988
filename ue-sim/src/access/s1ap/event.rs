//! What happens at an eNB and its UEs, for a person or a program to follow.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use schemas::identity::Imsi;
use tokio::sync::mpsc;

use crate::nas::{Told, Way};

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// To which UE; `None`: the eNB.
    pub imsi: Option<Imsi>,
    /// What.
    pub kind: EventKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// S1 SETUP is done.
    Connected {
        /// The MME's name.
        mme: String,
        /// What it serves.
        gummeis: Vec<String>,
    },
    /// The association is gone, and why.
    Lost(String),
    /// A path of the association is lost, or there again; the association goes on as long as one is left (RFC 9260
    /// §5.4, §8.2).
    Path {
        /// The MME's address that it leads to.
        to: SocketAddr,
        /// Whether it can be used.
        usable: bool,
    },
    /// The MME resets the interface, or part of it.
    Reset(String),
    /// The MME is overloaded (`true`), or no more.
    Overload(bool),
    /// ERROR INDICATION, or a message of the MME that cannot be read.
    Error(String),
    /// An S1AP message of this UE went or came.
    S1(Way, &'static str, String),
    /// NAS.
    Nas(Told),
    /// KeNB of the MME is the UE's: whatever the air interface protects could be read (TS 33.401 §7.2.8.1).
    KeysAgree,
    /// It is not.
    KeysDiffer,
    /// The bearers of the UE are set up, as words.
    BearersSetUp(String),
    /// The UE's S1 connection is released; the cause.
    Released(String),
    /// The UE is paged.
    Paged,
}

/// What is written to a person's terminal. Names come from the network, and might tell the terminal what to do: control
/// characters are shown, not sent.
struct Harmless<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Harmless<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            match part.chars().next_back().filter(|last| last.is_control()) {
                None => self.0.write_str(part)?,
                Some(control) => {
                    self.0.write_str(&part[..part.len() - control.len_utf8()])?;
                    write!(self.0, "{}", control.escape_default())?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut Harmless(f), format_args!("{}", Plain(self)))
    }
}

/// As it is.
struct Plain<'a>(&'a EventKind);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EventKind::Connected { mme, gummeis } => {
                write!(f, "S1 is set up with MME {mme}, which serves {}", gummeis.join(", "))
            }
            EventKind::Lost(why) => write!(f, "the association with the MME is lost: {why}"),
            EventKind::Path { to, usable: false } => {
                write!(f, "a path of the association is lost: that to {to}; it goes on by the others")
            }
            EventKind::Path { to, usable: true } => {
                write!(f, "a path of the association can be used: that to {to}")
            }
            EventKind::Reset(cause) => write!(f, "the MME resets: {cause}"),
            EventKind::Overload(true) => f.write_str("the MME is overloaded"),
            EventKind::Overload(false) => f.write_str("the MME is not overloaded any more"),
            EventKind::Error(what) => f.write_str(what),
            EventKind::S1(Way::Up, name, detail) => write!(f, "eNB -> MME  {name}{detail}"),
            EventKind::S1(Way::Down, name, detail) => write!(f, "eNB <- MME  {name}{detail}"),
            EventKind::Nas(told) => told.fmt(f),
            EventKind::KeysAgree => f.write_str("KeNB of MME and UE agree"),
            EventKind::KeysDiffer => {
                f.write_str("KeNB of MME and UE differ: no message on the air could be read")
            }
            EventKind::BearersSetUp(what) => f.write_str(what),
            EventKind::Released(cause) => write!(f, "the S1 connection is released: {cause}"),
            EventKind::Paged => f.write_str("the UE is paged"),
        }
    }
}

/// Where events go; nowhere by default.
#[derive(Debug, Clone, Default)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// To this channel.
    #[must_use]
    pub fn to(sender: mpsc::UnboundedSender<Event>) -> Self {
        Self(Some(sender))
    }

    pub(super) fn tell(&self, imsi: Option<Imsi>, kind: EventKind) {
        if let Some(sender) = &self.0 {
            // Whoever does not listen any more does not want to know.
            let _ = sender.send(Event { at: Instant::now(), imsi, kind });
        }
    }

    /// Whether anybody listens: words are made only for somebody.
    pub(super) fn heard(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_network_tells_a_terminal_nothing() {
        let mme = "lab\u{1b}]0;owned\u{7}\r\nmme".to_owned();
        let connected = EventKind::Connected { mme, gummeis: vec!["999-70 group 2 code 1".into()] };
        assert_eq!(
            connected.to_string(),
            "S1 is set up with MME lab\\u{1b}]0;owned\\u{7}\\r\\nmme, which serves 999-70 group 2 code 1"
        );
        let name = EventKind::Nas(Told::NetworkName("Lab \u{9b}2J, früher Café".into()));
        assert_eq!(name.to_string(), "the network calls itself Lab \\u{9b}2J, früher Café");
    }
}
