//! Sessions that wait for others: the operator is asked (step 10) or told (R17), the PVA is asked (section 4.3), again and
//! again until there is an answer, or the session's time is over. After a restart it goes on from the database.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, Method, StatusCode, header};
use schemas::{
    octets::Octets,
    rest::provisioning::{
        Generated, ProvisioningAnswer, ProvisioningRequest, Refusal, Requirements, Validation,
        ValidationCheck, ValidationRequest,
    },
    rncp::Kind,
};
use service::client::CallError;
use uuid::Uuid;

use crate::{
    certificate, generate,
    machine::Effect,
    model::{Checked, Input, Session, now, passed_on, refusal, seconds},
    package,
    procedure::{Dpf, Operator, span},
    store::StoreError,
    verdict,
};

/// However long an operator wants us to wait: it is asked again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// However soon it wants us back, and whatever the configuration says: not sooner.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// What came of an attempt.
enum Attempt {
    /// The session has gone on, or has to be looked at again.
    Done,
    /// Not now; why, and how long to wait if that was said.
    Later(String, Option<Duration>),
    /// It is at work, and asks for patience.
    Patience(Option<Duration>),
}

/// What an error means.
enum Failed {
    Later(String),
    Useless(Refusal),
}

impl Dpf {
    /// Drives a session, unless it is driven already.
    pub fn drive(self: &Arc<Self>, id: Uuid) {
        if self.begin(id) {
            let dpf = Arc::clone(self);
            self.tasks.spawn(async move { dpf.run(id).await });
        }
    }

    /// Drives all that have to be: at the start.
    ///
    /// # Errors
    /// The store's.
    pub async fn resume(self: &Arc<Self>) -> Result<usize, StoreError> {
        let driven = self.store.driven().await?;
        for session in &driven {
            self.drive(session.id);
        }
        Ok(driven.len())
    }

    fn begin(&self, id: Uuid) -> bool {
        self.driving.lock().unwrap_or_else(PoisonError::into_inner).insert(id)
    }

    fn end(&self, id: Uuid) {
        self.driving.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    async fn run(self: Arc<Self>, id: Uuid) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return self.end(id),
                () = self.until_it_stands(id) => {}
            }
            self.end(id);
            // It may have gone on between the last look and this.
            match self.store.session(id).await {
                Ok(Some(session)) if session.state.drives().is_some() && self.begin(id) => {}
                _ => return,
            }
        }
    }

    /// Until the session is in a state that the DPF does not drive.
    async fn until_it_stands(self: &Arc<Self>, id: Uuid) {
        let (mut failures, mut noted) = (0, false);
        loop {
            let attempt = match self.attempt(id).await {
                Ok(None) => return,
                Ok(Some(attempt)) => attempt,
                Err(error) => {
                    tracing::error!(session = %id, %error, "a session cannot go on");
                    Attempt::Later(error.to_string(), None)
                }
            };
            let said = match attempt {
                Attempt::Done => {
                    (failures, noted) = (0, false);
                    continue;
                }
                // Who says how long, is asked then; who does not, ever more seldom.
                Attempt::Patience(said) => {
                    failures = if said.is_some() { 0 } else { failures + 1 };
                    said
                }
                Attempt::Later(why, said) => {
                    failures += 1;
                    if !noted {
                        // Once for each time that somebody is out of order, not for each repetition.
                        noted = true;
                        self.note(id, &why).await;
                    }
                    said
                }
            };
            tokio::time::sleep(self.pause(failures, said)).await;
        }
    }

    async fn note(&self, id: Uuid, why: &str) {
        if let Ok(Some(session)) = self.store.session(id).await {
            let role = if session.state.drives() == Some(Effect::AskVerifier) { "pva" } else { "operator" };
            self.metrics.trouble.with_label_values(&[role]).inc();
            tracing::warn!(session = %id, operator = %session.operator, role, why, "asked again later");
            if let Err(error) = self.store.waits(&session, why, now()).await {
                tracing::error!(session = %id, %error, "a session's history cannot be written");
            }
        }
    }

    fn pause(&self, failures: u32, said: Option<Duration>) -> Duration {
        let pause = pause(self.limits.retry_first, self.limits.retry_max, failures, said);
        // Up to a quarter more, so that not all come back at once.
        let more = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX) / 4.0;
        pause.mul_f64(1.0 + more)
    }

    /// One attempt; `None`: there is nothing to drive.
    async fn attempt(self: &Arc<Self>, id: Uuid) -> Result<Option<Attempt>, StoreError> {
        let Some(session) = self.store.session(id).await? else { return Ok(None) };
        if session.state.is_open() && session.expires_at <= now() {
            self.put(id, &Input::Time).await?;
            return Ok(None);
        }
        let effect = match session.state.drives() {
            Some(effect) => effect,
            None => return Ok(None),
        };
        if effect == Effect::AskVerifier {
            return self.ask_verifier(&session).await.map(Some);
        }
        let Some(operator) = self.operators.get(&session.operator) else {
            let text = format!(
                "operator {} is not in the DPF's configuration any more: add [[operators]]",
                session.operator
            );
            return Ok(Some(Attempt::Later(text, None)));
        };
        match effect {
            Effect::Announce => self.announce(&session, operator).await.map(Some),
            _ => self.ask_operator(&session, operator).await.map(Some),
        }
    }

    /// Step 10, and what comes back in step 15.
    async fn ask_operator(
        self: &Arc<Self>,
        session: &Session,
        operator: &Operator,
    ) -> Result<Attempt, StoreError> {
        let Some(evidence) = self.store.evidence(session.id).await? else { return Ok(Attempt::Done) };
        let request = ProvisioningRequest {
            pcid: session.pcid,
            device_id: session.device_id.clone(),
            tre_id: session.tre_id.clone(),
            kind: session.kind,
            nonce: Octets(session.nonce.clone()),
            evidence: Octets(evidence),
        };
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let path = format!("/v1/provisioning/{}", session.id);
        let answer = {
            let _turn = operator.turns.acquire().await;
            operator.client.send(Method::PUT, &path, "application/json", body).await
        };
        let input = match answer {
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => {
                return Ok(patience(answer.headers()));
            }
            Ok(answer) => match serde_json::from_slice::<ProvisioningAnswer>(answer.body()) {
                Ok(ProvisioningAnswer::Refused { refusal }) => Input::OperatorRefused(passed_on(refusal)),
                Ok(ProvisioningAnswer::Authorised { package }) => {
                    let named = package.rncp;
                    match package::check(package, session, &self.anchors, seconds()) {
                        Ok(mut checked) => {
                            checked.expires_at =
                                checked.expires_at.saturating_add(span(self.limits.report_grace));
                            Input::Authorised(Box::new(checked))
                        }
                        Err(error) => {
                            let operator = &session.operator;
                            let text =
                                format!("what operator {operator} sent cannot be provisioned: {error}");
                            Input::BadPackage(refusal("package-invalid", text, true), named)
                        }
                    }
                }
                Ok(ProvisioningAnswer::Generate { rule, platform_certificate }) => {
                    match self.generate(session, operator, &rule, platform_certificate.as_ref()).await? {
                        Ok(()) => return Ok(Attempt::Done),
                        Err(why) => Input::Useless(why),
                    }
                }
                Err(error) => Input::Useless(nonsense(session, &error.to_string())),
            },
            Err(error) => match failed(session, &error) {
                Failed::Later(why) => return Ok(Attempt::Later(why, None)),
                Failed::Useless(why) => Input::Useless(why),
            },
        };
        self.put_with_note(session, &input).await
    }

    /// R17: the RNCP is made, and stored with the number that it takes.
    async fn generate(
        self: &Arc<Self>,
        session: &Session,
        operator: &Operator,
        rule: &str,
        platform: &[u8],
    ) -> Result<Result<(), Refusal>, StoreError> {
        let cannot = |code, text: String| Ok(Err(refusal(code, text, true)));
        let (Some(sealing), Some(signer)) = (&operator.sealing, &operator.signer) else {
            let text = format!(
                "this DPF cannot make RNCPs for operator {}: sealing_key and payload_signing are not configured",
                session.operator
            );
            return cannot("generation-not-configured", text);
        };
        let Some(rule) = self.store.rule(&session.operator, rule).await? else {
            let text = format!("operator {} has no rule {rule:?} in this DPF", session.operator);
            return cannot("rule-unknown", text);
        };
        let chain = [platform.to_vec()];
        let issued = seconds();
        let leaf = match certificate::platform(
            &chain,
            &self.platform_anchors,
            &session.device_id,
            &session.tre_id,
            issued,
        ) {
            Ok(leaf) => leaf,
            Err(error) => {
                let text = format!(
                    "the platform certificate that operator {} named is not good: {error}",
                    session.operator
                );
                return cannot("platform-certificate-not-good", text);
            }
        };
        let replaces = match session.kind {
            Kind::Update => self.store.last_installed(session).await?,
            Kind::Initial | Kind::Change => None,
        };
        let expires = issued.saturating_add(self.limits.generated_lifetime.as_secs());
        let (anchors, grace) = (&self.anchors, span(self.limits.report_grace));
        let made = |imsi| -> Result<(Checked, Generated), Refusal> {
            let order = generate::Order {
                session,
                rule: &rule,
                imsi,
                platform: &leaf,
                sealing,
                signer,
                replaces,
                issued,
                expires,
            };
            let failed =
                |error: &dyn std::fmt::Display| refusal("generation-failed", error.to_string(), true);
            let (package, generated) = generate::make(&order).map_err(|error| failed(&error))?;
            // The device would refuse what we would not take from an operator.
            let mut checked =
                package::check(package, session, anchors, issued).map_err(|error| failed(&error))?;
            checked.expires_at = checked.expires_at.saturating_add(grace);
            Ok((checked, generated))
        };
        Ok(self.store.delegate(session, &rule, now(), made).await?.map(|applied| {
            if let Some(applied) = applied {
                self.follow(&applied);
            }
        }))
    }

    /// R17: the operator is told what was made, before the device may have it.
    async fn announce(
        self: &Arc<Self>,
        session: &Session,
        operator: &Operator,
    ) -> Result<Attempt, StoreError> {
        let Some(body) = self.store.generated(session.id).await? else { return Ok(Attempt::Done) };
        let path = format!("/v1/provisioning/{}/generated", session.id);
        let answer = {
            let _turn = operator.turns.acquire().await;
            operator.client.send(Method::POST, &path, "application/json", body).await
        };
        let input = match answer {
            // It has it, and its HSS does not yet.
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => return Ok(patience(answer.headers())),
            Ok(_) => Input::Announced,
            Err(error) => match failed(session, &error) {
                Failed::Later(why) => return Ok(Attempt::Later(why, None)),
                Failed::Useless(why) => Input::Useless(why),
            },
        };
        self.put_with_note(session, &input).await
    }

    /// Section 4.3: "verification data from the Platform Validation Authority" before the download.
    async fn ask_verifier(self: &Arc<Self>, session: &Session) -> Result<Attempt, StoreError> {
        let Some(evidence) = self.store.evidence(session.id).await? else { return Ok(Attempt::Done) };
        let request = ValidationRequest {
            session: session.id,
            check: ValidationCheck::Download,
            nonce: Octets(session.nonce.clone()),
            evidence: Octets(evidence),
            requirements: Requirements::default(),
        };
        let answer = {
            let _turn = self.pva_turns.acquire().await;
            self.pva.json::<_, Validation>(Method::POST, "/v1/validations", Some(&request)).await
        };
        let useless = |why: String| {
            let text = format!("the platform cannot be validated before the download: {why}");
            Input::Useless(refusal("platform-not-validated", text, true))
        };
        let input = match answer {
            Ok(answer) => match verdict::check(answer.verdict.as_ref(), session, &self.anchors, seconds()) {
                Ok(Ok(())) => Input::PlatformGood,
                Ok(Err(why)) => Input::PlatformBad(why),
                Err(error) => useless(error.to_string()),
            },
            Err(error) if passes(&error) => return Ok(Attempt::Later(error.to_string(), None)),
            Err(error) => useless(error.to_string()),
        };
        self.put_with_note(session, &input).await
    }

    async fn put_with_note(
        self: &Arc<Self>,
        session: &Session,
        input: &Input,
    ) -> Result<Attempt, StoreError> {
        if let Input::Useless(why) | Input::BadPackage(why, _) = input {
            let role = if session.state.drives() == Some(Effect::AskVerifier) { "pva" } else { "operator" };
            self.metrics.trouble.with_label_values(&[role]).inc();
            tracing::warn!(session = %session.id, operator = %session.operator, role, why = why.detail, "of no use");
        }
        self.put(session.id, input).await?;
        Ok(Attempt::Done)
    }
}

/// How long to wait after so many failures in a row, or for as long as was said; but neither at once, nor for as long as
/// somebody likes: `Retry-After: 0` from a hundred sessions would keep us and an operator busy, and a year would be one
/// without its report.
fn pause(first: Duration, max: Duration, failures: u32, said: Option<Duration>) -> Duration {
    let shortest = first.max(SHORTEST_PAUSE);
    let grown = shortest.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(max);
    said.unwrap_or(grown).clamp(shortest, LONGEST_PAUSE.max(shortest))
}

/// Of 202: when to ask again (RFC 9110 §10.2.3, in seconds).
fn patience(headers: &HeaderMap) -> Attempt {
    let said = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Attempt::Patience(said.map(Duration::from_secs))
}

/// Whether the same may be answered later: also what is put right in a configuration.
fn passes(error: &CallError) -> bool {
    let ours =
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::REQUEST_TIMEOUT];
    error.is_transient() || error.status().is_some_and(|status| ours.contains(&status))
}

fn failed(session: &Session, error: &CallError) -> Failed {
    match error {
        _ if passes(error) => Failed::Later(error.to_string()),
        CallError::Refused { problem, .. } => Failed::Useless(refusal(
            "operator-rejects",
            format!("operator {} does not take the request: {problem}", session.operator),
            true,
        )),
        CallError::Nonsense { what, .. } => Failed::Useless(nonsense(session, what)),
        CallError::Unavailable { why, .. } => Failed::Later(why.clone()),
    }
}

fn nonsense(session: &Session, what: &str) -> Refusal {
    let text = format!(
        "the answer of operator {} makes no sense ({what}); check that both sides are of the same version",
        session.operator
    );
    refusal("operator-nonsense", text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_neither_nothing_nor_for_ever_whatever_is_said() {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let of = |failures, said: Option<u64>| pause(first, max, failures, said.map(Duration::from_secs));
        assert_eq!(of(0, Some(0)), first);
        assert_eq!(of(0, Some(7)), Duration::from_secs(7));
        assert_eq!(of(0, Some(86_400)), LONGEST_PAUSE);
        assert_eq!(of(0, Some(u64::MAX)), LONGEST_PAUSE);
        assert_eq!([of(1, None), of(2, None), of(3, None)].map(|pause| pause.as_secs()), [1, 2, 4]);
        assert_eq!(of(u32::MAX, None), max);
        let hasty = pause(Duration::from_nanos(1), max, 0, Some(Duration::ZERO));
        assert_eq!(hasty, SHORTEST_PAUSE, "the configuration cannot make it busy either");
    }

    #[test]
    fn what_is_no_number_of_seconds_says_nothing() {
        for (value, wanted) in [("0", Some(0)), ("5", Some(5)), ("-1", None), ("soon", None), ("", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            let Attempt::Patience(said) = patience(&headers) else { panic!("{value}") };
            assert_eq!(said, wanted.map(Duration::from_secs), "{value}");
        }
    }
}
