//! Why a request is refused, and what the answer says about it. The operator decides for each cause, since
//! the code decides what the MME tells the UE; docs/CAUSES.md is the table.

use std::{collections::BTreeMap, fmt};

use s6a::{
    base::{Outcome, Refusal},
    codec::{AvpDef, DecodeError, Experimental, ResultCode, Writer},
};

/// A request that is refused: nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Result-Code or Experimental-Result of the answer.
    pub outcome: Outcome,
    /// Error-Message (RFC 6733 §7.3); names no secret and nobody's data.
    pub what: &'static str,
    /// AVPs of Failed-AVP (RFC 6733 §7.5), encoded; empty for none.
    pub failed: Vec<u8>,
    /// The cause, if it is one of the table; for counters and logs.
    pub cause: Option<Cause>,
}

impl Refused {
    /// With an outcome that is fixed by a specification.
    #[must_use]
    pub fn new(outcome: Outcome, what: &'static str) -> Self {
        Self { outcome, what, failed: Vec::new(), cause: None }
    }

    /// With the offending AVP.
    #[must_use]
    pub fn with_failed(mut self, def: &AvpDef, data: &[u8]) -> Self {
        Writer::avps(&mut self.failed).octets(def, data);
        self
    }
}

impl From<DecodeError> for Refused {
    fn from(DecodeError { code, what, failed, .. }: DecodeError) -> Self {
        Self { outcome: code.into(), what, failed, cause: None }
    }
}

impl<'a> From<&'a Refused> for Refusal<'a> {
    fn from(refused: &'a Refused) -> Self {
        Self { outcome: refused.outcome, message: refused.what, failed: &refused.failed }
    }
}

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $default:ident, $what:literal;)*) => {
        /// What is wrong with a subscriber or with us, as the operator's `[causes]` names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause { $($(#[$doc])* $variant,)* }

        impl Cause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the configuration, in counters and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is answered with unless the operator says otherwise.
            #[must_use]
            pub const fn default_answer(self) -> Answer {
                match self { $(Self::$variant => Answer::$default,)* }
            }

            /// Error-Message.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

causes! {
    /// Nobody has issued this PCID, as far as is known here.
    Unknown = "unknown", AuthenticationDataUnavailable, "the IMSI is not known here";
    /// Its lifetime is over.
    Expired = "expired", AuthenticationDataUnavailable, "the credential has expired";
    /// Its attach budget is used up.
    Exhausted = "exhausted", AuthenticationDataUnavailable, "the credential's attaches are used up";
    /// A person has set it aside.
    Blocked = "blocked", AuthenticationDataUnavailable, "the credential is blocked";
    /// It was taken out of use for good.
    Disabled = "disabled", UnknownEpsSubscription, "the credential is disabled";
    /// Its profile has no EPS subscription (TS 29.272 §5.2.3.1.3).
    NoEpsSubscription = "no-eps-subscription", UnknownEpsSubscription, "there is no EPS subscription";
    /// Its profile does not allow the visited network (TS 29.272 §7.4.3.4).
    RoamingNotAllowed = "roaming-not-allowed", RoamingNotAllowed, "the visited network is not allowed";
    /// Its profile does not allow the radio access technology (TS 29.272 §7.4.3.3).
    RatNotAllowed = "rat-not-allowed", RatNotAllowed, "the radio access technology is not allowed";
    /// Its vectors come from a pool that is dry, or cannot give what was asked for.
    NoVectors = "no-vectors", AuthenticationDataUnavailable, "there is no vector for the IMSI";
    /// Its sequence numbers are used up (TS 33.102 §C.2.1).
    SequenceExhausted = "sequence-exhausted", UnableToComply, "the IMSI has no sequence number left";
    /// The AUTS verifies, but its SEQ_MS cannot be followed without handing numbers out again, or wearing
    /// the credential out ([`Resync`](crate::auc::resync::Resync)): only another credential helps.
    ResyncImpossible = "resync-impossible", UnableToComply, "the USIM's sequence number cannot be followed";
    /// The AUTS does not verify (TS 33.102 §6.3.5).
    ResyncFailed = "resync-failed", AuthenticationDataUnavailable, "the AUTS does not verify";
    /// More is asked for than can be answered in time.
    Overloaded = "overloaded", AuthenticationDataUnavailable, "too busy, ask again later";
    /// The store does not answer.
    Unavailable = "unavailable", AuthenticationDataUnavailable, "temporarily out of order, ask again later";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $code:expr, $emm:literal;)*) => {
        /// An answer that a cause can be given.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Answer { $($(#[$doc])* $variant,)* }

        impl Answer {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the configuration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The EMM cause that an Open5GS MME makes of it (TS 24.301 §9.9.3.9).
            #[must_use]
            pub const fn emm_cause(self) -> u8 {
                match self { $(Self::$variant => $emm,)* }
            }

            /// Result-Code or Experimental-Result.
            #[must_use]
            pub fn outcome(self) -> Outcome {
                match self { $(Self::$variant => $code.into(),)* }
            }
        }
    };
}

answers! {
    /// 4181, transient (TS 29.272 §7.4.4.1): the UE tries again soon.
    AuthenticationDataUnavailable = "authentication-data-unavailable",
        Experimental::AUTHENTICATION_DATA_UNAVAILABLE, 17;
    /// 5012 (RFC 6733 §7.1.5).
    UnableToComply = "unable-to-comply", ResultCode::UNABLE_TO_COMPLY, 17;
    /// 5420 (TS 29.272 §7.4.3.2): the UE looks for another tracking area or network.
    UnknownEpsSubscription = "unknown-eps-subscription", Experimental::UNKNOWN_EPS_SUBSCRIPTION, 15;
    /// 5003 (RFC 6733 §7.1.5).
    AuthorizationRejected = "authorization-rejected", ResultCode::AUTHORIZATION_REJECTED, 15;
    /// 5421 (TS 29.272 §7.4.3.3): the UE leaves the tracking area.
    RatNotAllowed = "rat-not-allowed", Experimental::RAT_NOT_ALLOWED, 13;
    /// Experimental 5004 (TS 29.272 §7.4.3.4): the UE leaves the network.
    RoamingNotAllowed = "roaming-not-allowed", Experimental::ROAMING_NOT_ALLOWED, 11;
    /// Experimental 5001 (TS 29.272 §7.4.3.1): the UE takes its subscription for invalid until it is
    /// switched off and on.
    UserUnknown = "user-unknown", Experimental::USER_UNKNOWN, 8;
}

/// The answer for each cause.
#[derive(Clone, PartialEq, Eq)]
pub struct Causes([Answer; Cause::ALL.len()]);

impl Causes {
    /// The defaults with the operator's changes: names of causes to names of answers, as `[causes]` of the
    /// configuration has them.
    ///
    /// # Errors
    /// If a name is not known; the error lists those that are.
    pub fn configured(changes: &BTreeMap<String, String>) -> Result<Self, CausesError> {
        let mut causes = Self::default();
        for (cause, answer) in changes {
            let at = Cause::ALL.iter().position(|known| known.name() == cause);
            let at = at.ok_or_else(|| CausesError::Cause(cause.clone()))?;
            let answer = Answer::ALL.iter().find(|known| known.name() == answer).copied();
            causes.0[at] = answer.ok_or_else(|| CausesError::Answer(cause.clone()))?;
        }
        Ok(causes)
    }

    /// The answer for a cause.
    #[must_use]
    pub fn answer(&self, cause: Cause) -> Answer {
        self.0[cause as usize]
    }

    /// The refusal for a cause.
    #[must_use]
    pub fn refuse(&self, cause: Cause) -> Refused {
        let outcome = self.answer(cause).outcome();
        Refused { outcome, what: cause.what(), failed: Vec::new(), cause: Some(cause) }
    }
}

impl Default for Causes {
    fn default() -> Self {
        let mut answers = [Answer::UnableToComply; Cause::ALL.len()];
        for (slot, cause) in answers.iter_mut().zip(Cause::ALL) {
            *slot = cause.default_answer();
        }
        Self(answers)
    }
}

impl fmt::Debug for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(Cause::ALL.iter().map(|cause| (cause.name(), self.answer(*cause).name())))
            .finish()
    }
}

/// A name in `[causes]` is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CausesError {
    /// The cause.
    #[error("[causes] {0}: there is no such cause; there are {causes}", causes = names(Cause::ALL, Cause::name))]
    Cause(String),
    /// The answer of this cause.
    #[error("[causes] {0}: there is no such answer; there are {answers}", answers = names(Answer::ALL, Answer::name))]
    Answer(String),
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> String {
    all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_expired_exhausted_or_blocked_pcid_gets_a_retryable_answer_by_default() {
        for cause in [Cause::Unknown, Cause::Expired, Cause::Exhausted, Cause::Blocked] {
            let refused = Causes::default().refuse(cause);
            assert_eq!(refused.outcome, Experimental::AUTHENTICATION_DATA_UNAVAILABLE.into());
            assert_eq!(refused.cause, Some(cause));
        }
    }

    #[test]
    fn no_default_bricks_a_device() {
        for cause in Cause::ALL {
            assert_ne!(cause.default_answer().emm_cause(), 8, "{}", cause.name());
        }
    }

    #[test]
    fn no_answer_is_a_success() {
        for answer in Answer::ALL {
            assert!(!answer.outcome().is_success() && !answer.outcome().is_protocol_error(), "{answer:?}");
        }
    }

    #[test]
    fn the_operator_changes_a_cause_by_name() {
        let changes = BTreeMap::from([("unknown".to_owned(), "user-unknown".to_owned())]);
        let causes = Causes::configured(&changes).unwrap();
        assert_eq!(causes.refuse(Cause::Unknown).outcome, Experimental::USER_UNKNOWN.into());
        assert_eq!(causes.answer(Cause::Expired), Answer::AuthenticationDataUnavailable);
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_that_exist() {
        let wrong = |cause: &str, answer: &str| {
            let changes = BTreeMap::from([(cause.to_owned(), answer.to_owned())]);
            Causes::configured(&changes).unwrap_err().to_string()
        };
        assert!(wrong("unknwon", "user-unknown").contains("unknwon"));
        assert!(wrong("unknwon", "user-unknown").contains("unknown, expired, exhausted"));
        assert!(wrong("unknown", "success").contains("unable-to-comply"));
    }

    /// The operator's page says what the code does.
    #[test]
    fn docs_list_every_cause_with_its_default_and_every_answer_with_its_emm_cause() {
        let page = include_str!("../../../docs/CAUSES.md");
        for cause in Cause::ALL {
            let row = format!("| `{}` | `{}` |", cause.name(), cause.default_answer().name());
            assert!(page.contains(&row), "docs/CAUSES.md lacks {row}");
        }
        for answer in Answer::ALL {
            let row = format!("| `{}` | {} | #{} |", answer.name(), answer.outcome(), answer.emm_cause());
            assert!(page.contains(&row), "docs/CAUSES.md lacks {row}");
        }
    }
}
