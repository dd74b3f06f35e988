//! What a UE does and tells: everything that leaves the state machine.

use std::fmt;
use std::time::Duration;

use super::{Bearer, Entry};

/// What the state machine wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// What the USIM remembers has changed: it is to be kept before what follows is done, so that a number that was
    /// answered is never accepted again (TS 33.102 annex C.2.2).
    Keep,
    /// A NAS message for the MME.
    Send(Vec<u8>),
    /// A timer starts anew, to expire after this.
    Start(Timer, Duration),
    /// A timer stops.
    Stop(Timer),
    /// The radio connection is released at this end alone: the network is not told (TS 24.301 §5.4.2.7 f).
    Release,
    /// Something for people and callers to know.
    Told(Told),
}

/// EMM timers of a UE, TS 24.301 table 10.2.1, and that of a barred cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// An attach is under way.
    T3410,
    /// Periodic tracking area update; its length is the network's.
    T3412,
    /// What a message that nothing protected has forbidden is forgotten then (TS 24.301 §5.3.7b).
    T3247,
    /// RAND and RES of a challenge are kept so long.
    T3416,
    /// A service request is under way.
    T3417,
    /// A challenge was refused with #20 or #26, and another has to come.
    T3418,
    /// A challenge was refused with #21, and another has to come.
    T3420,
    /// A detach is under way.
    T3421,
    /// A tracking area update is under way.
    T3430,
    /// A cell that is barred is not used so long (TS 36.304 §5.3.1).
    Barred,
}

impl Timer {
    /// Its length where the network does not give one, TS 24.301 table 10.2.1, TS 36.304 §5.3.1.
    #[must_use]
    pub const fn length(self) -> Duration {
        match self {
            Self::T3410 | Self::T3420 | Self::T3421 | Self::T3430 => Duration::from_secs(15),
            Self::T3418 => Duration::from_secs(20),
            Self::Barred => Duration::from_secs(300),
            // The upper end: it is drawn from 30 minutes on.
            Self::T3247 => Duration::from_secs(60 * 60),
            Self::T3416 => Duration::from_secs(30),
            Self::T3417 => Duration::from_secs(5),
            Self::T3412 => Duration::from_secs(54 * 60),
        }
    }
}

/// The EMM procedures that a UE begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    /// TS 24.301 §5.5.1.
    Attach,
    /// TS 24.301 §5.5.2.2.
    Detach,
    /// TS 24.301 §5.5.3.
    TrackingAreaUpdate,
    /// TS 24.301 §5.6.1.
    Service,
}

impl Procedure {
    /// The timer that supervises it.
    #[must_use]
    pub const fn timer(self) -> Timer {
        match self {
            Self::Attach => Timer::T3410,
            Self::Detach => Timer::T3421,
            Self::TrackingAreaUpdate => Timer::T3430,
            Self::Service => Timer::T3417,
        }
    }

    /// Its name in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::TrackingAreaUpdate => "tracking area update",
            Self::Service => "service request",
        }
    }
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the UE.
    Up,
    /// To the UE.
    Down,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A NAS message went or came: its protection and content in words. Keys and RES are not in it.
    Message {
        /// Which way.
        way: Way,
        /// As `integrity protected and ciphered`.
        protection: &'static str,
        /// The message's name and fields.
        text: String,
    },
    /// A message was not acted upon, and why.
    Discarded(String),
    /// Some of the optional part of a message does not count: it is unknown, repeated, out of sequence or malformed
    /// (TS 24.301 §7.6, §7.7.1). The rest does.
    PassedOver {
        /// The message's name.
        message: String,
        /// The identifiers of the information elements, hexadecimal.
        ies: String,
    },
    /// The network has proven itself: TS 33.401 §6.1.1.
    NetworkAuthenticated {
        /// The sequence number accepted, SEQ and IND.
        sqn: String,
    },
    /// The network's number is not fresh: AUTS is sent (TS 24.301 §5.4.2.6 e).
    SynchronisationFailure {
        /// Why.
        why: String,
    },
    /// The network has not proven itself: EMM cause #20 or #26 is sent (TS 24.301 §5.4.2.6 c, d).
    NetworkRefused {
        /// The cause sent.
        cause: u8,
    },
    /// The network counts as false, and the cell as barred (TS 24.301 §5.4.2.7 f).
    NetworkNotGenuine {
        /// Why.
        why: String,
    },
    /// AUTHENTICATION REJECT: the network does not accept RES (TS 24.301 §5.4.2.5).
    AuthenticationRejected,
    /// NAS security is in use, with these algorithms (TS 24.301 §5.4.3).
    Secured {
        /// EEA number.
        ciphering: u8,
        /// EIA number.
        integrity: u8,
    },
    /// SECURITY MODE COMMAND was refused, with this cause (TS 24.301 §5.4.3.5).
    SecurityRefused {
        /// The cause sent.
        cause: u8,
        /// Why.
        why: String,
    },
    /// The UE is registered and has its default bearer.
    Attached {
        /// Its default bearer.
        bearer: Bearer,
        /// Its GUTI in words, if it was given one.
        guti: Option<String>,
    },
    /// The default bearer that came with the ATTACH ACCEPT cannot be used: the UE has said so, and is not attached
    /// (TS 24.301 §6.4.1.4).
    BearerRefused {
        /// The ESM cause sent, TS 24.301 annex B; `None`: the ESM message was none that is answered.
        cause: Option<u8>,
        /// Why.
        why: String,
    },
    /// The tracking area update is done.
    Updated,
    /// The network refuses what was asked.
    Refused {
        /// What.
        procedure: Procedure,
        /// EMM cause, TS 24.301 annex A.
        cause: u8,
        /// ESM cause, TS 24.301 annex B, if there is one.
        esm_cause: Option<u8>,
        /// Back-off timer T3346 that came with it.
        back_off: Option<Duration>,
    },
    /// The UE does not go there any more.
    Forbidden(Box<Entry>),
    /// It may again, and why.
    Allowed(String),
    /// Nobody answered within the procedure's timer: its message is sent again.
    Again(Procedure),
    /// Nobody answered within the procedure's timer.
    Unanswered(Procedure),
    /// The signalling connection was released before there was an answer.
    Aborted(Procedure),
    /// The UE is not registered any more.
    Detached {
        /// Whether the network began it.
        by_network: bool,
        /// The network wants it to attach again (TS 24.301 §5.5.2.3).
        reattach: bool,
        /// EMM cause, if the network gave one.
        cause: Option<u8>,
    },
    /// A bearer is there, or is another than before.
    BearerActive(Bearer),
    /// A bearer is gone: its EPS bearer identity.
    BearerGone(u8),
    /// The network's name (EMM INFORMATION).
    NetworkName(String),
    /// The network has given the UE a new GUTI.
    NewGuti(String),
    /// EMM or ESM STATUS came: what it says.
    Status(String),
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::cause;
        match self {
            Self::Message { way: Way::Up, protection, text } => write!(f, "UE -> MME  {text}, {protection}"),
            Self::Message { way: Way::Down, protection, text } => {
                write!(f, "UE <- MME  {text}, {protection}")
            }
            Self::Discarded(why) => write!(f, "not acted upon: {why}"),
            Self::PassedOver { message, ies } => {
                write!(
                    f,
                    "passed over in {message}: information elements {ies}, unknown, repeated, out of place or malformed"
                )
            }
            Self::NetworkAuthenticated { sqn } => {
                write!(f, "the network is genuine: MAC-A is right, SQN {sqn} is fresh")
            }
            Self::SynchronisationFailure { why } => write!(f, "synchronisation failure, AUTS is sent: {why}"),
            Self::NetworkRefused { cause } => {
                write!(f, "the network is refused, EMM cause #{cause}, {}", cause::emm(*cause))
            }
            Self::NetworkNotGenuine { why } => {
                let seconds = Timer::Barred.length().as_secs();
                write!(
                    f,
                    "the network is not genuine: {why}; the UE lets go, and does not use this cell for {seconds} s"
                )
            }
            Self::AuthenticationRejected => {
                f.write_str("AUTHENTICATION REJECT: the network does not accept RES")
            }
            Self::Secured { ciphering, integrity } => {
                write!(f, "NAS security: EEA{ciphering}, EIA{integrity}")
            }
            Self::SecurityRefused { cause, why } => {
                write!(f, "the security mode is refused, EMM cause #{cause}, {}: {why}", cause::emm(*cause))
            }
            Self::Attached { bearer, guti } => {
                write!(f, "attached: {bearer}")?;
                guti.as_ref().map_or(Ok(()), |guti| write!(f, ", {guti}"))
            }
            Self::BearerRefused { cause: Some(cause), why } => {
                write!(f, "the default bearer is refused, ESM cause #{cause}, {}: {why}", cause::esm(*cause))
            }
            Self::BearerRefused { cause: None, why } => write!(f, "there is no default bearer: {why}"),
            Self::Updated => f.write_str("the tracking area is updated"),
            Self::Refused { procedure, cause, esm_cause, back_off } => {
                write!(f, "{} refused: EMM cause #{cause}, {}", procedure.words(), cause::emm(*cause))?;
                if let Some(cause) = esm_cause {
                    write!(f, "; ESM cause #{cause}, {}", cause::esm(*cause))?;
                }
                write!(f, "; {}", cause::consequence(*cause).words())?;
                back_off.map_or(Ok(()), |time| write!(f, ", T3346 {} s", time.as_secs()))
            }
            Self::Again(procedure) => {
                write!(f, "{}: the MME does not answer; it is asked again", procedure.words())
            }
            Self::Forbidden(entry) => entry.fmt(f),
            Self::Allowed(why) => f.write_str(why),
            Self::Unanswered(procedure) => write!(f, "{}: the MME does not answer", procedure.words()),
            Self::Aborted(procedure) => write!(f, "{} aborted with its connection", procedure.words()),
            Self::Detached { by_network, reattach, cause } => {
                f.write_str(if *by_network { "detached by the network" } else { "detached" })?;
                if *reattach {
                    f.write_str(", re-attach required")?;
                }
                cause.map_or(Ok(()), |cause| write!(f, ": EMM cause #{cause}, {}", super::cause::emm(cause)))
            }
            Self::BearerActive(bearer) => bearer.fmt(f),
            Self::BearerGone(ebi) => write!(f, "bearer {ebi} is gone"),
            Self::NetworkName(name) => write!(f, "the network calls itself {name}"),
            Self::NewGuti(guti) => write!(f, "a new GUTI: {guti}"),
            Self::Status(what) => write!(f, "status of the network: {what}"),
        }
    }
}
