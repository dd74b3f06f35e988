//! Updates that operators ask for (R17).

use std::time::Duration;

use schemas::{
    rest::provisioning::{TriggerRequest, UpdateRequest},
    rncp::Kind,
};
use service::outbox::{Message, enqueue};

use super::{Store, StoreError, TRIGGERS};

/// How long the DRF is asked.
const ASKED_FOR: Duration = Duration::from_secs(7 * 86_400);

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// It is taken, now or before.
    Taken,
    /// Another request had that id.
    Otherwise,
}

impl Store {
    /// Takes a request; the DRF is asked from the outbox.
    ///
    /// # Errors
    /// The database's.
    pub async fn update(&self, request: &UpdateRequest, now: i64) -> Result<Update, StoreError> {
        const WHAT: StoreError = StoreError::Damaged("update");
        let body = serde_json::to_string(request).map_err(|_| WHAT)?;
        let id = request.id.to_string();
        let mut tx = self.db.write().await?;
        let there: Option<(String,)> = sqlx::query_as("SELECT body FROM update_request WHERE id = ?1")
            .bind(&id)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some((there,)) = there {
            return Ok(if there == body { Update::Taken } else { Update::Otherwise });
        }
        sqlx::query("INSERT INTO update_request (id, operator, body, received_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(&id)
            .bind(request.operator.as_str())
            .bind(&body)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let trigger = TriggerRequest {
            id: request.id,
            pcid: request.pcid,
            kind: Kind::Update,
            operator: Some(request.operator.clone()),
            address: request.address,
        };
        let body = serde_json::to_vec(&trigger).map_err(|_| WHAT)?;
        let message = Message { topic: TRIGGERS, key: &id, body: &body, give_up_after: ASKED_FOR };
        enqueue(&mut tx, &message).await?;
        tx.commit().await?;
        Ok(Update::Taken)
    }
}
