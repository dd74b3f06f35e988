//! The device's side of a provisioning session (seed, section 5 steps 9 and 16 to 18), from an RNCT that is in the TRE's
//! state to a report that is accepted.
//!
//! What the DPF knows need not be kept twice: the same RNCT opens the same session, and the session says where it is. What
//! the device alone knows is durable before anything else happens: the RNCT, the parts that have come, and how the
//! installation ended, with the signed report, in the same step as the installation itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use schemas::{
    evidence,
    report::{self, InstallReport, InstallResult},
    rest::provisioning::{OpenSession, Refusal, Session, SessionState},
    rncp::Manifest,
    rnct::Rnct,
    trust::ServerRole,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    CallError, DeviceClient, Events, Exchange, Options, Outcome, Step,
    client::{CertifyError, Content, certify},
    on_disk,
    patience::Patience,
};
use crate::tre::{Conversation, Ended, Expected, GoodManifest, Reason, Tre, TreError, now};

/// Follows one device's RNCTs.
#[derive(Debug)]
pub struct Provisioner {
    pub(super) tre: Tre,
    events: Events,
    options: Options,
}

/// Why an attempt is not over.
pub(super) enum Stop {
    /// Something is out of order, and may be in order later.
    Later(String, Option<Duration>),
    /// It is over.
    Over(Outcome),
    /// It failed here: that has to be reported.
    Failed(Reason, String),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Transient { why, after } => Self::Later(why, after),
            CallError::Refused { refusal, .. } => Self::Over(Outcome::Refused(refusal)),
        }
    }
}

impl From<TreError> for Stop {
    fn from(error: TreError) -> Self {
        Self::Failed(error.reason(), error.to_string())
    }
}

impl Provisioner {
    /// For a device; it tells `events` each step.
    #[must_use]
    pub fn new(tre: Tre, events: Events, options: Options) -> Self {
        Self { tre, events, options }
    }

    pub(super) fn tell(&self, step: Step, detail: impl Into<String>, since: Instant, wire: Option<Exchange>) {
        self.events.tell(step, self.tre.pcid(), detail, since.elapsed(), wire);
    }

    /// Follows the RNCT that is under way, to its end or as far as it comes; `None` if there is none. One that waits
    /// behind it is under way afterwards.
    pub async fn run(&self) -> Option<Outcome> {
        self.next().await.map(|(_, outcome)| outcome)
    }

    /// As [`run`](Self::run), with the name of the RNCT; nil if the disk does not say.
    pub(super) async fn next(&self) -> Option<(Uuid, Outcome)> {
        let mut patience = Patience::new(self.options);
        loop {
            let conversation = match on_disk(&self.tre, current).await {
                Ok(conversation) => conversation?,
                Err(error) => return Some((Uuid::nil(), Outcome::Unfinished { why: error.to_string() })),
            };
            let id = conversation.rnct.id;
            let stop = match self.attempt(conversation, &mut patience).await {
                Ok(outcome) => Stop::Over(outcome),
                Err(stop) => stop,
            };
            match stop {
                Stop::Over(outcome) => {
                    if let Outcome::Refused(refusal) = &outcome {
                        let detail = format!("{}: {}", refusal.code, refusal.detail);
                        self.tell(Step::Refused, detail, Instant::now(), None);
                    }
                    return Some((id, self.close(id, outcome).await));
                }
                Stop::Failed(reason, detail) => {
                    // Nothing was opened that could take a report.
                    self.tell(Step::Failed, format!("{reason}: {detail}"), Instant::now(), None);
                    return Some((id, self.close(id, Outcome::failed(reason, detail)).await));
                }
                Stop::Later(why, after) => {
                    self.tell(Step::Retrying, why.clone(), Instant::now(), None);
                    if !patience.wait(after).await {
                        return Some((id, Outcome::Unfinished { why }));
                    }
                }
            }
        }
    }

    /// From where the conversation is to its end, unless something is in the way.
    async fn attempt(&self, conversation: Conversation, patience: &mut Patience) -> Result<Outcome, Stop> {
        let Conversation { rnct, session, ended } = conversation;
        if ended.is_none() && session.is_none() && rnct.expires <= now() {
            return Err(Stop::Failed(Reason::Expired, "the RNCT has expired".to_owned()));
        }
        let client = DeviceClient::through(&self.tre, ServerRole::Dpf, &rnct.dpf, self.options.through).await;
        let mut client = client.map_err(|error| Stop::Failed(Reason::StorageFailed, error.to_string()))?;
        if let (Some(ended), Some(session)) = (ended, session) {
            return self.report(&client, session, ended).await;
        }
        if self.tre.platform_chain().is_empty() {
            let since = Instant::now();
            let wire = certify(&self.tre, &client).await.map_err(|error| match error {
                CertifyError::Call(error) => error.into(),
                CertifyError::Device(error) => Stop::from(error),
            })?;
            self.tell(Step::Certified, self.tre.tre_id().as_str(), since, Some(wire));
            patience.progress();
            // From here on with the certificate.
            client = DeviceClient::through(&self.tre, ServerRole::Dpf, &rnct.dpf, self.options.through)
                .await
                .map_err(|error| Stop::Failed(Reason::StorageFailed, error.to_string()))?;
        }
        let session = self.open(&client, &rnct, session).await?;
        patience.progress();
        let manifest = self.until_authorised(&client, session, patience).await?;
        let ended = match manifest {
            Ok(session) => self.fetch(&client, &rnct, session, patience).await,
            Err(ended) => return Ok(ended),
        };
        let (session, ended) = match ended {
            Ok(done) => done,
            Err((session, Stop::Failed(reason, detail), rncp)) => {
                (session, self.failed(session, rncp, reason, detail).await?)
            }
            Err((_, stop, _)) => return Err(stop),
        };
        self.report(&client, session, ended).await
    }

    /// Step 9: the session; the same again if it was opened before.
    async fn open(&self, client: &DeviceClient, rnct: &Rnct, before: Option<Uuid>) -> Result<Session, Stop> {
        let since = Instant::now();
        let request = OpenSession {
            pcid: self.tre.pcid(),
            device_id: self.tre.device_id().clone(),
            tre_id: self.tre.tre_id().clone(),
            trigger: rnct.id,
            kind: rnct.kind,
            operator: rnct.operator.clone(),
        };
        let content = Content::json(&request)?;
        let answer = client.call(Method::POST, "/device/v1/sessions", Some(content)).await?;
        let session: Session = answer.json()?;
        if before != Some(session.id) {
            let (id, trigger) = (session.id, rnct.id);
            let kept = on_disk(&self.tre, move |tre| {
                tre.commit(|state| {
                    let open = state.conversation.as_mut().filter(|open| open.rnct.id == trigger);
                    if let Some(open) = open {
                        open.session = Some(id);
                    }
                    Ok(())
                })
            });
            if let Err(error) = kept.await {
                // The same RNCT opens the same session, so nothing is lost; a full disk shows itself again, and is
                // reported then.
                tracing::warn!(device = %self.tre.device_id(), %error, "the session is not kept on the disk");
            }
        }
        let again = if before == Some(session.id) { ", again" } else { "" };
        self.tell(
            Step::SessionOpened,
            format!("session {}{again}, operator {}", session.id, rnct.operator),
            since,
            Some(answer.wire),
        );
        Ok(session)
    }

    /// Step 9, evidence, and the wait for the operator (steps 10 to 15 are elsewhere): a session that may be downloaded,
    /// or an end.
    async fn until_authorised(
        &self,
        client: &DeviceClient,
        mut session: Session,
        patience: &mut Patience,
    ) -> Result<Result<Session, Outcome>, Stop> {
        let mut since = Instant::now();
        let mut sent = false;
        let path = format!("/device/v1/sessions/{}", session.id);
        loop {
            let refused = |code: &str, detail: &str| {
                let refusal = Refusal { code: code.to_owned(), detail: detail.to_owned(), retry: true };
                session.problem.clone().unwrap_or(refusal)
            };
            match session.state {
                SessionState::Authorised | SessionState::Downloading => {
                    self.tell(Step::OperatorAnswered, "authorised", since, None);
                    return Ok(Ok(session));
                }
                SessionState::Refused => {
                    let refusal = refused("refused", "the operator refused and did not say why");
                    return Ok(Err(Outcome::Refused(refusal)));
                }
                SessionState::Failed => {
                    let refusal = refused("failed", "the session failed at the DPF, which did not say why");
                    return Ok(Err(Outcome::Refused(refusal)));
                }
                SessionState::Expired => {
                    return Ok(Err(Outcome::Refused(refused(
                        "session-expired",
                        "the session has expired; the DRF has to send another RNCT",
                    ))));
                }
                SessionState::Reported | SessionState::Closed => {
                    return Ok(Err(Outcome::Refused(refused(
                        "already-reported",
                        "the DPF has a report of this session, and the device knows of none",
                    ))));
                }
                SessionState::Opened if !sent => {
                    self.send_evidence(client, &session).await?;
                    sent = true;
                    patience.progress();
                    // That has been told; from here on it is the operator's time.
                    since = Instant::now();
                }
                SessionState::Opened | SessionState::Relaying => {
                    if session.expires_at <= OffsetDateTime::now_utc() {
                        return Ok(Err(Outcome::Refused(refused(
                            "session-expired",
                            "the operator did not decide in time; the DRF has to send another RNCT",
                        ))));
                    }
                    let asked = Instant::now();
                    let wait = self.options.poll.as_secs();
                    session = client.call(Method::GET, &format!("{path}?wait={wait}"), None).await?.json()?;
                    let undecided = matches!(session.state, SessionState::Opened | SessionState::Relaying);
                    // A DPF that holds its answer back sets the pace; with one that does not, we do. That it answers
                    // is no progress, and an operator may take its time: the session's end is the limit.
                    if undecided && asked.elapsed() < self.options.first_wait {
                        tokio::time::sleep(self.options.first_wait).await;
                    }
                    continue;
                }
            }
            session = client.call(Method::GET, &path, None).await?.json()?;
        }
    }

    async fn send_evidence(&self, client: &DeviceClient, session: &Session) -> Result<(), Stop> {
        let since = Instant::now();
        let signed = match self.tre.evidence(session.nonce.as_ref(), now()) {
            Ok(signed) => signed,
            Err(error @ TreError::Nonce(_)) => {
                return Err(Stop::Failed(Reason::Malformed, error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let path = format!("/device/v1/sessions/{}/evidence", session.id);
        let content = Content::of(evidence::CONTENT_TYPE, signed);
        let answer = client.call(Method::PUT, &path, Some(content)).await?;
        let measured = self.tre.measured();
        let detail = format!(
            "{} {}, {} {}, start {}",
            measured.model,
            measured.hardware_version,
            measured.software,
            measured.software_version,
            self.tre.boot_count()
        );
        self.tell(Step::EvidenceSent, detail, since, Some(answer.wire));
        Ok(())
    }

    /// Steps 16 and 17. On failure also the session, and the RNCP if its name could be told.
    #[allow(clippy::type_complexity, reason = "a name for it would not say more")]
    async fn fetch(
        &self,
        client: &DeviceClient,
        rnct: &Rnct,
        session: Session,
        patience: &mut Patience,
    ) -> Result<(Uuid, Ended), (Uuid, Stop, Uuid)> {
        let id = session.id;
        let manifest = self.manifest(client, rnct, id).await.map_err(|(stop, rncp)| (id, stop, rncp))?;
        let rncp = manifest.get().rncp;
        let at = |stop| (id, stop, rncp);
        patience.progress();
        self.download(client, id, &manifest, patience).await.map_err(at)?;
        let since = Instant::now();
        let (installed, ended) = on_disk(&self.tre, move |tre| {
            let ended = ended(tre, id, rncp, None)?;
            let journal = ended.clone();
            let installed = tre.install(&manifest, now(), move |state| {
                if let Some(open) = state.conversation.as_mut() {
                    (open.session, open.ended) = (Some(id), Some(journal));
                }
            })?;
            Ok((installed, ended))
        })
        .await
        .map_err(|error| at(error.into()))?;
        let replaced = match installed.replaced.as_slice() {
            [] => String::new(),
            old => format!(
                ", in the place of {}",
                old.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ")
            ),
        };
        let detail = format!("RNCP {rncp} of {}, IMSI {}{replaced}", installed.operator, installed.imsi);
        self.tell(Step::Installed, detail, since, None);
        Ok((id, ended))
    }

    /// Step 16: the manifest. On failure also the RNCP's name, nil if it could not be told.
    async fn manifest(
        &self,
        client: &DeviceClient,
        rnct: &Rnct,
        session: Uuid,
    ) -> Result<GoodManifest, (Stop, Uuid)> {
        let since = Instant::now();
        let path = format!("/device/v1/sessions/{session}/manifest");
        let answer =
            client.call(Method::GET, &path, None).await.map_err(|error| (error.into(), Uuid::nil()))?;
        let expected = Expected { operator: &rnct.operator, kind: rnct.kind, session };
        let manifest = self.tre.check_manifest(&answer.body, expected, now()).map_err(|error| {
            // What it calls itself is good enough to say which one was not taken.
            let peeked = schemas::cose::peek_chain(&answer.body, schemas::rncp::CONTENT_TYPE).ok();
            let named = peeked.and_then(|(_, payload)| Manifest::decode(&payload).ok());
            (error.into(), named.map_or(Uuid::nil(), |manifest| manifest.rncp))
        })?;
        let detail = format!(
            "RNCP {} of {}, {} parts, signed by the operator",
            manifest.get().rncp,
            manifest.get().operator,
            manifest.get().parts.len()
        );
        self.tell(Step::ManifestReceived, detail, since, Some(answer.wire));
        Ok(manifest)
    }

    /// What is reported of a failure; durable, if the disk takes it. The device is as before.
    async fn failed(&self, session: Uuid, rncp: Uuid, reason: Reason, detail: String) -> Result<Ended, Stop> {
        self.tell(Step::Failed, format!("{reason}: {detail}"), Instant::now(), None);
        let done = on_disk(&self.tre, move |tre| {
            let ended = ended(tre, session, rncp, Some((reason, detail)))?;
            let journal = ended.clone();
            let kept = tre.commit(|state| {
                if let Some(open) = state.conversation.as_mut() {
                    (open.session, open.ended) = (Some(session), Some(journal));
                }
                Ok(())
            });
            if let Err(error) = kept {
                // A full disk must not keep the report from being sent; at the next start the session says it is done.
                tracing::warn!(device = %tre.device_id(), %error, "the report is not kept on the disk");
            }
            tre.sweep();
            Ok(ended)
        });
        done.await.map_err(|error| Stop::Later(error.to_string(), None))
    }

    /// Step 18.
    async fn report(&self, client: &DeviceClient, session: Uuid, ended: Ended) -> Result<Outcome, Stop> {
        let since = Instant::now();
        let path = format!("/device/v1/sessions/{session}/report");
        let content = Content::of(report::CONTENT_TYPE, ended.report.0.clone());
        let reported = match client.call(Method::POST, &path, Some(content)).await {
            Ok(answer) => {
                let result = ended.reason.as_deref().unwrap_or("installed");
                self.tell(Step::Reported, result, since, Some(answer.wire));
                true
            }
            Err(CallError::Refused { refusal, .. }) => {
                tracing::warn!(device = %self.tre.device_id(), code = refusal.code, "the DPF does not take the report");
                false
            }
            Err(error) => return Err(error.into()),
        };
        match ended.reason {
            Some(reason) => Ok(Outcome::Failed { reason, detail: ended.detail, reported }),
            None => {
                let record = self.tre.read(|state| {
                    let mut all = state.registry.all().iter();
                    all.find(|record| record.rncp == ended.rncp).cloned()
                });
                match record {
                    Some(record) => Ok(Outcome::Installed {
                        rncp: record.rncp,
                        operator: record.operator,
                        imsi: record.imsi,
                        reported,
                    }),
                    // It was deleted while its report was on the way.
                    None => Ok(Outcome::Failed {
                        reason: Reason::Lifecycle.word().to_owned(),
                        detail: "the RNCP was deleted after it was installed".to_owned(),
                        reported,
                    }),
                }
            }
        }
    }

    /// The conversation is over; the RNCT that waits is next.
    async fn close(&self, rnct: Uuid, outcome: Outcome) -> Outcome {
        let closed = on_disk(&self.tre, move |tre| {
            tre.commit(|state| {
                if state.conversation.as_ref().is_some_and(|open| open.rnct.id == rnct) {
                    state.conversation = state.waiting.take().map(fresh);
                }
                Ok(())
            })?;
            tre.sweep();
            Ok(())
        });
        match closed.await {
            Ok(()) => outcome,
            Err(error @ TreError::StorageFull(_)) => {
                tracing::warn!(device = %self.tre.device_id(), %error, "the conversation is over, and not closed on the disk");
                outcome
            }
            Err(error) => Outcome::Unfinished { why: error.to_string() },
        }
    }
}

/// The conversation that is under way; a newer RNCT takes its place unless it has only to be reported.
fn current(tre: &Tre) -> Result<Option<Conversation>, TreError> {
    let newer = tre.read(|state| {
        let open = state.conversation.as_ref().is_some_and(|open| open.ended.is_none());
        open && state.waiting.is_some()
    });
    if newer {
        tre.commit(|state| {
            state.conversation = state.waiting.take().map(fresh);
            Ok(())
        })?;
    }
    Ok(tre.read(|state| state.conversation.clone()))
}

fn fresh(rnct: Rnct) -> Conversation {
    Conversation { rnct, session: None, ended: None }
}

/// How it ended, with the signed report.
fn ended(tre: &Tre, session: Uuid, rncp: Uuid, why: Option<(Reason, String)>) -> Result<Ended, TreError> {
    let (reason, detail) = why.unzip();
    let reason = reason.map(|reason| reason.word().to_owned());
    let report = InstallReport {
        version: report::VERSION,
        session,
        rncp,
        device_id: tre.device_id().clone(),
        tre_id: tre.tre_id().clone(),
        result: if reason.is_none() { InstallResult::Installed } else { InstallResult::Failed },
        reason: reason.clone(),
        at: now(),
    };
    let report = tre.sign_report(&report)?.into();
    Ok(Ended { rncp, reason, detail: detail.unwrap_or_default(), report })
}
