//! What goes out of the outbox: RNCTs over CoAP (step 8), changes of credentials to the ICF.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Method;
use schemas::rnct;
use service::{
    client::RoleClient,
    outbox::{Deliver, Delivery, Outgoing},
};
use uuid::Uuid;

use crate::{
    coap::{
        endpoint::{Endpoint, meaning},
        message::Code,
    },
    desk::Desk,
    outbound::{CredentialChange, TO_DEVICE, TO_ICF},
    store,
    trigger::{State, Trigger},
};

/// Delivers what the outbox holds.
#[derive(Debug)]
pub struct Postman {
    /// Where triggers are kept.
    pub desk: Desk,
    /// Through which devices are reached.
    pub endpoint: Arc<Endpoint>,
    /// The ICF, if there is one.
    pub icf: Option<RoleClient>,
}

/// What a device's response means for a trigger (docs/PROVISIONING.md). `again`: it was sent before, so that the device
/// may have taken it although no response has arrived.
#[must_use]
pub fn verdict(code: Code, again: bool) -> Verdict {
    match (code.class(), code) {
        (2, _) => Verdict::Taken,
        // 4.09: it has this one already.
        (4, code) if code == Code::of(4, 9) && again => Verdict::Taken,
        // RFC 7959 §2.9.2 and RFC 8516: something that passes.
        (4, Code::INCOMPLETE | Code::TOO_MANY) | (5, _) => Verdict::Later,
        _ => Verdict::Refused,
    }
}

/// See [`verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The device follows it.
    Taken,
    /// It never will.
    Refused,
    /// It may another time.
    Later,
}

#[async_trait]
impl Deliver for Postman {
    async fn deliver(&self, message: &Outgoing) -> Delivery {
        match message.topic.as_str() {
            TO_DEVICE => self.to_device(message).await,
            TO_ICF => self.to_icf(message).await,
            other => Delivery::GiveUp(format!("nobody delivers {other:?}")),
        }
    }

    async fn gave_up(&self, message: &Outgoing, why: &str) {
        match message.topic.as_str() {
            TO_DEVICE => {
                if let Ok(id) = message.key.parse() {
                    let _ = self.end(id, State::Expired, None).await;
                }
            }
            _ => {
                self.desk.metrics.icf.with_label_values(&["refused"]).inc();
                self.desk.audit("drf", "icf.patch", &message.key, why).await;
            }
        }
    }
}

impl Postman {
    async fn to_device(&self, message: &Outgoing) -> Delivery {
        let Ok(id) = message.key.parse::<Uuid>() else {
            return Delivery::GiveUp("its key is no RNCT's id".to_owned());
        };
        let trigger = match self.kept(id).await {
            Ok(Some(trigger)) => trigger,
            Ok(None) => return Delivery::Done,
            Err(why) => return Delivery::Retry(why),
        };
        // Superseded, or fetched and followed, meanwhile.
        if !trigger.state.is_open() {
            return Delivery::Done;
        }
        let Some(address) = trigger.address.filter(|_| trigger.expires_at > self.desk.now()) else {
            return Delivery::GiveUp("the RNCT has expired".to_owned());
        };
        // Durable before it is sent: a device that says 4.09 after a restart has it from us.
        if let Err(why) = self.attempted(id, None).await {
            return Delivery::Retry(why);
        }
        let sent = self.endpoint.post(address, rnct::COAP_PATH, rnct::CONTENT_FORMAT, &trigger.rnct).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return self.again(id, error.to_string()).await,
        };
        let code = response.code;
        match verdict(code, trigger.attempts > 0) {
            Verdict::Taken => match self.end(id, State::Acknowledged, None).await {
                Ok(()) => Delivery::Done,
                Err(why) => Delivery::Retry(why),
            },
            Verdict::Later => self.again(id, format!("{code}: {}", meaning(code))).await,
            Verdict::Refused => {
                let why = format!("{code}: {}", meaning(code));
                // Before the state: a crash between the two writes it twice rather than never.
                self.desk.audit("device", "rnct.take", &trigger.pcid.to_string(), &why).await;
                if let Err(error) = self.end(id, State::Rejected, Some(&why)).await {
                    return Delivery::Retry(error);
                }
                Delivery::GiveUp(why)
            }
        }
    }

    async fn kept(&self, id: Uuid) -> Result<Option<Trigger>, String> {
        let mut db = self.desk.db.readers.acquire().await.map_err(|error| error.to_string())?;
        store::trigger(&mut db, id).await.map_err(|error| error.to_string())
    }

    async fn again(&self, id: Uuid, why: String) -> Delivery {
        self.desk.metrics.triggers.with_label_values(&["retried"]).inc();
        let now = self.desk.now();
        let said = why.clone();
        let noted = self.desk.db.transact(async move |tx| {
            sqlx::query("UPDATE trigger_sent SET last_error = ?2, updated_at = ?3 WHERE id = ?1")
                .bind(id.to_string())
                .bind(said)
                .bind(now)
                .execute(tx)
                .await
        });
        if let Err(error) = noted.await {
            tracing::warn!(%id, %error, "what was wrong with a trigger cannot be noted");
        }
        Delivery::Retry(why)
    }

    async fn attempted(&self, id: Uuid, error: Option<&str>) -> Result<(), String> {
        let (error, now) = (error.map(str::to_owned), self.desk.now());
        let noted =
            self.desk.db.transact(async move |tx| store::attempted(tx, id, error.as_deref(), now).await);
        noted.await.map(drop).map_err(|error: sqlx::Error| error.to_string())
    }

    async fn end(&self, id: Uuid, state: State, error: Option<&str>) -> Result<(), String> {
        let (said, now) = (error.map(str::to_owned), self.desk.now());
        let ended =
            self.desk.db.transact(async move |tx| store::end(tx, id, state, said.as_deref(), now).await);
        if ended.await.map_err(|error: sqlx::Error| error.to_string())? {
            self.desk.metrics.triggers.with_label_values(&[state.as_str()]).inc();
            tracing::info!(%id, %state, error, "trigger");
        }
        Ok(())
    }

    async fn to_icf(&self, message: &Outgoing) -> Delivery {
        let Some(icf) = &self.icf else {
            return Delivery::Retry("there is no [icf] in the configuration any more".to_owned());
        };
        let change: CredentialChange = match serde_json::from_slice(&message.body) {
            Ok(change) => change,
            Err(error) => return Delivery::GiveUp(format!("it cannot be read: {error}")),
        };
        let path = format!("/v1/credentials/{}", change.imsi);
        let done: Result<serde_json::Value, _> = icf.json(Method::PATCH, &path, Some(&change.patch)).await;
        match done {
            Ok(_) => {
                self.desk.metrics.icf.with_label_values(&["done"]).inc();
                self.desk.audit("drf", "icf.patch", &message.key, "done").await;
                Delivery::Done
            }
            // A wrong token is put right in a configuration; a credential that is not revoked stays open until then.
            Err(error)
                if error.is_transient()
                    || error.status().is_some_and(|status| [401, 403].contains(&status.as_u16())) =>
            {
                self.desk.metrics.icf.with_label_values(&["retried"]).inc();
                Delivery::Retry(error.to_string())
            }
            Err(error) => Delivery::GiveUp(error.to_string()),
        }
    }
}
