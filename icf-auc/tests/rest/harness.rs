//! An API over a store, and requests to it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use icf_auc::chtif::issuer::StoreIssuer;
use icf_auc::model::{NodeKind, NodeReport, Rat, Registration, ServingNode, Timestamp};
use icf_auc::networks::ServedNetworks;
use icf_auc::rest::{Control, NoVectors, RestState, SCOPES, router};
use icf_auc::store::memory::MemoryStore;
use icf_auc::store::sealed::Keyring;
use icf_auc::store::sqlite::{OpenOptions, SqliteStore};
use icf_auc::store::{Op, PooledVector, Store, TakeOver};
use schemas::identity::{Imsi, Plmn};
use schemas::rest::{Peer, PeerState, ResetResult};
use serde_json::{Value, json};
use service::auth::{Guard, Scope, Token, TokenConfig, Tokens};
use tokio::sync::watch;
use tower::ServiceExt;

/// Keys of the test credentials: whatever they come by, nothing may answer them.
pub const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
pub const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";
pub const OP: &str = "cdc202d5123e20f62b6d676ac72cb318";

/// What the API was told to do, in place of a running ICF.
pub struct Recorder {
    pub changed: Mutex<Vec<Option<Imsi>>>,
    pub news: watch::Sender<i64>,
}

#[async_trait]
impl Control for Recorder {
    fn changed(&self, imsi: Option<Imsi>) {
        self.changed.lock().unwrap().push(imsi);
        self.news.send_modify(|id| *id += 1);
    }

    fn peers(&self) -> Vec<Peer> {
        vec![Peer {
            identity: "mme.localdomain".to_owned(),
            realm: Some("localdomain".to_owned()),
            state: PeerState::Open,
            address: Some("tcp://127.0.0.1:40000".to_owned()),
            since: None,
        }]
    }

    async fn vectors(&self, imsi: Imsi, _: Plmn, count: u32) -> Result<Vec<PooledVector>, NoVectors> {
        match imsi.number() % 10 {
            7 => Err(NoVectors::Unknown(imsi)),
            8 => Err(NoVectors::NoKeys(imsi)),
            9 => Err(NoVectors::NotAllowed("it is blocked".to_owned())),
            _ => Ok((0..count).map(|n| vector(n as u8)).collect()),
        }
    }

    async fn reset(&self, user_ids: &[String]) -> Vec<ResetResult> {
        vec![ResetResult { peer: "mme.localdomain".to_owned(), outcome: format!("reset of {user_ids:?}") }]
    }

    fn events_notify(&self) -> watch::Receiver<i64> {
        self.news.subscribe()
    }
}

/// A vector told from others by its octets.
pub fn vector(n: u8) -> PooledVector {
    PooledVector { rand: [n; 16], xres: vec![n; 8], autn: [n; 16], kasme: [n; 32] }
}

/// The API, with a token of each kind.
pub struct Api {
    pub router: Router,
    pub store: Arc<dyn Store>,
    pub control: Arc<Recorder>,
    /// Keeps the database, where there is one.
    _folder: Option<tempfile::TempDir>,
}

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {}", self.text())).to_str().unwrap()
    }

    /// That it is a problem of this status; its text.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
        problem["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// That it has this status; its JSON.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// The token with this scope alone; of the same scope always the same.
pub fn token(scope: &str) -> String {
    format!("chm_{}_{}", "0".repeat(40), scope.replace(':', "_"))
}

fn guard() -> Guard {
    let folder = tempfile::tempdir().unwrap();
    let scopes: Vec<&str> = SCOPES.iter().copied().chain(["admin"]).collect();
    let tokens: Vec<TokenConfig> = scopes
        .iter()
        .map(|scope| TokenConfig {
            name: format!("only-{}", scope.replace(':', "-")),
            hash: Some(
                serde_json::from_value(json!(Token::parse(&token(scope)).unwrap().hash().to_string()))
                    .unwrap(),
            ),
            token: None,
            scopes: vec![Scope::parse(scope).unwrap()],
        })
        .collect();
    drop(folder);
    Guard::new(Tokens::new(&tokens, SCOPES).unwrap())
}

impl Api {
    pub fn memory() -> Self {
        Self::serving(ServedNetworks::any())
    }

    /// One that takes credentials of these networks.
    pub fn serving(networks: ServedNetworks) -> Self {
        Self::over(Arc::new(MemoryStore::new(None)), None, networks)
    }

    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
        let url = format!("sqlite://{}", folder.path().join("icf.db").display());
        let store = SqliteStore::open(&url, keyring, OpenOptions::default()).await.unwrap();
        Self::over(Arc::new(store), Some(folder), ServedNetworks::any())
    }

    fn over(store: Arc<dyn Store>, folder: Option<tempfile::TempDir>, networks: ServedNetworks) -> Self {
        let control = Arc::new(Recorder { changed: Mutex::default(), news: watch::Sender::new(0) });
        let issuer = Arc::new(StoreIssuer::new(store.clone()));
        let state =
            RestState::new(store.clone(), control.clone()).with_issuer(issuer).with_networks(networks);
        Self { router: router(state, &guard()), store, control, _folder: folder }
    }

    /// A request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request by somebody with this scope, with headers and JSON.
    pub async fn ask(
        &self,
        scope: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        request = request.header("authorization", format!("Bearer {}", token(scope)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("admin", "GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("admin", "POST", path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("admin", "PUT", path, &[], Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("admin", "PATCH", path, &[], Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("admin", "DELETE", path, &[], None).await
    }

    /// A body of any media type.
    pub async fn post_as(&self, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", token("admin")))
            .header("content-type", kind)
            .body(body.into());
        self.send(request.unwrap()).await
    }

    /// Stores a credential of the profile `default`.
    pub async fn credential(&self, imsi: &str) -> Value {
        self.post("/v1/credentials", json!({"imsi": imsi, "k": K, "opc": OPC})).await.ok(201)
    }

    /// Registers it with an MME in `visited`.
    pub async fn register(&self, imsi: &str, visited: &str) {
        let now = Timestamp::now();
        let registration = Box::new(Registration {
            imsi: imsi.parse().unwrap(),
            kind: NodeKind::Mme,
            node: ServingNode { host: "mme.localdomain".to_owned(), realm: "localdomain".to_owned() },
            visited_plmn: visited.parse().unwrap(),
            rat: Rat::Eutran,
            address: None,
            imei: None,
            registered_at: now,
            expires_at: now.plus(3600),
            purged: false,
            report: NodeReport::default(),
        });
        let op = Op::Register {
            registration,
            count_attach: true,
            pool: None,
            take_over: TakeOver::default(),
            notify: false,
        };
        for done in self.store.commit(&[op]).await.unwrap() {
            done.unwrap();
        }
    }

    /// What is queued for serving nodes, as text.
    pub async fn queued(&self) -> Vec<String> {
        let due = self.store.due(Timestamp::now().plus(1), 100).await.unwrap();
        due.iter().map(|one| format!("{} {:?}", one.outgoing.imsi, one.outgoing.message)).collect()
    }
}

/// A profile as it is put.
pub fn profile(apn: &str) -> Value {
    let ambr = json!({"uplink": 128_000, "downlink": 128_000});
    json!({"apns": [{"name": apn, "ambr": ambr}], "ambr": ambr})
}
