//! Fetching a credential that is not here from a CHTIF elsewhere (R4; the seed's section 5, note 1).
//!
//! Over HTTPS with a bearer token; the keys travel sealed to a key pair that this process made at start
//! ([`super::seal`]), so that neither a proxy nor the other side's log has them in the clear. However many
//! requests wait for a PCID, it is asked for and stored once; that it is unknown there is remembered for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::BoxFuture, future::Shared};
use schemas::{identity::Imsi, trust::ServerRole};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{issued::IssuedCredential, seal::Identity, unknown::Unknown};
use crate::{
    auc::sqn::Layout,
    config::ChtifClient,
    model::{AuthMaterial, CallHomeTriple, Credential, CredentialState, IssuingMode, Timestamp},
    store::{NewCredential, Store, StoreError},
};

/// Path of the request below the base URL.
pub const PATH: &str = "/v1/chtif/fetch";

/// The request's body.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchRequest {
    /// PCID that is asked for.
    pub imsi: Imsi,
    /// age public key of the ICF that asks: the answer is sealed to it.
    #[schema(
        pattern = "^age1[0-9a-z]{58}$",
        examples("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
    )]
    pub recipient: String,
}

/// The answer's body.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FetchAnswer {
    /// The credential, age-encrypted, base64.
    pub sealed: String,
    /// First SEQ to use it with, at least 1: all that were promised to anybody before are lower.
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
    /// It was fetched, but this ICF's own store does not take it.
    #[error("the credential {imsi} was fetched and cannot be stored: {why}")]
    NotStored {
        /// Which.
        imsi: Imsi,
        /// In words, with what to do.
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
/// Octets of an answer: a sealed credential has about a thousand.
const MOST_OCTETS: usize = 64 * 1024;

type Fetching = Shared<BoxFuture<'static, Result<bool, FetchError>>>;

/// A CHTIF elsewhere.
pub struct Chtif {
    connection: Arc<Connection>,
    prefixes: Vec<String>,
    asked: Arc<Mutex<Asked>>,
}

/// What is being asked for, and what was in vain.
struct Asked {
    fetching: HashMap<Imsi, Fetching>,
    unknown: Unknown,
}

struct Connection {
    http: reqwest::Client,
    url: String,
    token: service::config::Secret,
    identity: Identity,
}

impl std::fmt::Debug for Chtif {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chtif({})", self.connection.url)
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
        let tls = service::tls::role_client_config(&tls, service::tls::HTTP_ALPN, ServerRole::Icf)
            .map_err(|e| fail(e.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls))
            .https_only(true)
            .timeout(config.timeout.0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| fail(e.to_string()))?;
        let url = config.url.trim_end_matches('/').to_owned();
        Ok(Self {
            connection: Arc::new(Connection { http, url, token, identity: Identity::generate() }),
            prefixes: config.prefixes.clone(),
            asked: Arc::new(Mutex::new(Asked {
                fetching: HashMap::new(),
                unknown: Unknown::new(UNKNOWN_FOR, MOST_UNKNOWN),
            })),
        })
    }

    /// Asks for a credential that `store` lacks and stores it there, or joins those that wait for it already.
    /// `false` if it is unknown there, or not one that is to be asked for.
    ///
    /// # Errors
    /// If the CHTIF cannot be reached or gives nonsense, or what it gives cannot be stored.
    pub async fn fetch(&self, imsi: Imsi, store: &Arc<dyn Store>) -> Result<bool, FetchError> {
        if !self.prefixes.is_empty() && !self.prefixes.iter().any(|p| imsi.has_prefix(p)) {
            return Ok(false);
        }
        match self.join(imsi, store)? {
            Some(fetching) => fetching.await,
            None => Ok(false),
        }
    }

    /// The fetch under way, or a new one; `None` if it would be in vain.
    fn join(&self, imsi: Imsi, store: &Arc<dyn Store>) -> Result<Option<Fetching>, FetchError> {
        let mut asked = lock(&self.asked);
        if let Some(joined) = asked.fetching.get(&imsi) {
            return Ok(Some(joined.clone()));
        }
        if asked.unknown.contains(imsi, Instant::now()) {
            return Ok(None);
        }
        if asked.fetching.len() >= MOST_AT_ONCE {
            return Err(FetchError::Busy);
        }
        let flight = Flight { imsi, asked: self.asked.clone() };
        let (connection, store) = (self.connection.clone(), store.clone());
        // In a task of its own: it goes on, and is cleared away, also when all that wait for it have gone.
        let task = tokio::spawn(async move {
            let result = connection.bring(imsi, &*store).await;
            flight.land(&result);
            result
        });
        let url = self.connection.url.clone();
        let fetching = async move {
            task.await.unwrap_or_else(|e| Err(FetchError::Unavailable { url, why: e.to_string() }))
        };
        let fetching = fetching.boxed().shared();
        asked.fetching.insert(imsi, fetching.clone());
        Ok(Some(fetching))
    }
}

/// One fetch under way. However it ends, it is not under way any more.
struct Flight {
    imsi: Imsi,
    asked: Arc<Mutex<Asked>>,
}

impl Flight {
    /// Notes what came of it, before it is taken away: nobody comes between.
    fn land(self, result: &Result<bool, FetchError>) {
        if matches!(result, Ok(false)) {
            lock(&self.asked).unknown.insert(self.imsi, Instant::now());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        lock(&self.asked).fetching.remove(&self.imsi);
    }
}

impl Connection {
    /// Asks and stores; whether it is in the store now.
    async fn bring(&self, imsi: Imsi, store: &dyn Store) -> Result<bool, FetchError> {
        let not_stored = |error: StoreError| FetchError::NotStored {
            imsi,
            why: match error {
                StoreError::NotFound(what) => format!("{what} does not exist here; create it"),
                other => other.to_string(),
            },
        };
        // The fetch before this one may have ended after our caller had looked.
        if !store.existing(&[imsi]).await.map_err(not_stored)?.is_empty() {
            return Ok(true);
        }
        let Some(fetched) = self.ask(imsi).await? else { return Ok(false) };
        match store.insert(vec![fetched]).await {
            Ok(()) => tracing::info!(%imsi, "credential fetched from the CHTIF"),
            // Somebody has provisioned it meanwhile.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(not_stored(error)),
        }
        Ok(true)
    }

    async fn ask(&self, imsi: Imsi) -> Result<Option<NewCredential>, FetchError> {
        let bad = |why: String| FetchError::Unavailable { url: self.url.clone(), why };
        let body = FetchRequest { imsi, recipient: self.identity.public() };
        let mut answer = self
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
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|e| bad(e.without_url().to_string()))? {
            if body.len() + piece.len() > MOST_OCTETS {
                return Err(bad(format!("the answer has more than {MOST_OCTETS} octets")));
            }
            body.extend_from_slice(&piece);
        }
        let answer: FetchAnswer =
            serde_json::from_slice(&body).map_err(|e| bad(format!("the answer is malformed: {e}")))?;
        let sealed = STANDARD.decode(&answer.sealed).map_err(|_| bad("`sealed` is not base64".into()))?;
        let plain = self.identity.open(&sealed).map_err(|e| bad(e.to_string()))?;
        // serde's own message could quote the text: it holds the keys.
        let issued: IssuedCredential =
            serde_json::from_slice(&plain).map_err(|_| bad("the sealed credential is malformed".into()))?;
        if issued.imsi != imsi {
            return Err(bad("the credential is another PCID's".into()));
        }
        accept(issued, answer.next_seq).map(Some).map_err(|why| bad(why.to_owned()))
    }
}

/// The credential as it is to be stored.
///
/// # Errors
/// What is wrong with it.
fn accept(issued: IssuedCredential, next_seq: u64) -> Result<NewCredential, &'static str> {
    let malformed = "the sealed credential is malformed";
    let (k, opc) = issued.keys().map_err(|_| malformed)?;
    let mut amf = [0; 2];
    hex::decode_to_slice(&issued.amf, &mut amf).map_err(|_| malformed)?;
    let layout = Layout::new(issued.ind_bitlen).map_err(|_| "ind_bitlen of the credential is above 16")?;
    if !(1..=layout.max_seq()).contains(&next_seq) {
        return Err("next_seq is no SEQ of the credential (TS 33.102 §C.1.1.1)");
    }
    let now = Timestamp::now();
    let credential = Credential {
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
        overrides: Default::default(),
        mode: IssuingMode::Generated,
        batch: None,
        created_at: now,
        updated_at: now,
        version: 0,
    };
    Ok(NewCredential { credential, next_seq })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(ind_bitlen: u8) -> IssuedCredential {
        let key = || Zeroizing::new("00112233445566778899aabbccddeeff".to_owned());
        IssuedCredential {
            imsi: "999710000000001".parse().unwrap(),
            k: key(),
            opc: key(),
            amf: "8000".into(),
            profile: "default".into(),
            ind_bitlen,
            triple: None,
        }
    }

    #[test]
    fn a_credential_whose_numbers_fit_no_sqn_is_refused() {
        assert_eq!(accept(issued(5), (1 << 43) - 1).unwrap().next_seq, (1 << 43) - 1);
        assert!(accept(issued(16), (1 << 32) - 1).is_ok());
        for (ind_bitlen, next_seq) in [(5, 0), (5, 1 << 43), (16, 1 << 32), (17, 1), (255, 1)] {
            assert!(accept(issued(ind_bitlen), next_seq).is_err(), "{ind_bitlen} {next_seq}");
        }
    }
}
