//! What became of a UE's procedure.

use std::fmt;
use std::time::Duration;

use schemas::identity::Imsi;
use serde::Serialize;

use crate::nas::{Bearer, Procedure, cause};

/// How a procedure ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
    /// Attached, with its default bearer.
    Attached {
        /// It.
        bearer: Bearer,
    },
    /// The procedure is done.
    Done,
    /// The network refuses.
    Refused {
        /// EMM cause, TS 24.301 annex A.
        emm_cause: u8,
        /// Its name.
        name: &'static str,
        /// What the device makes of it.
        consequence: &'static str,
        /// ESM cause, annex B.
        esm_cause: Option<u8>,
        /// T3346, seconds.
        back_off: Option<u64>,
    },
    /// The default bearer that the network gave cannot be used; the network was told so.
    BearerRefused {
        /// ESM cause sent, TS 24.301 annex B.
        esm_cause: Option<u8>,
        /// Why.
        why: String,
    },
    /// AUTHENTICATION REJECT.
    AuthenticationRejected,
    /// The network has failed its authentication, and counts as false (TS 24.301 §5.4.2.7 f).
    NetworkNotGenuine,
    /// The network wants the UE off, in the middle of it.
    Detached {
        /// It shall attach again.
        reattach: bool,
    },
    /// The MME does not answer within the procedure's timer, however often it is asked.
    Unanswered,
    /// The MME has released the connection before there was an answer.
    Released {
        /// Its cause.
        cause: String,
        /// What the MME sent before and the UE must not act upon, in words: often why.
        #[serde(skip_serializing_if = "Option::is_none")]
        discarded: Option<String>,
    },
    /// KeNB of MME and UE differ: nothing on the air could be read.
    KeysDiffer,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached { .. } | Self::Done => f.write_str("done"),
            Self::Refused { emm_cause, name, consequence, esm_cause, back_off } => {
                write!(f, "the network refuses with EMM cause #{emm_cause} {name}")?;
                if let Some(cause) = esm_cause {
                    write!(f, ", ESM cause #{cause} {}", cause::esm(*cause))?;
                }
                write!(f, ": {consequence}")?;
                back_off.map_or(Ok(()), |seconds| write!(f, "; not again within {seconds} s (T3346)"))
            }
            Self::BearerRefused { esm_cause, why } => {
                f.write_str("the default bearer of the ATTACH ACCEPT cannot be used")?;
                if let Some(cause) = esm_cause {
                    write!(f, ", and the network was told ESM cause #{cause} {}", cause::esm(*cause))?;
                }
                write!(f, ": {why}")
            }
            Self::AuthenticationRejected => {
                f.write_str("AUTHENTICATION REJECT: RES is not what the network expects")
            }
            Self::NetworkNotGenuine => f.write_str("the network has failed its authentication"),
            Self::Detached { reattach: true } => f.write_str("detached by the network, to attach again"),
            Self::Detached { reattach: false } => f.write_str("detached by the network"),
            Self::Unanswered => f.write_str("the MME does not answer"),
            Self::Released { cause, discarded } => {
                write!(f, "the MME has released the connection ({cause})")?;
                discarded.as_ref().map_or(Ok(()), |what| write!(f, "; before, it sent {what}"))
            }
            Self::KeysDiffer => f.write_str("KeNB of MME and UE differ"),
        }
    }
}

/// What became of a procedure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which.
    pub procedure: Procedure,
    /// Whose.
    pub imsi: Imsi,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// The sequence numbers had to be synchronised.
    pub resynchronised: bool,
    /// The UE has refused the network's challenge with this EMM cause.
    pub network_refused: Option<u8>,
    /// EEA and EIA numbers of a security mode that was set.
    pub algorithms: Option<(u8, u8)>,
    /// From the UE's first message to the end.
    pub took: Duration,
}

impl Report {
    /// Whether it came to what was asked for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.end, End::Attached { .. } | End::Done)
    }
}
