//! A running DRF with its authorities, an ICF that notes what it is told, and devices.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri},
    response::IntoResponse,
    routing::{patch, post},
};
use drf::{
    coap::exchange::Transmission,
    config::DrfConfig,
    rest::SCOPES,
    start::{Started, start_with},
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use schemas::{
    cose::{self, PrivateKey},
    rnct::{self, Rnct},
    trust::{Anchors, Purpose, SUPPLIER_URN, ServerRole},
};
use serde_json::{Value, json};
use service::{
    client::{CallError, RoleClient},
    config::{Loader, SecretSource, Span},
    outbox,
    role::PeerRole,
    sealed::Keyring,
    serve::{HttpLimits, HttpServer},
    tls::{ClientTls, MinVersion, client_config},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::responder::{self, Register};

pub const PCID: &str = "999710000000001";

pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap()
}

pub fn authority(name: &str) -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key).unwrap().pem();
    Ca { issuer: Issuer::new(params, key), pem }
}

impl Ca {
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, PrivateKey) {
        let key = PrivateKey::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        (params.signed_by(&pair(&key), &self.issuer).unwrap().pem(), key)
    }
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn token(name: &str) -> String {
    format!("chm_{}_{}", "0".repeat(40), name.replace([':', '-'], "_"))
}

/// What the ICF was told: path and body; how many requests it is still to refuse for their token. Knows one call-home
/// triple.
#[derive(Clone, Default)]
pub struct Icf(pub Arc<Mutex<Vec<(String, Value)>>>, pub Arc<Mutex<u32>>);

async fn patched(State(icf): State<Icf>, uri: Uri, Json(body): Json<Value>) -> impl IntoResponse {
    if let Some(left) = {
        let mut refuses = icf.1.lock().unwrap();
        refuses.checked_sub(1).inspect(|left| *refuses = *left)
    } {
        let title = format!("{left} more");
        return (StatusCode::FORBIDDEN, Json(json!({"type": "about:blank", "title": title, "status": 403})));
    }
    icf.0.lock().unwrap().push((uri.path().to_owned(), body));
    (StatusCode::OK, Json(json!({})))
}

async fn verify(Json(body): Json<Value>) -> impl IntoResponse {
    if body == json!({"username": "u1", "password": "p1"}) {
        (StatusCode::OK, Json(json!({"pcid": PCID})))
    } else {
        let problem = json!({"type": "/problems/not-a-triple", "title": "Not a triple", "status": 403});
        (StatusCode::FORBIDDEN, Json(problem))
    }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub root: Ca,
    pub platform_ca: Ca,
    pub config: DrfConfig,
    pub started: Option<Started>,
    pub icf: Icf,
    /// What OCSP says.
    pub register: Register,
    pub clients: HashMap<String, RoleClient>,
    stop: CancellationToken,
    icf_stop: CancellationToken,
}

/// Fast, so that tests need not wait for lost datagrams.
pub fn quick() -> Transmission {
    Transmission { ack_timeout: 50, ..Transmission::default() }
}

impl World {
    /// Started, with operators `sho-a` and `sho-b` and the device `meter-1`.
    pub async fn new() -> Self {
        Self::with(5683, "revoke").await
    }

    /// With devices that listen on this port.
    pub async fn with(device_port: u16, after_success: &str) -> Self {
        Self::with_config(device_port, after_success, |_| {}).await
    }

    /// With another configuration.
    pub async fn with_config(
        device_port: u16,
        after_success: &str,
        change: impl FnOnce(&mut DrfConfig),
    ) -> Self {
        let mut world = Self::prepared(device_port, after_success).await;
        change(&mut world.config);
        world.start().await;
        for id in ["sho-a", "sho-b"] {
            world
                .put(&format!("/v1/operators/{id}"), json!({"name": id, "plmns": ["999-01"]}))
                .await
                .unwrap();
        }
        world.register(PCID, "meter-1").await;
        world
    }

    async fn prepared(device_port: u16, after_success: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (root, platform_ca) = (authority("root"), authority("platforms"));
        fs::write(at("root.crt"), &root.pem).unwrap();
        fs::write(at("platform-ca.crt"), &platform_ca.pem).unwrap();
        private(&at("at-rest.key"), &Keyring::generate_line(1).unwrap());
        let usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], Purpose::Trigger.extended_key_usage());
        let pairs = [
            ("drf", root.issue("registry", |params| params.custom_extensions = vec![usage])),
            (
                "tls",
                root.issue("drf", |params| {
                    params.subject_alt_names =
                        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().subject_alt_names;
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                }),
            ),
        ];
        for (name, (certificate, key)) in &pairs {
            fs::write(at(&format!("{name}.crt")), certificate).unwrap();
            private(&at(&format!("{name}.key")), &key.to_pem().unwrap());
        }
        let may = r#""devices:read", "contracts:write", "claims:write", "operators:read", "triggers:read""#;
        let mut tokens = String::new();
        let bearers = [
            ("admin", r#""admin""#.to_owned()),
            ("sho-a", format!(r#""operator:sho-a", {may}"#)),
            ("sho-b", format!(r#""operator:sho-b", {may}"#)),
        ];
        let single = SCOPES.iter().map(|scope| (*scope, format!("{scope:?}")));
        for (name, scopes) in bearers.into_iter().chain(single) {
            let file = at(&name.replace(':', "-"));
            private(&file, &token(name));
            tokens +=
                &format!("{{ name = \"t-{name}\", token = {{ file = {file:?} }}, scopes = [{scopes}] }}, ");
        }
        let icf = Icf::default();
        let icf_stop = CancellationToken::new();
        let server =
            HttpServer::bind("127.0.0.1:0".parse().unwrap(), None, HttpLimits::default()).await.unwrap();
        let icf_url = server.url();
        let routes = Router::new()
            .route("/v1/credentials/{imsi}", patch(patched))
            .route("/v1/chtif/verify", post(verify))
            .with_state(icf.clone());
        tokio::spawn(server.run(routes, icf_stop.clone()));
        private(&at("icf-token"), &token("icf"));
        let register = Register::default();
        let signer = platform_ca.issue("ocsp", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        });
        let ocsp = responder::serve(register.clone(), signer, &platform_ca.pem, icf_stop.clone()).await;
        let f = |name: &str| format!("{:?}", at(name));
        let text = format!(
            r#"
            [drf]
            operator = "registry"
            signing = {{ cert = {}, key = {} }}
            dpf = "https://127.0.0.1:9443"
            after_success = "{after_success}"
            napdef = {{ id = "n", name = "internet", bearer = "GSM-GPRS", address = "provisioning", address_type = "APN" }}
            [device]
            listen = "127.0.0.1:0"
            tls = {{ cert = {}, key = {} }}
            platform_ca = {}
            ocsp = {{ url = "{ocsp}", cache = "100ms" }}
            [coap]
            listen = "127.0.0.1:0"
            device_port = {device_port}
            [database]
            url = "sqlite://{}"
            [keys]
            at_rest = {{ file = {} }}
            [icf]
            url = "{icf_url}"
            token = {{ file = {} }}
            [rest]
            listen = "127.0.0.1:0"
            tls = {{ cert = {}, key = {} }}
            tokens = [{tokens}]
            "#,
            f("drf.crt"),
            f("drf.key"),
            f("tls.crt"),
            f("tls.key"),
            f("platform-ca.crt"),
            at("drf.db").display(),
            f("at-rest.key"),
            f("icf-token"),
            f("tls.crt"),
            f("tls.key"),
        );
        let config = Loader::text("drf.toml", text).load().unwrap();
        let (stop, clients) = (CancellationToken::new(), HashMap::new());
        Self { folder, root, platform_ca, config, started: None, icf, register, clients, stop, icf_stop }
    }

    pub async fn start(&mut self) {
        self.stop = CancellationToken::new();
        let delays = outbox::Policy { first: Duration::from_millis(50), ..outbox::Policy::default() };
        let started = start_with(self.config.clone(), quick(), delays, self.stop.clone()).await.unwrap();
        let url = started.rest_url.clone().unwrap();
        for name in ["admin", "sho-a", "sho-b"].into_iter().chain(SCOPES.iter().copied()) {
            let peer = PeerRole {
                url: url.clone(),
                token: SecretSource::File(self.folder.path().join(name.replace(':', "-"))),
                ca: Some(self.folder.path().join("root.crt")),
                timeout: Span::seconds(60),
            };
            self.clients.insert(name.to_owned(), RoleClient::new(ServerRole::Drf, &peer).unwrap());
        }
        self.started = Some(started);
    }

    /// Stops it; its memory is in the file alone then.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        self.started.take().unwrap().wait().await;
    }

    pub fn drf(&self) -> &Started {
        self.started.as_ref().unwrap()
    }

    pub async fn call(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, CallError> {
        self.clients[who].json(method, path, body.as_ref()).await
    }

    /// Who may do everything.
    pub fn client(&self) -> &RoleClient {
        &self.clients["admin"]
    }

    pub async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call("admin", Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.call("admin", Method::PUT, path, Some(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.call("admin", Method::POST, path, Some(body)).await
    }

    pub async fn register(&self, pcid: &str, id: &str) {
        let body = json!({"device_id": id, "supplier": "acme", "claim_code": "K7F2-9QXA"});
        self.put(&format!("/v1/devices/{pcid}"), body).await.unwrap();
    }

    pub async fn contract(&self, pcid: &str, operator: &str) {
        self.put(&format!("/v1/devices/{pcid}/contract"), json!({"operator": operator})).await.unwrap();
    }

    pub async fn notice(&self, id: Uuid, address: &str) -> Result<Value, CallError> {
        self.call("notices:write", Method::POST, "/v1/notices", Some(notice(id, address))).await
    }

    pub async fn triggers(&self) -> Vec<Value> {
        self.get("/v1/triggers").await.unwrap()["items"].as_array().unwrap().clone()
    }

    /// The one trigger, when it is in `state`; a test that waits for ever has failed.
    pub async fn trigger_in(&self, state: &str) -> Value {
        loop {
            let triggers = self.triggers().await;
            if let Some(trigger) = triggers.iter().find(|trigger| trigger["state"] == state) {
                return trigger.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the ICF was told, once it was told something.
    pub async fn icf_told(&self) -> Vec<(String, Value)> {
        while self.drf().desk.outbox.pending().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.icf.0.lock().unwrap().clone()
    }

    pub async fn audited(&self, action: &str, target: &str, outcome: &str) -> bool {
        let log = self.get("/v1/audit?limit=499").await.unwrap();
        log["items"].as_array().unwrap().iter().any(|entry| {
            let has = |field: &str, part: &str| entry[field].as_str().unwrap().contains(part);
            has("action", action) && has("target", target) && has("outcome", outcome)
        })
    }

    /// A signed RNCT, verified as a device does.
    pub fn open(&self, signed: &[u8]) -> Rnct {
        let anchors = Anchors::from_pem(self.root.pem.as_bytes()).unwrap();
        let now = time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
        let signed = cose::verify(signed, rnct::CONTENT_TYPE, &anchors, Purpose::Trigger, now).unwrap();
        Rnct::decode(&signed.payload).unwrap()
    }

    /// An HTTPS client, with the platform certificate of `device` if one is given.
    pub fn device(&self, device: Option<&str>) -> reqwest::Client {
        self.device_of(device, None)
    }

    /// As [`device`](Self::device); the certificate says that `supplier` has made it.
    pub fn device_of(&self, device: Option<&str>, supplier: Option<&str>) -> reqwest::Client {
        let at = |name: &str| self.folder.path().join(name);
        if let Some(device) = device {
            let (pem, key) = self.platform_ca.issue("tre", |params| {
                let device = format!("urn:callhome:device:{device}");
                let supplier = supplier.map(|supplier| format!("{SUPPLIER_URN}{supplier}"));
                let uris = std::iter::once(device).chain(supplier);
                params.subject_alt_names = uris.map(|uri| SanType::URI(uri.try_into().unwrap())).collect();
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            });
            fs::write(at("device.crt"), pem).unwrap();
            private(&at("device.key"), &key.to_pem().unwrap());
        }
        let tls = ClientTls {
            ca_file: at("root.crt"),
            cert_file: device.map(|_| at("device.crt")),
            key_file: device.map(|_| at("device.key")),
            min_version: MinVersion::Tls12,
        };
        let config = client_config(&tls, &[b"http/1.1"]).unwrap();
        reqwest::Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(config)).build().unwrap()
    }

    pub fn coap(&self) -> SocketAddr {
        self.drf().coap
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.icf_stop.cancel();
    }
}

pub fn notice(id: Uuid, address: &str) -> Value {
    json!({"id": id, "pcid": PCID, "address": address, "visited_plmn": "999-70", "serving_node": "mme.visited",
        "at": "2026-11-23T12:00:00Z"})
}

#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> StatusCode {
    match answer.unwrap_err() {
        CallError::Refused { status, .. } => status,
        other => panic!("{other}"),
    }
}
