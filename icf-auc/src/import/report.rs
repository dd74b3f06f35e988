//! What became of an import.

use std::collections::BTreeMap;

use schemas::{
    identity::Imsi,
    rest::{ImportProblem, ImportReport},
};
use serde::Serialize;

use super::{Format, reader::ReadCredential};

/// Names that the notes list at most.
const LISTED: usize = 64;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it begins, from 1.
    pub line: u64,
    /// Of CSV the column of the field, from 1.
    pub column: Option<u64>,
    /// The field, by our name.
    pub field: Option<&'static str>,
    /// Whose, if it could be read.
    pub imsi: Option<Imsi>,
    /// What is wrong, and what to do; holds no key.
    pub reason: String,
}

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Format that was read.
    pub format: Format,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Records in the file.
    pub records: u64,
    /// Credentials stored, or of a dry run those that would be.
    pub stored: u64,
    /// Not stored, since they are there already and the same.
    pub skipped: u64,
    /// Records that are no credential, as the notes say.
    pub passed_over: u64,
    /// Not stored, since they have a problem.
    pub refused: u64,
    /// Problems in all.
    pub problem_count: u64,
    /// The first problems.
    pub problems: Vec<Problem>,
    /// What was read and has no effect here.
    pub notes: Vec<String>,
    /// Why it stopped before the end of the file.
    pub failed: Option<String>,
}

impl Report {
    /// Whether all credentials of the file are stored now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problem_count == 0 && self.failed.is_none()
    }
}

impl From<Report> for ImportReport {
    fn from(report: Report) -> Self {
        let problem = |p: Problem| ImportProblem {
            line: p.line,
            column: p.column,
            field: p.field.map(str::to_owned),
            imsi: p.imsi,
            reason: p.reason,
        };
        Self {
            dry_run: report.dry_run,
            records: report.records,
            stored: report.stored,
            skipped: report.skipped,
            passed_over: report.passed_over,
            refused: report.refused,
            problem_count: report.problem_count,
            problems: report.problems.into_iter().map(problem).collect(),
            notes: report.notes,
            failed: report.failed,
        }
    }
}

/// What a file holds beside credentials, counted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    fragments: u64,
    first_fragment: u64,
    not_taken: BTreeMap<String, u64>,
    assumed: BTreeMap<&'static str, u64>,
    renamed: BTreeMap<String, &'static str>,
}

impl Notes {
    /// Counts a document that Open5GS's HSS made by itself.
    pub(super) fn fragment(&mut self, line: u64) {
        self.fragments += 1;
        if self.first_fragment == 0 {
            self.first_fragment = line;
        }
    }

    /// Counts what a record has that was not taken.
    pub(super) fn credential(&mut self, read: &ReadCredential) {
        for name in &read.not_taken {
            if self.not_taken.len() < LISTED || self.not_taken.contains_key(name) {
                *self.not_taken.entry(name.clone()).or_default() += 1;
            }
        }
        for what in &read.assumed {
            *self.assumed.entry(*what).or_default() += 1;
        }
        for (name, field) in &read.renamed {
            if self.renamed.len() < LISTED && !self.renamed.contains_key(name) {
                self.renamed.insert(name.clone(), *field);
            }
        }
    }

    /// As sentences.
    pub(super) fn sentences(&self, messages: u64, comments: u64) -> Vec<String> {
        let mut all = Vec::new();
        if self.fragments > 0 {
            all.push(format!(
                "passed over: {} that Open5GS's HSS made by itself of an IMSI it does not have (the serving node, and no \
                 security): no credential; the first is on line {}",
                counted(self.fragments, "document"),
                self.first_fragment
            ));
        }
        if !self.renamed.is_empty() {
            let names: Vec<String> =
                self.renamed.iter().map(|(name, field)| format!("{name} as {field}")).collect();
            all.push(format!("read: {}", names.join(", ")));
        }
        if !self.assumed.is_empty() {
            let names: Vec<String> =
                self.assumed.iter().map(|(what, count)| format!("{what} ({count})")).collect();
            all.push(format!("not in the file, so that it was taken as: {}", names.join("; ")));
        }
        if !self.not_taken.is_empty() {
            let names: Vec<String> =
                self.not_taken.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            all.push(format!(
                "not taken, with the number of records that have it: {}; what a subscriber may do otherwise is in its profile",
                names.join(", ")
            ));
        }
        if messages > 0 {
            all.push(format!("passed over: {} of mongoexport's own messages", counted(messages, "line")));
        }
        if comments > 0 {
            all.push(format!("passed over: {} that begin with #", counted(comments, "line")));
        }
        all
    }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
