//! What happened.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::identity::Imsi;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Rising; gaps are possible.
    pub id: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What, as `registered`.
    pub kind: String,
    /// To whom.
    pub imsi: Option<Imsi>,
    /// More.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}
