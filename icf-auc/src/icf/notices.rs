//! Sends notices to the DRF (seed, section 5 step 6) until it has them.

use async_trait::async_trait;
use axum::http::Method;
use service::{
    client::{CallError, RoleClient},
    outbox::{Deliver, Delivery, Outgoing},
};

/// Posts each notice to `/v1/notices`.
pub struct Notices(pub RoleClient);

#[async_trait]
impl Deliver for Notices {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        let sent = self.0.send(Method::POST, "/v1/notices", "application/json", message.body.clone()).await;
        match sent {
            Ok(_) => Delivery::Done,
            // It will not read it another time either.
            Err(CallError::Refused { status, problem, .. })
                if [400, 409, 413, 422].contains(&status.as_u16()) =>
            {
                Delivery::GiveUp(problem.to_string())
            }
            // Away, or its token or address is wrong: somebody will mend that.
            Err(error) => Delivery::Retry(error.to_string()),
        }
    }

    async fn gave_up(&self, message: &Outgoing, why: &str) {
        tracing::error!(notice = %message.key, why, "the DRF was not told of an attached device; it is told at the next attach");
    }
}
