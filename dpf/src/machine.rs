//! A provisioning session: what may follow upon what. Pure: an event in, a state and effects out.
//!
//! | state | entered by (step of the seed's section 5) | what goes on |
//! |---|---|---|
//! | opened | 9: the device has opened the session, a nonce is there | evidence is awaited |
//! | relaying | 9: evidence; 10: it goes to the operator | the operator is asked, again and again |
//! | generating | 15: the operator lets the DPF make the RNCP (4.3, R17) | the operator is told what is in it |
//! | authorised | 15: authorisation and RNCP are there and checked | the device may fetch the manifest |
//! | validating | 16: the device wants parts; 4.3: integrity "prior to the download" | the PVA is asked |
//! | downloading | 16: parts are agreed on | parts travel |
//! | reported | 18: the device has reported | 19: the operator is told |
//! | closed | 19: the operator knows | 19: the registry is told, if it is installed |
//! | refused | 13, 15: the operator or its policy says no | the others are told |
//! | failed | what came was of no use; the operator does not take the report (19) | the others are told |
//! | expired | the time is over | the others are told |

use schemas::rest::provisioning::{ProvisioningResult, SessionState};

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Evidence is awaited.
    Opened,
    /// The operator is asked.
    Relaying,
    /// An RNCP was made by the operator's rule; the operator does not know of it yet.
    Generating,
    /// The manifest is there.
    Authorised,
    /// The PVA is asked before the first part leaves.
    Validating,
    /// Parts travel.
    Downloading,
    /// The device has reported; the operator does not know yet.
    Reported,
    /// The operator knows.
    Closed,
    /// The operator, or its policy, said no.
    Refused,
    /// It cannot go on.
    Failed,
    /// The device, or the operator, did not come in time.
    Expired,
}

impl State {
    /// All, in order.
    pub const ALL: [Self; 11] = [
        Self::Opened,
        Self::Relaying,
        Self::Generating,
        Self::Authorised,
        Self::Validating,
        Self::Downloading,
        Self::Reported,
        Self::Closed,
        Self::Refused,
        Self::Failed,
        Self::Expired,
    ];

    /// As the database and metrics have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Relaying => "relaying",
            Self::Generating => "generating",
            Self::Authorised => "authorised",
            Self::Validating => "validating",
            Self::Downloading => "downloading",
            Self::Reported => "reported",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// From what the database has.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// As the device and the operator see it: what the DPF does by itself is no state of theirs.
    #[must_use]
    pub fn shown(self) -> SessionState {
        match self {
            Self::Opened => SessionState::Opened,
            Self::Relaying | Self::Generating => SessionState::Relaying,
            Self::Authorised | Self::Validating => SessionState::Authorised,
            Self::Downloading => SessionState::Downloading,
            Self::Reported => SessionState::Reported,
            Self::Closed => SessionState::Closed,
            Self::Refused => SessionState::Refused,
            Self::Failed => SessionState::Failed,
            Self::Expired => SessionState::Expired,
        }
    }

    /// Whether it is without an end yet, so that time may end it.
    #[must_use]
    pub fn is_open(self) -> bool {
        use State as S;
        matches!(
            self,
            S::Opened | S::Relaying | S::Generating | S::Authorised | S::Validating | S::Downloading
        )
    }

    /// What the DPF has to do for it to go on, after a restart too.
    #[must_use]
    pub fn drives(self) -> Option<Effect> {
        match self {
            Self::Relaying => Some(Effect::AskOperator),
            Self::Generating => Some(Effect::Announce),
            Self::Validating => Some(Effect::AskVerifier),
            _ => None,
        }
    }
}

/// What happens to a session. `same`: it is what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Step 9: the device sent evidence.
    Evidence {
        /// The octets that came before.
        same: bool,
    },
    /// Step 15: authorised, with an RNCP that was checked.
    Authorised,
    /// Step 15 (R17): the DPF may make it, and has.
    Delegated,
    /// Step 15: the operator refused.
    OperatorRefused,
    /// R17: the operator knows what was made.
    Announced,
    /// What an operator or the PVA answered is of no use.
    Useless,
    /// Step 16: the device wants to agree on parts.
    Download {
        /// The operator wants the platform validated before.
        check: bool,
    },
    /// The PVA finds the platform good.
    PlatformGood,
    /// It does not.
    PlatformBad,
    /// Step 18: the device reported.
    Report {
        /// The result that came before.
        same: bool,
        /// It is installed.
        installed: bool,
    },
    /// Step 19: the operator has the report.
    OperatorKnows {
        /// What the report says.
        installed: bool,
    },
    /// Step 19: the operator will never take the report.
    ReportRefused {
        /// What the report says.
        installed: bool,
    },
    /// The time is over.
    Time,
}

/// What is to be done. The first three are done by driving the state, the others by messages in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Step 10, until it answers.
    AskOperator,
    /// R17: tell the operator what was made, until it answers.
    Announce,
    /// Section 4.3: ask the PVA, until it answers.
    AskVerifier,
    /// Step 19: how it ended, to the operator.
    TellOperator(ProvisioningResult),
    /// Step 19: how it ended, to the DRF.
    TellRegistry(ProvisioningResult),
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Something else has to come before.
    TooEarly,
    /// Something else of the kind was taken before.
    Otherwise,
    /// The session has ended.
    Over,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A new state, and what is to be done.
    To(State, &'static [Effect]),
    /// Nothing changes: it was done before, or comes too late to matter.
    Stay,
    /// Nothing changes, and whoever caused it is told.
    Not(Why),
}

/// What `event` does to a session in `state`. Every pair has an answer.
#[must_use]
pub fn step(state: State, event: Event) -> Step {
    use Effect::{Announce, AskOperator, AskVerifier, TellOperator, TellRegistry};
    use Event as E;
    use ProvisioningResult as R;
    use State as S;
    match (state, event) {
        // Steps 9 and 10.
        (S::Opened, E::Evidence { .. }) => Step::To(S::Relaying, &[AskOperator]),
        (_, E::Evidence { same: true }) => Step::Stay,
        (S::Refused | S::Failed | S::Expired, E::Evidence { same: false }) => Step::Not(Why::Over),
        (_, E::Evidence { same: false }) => Step::Not(Why::Otherwise),
        // Step 15. An answer that comes when nobody waits for it any more changes nothing: whoever gave it is told how
        // the session ended.
        (S::Relaying, E::Authorised) | (S::Generating, E::Announced) => Step::To(S::Authorised, &[]),
        (S::Relaying, E::Delegated) => Step::To(S::Generating, &[Announce]),
        (S::Relaying, E::OperatorRefused) => Step::To(S::Refused, &[TellRegistry(R::Refused)]),
        (S::Relaying | S::Generating | S::Validating, E::Useless) => {
            Step::To(S::Failed, &[TellOperator(R::Failed), TellRegistry(R::Failed)])
        }
        // Step 16, with section 4.3's check before it.
        (S::Authorised, E::Download { check: true }) => Step::To(S::Validating, &[AskVerifier]),
        (S::Authorised, E::Download { check: false }) => Step::To(S::Downloading, &[]),
        (S::Validating | S::Downloading, E::Download { .. }) => Step::Stay,
        (S::Opened | S::Relaying | S::Generating, E::Download { .. }) => Step::Not(Why::TooEarly),
        (_, E::Download { .. }) => Step::Not(Why::Over),
        (S::Validating, E::PlatformGood) => Step::To(S::Downloading, &[]),
        (S::Validating, E::PlatformBad) => {
            Step::To(S::Refused, &[TellOperator(R::Refused), TellRegistry(R::Refused)])
        }
        // Steps 18 and 19. A device can fail before anything was downloaded; it cannot have installed before.
        (S::Downloading, E::Report { installed: true, .. }) => {
            Step::To(S::Reported, &[TellOperator(R::Installed)])
        }
        (S::Authorised | S::Validating | S::Downloading, E::Report { installed: false, .. }) => {
            Step::To(S::Reported, &[TellOperator(R::Failed), TellRegistry(R::Failed)])
        }
        (S::Opened | S::Relaying | S::Generating | S::Authorised | S::Validating, E::Report { .. }) => {
            Step::Not(Why::TooEarly)
        }
        (S::Reported | S::Closed, E::Report { same: true, .. }) => Step::Stay,
        (S::Reported | S::Closed, E::Report { same: false, .. }) => Step::Not(Why::Otherwise),
        // Only a session whose report was refused has failed with an installation: the device may not have had its answer.
        (S::Failed, E::Report { same: true, installed: true }) => Step::Stay,
        (S::Refused | S::Failed | S::Expired, E::Report { .. }) => Step::Not(Why::Over),
        // Only now: what the device came with is withdrawn when the registry hears of it, and an operator that does not
        // take the report would leave it with nothing.
        (S::Reported, E::OperatorKnows { installed: true }) => {
            Step::To(S::Closed, &[TellRegistry(R::Installed)])
        }
        (S::Reported, E::OperatorKnows { installed: false }) => Step::To(S::Closed, &[]),
        // The device has what its operator does not stand by: what it came with is all that is sure to attach, so the
        // registry hears of a failure, and keeps it. Of a device's own failure it has heard before.
        (S::Reported, E::ReportRefused { installed: true }) => {
            Step::To(S::Failed, &[TellRegistry(R::Failed)])
        }
        (S::Reported, E::ReportRefused { installed: false }) => Step::To(S::Failed, &[]),
        // The operator has not heard of a session whose evidence never came.
        (S::Opened, E::Time) => Step::To(S::Expired, &[TellRegistry(R::Expired)]),
        (S::Relaying | S::Generating | S::Authorised | S::Validating | S::Downloading, E::Time) => {
            Step::To(S::Expired, &[TellOperator(R::Expired), TellRegistry(R::Expired)])
        }
        (
            _,
            E::Authorised
            | E::Delegated
            | E::OperatorRefused
            | E::Announced
            | E::Useless
            | E::PlatformGood
            | E::PlatformBad
            | E::OperatorKnows { .. }
            | E::ReportRefused { .. }
            | E::Time,
        ) => Step::Stay,
    }
}

#[cfg(test)]
mod tests;
