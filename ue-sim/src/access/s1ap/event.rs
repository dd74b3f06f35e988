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

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { mme, gummeis } => {
                write!(f, "S1 is set up with MME {mme}, which serves {}", gummeis.join(", "))
            }
            Self::Lost(why) => write!(f, "the association with the MME is lost: {why}"),
            Self::Path { to, usable: false } => {
                write!(f, "a path of the association is lost: that to {to}; it goes on by the others")
            }
            Self::Path { to, usable: true } => {
                write!(f, "a path of the association can be used: that to {to}")
            }
            Self::Reset(cause) => write!(f, "the MME resets: {cause}"),
            Self::Overload(true) => f.write_str("the MME is overloaded"),
            Self::Overload(false) => f.write_str("the MME is not overloaded any more"),
            Self::Error(what) => f.write_str(what),
            Self::S1(Way::Up, name, detail) => write!(f, "eNB -> MME  {name}{detail}"),
            Self::S1(Way::Down, name, detail) => write!(f, "eNB <- MME  {name}{detail}"),
            Self::Nas(told) => told.fmt(f),
            Self::KeysAgree => f.write_str("KeNB of MME and UE agree"),
            Self::KeysDiffer => f.write_str("KeNB of MME and UE differ: no message on the air could be read"),
            Self::BearersSetUp(what) => f.write_str(what),
            Self::Released(cause) => write!(f, "the S1 connection is released: {cause}"),
            Self::Paged => f.write_str("the UE is paged"),
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
