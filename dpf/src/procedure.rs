//! The DPF: sessions, and what has to happen when one goes on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::Method;
use p256::ecdsa::VerifyingKey;
use schemas::{
    cose::Signer,
    identity::OperatorId,
    rest::provisioning::{Nonce, OpenSession},
    trust::Anchors,
};
use service::{
    api::{AuditTable, Trail, Trickle},
    client::{CallError, RoleClient},
    ocsp::Revocation,
    outbox::Outbox,
    throttle::Guesses,
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    machine::Step,
    metrics::Metrics,
    model::{Applied, Input, Session, now},
    store::{Full, Most, Opening, Store, StoreError},
    waiting::Waiting,
};

/// Time limits, of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of a session until it is authorised.
    pub session_lifetime: Duration,
    /// For reports after the RNCP's end.
    pub report_grace: Duration,
    /// Of RNCPs that are made here.
    pub generated_lifetime: Duration,
    /// First delay of a repetition.
    pub retry_first: Duration,
    /// Longest.
    pub retry_max: Duration,
    /// Of `?wait=`.
    pub longest_wait: Duration,
    /// Sessions that a device may have open at a time.
    pub open_sessions: u32,
    /// Sessions that a device may open within an hour.
    pub sessions_per_hour: u32,
}

/// An operator.
pub struct Operator {
    /// Its SHO.
    pub client: RoleClient,
    /// Requests to it at a time.
    pub turns: Semaphore,
    /// To whom credentials are encrypted that are made here.
    pub sealing: Option<VerifyingKey>,
    /// In whose name manifests are signed that are made here.
    pub signer: Option<Signer>,
}

/// The DPF.
pub struct Dpf {
    /// What is remembered.
    pub store: Store,
    /// Operators that devices are provisioned for.
    pub operators: HashMap<OperatorId, Operator>,
    /// The PVA.
    pub pva: RoleClient,
    /// Requests to it at a time.
    pub pva_turns: Semaphore,
    /// Requests to it for platform certificates at a time: apart, so that who asks for them without end keeps no session
    /// from its nonce.
    pub certify_turns: Semaphore,
    /// The DRF.
    pub drf: RoleClient,
    /// Who knows call-home triples.
    pub icf: Option<RoleClient>,
    /// Who certifies operators and the PVA.
    pub anchors: Anchors,
    /// Who certifies platforms.
    pub platform_anchors: Anchors,
    /// Who says whether a platform certificate is revoked.
    pub revocation: Revocation,
    /// Wrong triples by source.
    pub guesses: Guesses,
    /// Time limits.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// Messages on their way.
    pub outbox: Outbox,
    /// Told to stop.
    pub stop: CancellationToken,
    /// What runs.
    pub tasks: TaskTracker,
    pub(crate) waiting: Waiting,
    pub(crate) driving: Mutex<HashSet<Uuid>>,
    /// Devices that are opening a session: each one at a time, so that none has the PVA make nonces without end.
    pub(crate) opening: Mutex<HashSet<String>>,
    /// Of what devices can cause without end, how much the audit log takes.
    pub(crate) noted: Trickle,
}

impl std::fmt::Debug for Dpf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dpf({})", self.store.database().path())
    }
}

/// A session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not one of ours.
    #[error("this DPF does not provision for operator {0}: the RNCT has to name the DPF that does")]
    Operator(OperatorId),
    /// It would have too many.
    #[error("the device has {0} sessions open; bring one to its end, or wait until one has expired")]
    TooMany(u32),
    /// It has opened too many of late.
    #[error("the device has opened {count} sessions within an hour; the next one in {seconds} s")]
    TooOften {
        /// How many.
        count: u32,
        /// Until the first of them is an hour old.
        seconds: u64,
    },
    /// It is opening one.
    #[error("the device is opening another session at this moment; one after the other")]
    AtOnce,
    /// The trigger was used for something else.
    #[error("session {0} of this trigger is for another operator or kind than this request says")]
    Otherwise(Uuid),
    /// There is no nonce.
    #[error("the PVA gives no nonce now ({0}); ask again")]
    Pva(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Full> for OpenError {
    fn from(full: Full) -> Self {
        match full {
            Full::Open(count) => Self::TooMany(count),
            Full::Hour { count, seconds } => Self::TooOften { count, seconds },
        }
    }
}

impl Dpf {
    /// Step 9: opens a session; the same trigger of the same device gives the same one. `true` if it is new.
    ///
    /// # Errors
    /// Why there is none; nothing is left behind then.
    pub async fn open(
        &self,
        request: &OpenSession,
        certified: Option<&[u8]>,
    ) -> Result<(Session, bool), OpenError> {
        let same = |session: Session, new: bool| {
            if session.operator == request.operator && session.kind == request.kind {
                Ok((session, new))
            } else {
                Err(OpenError::Otherwise(session.id))
            }
        };
        if let Some(session) = self.store.of_trigger(request).await? {
            return same(session, false);
        }
        if !self.operators.contains_key(&request.operator) {
            return Err(OpenError::Operator(request.operator.clone()));
        }
        let most = Most { open: self.limits.open_sessions, per_hour: self.limits.sessions_per_hour };
        let whose = match certified {
            Some(_) => format!("tre {}", request.tre_id),
            None => format!("pcid {}", request.pcid),
        };
        let _alone = Alone::begin(&self.opening, whose).ok_or(OpenError::AtOnce)?;
        // Before the PVA is asked for a nonce; and again, with the session, as others may be on their way.
        self.store.has_room(request, certified.is_some(), most, now()).await?.map_err(OpenError::from)?;
        let nonce = self.nonce().await.map_err(OpenError::Pva)?;
        let now = now();
        let opening = Opening {
            request,
            nonce: &nonce,
            certified,
            expires_at: now.saturating_add(span(self.limits.session_lifetime)),
            most,
        };
        let (session, new) = self.store.open_session(&opening, now).await?.map_err(OpenError::from)?;
        if new {
            self.metrics.opened();
        }
        same(session, new)
    }

    async fn nonce(&self) -> Result<Vec<u8>, String> {
        let asked = async {
            let _turn = self.pva_turns.acquire().await;
            self.pva.json::<(), Nonce>(Method::POST, "/v1/nonces", None).await
        };
        match asked.await {
            // RFC 9711 §4.1.
            Ok(nonce) if (8..=64).contains(&nonce.nonce.0.len()) => Ok(nonce.nonce.0),
            Ok(_) => {
                self.trouble("pva", "nonces", "its nonce has not 8 to 64 octets").await;
                Err("its answer makes no sense".to_owned())
            }
            Err(error) => {
                self.trouble("pva", "nonces", &error.to_string()).await;
                // What exactly is wrong with our own roles is in the audit log; devices need not know.
                Err(match error {
                    CallError::Unavailable { .. } => "it does not answer".to_owned(),
                    CallError::Refused { status, .. } => format!("it answers {status}"),
                    CallError::Nonsense { .. } => "its answer makes no sense".to_owned(),
                })
            }
        }
    }

    /// Puts something into a session, and sees to what follows. `None`: there is no such session.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(self: &Arc<Self>, id: Uuid, input: &Input) -> Result<Option<Applied>, StoreError> {
        let applied = self.store.apply(id, input, now()).await?;
        if let Some(applied) = &applied {
            self.follow(applied);
        }
        Ok(applied)
    }

    /// What follows when a session has gone on, after its transaction.
    pub(crate) fn follow(self: &Arc<Self>, applied: &Applied) {
        let Step::To(state, effects) = applied.step else { return };
        self.metrics.moved(applied);
        self.waiting.wake(applied.session.id);
        if !effects.is_empty() {
            self.outbox.wake();
        }
        if state.drives().is_some() {
            self.drive(applied.session.id);
        }
    }

    /// Writes that a device, or somebody who says that it is one, was refused. Of a flood of them only some are written:
    /// nobody fills the disk by being refused.
    pub async fn refused(&self, who: &str, action: &str, target: &str, outcome: &str) {
        self.audit_limited(who, action, target, outcome).await;
    }

    /// As [`refused`](Self::refused), for whatever a device can ask for without end.
    pub async fn audit_limited(&self, who: &str, action: &str, target: &str, outcome: &str) {
        let trail = AuditTable(self.store.database().clone());
        self.noted.record(&trail, [who, action, target, outcome]).await;
    }

    /// Writes an entry of the audit log that is not part of a step.
    pub async fn audit(&self, who: &str, action: &str, target: &str, outcome: &str) {
        let trail = AuditTable(self.store.database().clone());
        if let Err(error) = trail.record(who, action, target, outcome).await {
            tracing::error!(who, action, target, outcome, error, "the audit log cannot be written");
        }
    }

    /// Another role did not do its part.
    pub(crate) async fn trouble(&self, role: &str, action: &str, why: &str) {
        self.metrics.trouble.with_label_values(&[role]).inc();
        tracing::warn!(role, action, why, "another role does not do its part");
        self.refused("dpf", &format!("{role}.{action}"), role, why).await;
    }
}

/// A device that does something that it may not do twice at a time, until this is dropped.
struct Alone<'a> {
    set: &'a Mutex<HashSet<String>>,
    whose: String,
}

impl<'a> Alone<'a> {
    fn begin(set: &'a Mutex<HashSet<String>>, whose: String) -> Option<Self> {
        let new = set.lock().unwrap_or_else(PoisonError::into_inner).insert(whose.clone());
        // Made only then: dropped, it would take the place from whoever has it.
        new.then(|| Self { set, whose })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.whose);
    }
}

/// Milliseconds.
pub(crate) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
