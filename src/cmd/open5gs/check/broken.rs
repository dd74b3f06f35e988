//! Mistakes in files that are right otherwise, as the tests of all checks make them.

use super::super::finding::{Finding, Findings, Verdict};
use super::verdict;

/// A mistake, and what has to be said of it.
pub(super) struct Broken {
    /// In which file `from` is replaced by `to`.
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// Which check finds it, how bad it is, where it is said to be.
    pub check: &'static str,
    pub verdict: Verdict,
    pub place: &'static str,
    /// Words of what is found, or of the remedy.
    pub says: &'static str,
}

impl Broken {
    /// It is among the findings: by its check, with its place and its words.
    pub(super) fn is_found(&self, findings: &[Finding]) {
        let said: Vec<String> = findings
            .iter()
            .filter(|one| one.check == self.check && one.verdict == self.verdict)
            .map(|one| format!("{}|{}: {}", one.place, one.found, one.remedy))
            .collect();
        // A place that ends with a colon: whatever the number after it.
        let place =
            if self.place.ends_with(':') { self.place.to_owned() } else { format!("{}|", self.place) };
        let found = said.iter().any(|line| line.starts_with(&place) && line.contains(self.says));
        assert!(found, "{} with {:?}: {said:#?}\n{findings:#?}", self.file, self.to);
    }

    /// Nothing that is worse is among the findings.
    pub(super) fn is_the_worst(&self, findings: Vec<Finding>) {
        let wrong = verdict(&Findings(findings)).is_err();
        assert_eq!(wrong, self.verdict == Verdict::Wrong, "{:?}", self.to);
    }
}
