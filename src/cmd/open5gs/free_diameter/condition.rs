//! What a check of a configuration finds.

use super::super::fault::Fault;
use super::super::finding::Verdict;

/// Something about a configuration that parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Which check it is of.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What it is.
    pub fault: Fault,
}

impl Condition {
    /// It does not start, or nobody gets through.
    pub fn wrong(check: &'static str, fault: Fault) -> Self {
        Self { check, verdict: Verdict::Wrong, fault }
    }

    /// It may not be as it was meant.
    pub fn doubtful(check: &'static str, fault: Fault) -> Self {
        Self { check, verdict: Verdict::Doubtful, fault }
    }

    /// It cannot be looked at from here.
    pub fn unseen(check: &'static str, fault: Fault) -> Self {
        Self { check, verdict: Verdict::Unseen, fault }
    }
}
