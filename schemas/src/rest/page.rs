//! Listings come in pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a listing. The next one is at `next`, which the header `Link` with `rel="next"` names too
/// (RFC 8288); where both are missing this page is the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is listed, in the order of its key.
    pub items: Vec<T>,
    /// Where the next page is, relative to the server; `null` after the last.
    pub next: Option<String>,
    /// How many there are in all, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}
