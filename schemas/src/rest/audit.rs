//! Who did what.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Rising.
    pub id: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Name of the token, or `cli:` and the user.
    pub who: String,
    /// What, as `credentials.update`.
    pub action: String,
    /// To what.
    pub target: String,
    /// `done`, or why not.
    pub outcome: String,
}
