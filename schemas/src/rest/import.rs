//! What became of a bulk import.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::identity::Imsi;

/// Report of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Records read.
    pub records: u64,
    /// Credentials stored.
    pub stored: u64,
    /// Passed over, being there already.
    pub skipped: u64,
    /// Not stored, since they or others of their chunk have a problem.
    pub refused: u64,
    /// Problems in all.
    pub problem_count: u64,
    /// The first problems.
    pub problems: Vec<ImportProblem>,
    /// What was read and has no effect here.
    pub notes: Vec<String>,
    /// Why it stopped before the end; `null` if it did not.
    pub failed: Option<String>,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportProblem {
    /// Where it begins, from 1.
    pub line: u64,
    /// Whose, if it could be read.
    pub imsi: Option<Imsi>,
    /// What is wrong; never holds a key.
    pub reason: String,
}
