//! Steps 11 to 15 and 19 as a durable state machine: each step is a transaction that names the state it begins in, and
//! has what the audit log says of it; states that wait for nobody are one step. A step can be repeated after a crash in
//! the midst of it; what it asked of others is asked again, and they answer alike (the PVA by session and check, the HSSs
//! as [`Connector`] demands).

mod allocate;
mod generated;
mod hss;
mod package;
mod report;
mod turns;
mod validate;

pub use generated::Taken;
pub use report::Reported;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::Method;
use schemas::{
    cose::{CoseError, PrivateKey, Signer},
    identity::{OperatorId, Plmn},
    rest::provisioning::{
        Package, ProvisioningAnswer, ProvisioningRequest, Refusal, Validation, ValidationRequest,
    },
    trust::{Anchors, TrustError},
};
use service::{
    api::{AuditTable, Trail, Trickle, audit},
    client::RoleClient,
    outbox::{Deliver, Delivery as Delivered, Message, Outbox, Outgoing, enqueue},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{
    clock::{Clock, shown},
    compose::ComposeError,
    connector::Connector,
    keys::NoRandom,
    metrics::Metrics,
    model::{Received, Session, State},
    policy::Policy,
    store::{Store, StoreError, sessions},
};
use turns::Turns;

/// Topic of the outbox: a DPF is asked to have an RNCP updated.
pub const UPDATE: &str = "update";
/// Topic of the outbox: an HSS is to be told how a session ended.
const SETTLE: &str = "settle";
/// So long it is tried.
const SETTLE_FOR: Duration = Duration::from_secs(30 * 86_400);
/// When to ask again for an answer that is not there yet.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// No session takes more steps than this until it waits or has an answer.
const MAX_STEPS: usize = 16;

/// Who validates platforms.
#[async_trait]
pub trait Validator: Send + Sync + 'static {
    /// Asks for a verdict; the same for the same session and check.
    ///
    /// # Errors
    /// If there is none.
    async fn validate(&self, request: &ValidationRequest) -> Result<Validation, NoVerdict>;
}

/// There is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVerdict {
    /// Ask again later.
    #[error("{0}")]
    Away(String),
    /// It will not give one.
    #[error("{0}")]
    Refused(String),
}

/// What an operator is.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Its identity.
    pub id: OperatorId,
    /// Its name, for people.
    pub name: String,
    /// Its network.
    pub plmn: Plmn,
    /// APN where a contract names none.
    pub apn: String,
    /// Signs RNCPs.
    pub signer: Signer,
    /// Opens what a DPF generated.
    pub sealing_key: Option<PrivateKey>,
    /// Who signs the PVA's certificate.
    pub anchors: Anchors,
}

/// Refusals that change nothing and are in the audit log at once, and one more a second: devices can be refused without end.
const NOTED_AT_ONCE: u32 = 200;

/// A running SHO.
pub struct Sho {
    /// What it remembers.
    pub store: Store,
    /// Who it is.
    pub operator: Operator,
    /// What it accepts.
    pub policy: Policy,
    /// Who validates.
    pub validator: Arc<dyn Validator>,
    /// Its HSSs.
    pub connectors: Vec<Arc<dyn Connector>>,
    /// What time it is.
    pub clock: Clock,
    /// What it counts.
    pub metrics: Metrics,
    /// Messages to its HSSs and to the DPF.
    pub outbox: Outbox,
    /// Whom updates are asked of.
    pub dpf: Option<RoleClient>,
    sessions: Turns<Uuid>,
    numbers: Turns<String>,
    /// How much of what devices are refused is in the audit log.
    noted: Trickle,
}

impl std::fmt::Debug for Sho {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sho({})", self.operator.id)
    }
}

/// Something failed on our side.
#[derive(Debug, thiserror::Error)]
pub enum ShoError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Encrypting, signing.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A stored certificate.
    #[error("a certificate that was found good cannot be read: {0}")]
    Certificate(#[from] TrustError),
    /// Keys.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// A stored object.
    #[error("a stored object cannot be read: {0}")]
    Cose(#[from] CoseError),
}

impl From<sqlx::Error> for ShoError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<service::sealed::SealError> for ShoError {
    fn from(error: service::sealed::SealError) -> Self {
        Self::Store(error.into())
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The session is in another state now.
    Taken,
    /// Somebody is away: try again.
    Wait(String),
    /// There is nothing to do before somebody else does something.
    Rest,
}

/// What a DPF is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Steps 14 and 15.
    Answer(Box<ProvisioningAnswer>),
    /// Ask again after this.
    Later(Duration, String),
    /// The session is of another device, or of another request.
    Other,
    /// The session is over for long, its package forgotten.
    Gone,
}

/// What an [`Sho`] is made of.
#[derive(Debug)]
pub struct Rooms {
    /// See [`Sho`].
    pub store: Store,
    /// See [`Sho`].
    pub operator: Operator,
    /// See [`Sho`].
    pub policy: Policy,
    /// See [`Sho`].
    pub clock: Clock,
    /// See [`Sho`].
    pub metrics: Metrics,
}

impl Sho {
    /// Puts it together; the outbox does not run yet.
    #[must_use]
    pub fn new(rooms: Rooms, validator: Arc<dyn Validator>, connectors: Vec<Arc<dyn Connector>>) -> Self {
        let Rooms { store, operator, policy, clock, metrics } = rooms;
        let outbox = Outbox::new(store.db.clone(), service::outbox::Policy::default());
        let (sessions, numbers) = (Turns::default(), Turns::default());
        Self {
            store,
            operator,
            policy,
            validator,
            connectors,
            clock,
            metrics,
            outbox,
            dpf: None,
            sessions,
            numbers,
            noted: Trickle::new(NOTED_AT_ONCE),
        }
    }

    /// Asks this DPF for updates.
    #[must_use]
    pub fn with_dpf(mut self, dpf: Option<RoleClient>) -> Self {
        self.dpf = dpf;
        self
    }

    /// Steps 10 to 15: the answer to a DPF's request, the same for the same session.
    ///
    /// # Errors
    /// If we fail.
    pub async fn provision(
        self: &Arc<Self>,
        id: Uuid,
        request: &ProvisioningRequest,
    ) -> Result<Outcome, ShoError> {
        let _turn = self.sessions.take(id).await;
        let asked = request.clone();
        let received =
            self.transact(async move |sho, tx| Ok(sessions::receive(tx, id, &asked, sho.clock.now()).await?));
        let Received::Session(mut session) = received.await? else {
            self.audit(
                &request.device_id,
                "provisioning.request",
                id,
                "refused: the session is another request's",
            )
            .await;
            return Ok(Outcome::Other);
        };
        for _ in 0..MAX_STEPS {
            match self.step_of(&session).await? {
                Step::Taken => *session = self.session(id).await?,
                Step::Wait(why) => return Ok(Outcome::Later(ASK_AGAIN, why)),
                Step::Rest => return self.answer_of(&session).await,
            }
        }
        Ok(Outcome::Later(ASK_AGAIN, "the session changes all the time".to_owned()))
    }

    /// Takes the step that is next, if there is one that does not wait for anybody.
    ///
    /// # Errors
    /// If we fail; then the session is where it was.
    pub async fn step(self: &Arc<Self>, id: Uuid) -> Result<Step, ShoError> {
        let _turn = self.sessions.take(id).await;
        let session = self.session(id).await?;
        self.step_of(&session).await
    }

    async fn step_of(self: &Arc<Self>, session: &Session) -> Result<Step, ShoError> {
        let timer = self.metrics.steps.with_label_values(&[session.state.as_str()]).start_timer();
        let step = match session.state {
            State::Received => self.validate(session).await?,
            State::Validated => self.allocate(session).await?,
            State::Allocated => self.compose(session).await?,
            State::Composed => self.publish(session).await?,
            State::Published => self.authorise(session).await?,
            State::Delegated
            | State::Answered
            | State::Reported
            | State::Closed
            | State::Withdrawing
            | State::Withdrawn
            | State::Refused => Step::Rest,
        };
        match step {
            Step::Taken => timer.observe_duration(),
            Step::Wait(_) | Step::Rest => drop(timer.stop_and_discard()),
        }
        Ok(step)
    }

    /// The session as it is now.
    async fn session(&self, id: Uuid) -> Result<Session, ShoError> {
        let mut reader = self.store.db.readers.acquire().await?;
        let found = sessions::find(&mut reader, id).await?;
        Ok(found.ok_or_else(|| StoreError::Damaged(format!("session {id} is gone")))?)
    }

    /// What a session that rests is answered with.
    async fn answer_of(&self, session: &Session) -> Result<Outcome, ShoError> {
        if let Some(refusal) = &session.refusal {
            return Ok(Outcome::Answer(Box::new(ProvisioningAnswer::Refused { refusal: refusal.clone() })));
        }
        if let Some(rule) = session.terms.as_ref().and_then(|terms| terms.rule.clone()) {
            let platform_certificate = session.platform_certificate.clone().unwrap_or_default().into();
            return Ok(Outcome::Answer(Box::new(ProvisioningAnswer::Generate {
                rule,
                platform_certificate,
            })));
        }
        let mut reader = self.store.db.readers.acquire().await?;
        let composed = sessions::composed(&mut reader, session.id).await?;
        let (Some(composed), Some(rncp), Some(expires_at)) = (composed, session.rncp, session.expires_at)
        else {
            return Ok(Outcome::Gone);
        };
        let package = Package {
            rncp,
            manifest: composed.manifest.into(),
            parts: composed.parts.into_iter().map(Into::into).collect(),
            validate_before_download: self.policy.validate_before_download,
            expires_at: shown(expires_at),
        };
        Ok(Outcome::Answer(Box::new(ProvisioningAnswer::Authorised { package })))
    }

    /// Carries the session on, in the caller's transaction. `false`: somebody else has; then nothing else may be done.
    async fn advance(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
        to: State,
    ) -> Result<bool, ShoError> {
        let moved = sessions::advance(tx, session.id, session.state, to, self.clock.now()).await?;
        if moved {
            self.metrics.states.with_label_values(&[to.as_str()]).inc();
        }
        Ok(moved)
    }

    /// A transaction of the group: when it returns, what it did is durable.
    async fn transact<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl AsyncFnOnce(&Self, &mut SqliteConnection) -> Result<T, ShoError> + Send + 'static,
    ) -> Result<T, ShoError> {
        let sho = Arc::clone(self);
        self.store.db.transact(async move |tx| work(&sho, tx).await).await
    }

    /// Ends a session that comes to nothing: at once if nothing was done yet, else by the outbox.
    async fn refuse(self: &Arc<Self>, session: &Session, refusal: Refusal) -> Result<Step, ShoError> {
        let outcome = format!("refused: {}: {}", refusal.code, refusal.detail);
        self.finish(session, refusal, false, "provisioning.refuse", outcome).await?;
        Ok(Step::Taken)
    }

    /// Ends a session and writes it down. `false`: it has gone on meanwhile.
    async fn finish(
        self: &Arc<Self>,
        session: &Session,
        refusal: Refusal,
        spent: bool,
        action: &'static str,
        outcome: String,
    ) -> Result<bool, ShoError> {
        let session = session.clone();
        let ended = self.transact(async move |sho, tx| {
            let ended = sho.end(&mut *tx, &session, &refusal, spent).await?;
            if ended {
                sho.note(tx, &session, action, &outcome).await?;
            }
            Ok(ended)
        });
        let ended = ended.await?;
        self.outbox.wake();
        Ok(ended)
    }

    /// As [`refuse`](Self::refuse), in the caller's transaction; `spent`: the device may have got the RNCP.
    async fn end(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
        refusal: &Refusal,
        spent: bool,
    ) -> Result<bool, ShoError> {
        let nothing_done = matches!(session.state, State::Received | State::Validated | State::Delegated);
        let to = if nothing_done { State::Refused } else { State::Withdrawing };
        if !self.advance(&mut *tx, session, to).await? {
            return Ok(false);
        }
        sessions::set_refusal(&mut *tx, session.id, refusal, spent).await?;
        if to == State::Withdrawing {
            settle_later(tx, session.id).await?;
        }
        self.metrics.refusals.with_label_values(&[refusal.code.as_str()]).inc();
        Ok(true)
    }

    /// Ends a session that was left behind. `false`: it has gone on meanwhile.
    pub(crate) async fn abandon(
        self: &Arc<Self>,
        session: &Session,
        refusal: Refusal,
        spent: bool,
    ) -> Result<bool, ShoError> {
        let _turn = self.sessions.take(session.id).await;
        let outcome = refusal.code.clone();
        self.finish(session, refusal, spent, "provisioning.abandon", outcome).await
    }

    /// Writes down what became of a session, in the transaction of that.
    async fn note(
        &self,
        tx: &mut SqliteConnection,
        session: &Session,
        action: &str,
        outcome: &str,
    ) -> Result<(), ShoError> {
        tracing::info!(device = %session.device_id, session = %session.id, action, outcome);
        let (who, target) = (format!("device:{}", session.device_id), session.id.to_string());
        Ok(audit(tx, [&who, action, &target, outcome], self.clock.now()).await?)
    }

    /// Writes down what a device was refused where nothing is changed by it. Of a flood only some are in the audit log.
    async fn audit(&self, device: &impl std::fmt::Display, action: &str, session: Uuid, outcome: &str) {
        let who = format!("device:{device}");
        let trail = AuditTable(self.store.db.clone());
        tracing::info!(%device, %session, action, outcome);
        let Some(outcome) = self.noted.entry(self.noted.allows(), outcome) else { return };
        if let Err(error) = trail.record(&who, action, &session.to_string(), &outcome).await {
            tracing::error!(%session, action, error, "the audit log cannot be written");
        }
    }
}

/// An HSS is told how a session ended as soon as the transaction is committed, and until it has been.
async fn settle_later(tx: &mut SqliteConnection, session: Uuid) -> Result<(), ShoError> {
    let key = session.to_string();
    let message = Message { topic: SETTLE, key: &key, body: &[], give_up_after: SETTLE_FOR };
    enqueue(tx, &message).await?;
    Ok(())
}

/// Delivers what the outbox holds.
#[derive(Debug)]
pub struct Delivery(pub Arc<Sho>);

impl Delivery {
    async fn settle(&self, message: &Outgoing) -> Delivered {
        let Ok(session) = message.key.parse::<Uuid>() else {
            return Delivered::GiveUp("its key is no session".to_owned());
        };
        match self.0.settle(session).await {
            Ok(Step::Taken | Step::Rest) => Delivered::Done,
            Ok(Step::Wait(why)) => Delivered::Retry(why),
            Err(error) => Delivered::Retry(error.to_string()),
        }
    }

    async fn ask_update(&self, message: &Outgoing) -> Delivered {
        let Some(dpf) = &self.0.dpf else {
            return Delivered::Retry("no DPF is configured".to_owned());
        };
        let body = message.body.clone();
        match dpf.send(Method::POST, "/v1/updates", "application/json", body).await {
            Ok(_) => Delivered::Done,
            Err(error) if error.is_transient() || error.status().is_none() => {
                Delivered::Retry(error.to_string())
            }
            Err(error) if error.status().is_some_and(|status| [401, 403].contains(&status.as_u16())) => {
                Delivered::Retry(error.to_string())
            }
            Err(error) => Delivered::GiveUp(error.to_string()),
        }
    }
}

#[async_trait]
impl Deliver for Delivery {
    async fn deliver(&self, message: &Outgoing) -> Delivered {
        match message.topic.as_str() {
            SETTLE => self.settle(message).await,
            UPDATE => self.ask_update(message).await,
            other => Delivered::GiveUp(format!("nobody delivers {other}")),
        }
    }

    async fn gave_up(&self, message: &Outgoing, why: &str) {
        tracing::error!(topic = message.topic, key = message.key, why, "given up; put it right by hand");
        let trail = AuditTable(self.0.store.db.clone());
        let action = format!("provisioning.{}", message.topic);
        if let Err(error) = trail.record("sho", &action, &message.key, &format!("given up: {why}")).await {
            tracing::error!(error, "the audit log cannot be written");
        }
    }
}
