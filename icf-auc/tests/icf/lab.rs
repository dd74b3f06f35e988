//! An ICF on a database in a folder of its own, and REST requests to it.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::{sync::Arc, time::Duration};

use icf_auc::{
    config::IcfConfig,
    model::{AuthMaterial, Credential, CredentialState, IssuingMode, Profile, Timestamp},
    start::{Started, start_with},
    store::{
        NewCredential, Store,
        sealed::Keyring,
        sqlite::{OpenOptions, SequenceClock, SqliteStore},
    },
};
use s6a::net::Endpoint;
use schemas::{identity::Imsi, secret::Key128};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use crate::mme::Mme;

pub const ICF: &str = "icf.home.example";
pub const HOME: &str = "home.example";
/// What has to happen soon, on a machine that has other things to do.
pub const SOON: Duration = Duration::from_secs(8);
/// Keys of test set 1 of TS 35.208.
pub const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
pub const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";
const KEY: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const POOL: &str = "10.45.0.0/16";

pub fn imsi(n: u64) -> Imsi {
    "999710000000000".parse::<Imsi>().unwrap().checked_add(n).unwrap()
}

/// An active credential of the profile `default`.
pub fn credential(n: u64) -> Credential {
    Credential {
        imsi: imsi(n),
        auth: AuthMaterial::Keys { k: Key128::from_hex(K).unwrap(), opc: Key128::from_hex(OPC).unwrap() },
        triple: None,
        amf: [0x80, 0x00],
        ind_bitlen: 5,
        state: CredentialState::Active,
        profile: "default".into(),
        expires_at: None,
        attach_budget: None,
        attaches: 0,
        address: None,
        msisdn: None,
        overrides: Default::default(),
        mode: IssuingMode::Generated,
        batch: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        version: 0,
    }
}

/// A database; ICFs are started on it and stopped.
pub struct Lab {
    folder: tempfile::TempDir,
    pub store: Arc<dyn Store>,
}

impl Lab {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        Self { folder, store }
    }

    /// With `count` credentials from number 1.
    pub async fn with(count: u64) -> Self {
        let lab = Self::new().await;
        lab.insert((1..=count).map(credential)).await;
        lab
    }

    pub async fn insert(&self, credentials: impl IntoIterator<Item = Credential>) {
        let new = credentials.into_iter().map(|credential| NewCredential { credential, next_seq: 1 });
        self.store.insert(new.collect()).await.unwrap();
    }

    /// A profile as `default` but for `change`.
    pub async fn profile(&self, name: &str, change: impl FnOnce(&mut Profile)) {
        let mut profile = Profile::provisioning(name, Some(POOL.parse().unwrap()));
        change(&mut profile);
        self.store.put_profile(profile, None, Vec::new()).await.unwrap();
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        url(self.folder.path())
    }

    /// The same database, opened once more: what another process has.
    pub async fn other_handle(&self) -> Arc<dyn Store> {
        open(self.folder.path()).await
    }

    /// An ICF of its own database handle.
    pub async fn start(&self) -> Icf {
        self.start_as("icf").await
    }

    /// One of several on one database.
    pub async fn start_as(&self, instance: &str) -> Icf {
        self.start_configured(instance, &json!({})).await
    }

    /// One with a DRF to tell, over HTTP at this address.
    pub async fn start_with_drf(&self, address: std::net::SocketAddr) -> Icf {
        let file = self.folder.path().join("drf.token");
        std::fs::write(&file, token()).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let drf = json!({"url": format!("http://{address}"), "token": {"file": file}});
        self.start_configured("icf", &json!({"drf": drf})).await
    }

    async fn start_configured(&self, instance: &str, more: &Value) -> Icf {
        let mut config = json!({
            "diameter": {
                "origin_host": ICF, "origin_realm": HOME,
                "listen": ["tcp://127.0.0.1:0"], "accept_unknown_peers": true,
                "peers": [{"identity": "five.visited.example", "max_vectors": 5}],
                "request_timeout": "2s",
            },
            "database": {"url": self.url()},
            "icf": {"instance": instance},
            "keys": {"at_rest": {"env": "NOT_READ"}},
            "rest": {"listen": "127.0.0.1:0", "tokens": [{
                "name": "test", "scopes": ["admin"],
                "hash": service::auth::Token::parse(&token()).unwrap().hash().to_string(),
            }]},
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: IcfConfig = serde_json::from_value(config).unwrap();
        let stop = CancellationToken::new();
        let started = start_with(config, self.other_handle().await, stop.clone()).await.unwrap();
        let endpoint = started.node.local_endpoints()[0].clone();
        Icf { started, endpoint, stop }
    }
}

fn url(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("icf.db").display())
}

async fn open(folder: &std::path::Path) -> Arc<dyn Store> {
    let options = OpenOptions {
        pool: Some(POOL.parse().unwrap()),
        clock: SequenceClock::fixed(0),
        ..OpenOptions::default()
    };
    Arc::new(SqliteStore::open(&url(folder), Keyring::parse(KEY).unwrap(), options).await.unwrap())
}

pub fn token() -> String {
    format!("chm_{}", "a1".repeat(32))
}

/// One that runs.
pub struct Icf {
    pub started: Started,
    pub endpoint: Endpoint,
    stop: CancellationToken,
}

impl Icf {
    /// `mme<n>.visited.example`, connected.
    pub async fn mme(&self, n: u32) -> Mme {
        Mme::connect(&self.endpoint, &format!("mme{n}.visited.example")).await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.started.wait().await.unwrap();
    }

    /// A REST request by somebody who may do all; status and body.
    pub async fn rest(&self, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let address = self.started.rest_url.as_ref().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            token(),
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").expect("a response");
        let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

/// Waits until `what` is so, [`SOON`].
#[track_caller]
pub fn until<F>(what: &'static str, mut so: impl FnMut() -> F) -> impl Future<Output = ()>
where
    F: Future<Output = bool>,
{
    let place = std::panic::Location::caller();
    async move {
        let begun = tokio::time::Instant::now();
        while !so().await {
            assert!(begun.elapsed() < SOON, "{place}: not {what} in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
