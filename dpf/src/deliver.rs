//! Step 19, and triggers of updates: what is told from the outbox, at least once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use service::{
    client::{CallError, RoleClient},
    outbox::{Deliver, Delivery, Outgoing},
};
use uuid::Uuid;

use crate::{
    machine::Step,
    model::{Input, now, refusal},
    procedure::{Dpf, span},
    store::{REGISTRY, StoreError, TRIGGERS, ToRegistry},
};

/// Somebody who does not know what we are talking about may learn of it in this time: its database is restored, its
/// registry is filled.
const UNKNOWN_FOR: Duration = Duration::from_secs(3600);

/// Sends what the DPF has to tell.
#[derive(Debug)]
pub struct Messenger(pub Arc<Dpf>);

#[async_trait]
impl Deliver for Messenger {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        let dpf = &self.0;
        match message.topic.as_str() {
            REGISTRY => match serde_json::from_slice::<ToRegistry>(&message.body) {
                Ok(told) => {
                    let path = format!("/v1/devices/{}/provisioned", told.pcid);
                    let body = serde_json::to_vec(&told.provisioned).unwrap_or_default();
                    send(&dpf.drf, &path, body, message).await
                }
                Err(error) => Delivery::GiveUp(format!("the message cannot be read: {error}")),
            },
            TRIGGERS => send(&dpf.drf, "/v1/triggers", message.body.clone(), message).await,
            topic => {
                let operator = topic.strip_prefix("operator:").and_then(|id| id.parse().ok());
                let Some(operator) = operator.and_then(|id| dpf.operators.get(&id)) else {
                    return Delivery::Retry(format!("{topic} is not in the configuration any more"));
                };
                let path = format!("/v1/provisioning/{}/report", message.key);
                let sent = send(&operator.client, &path, message.body.clone(), message).await;
                let input = match &sent {
                    Delivery::Done => Input::OperatorKnows,
                    Delivery::GiveUp(why) => not_taken(why),
                    Delivery::Retry(_) => return sent,
                };
                let Ok(session) = message.key.parse::<Uuid>() else { return sent };
                match self.put(session, &input).await {
                    Ok(()) => sent,
                    // It is told again, which changes nothing there.
                    Err(error) => Delivery::Retry(error.to_string()),
                }
            }
        }
    }

    async fn gave_up(&self, message: &Outgoing, why: &str) {
        let target = format!("{} to {}", message.key, message.topic);
        tracing::error!(target, why, "a message was given up");
        self.0.audit("dpf", "messages.given-up", &target, why).await;
        // Of a report that was tried for as long as it may be; one that was refused ended its session before.
        if message.topic.starts_with("operator:")
            && let Ok(session) = message.key.parse::<Uuid>()
            && let Err(error) = self.put(session, &not_taken(why)).await
        {
            tracing::error!(%session, %error, "a session whose report was given up cannot be ended");
        }
    }
}

impl Messenger {
    async fn put(&self, session: Uuid, input: &Input) -> Result<(), StoreError> {
        let applied = self.0.put(session, input).await?;
        let moved = applied.is_some_and(|applied| matches!(applied.step, Step::To(..)));
        if moved && matches!(input, Input::ReportRefused(_)) {
            self.0.metrics.reports_refused.inc();
        }
        Ok(())
    }
}

/// A report that its operator will never take. What it is about may be in the device all the same; that the registry hears
/// of it as of a failure keeps the provisional credential, with which the device can be reached again.
fn not_taken(why: &str) -> Input {
    let why: String = why.chars().filter(|c| !c.is_control()).take(500).collect();
    let text = format!("the operator does not take the report of how it went: {why}");
    Input::ReportRefused(refusal("report-refused", text, false))
}

async fn send(to: &RoleClient, path: &str, body: Vec<u8>, message: &Outgoing) -> Delivery {
    let error = match to.send(Method::POST, path, "application/json", body).await {
        Ok(_) => return Delivery::Done,
        Err(error) => error,
    };
    let text = error.to_string();
    match error {
        CallError::Refused { status, .. } => match status {
            StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::GONE
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Delivery::GiveUp(text),
            StatusCode::NOT_FOUND if now() - message.created_at > span(UNKNOWN_FOR) => Delivery::GiveUp(text),
            _ => Delivery::Retry(text),
        },
        // What it said is lost, what it did is not: it deduplicates.
        CallError::Nonsense { .. } | CallError::Unavailable { .. } => Delivery::Retry(text),
    }
}
