//! What a check comes to: a line each, for people and for scripts.

use serde::Serialize;

use super::super::client::Shown;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and will hurt some day.
    Doubtful,
    /// Devices do not get through.
    Wrong,
    /// Nobody said where to look.
    Unseen,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What came of it.
    pub verdict: Verdict,
    /// Its name, for scripts: it does not change.
    pub check: &'static str,
    /// File and line, or what was asked.
    pub place: String,
    /// What is there.
    pub found: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

/// The findings of all checks, in their order.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Of any verdict.
    pub fn add(&mut self, verdict: Verdict, check: &'static str, place: &str, found: String, remedy: String) {
        self.0.push(Finding { verdict, check, place: place.to_owned(), found, remedy });
    }

    /// As it should be.
    pub fn good(&mut self, check: &'static str, place: &str, found: impl Into<String>) {
        self.add(Verdict::Good, check, place, found.into(), String::new());
    }

    /// Not as it should be.
    pub fn wrong(
        &mut self,
        check: &'static str,
        place: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Verdict::Wrong, check, place, found.into(), remedy.into());
    }

    /// Works, but.
    pub fn doubtful(
        &mut self,
        check: &'static str,
        place: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Verdict::Doubtful, check, place, found.into(), remedy.into());
    }

    /// Was not looked at.
    pub fn unseen(&mut self, check: &'static str, place: &str, remedy: impl Into<String>) {
        self.add(Verdict::Unseen, check, place, "not looked at".to_owned(), remedy.into());
    }

    /// How many are of a kind.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|one| one.verdict == verdict).count()
    }
}

impl Shown for Finding {
    const HEADERS: &'static [&'static str] = &["", "check", "where", "what is there, and what to do"];

    fn row(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Doubtful => "DOUBTFUL",
            Verdict::Wrong => "WRONG",
            Verdict::Unseen => "-",
        };
        let remedy = if self.remedy.is_empty() { String::new() } else { format!(": {}", self.remedy) };
        vec![verdict.to_owned(), self.check.to_owned(), self.place.clone(), format!("{}{remedy}", self.found)]
    }
}
