//! What became of a bulk import.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::identity::Imsi;

/// Report of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Whether nothing was to be stored: `stored` is what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// Records read.
    pub records: u64,
    /// Credentials stored.
    pub stored: u64,
    /// Not stored, being there already and the same.
    pub skipped: u64,
    /// Records that are no credential, as `notes` say.
    #[serde(default)]
    pub passed_over: u64,
    /// Not stored, for the problems that are listed.
    pub refused: u64,
    /// Problems in all.
    pub problem_count: u64,
    /// The first problems.
    pub problems: Vec<ImportProblem>,
    /// What was read and has no effect here, counted.
    pub notes: Vec<String>,
    /// Why it stopped before the end; `null` if it did not.
    pub failed: Option<String>,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportProblem {
    /// Where it begins, from 1.
    pub line: u64,
    /// Of CSV the column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The field, by the name that it has in a line of NDJSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whose, if it could be read.
    pub imsi: Option<Imsi>,
    /// What is wrong, and what to do; never holds a key.
    pub reason: String,
}
