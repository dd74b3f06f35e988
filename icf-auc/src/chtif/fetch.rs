//! Fetching a credential that is not here from a CHTIF elsewhere (R4; the seed's section 5, note 1).
//!
//! Over HTTPS with a bearer token; the keys travel sealed to a key pair that this process made at start
//! ([`super::seal`]), so that neither a proxy nor the other side's log has them in the clear. However many
//! requests wait for a PCID, it is asked for once; that it is unknown there is remembered for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::BoxFuture, future::Shared};
use schemas::identity::Imsi;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{issued::IssuedCredential, seal::Identity};
use crate::{
    config::ChtifClient,
    model::{AuthMaterial, CallHomeTriple, Credential, CredentialState, IssuingMode, Timestamp},
    store::NewCredential,
};

/// Path of the request below the base URL.
pub const PATH: &str = "/v1/chtif/fetch";

/// The request's body.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// PCID that is asked for.
    #[schema(value_type = String, example = "999710000000001")]
    pub imsi: Imsi,
    /// age public key of the ICF that asks: the answer is sealed to it.
    pub recipient: String,
}

/// The answer's body.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FetchAnswer {
    /// The credential, age-encrypted, base64.
    pub sealed: String,
    /// First SEQ that has not been used with it.
    pub next_seq: u64,
}

/// Why a credential could not be fetched; the device should try again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The client cannot be set up.
    #[error("icf.chtif: {0}")]
    Config(String),
    /// No answer, or one that makes no sense.
    #[error("the CHTIF at {url} does not answer properly: {why}")]
    Unavailable {
        /// Base URL.
        url: String,
        /// In words.
        why: String,
    },
    /// Too many are being fetched.
    #[error("too many credentials are being fetched at once")]
    Busy,
}

/// PCIDs asked for at once; further ones are refused as retryable.
const MOST_AT_ONCE: usize = 256;
/// How long it is remembered that a PCID is unknown there.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
/// PCIDs remembered as unknown.
const MOST_UNKNOWN: usize = 100_000;

type Fetching = Shared<BoxFuture<'static, Result<Option<Arc<NewCredential>>, FetchError>>>;

/// A CHTIF elsewhere.
pub struct Chtif {
    shared: Arc<Connection>,
    prefixes: Vec<String>,
    fetching: Arc<Mutex<HashMap<Imsi, Fetching>>>,
    unknown: Mutex<HashMap<Imsi, Instant>>,
}

struct Connection {
    http: reqwest::Client,
    url: String,
    token: service::config::Secret,
    identity: Identity,
}

impl std::fmt::Debug for Chtif {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chtif({})", self.shared.url)
    }
}

impl Chtif {
    /// Sets up the client; nothing is sent yet.
    ///
    /// # Errors
    /// If the URL is not https, or token or certificate file cannot be read.
    pub fn new(config: &ChtifClient) -> Result<Self, FetchError> {
        let fail = |why: String| FetchError::Config(why);
        if !config.url.starts_with("https://") {
            return Err(fail(format!("url {:?} is not https://", config.url)));
        }
        let token = config.token.read().map_err(|e| fail(e.to_string()))?;
        let tls = service::tls::ClientTls {
            ca_file: config.ca.clone(),
            cert_file: None,
            key_file: None,
            min_version: Default::default(),
        };
        let tls =
            service::tls::client_config(&tls, service::tls::HTTP_ALPN).map_err(|e| fail(e.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .https_only(true)
            .timeout(config.timeout.0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| fail(e.to_string()))?;
        let url = config.url.trim_end_matches('/').to_owned();
        Ok(Self {
            shared: Arc::new(Connection { http, url, token, identity: Identity::generate() }),
            prefixes: config.prefixes.clone(),
            fetching: Arc::default(),
            unknown: Mutex::default(),
        })
    }

    /// Asks for a credential, or joins those that wait for it already. `None` if it is unknown there, or
    /// not one that is to be asked for.
    ///
    /// # Errors
    /// If the CHTIF cannot be reached or gives nonsense.
    pub async fn fetch(&self, imsi: Imsi) -> Result<Option<Arc<NewCredential>>, FetchError> {
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(|p| imsi.has_prefix(p)) {
            return Ok(None);
        }
        if self.is_unknown(imsi) {
            return Ok(None);
        }
        let fetching = self.join(imsi)?;
        let fetched = fetching.await;
        if matches!(fetched, Ok(None)) {
            let mut unknown = lock(&self.unknown);
            if unknown.len() >= MOST_UNKNOWN {
                unknown.clear();
            }
            unknown.insert(imsi, Instant::now());
        }
        fetched
    }

    fn is_unknown(&self, imsi: Imsi) -> bool {
        let mut unknown = lock(&self.unknown);
        let since = unknown.get(&imsi).copied();
        match since {
            Some(since) if since.elapsed() < UNKNOWN_FOR => true,
            Some(_) => {
                unknown.remove(&imsi);
                false
            }
            None => false,
        }
    }

    fn join(&self, imsi: Imsi) -> Result<Fetching, FetchError> {
        let mut fetching = lock(&self.fetching);
        if let Some(joined) = fetching.get(&imsi) {
            return Ok(joined.clone());
        }
        if fetching.len() >= MOST_AT_ONCE {
            return Err(FetchError::Busy);
        }
        let (shared, others) = (self.shared.clone(), self.fetching.clone());
        let started = async move {
            // In a task of its own: it goes on when the one that began it has gone away.
            let asked = tokio::spawn(async move { shared.ask(imsi).await.map(|c| c.map(Arc::new)) });
            let result = asked
                .await
                .unwrap_or_else(|e| Err(FetchError::Unavailable { url: String::new(), why: e.to_string() }));
            lock(&others).remove(&imsi);
            result
        }
        .boxed()
        .shared();
        fetching.insert(imsi, started.clone());
        Ok(started)
    }
}

impl Connection {
    async fn ask(&self, imsi: Imsi) -> Result<Option<NewCredential>, FetchError> {
        let bad = |why: String| FetchError::Unavailable { url: self.url.clone(), why };
        let body = FetchRequest { imsi, recipient: self.identity.public() };
        let answer = self
            .http
            .post(format!("{}{PATH}", self.url))
            .bearer_auth(self.token.expose())
            .json(&body)
            .send()
            .await
            // Without the URL: it is named already.
            .map_err(|e| bad(e.without_url().to_string()))?;
        match answer.status() {
            reqwest::StatusCode::OK => {}
            reqwest::StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(bad(format!("status {status}"))),
        }
        let answer: FetchAnswer = answer.json().await.map_err(|e| bad(e.without_url().to_string()))?;
        let sealed = STANDARD.decode(&answer.sealed).map_err(|_| bad("`sealed` is not base64".into()))?;
        let plain = self.identity.open(&sealed).map_err(|e| bad(e.to_string()))?;
        // serde's own message could quote the text: it holds the keys.
        let issued: IssuedCredential =
            serde_json::from_slice(&plain).map_err(|_| bad("the sealed credential is malformed".into()))?;
        if issued.imsi != imsi {
            return Err(bad("the credential is another PCID's".into()));
        }
        let credential = accept(issued).ok_or_else(|| bad("the sealed credential is malformed".into()))?;
        Ok(Some(NewCredential { credential, next_seq: answer.next_seq }))
    }
}

fn accept(issued: IssuedCredential) -> Option<Credential> {
    let (k, opc) = issued.keys().ok()?;
    let mut amf = [0; 2];
    hex::decode_to_slice(&issued.amf, &mut amf).ok()?;
    let now = Timestamp::now();
    Some(Credential {
        imsi: issued.imsi,
        auth: AuthMaterial::Keys { k, opc },
        amf,
        ind_bitlen: issued.ind_bitlen,
        state: CredentialState::Active,
        profile: issued.profile,
        expires_at: None,
        attach_budget: None,
        attaches: 0,
        address: None,
        triple: issued.triple.map(|t| CallHomeTriple {
            url: t.url,
            user: t.user,
            password: Zeroizing::new(t.password.to_string()),
        }),
        msisdn: None,
        mode: IssuingMode::Generated,
        batch: None,
        created_at: now,
        updated_at: now,
        version: 0,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
