//! Requests to serving nodes that are not answered yet.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::identity::Imsi;

/// A request of the ICF's own to a serving node (TS 29.272 §5.2.1.2, §5.2.2): sent until it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outgoing {
    /// Its place in the queue.
    pub id: i64,
    /// The subscriber.
    pub imsi: Imsi,
    /// `CLR`, `IDR` or `DSR`.
    pub command: String,
    /// Diameter identity of the node.
    pub host: String,
    /// Its realm.
    pub realm: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed; `null` if it was not tried yet.
    pub why: Option<String>,
    /// When it is tried next, at the latest: a node that connects gets it at once.
    #[serde(with = "time::serde::rfc3339")]
    pub next_try: OffsetDateTime,
}
