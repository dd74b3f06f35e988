//! What became of a bulk import.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Report of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Lines read that hold a credential.
    pub read: u64,
    /// Credentials stored.
    pub stored: u64,
    /// Lines that were not stored.
    pub refused: u64,
    /// Which and why, the first thousand of them.
    pub errors: Vec<ImportSkip>,
}

/// A line that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportSkip {
    /// Line of the file, from 1.
    pub line: u64,
    /// What is wrong with it; never holds a key.
    pub reason: String,
}
