//! What can go wrong between eNB and MME.

use std::io;

/// The eNB cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum S1Error {
    /// No association.
    #[error("no SCTP association with the MME at {mme}: {source}")]
    Association {
        /// Where.
        mme: String,
        /// What the system says.
        source: io::Error,
    },
    /// The kernel has no SCTP.
    #[error(
        "this kernel has no SCTP, which S1AP needs: `modprobe sctp`, or run it inside User Mode Linux as tests/uml does"
    )]
    NoSctp,
    /// S1 SETUP FAILURE.
    #[error("the MME refuses the eNB: {0}; PLMN and TAC have to be those of its configuration")]
    Refused(String),
    /// No answer.
    #[error("the MME does not answer {what} within {seconds} s")]
    Silent {
        /// What was sent.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The association is gone.
    #[error("the association with the MME is lost")]
    Lost,
    /// Overload: the MME wants no further UEs.
    #[error("the MME is overloaded and has asked for fewer attaches (OVERLOAD START)")]
    Overloaded,
    /// A message could not be written.
    #[error("S1AP: {0}")]
    Codec(String),
    /// There is no such bearer to give up.
    #[error(
        "the eNB cannot give up bearer {0}: the UE is not connected, or it is none of its dedicated bearers (a default \
         bearer goes with the connection: idle)"
    )]
    NoBearer(u8),
    /// What the USIM remembers cannot be kept. What would have followed is not done.
    #[error("the UE does not go on, for what its USIM remembers cannot be kept: {0}")]
    Keep(String),
    /// NAS.
    #[error("NAS: {0}")]
    Nas(#[from] crate::nas::NasError),
    /// The system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<oxirush_s1ap::Error> for S1Error {
    fn from(error: oxirush_s1ap::Error) -> Self {
        Self::Codec(error.to_string())
    }
}

impl From<super::messages::Unreadable> for S1Error {
    fn from(error: super::messages::Unreadable) -> Self {
        Self::Codec(error.to_string())
    }
}
