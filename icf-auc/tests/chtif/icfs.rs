//! Two ICFs in this process, the certificates between them, and an MME.

use std::{
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use icf_auc::{
    chtif::{fetch::PATH, seal::Identity},
    config::IcfConfig,
    start::{Started, start},
    store::{Page, Store},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use s6a::{
    app::{self, AuthenticationInformationRequest, RequestedVectors},
    base::{AuthSessionState, Outcome},
    codec::Message,
    net::{Answer, Application, Destination, Endpoint, Node, NodeConfig, PeerConfig, PeerInfo},
};
use schemas::identity::{Imsi, Plmn};
use service::auth::TokenHash;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// May fetch.
pub const GOOD_TOKEN: &str = "chm_a-token-that-may-fetch-from-b-0001";
/// Is nobody's.
pub const WRONG_TOKEN: &str = "chm_a-token-that-nobody-knows-at-b-0002";
/// May read credentials, which is not fetching them.
pub const READ_ONLY_TOKEN: &str = "chm_a-token-that-may-only-read-at-b-003";

const MME: &str = "mme.visited.example";
const HOME: &str = "home.example";

/// A folder with the files of both.
pub struct Site {
    folder: tempfile::TempDir,
    files: AtomicU32,
}

impl Site {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "callhome tests");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(ca, key);
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("b.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        private(&folder.path().join("b.key"), &key.serialize_pem());
        private(&folder.path().join("at-rest"), crate::fixture::KEY_1);
        Self { folder, files: AtomicU32::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, name: &str, database: &str, more: &str) -> IcfConfig {
        let text = format!(
            "[diameter]\norigin_host = \"{name}.{HOME}\"\norigin_realm = \"{HOME}\"\n\
             listen = [\"tcp://127.0.0.1:0\"]\npeers = [{{ identity = \"{MME}\" }}]\n\n\
             [database]\nurl = \"sqlite://{}\"\n\n[keys]\nat_rest = {{ file = {:?} }}\n\n\
             [causes]\nunknown = \"user-unknown\"\n\n{more}",
            self.path(database).display(),
            self.path("at-rest"),
        );
        service::config::Loader::text("icf.toml", text).load().unwrap()
    }

    /// The ICF that has credentials. Its database stays when it stops.
    pub async fn start_b(&self, rest: SocketAddr) -> Running {
        let token = |name: &str, token: &str, scope: &str| {
            format!(
                "{{ name = \"{name}\", hash = {}, scopes = [\"{scope}\"] }}",
                serde_json::to_string(&TokenHash::of(token)).unwrap()
            )
        };
        let more = format!(
            "[rest]\nlisten = \"{rest}\"\ntokens = [{}, {}]\ntls = {{ cert = {:?}, key = {:?} }}\n",
            token("b-knows-a", GOOD_TOKEN, "chtif:fetch"),
            token("reader", READ_ONLY_TOKEN, "credentials:read"),
            self.path("b.pem"),
            self.path("b.key"),
        );
        Running::start(self.config("b", "b.db", &more)).await
    }

    /// An ICF without credentials that asks the one at `b`.
    pub async fn start_a(&self, b: SocketAddr, token: &str) -> Running {
        Running::start(self.config_of_a(b, token)).await
    }

    /// The configuration of an ICF with a new database that asks the one at `b`.
    pub fn config_of_a(&self, b: SocketAddr, token: &str) -> IcfConfig {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.path(&format!("token-{number}"));
        private(&file, &format!("{token}\n"));
        let more = format!(
            "[icf.chtif]\nurl = \"https://{b}\"\ntoken = {{ file = {file:?} }}\nca = {:?}\n\
             prefixes = [\"99971\"]\ntimeout = \"5s\"\n",
            self.path("ca.pem"),
        );
        self.config("a", &format!("a-{number}.db"), &more)
    }

    /// Sends a request to the route; status and body of the answer.
    pub async fn ask(
        &self,
        b: SocketAddr,
        token: &str,
        body: &serde_json::Value,
    ) -> (u16, serde_json::Value) {
        let ca = service::tls::ClientTls {
            ca_file: self.path("ca.pem"),
            cert_file: None,
            key_file: None,
            min_version: Default::default(),
        };
        let tls = service::tls::client_config(&ca, service::tls::HTTP_ALPN).unwrap();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .build()
            .unwrap();
        let request = http.post(format!("https://{b}{PATH}")).bearer_auth(token).json(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let expected = if status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!(kind, expected);
        (status, answer.json().await.unwrap())
    }
}

/// The credential in an answer of the route.
pub fn opened(identity: &Identity, answer: &serde_json::Value) -> serde_json::Value {
    let sealed = STANDARD.decode(answer["sealed"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&identity.open(&sealed).unwrap()).unwrap()
}

/// A file that only its owner may read.
fn private(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A running ICF.
pub struct Running {
    pub store: Arc<dyn Store>,
    origin_host: String,
    diameter: Endpoint,
    rest: Option<SocketAddr>,
    started: Started,
    stop: CancellationToken,
}

impl Running {
    async fn start(config: IcfConfig) -> Self {
        let stop = CancellationToken::new();
        let origin_host = config.diameter.origin_host.clone();
        let started = start(config, stop.clone()).await.unwrap();
        let rest =
            started.rest_url.as_ref().map(|url| url.strip_prefix("https://").unwrap().parse().unwrap());
        let diameter = started.node.local_endpoints()[0].clone();
        Self { store: started.store.clone(), origin_host, diameter, rest, started, stop }
    }

    /// Where its REST is.
    pub fn rest(&self) -> SocketAddr {
        self.rest.unwrap()
    }

    /// The audit log's entries of this action, oldest first: who, to what, outcome.
    pub async fn audit(&self, action: &str) -> Vec<String> {
        let all = self.store.audit_log(&Page { after: None, limit: 1000 }).await.unwrap();
        let mine = all.into_iter().rev().filter(|entry| entry.action == action);
        mine.map(|entry| format!("{} {} {}", entry.who, entry.target, entry.outcome)).collect()
    }

    /// Stops it and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.started.wait().await.unwrap();
    }
}

/// What an AIR was answered with.
#[derive(Debug, PartialEq)]
pub enum Answered {
    /// 2001, with a vector.
    Vector(Vector),
    /// Result-Code or Experimental-Result-Code.
    Refused(u32),
}

/// An E-UTRAN vector (TS 29.272 §7.3.18).
#[derive(Debug, PartialEq)]
pub struct Vector {
    pub rand: [u8; 16],
    pub xres: Vec<u8>,
    pub autn: [u8; 16],
    pub kasme: [u8; 32],
}

/// An MME connected to an ICF.
pub struct Mme {
    node: Node,
    hss: String,
    sessions: AtomicU32,
}

struct Silent(watch::Sender<bool>);

impl Application for Silent {
    fn request(&self, _: &Arc<PeerInfo>, _: &Message<'_>, answer: Answer<'_>) {
        answer.refuse(s6a::codec::ResultCode::UNABLE_TO_COMPLY);
    }

    fn peer_up(&self, _: &Arc<PeerInfo>) {
        self.0.send_replace(true);
    }
}

impl Mme {
    pub async fn connect(to: &Running) -> Self {
        let mut config = NodeConfig::new(MME, "visited.example");
        config.peers = vec![PeerConfig::connecting(&to.origin_host, to.diameter.clone())];
        config.timers.request = Duration::from_secs(20);
        let (sender, mut up) = watch::channel(false);
        let node = Node::start(config, Arc::new(Silent(sender))).await.unwrap();
        let connected = tokio::time::timeout(Duration::from_secs(10), up.wait_for(|up| *up)).await;
        assert!(connected.is_ok(), "no connection to {}", to.origin_host);
        Self { node, hss: to.origin_host.clone(), sessions: AtomicU32::new(0) }
    }

    /// One AIR for one E-UTRAN vector.
    pub async fn air(&self, imsi: Imsi) -> Answered {
        let session = format!("{MME};1;{}", self.sessions.fetch_add(1, Ordering::Relaxed));
        let user = imsi.to_string();
        let visited: Plmn = "999-71".parse().unwrap();
        let to = Destination { host: Some(&self.hss), realm: HOME };
        let answer = self.node.request(to, |out, hop_by_hop, end_to_end| {
            AuthenticationInformationRequest {
                session_id: &session,
                vendor_specific_application_id: Some(app::APPLICATION_ID),
                auth_session_state: AuthSessionState::NoStateMaintained,
                origin_host: MME,
                origin_realm: "visited.example",
                destination_host: Some(&self.hss),
                destination_realm: HOME,
                user_name: &user,
                requested_eutran_authentication_info: Some(RequestedVectors {
                    number_of_requested_vectors: Some(1),
                    immediate_response_preferred: Some(1),
                    re_synchronization_info: None,
                }),
                visited_plmn_id: visited.octets(),
                ..Default::default()
            }
            .encode(out, hop_by_hop, end_to_end);
        });
        let answer = answer.await.unwrap();
        let message = answer.message();
        let Ok(app::Answer::AuthenticationInformation(aia)) = app::Answer::decode(&message) else {
            panic!("no AIA: {message:?}");
        };
        assert_eq!(aia.session_id, session);
        match aia.outcome {
            Outcome::Result(code) if code.0 == 2001 => {
                let vectors = aia.authentication_info.unwrap().eutran_vector;
                let vector = vectors.first().expect("a vector");
                Answered::Vector(Vector {
                    rand: vector.rand,
                    xres: vector.xres.to_vec(),
                    autn: vector.autn,
                    kasme: vector.kasme,
                })
            }
            Outcome::Result(code) => Answered::Refused(code.0),
            Outcome::Experimental { code, .. } => Answered::Refused(code),
        }
    }
}
