//! The other roles, as far as the DPF sees them: what they answer is set by a test, what they are asked is kept.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{post, put},
};
use schemas::{
    octets::Octets,
    rest::provisioning::{
        Generated, Nonce, Provisioned, ProvisioningAnswer, ProvisioningReport, ProvisioningRequest,
        TriggerRequest, TripleCheck, TripleOwner, Validation, ValidationRequest,
    },
    verdict::{self, Reason, Verdict},
};
use serde_json::{Value, json};
use service::serve::{HttpLimits, HttpServer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{Keys, now};

/// What a role does when it is asked.
#[derive(Clone)]
pub enum Does {
    /// What it should.
    Good,
    /// Answers this status and problem.
    Status(u16),
    /// Answers 200 and something that makes no sense.
    Nonsense,
    /// Takes the request and never answers.
    Silent,
}

/// What an SHO answers to a request.
pub type Decide = Arc<dyn Fn(Uuid, &ProvisioningRequest) -> Response + Send + Sync>;

pub struct Script {
    pub nonces: Does,
    pub verdict: Does,
    /// Why the platform is not good; empty: it is.
    pub reasons: Vec<Reason>,
    /// The verdict is signed by an operator.
    pub other_signer: bool,
    /// The verdict is on other evidence.
    pub other_evidence: bool,
    /// The SHO, before it decides.
    pub relay: Does,
    pub decide: Decide,
    pub reports: Does,
    pub generated: Does,
    pub registry: Does,
    /// PKCS #10 by TRE: the certificate that is given.
    pub certificates: HashMap<String, Vec<u8>>,
}

#[derive(Default)]
pub struct Log {
    pub relayed: Vec<(Uuid, ProvisioningRequest)>,
    pub validations: Vec<ValidationRequest>,
    pub reports: Vec<(Uuid, ProvisioningReport)>,
    pub generated: Vec<(Uuid, Generated)>,
    pub provisioned: Vec<(String, Provisioned)>,
    pub triggers: Vec<TriggerRequest>,
    pub nonces: usize,
}

/// All of them, behind one address.
pub struct Others {
    pub script: Mutex<Script>,
    pub log: Mutex<Log>,
    pub changed: Notify,
    keys: Keys,
}

type Shared = State<Arc<Others>>;

impl Others {
    pub async fn start(keys: Keys, stop: CancellationToken) -> (Arc<Self>, String) {
        let script = Script {
            nonces: Does::Good,
            verdict: Does::Good,
            reasons: Vec::new(),
            other_signer: false,
            other_evidence: false,
            relay: Does::Good,
            decide: Arc::new(|_, _| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            reports: Does::Good,
            generated: Does::Good,
            registry: Does::Good,
            certificates: HashMap::new(),
        };
        let others = Arc::new(Self {
            script: Mutex::new(script),
            log: Mutex::default(),
            changed: Notify::new(),
            keys,
        });
        let router = Router::new()
            .route("/v1/nonces", post(nonce))
            .route("/v1/validations", post(validate))
            .route("/v1/provisioning/{id}", put(provision))
            .route("/v1/provisioning/{id}/report", post(report))
            .route("/v1/provisioning/{id}/generated", post(generated))
            .route("/v1/devices/{pcid}/provisioned", post(provisioned))
            .route("/v1/triggers", post(trigger))
            .route("/v1/chtif/verify", post(verify))
            .route("/v1/platforms/{tre}/certificate", post(certify))
            .with_state(Arc::clone(&others));
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = HttpServer::bind(any, None, HttpLimits::default()).await.unwrap();
        let url = server.url();
        tokio::spawn(server.run(router, stop));
        (others, url)
    }

    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub fn decide(&self, decide: impl Fn(Uuid, &ProvisioningRequest) -> Response + Send + Sync + 'static) {
        self.set(|script| script.decide = Arc::new(decide));
    }

    pub fn read<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap())
    }

    fn note(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log.lock().unwrap());
        self.changed.notify_waiters();
    }

    /// Waits until the log is so.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Log) -> bool) {
        let waited = async {
            loop {
                let changed = self.changed.notified();
                if self.read(&wanted) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waited).await.expect(what);
    }
}

async fn done(does: Does, good: impl FnOnce() -> Response) -> Response {
    match does {
        Does::Good => good(),
        Does::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Does::Nonsense => "what?".into_response(),
        Does::Silent => std::future::pending().await,
    }
}

fn json_of(value: &impl serde::Serialize) -> Response {
    axum::Json(serde_json::to_value(value).unwrap()).into_response()
}

async fn nonce(State(others): Shared) -> Response {
    others.note(|log| log.nonces += 1);
    let does = others.script.lock().unwrap().nonces.clone();
    done(does, || {
        let nonce = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let expires_at = time::OffsetDateTime::now_utc() + time::Duration::minutes(5);
        (StatusCode::CREATED, json_of(&Nonce { nonce: Octets(nonce), expires_at })).into_response()
    })
    .await
}

async fn validate(State(others): Shared, body: Bytes) -> Response {
    let request: ValidationRequest = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.validations.push(request.clone()));
    let (does, reasons, other, forged) = {
        let script = others.script.lock().unwrap();
        (script.verdict.clone(), script.reasons.clone(), script.other_evidence, script.other_signer)
    };
    let keys = &others.keys;
    done(does, || {
        let evidence = if other { b"other".as_slice() } else { request.evidence.as_ref() };
        let verdict = Verdict {
            version: 1,
            good: reasons.is_empty(),
            detail: if reasons.is_empty() { String::new() } else { "it is not".to_owned() },
            reasons,
            nonce: request.nonce.clone(),
            evidence: Octets(schemas::rncp::digest(evidence).to_vec()),
            device_id: Some("meter-1".parse().unwrap()),
            tre_id: Some("tre-meter-1".parse().unwrap()),
            supplier: None,
            model: None,
            state: None,
            platform_certificate: None,
            issued: now(),
            expires: now() + 300,
        };
        let signer = if forged { &keys.sho } else { &keys.pva };
        let signed = signer.sign(verdict::CONTENT_TYPE, verdict.encode().unwrap()).unwrap();
        json_of(&Validation { verdict: Octets(signed) })
    })
    .await
}

async fn provision(State(others): Shared, Path(id): Path<Uuid>, headers: HeaderMap, body: Bytes) -> Response {
    assert!(headers[header::AUTHORIZATION].to_str().unwrap().starts_with("Bearer chm_"));
    let request: ProvisioningRequest = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.relayed.push((id, request.clone())));
    let (does, decide) = {
        let script = others.script.lock().unwrap();
        (script.relay.clone(), Arc::clone(&script.decide))
    };
    done(does, || decide(id, &request)).await
}

async fn report(State(others): Shared, Path(id): Path<Uuid>, body: Bytes) -> Response {
    let report: ProvisioningReport = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.reports.push((id, report)));
    let does = others.script.lock().unwrap().reports.clone();
    done(does, || StatusCode::NO_CONTENT.into_response()).await
}

async fn generated(State(others): Shared, Path(id): Path<Uuid>, body: Bytes) -> Response {
    let generated: Generated = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.generated.push((id, generated)));
    let does = others.script.lock().unwrap().generated.clone();
    done(does, || StatusCode::NO_CONTENT.into_response()).await
}

async fn provisioned(State(others): Shared, Path(pcid): Path<String>, body: Bytes) -> Response {
    let provisioned: Provisioned = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.provisioned.push((pcid, provisioned)));
    let does = others.script.lock().unwrap().registry.clone();
    done(does, || StatusCode::NO_CONTENT.into_response()).await
}

async fn trigger(State(others): Shared, body: Bytes) -> Response {
    let trigger: TriggerRequest = serde_json::from_slice(&body).unwrap();
    others.note(|log| log.triggers.push(trigger));
    StatusCode::ACCEPTED.into_response()
}

async fn verify(body: Bytes) -> Response {
    let check: TripleCheck = serde_json::from_slice(&body).unwrap();
    if check.password == "right" {
        return json_of(&TripleOwner { pcid: check.username.parse().unwrap() });
    }
    let problem: Value =
        json!({"type": "/problems/not-a-triple", "title": "Not a call-home triple", "status": 403});
    (StatusCode::FORBIDDEN, axum::Json(problem)).into_response()
}

async fn certify(State(others): Shared, Path(tre): Path<String>) -> Response {
    match others.script.lock().unwrap().certificates.get(&tre) {
        Some(certificate) => certificate.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An SHO's answer.
pub fn answer(answer: &ProvisioningAnswer) -> Response {
    json_of(answer)
}
