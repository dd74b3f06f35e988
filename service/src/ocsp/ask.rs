//! Asking over HTTP (RFC 6960 appendix A.1), and remembering for a while what was said.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::{StatusCode, header};
use quick_cache::sync::Cache;
use reqwest::{Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use schemas::trust::TrustError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

use super::{
    check::{Answer, Standing},
    question::{Issuers, NONCE_OCTETS, OcspError},
};
use crate::{config::Span, tls};

/// What was said counts no longer than this, whatever it says itself and whatever the configuration says: a revocation is
/// to be felt.
const LONGEST: Duration = Duration::from_secs(60);
/// After a failure the responder is left alone for so long, and who asks meanwhile hears of the same failure: devices that
/// come again do not make it worse.
const PAUSE: Duration = Duration::from_secs(1);
/// Certificates that are remembered; about 200 octets each.
const REMEMBERED: usize = 32_768;
/// Questions at a time.
const AT_ONCE: usize = 16;
/// Octets of an answer at most; one about one certificate has some 700.
const MAX_ANSWER: usize = 16 << 10;

/// `[device.ocsp]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcspConfig {
    /// The PVA's OCSP responder, `http://…`: answers are signed, and hold nothing secret.
    pub url: String,
    /// How long an answer may take, connecting included.
    #[serde(default = "OcspConfig::three_seconds")]
    pub timeout: Span,
    /// How long an answer counts: a minute at most, and never beyond its `nextUpdate`.
    #[serde(default = "OcspConfig::a_minute")]
    pub cache: Span,
    /// What becomes of devices while the responder does not answer.
    #[serde(default)]
    pub when_away: Away,
}

impl OcspConfig {
    fn three_seconds() -> Span {
        Span::seconds(3)
    }
    fn a_minute() -> Span {
        Span::seconds(60)
    }
}

/// What becomes of devices while nobody can say whether their certificates are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Away {
    /// They are asked to come again: who can keep packets from the responder must not get a stolen device in by that.
    #[default]
    Refuse,
    /// They are let in, but for those that were last found revoked or unknown. An answer that does not hold is no absence:
    /// it lets nobody in.
    Accept,
}

/// Why a device is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Revoked, or on hold.
    #[error("the platform certificate is revoked")]
    Revoked,
    /// Not issued by a platform CA itself, or not known there.
    #[error("the platform certificate is not known to the PVA")]
    Unknown,
    /// Nobody can say now.
    #[error("whether the platform certificate is revoked cannot be seen now: {0}")]
    NotNow(String),
}

/// The responder cannot be asked at this URL.
#[derive(Debug, thiserror::Error)]
pub enum OcspUrlError {
    /// The URL.
    #[error("ocsp.url {url:?}: {problem}")]
    Url {
        /// As written.
        url: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The CAs.
    #[error(transparent)]
    Issuers(#[from] TrustError),
    /// A duration.
    #[error("ocsp.{0}: has to be more than nothing")]
    Nothing(&'static str),
}

/// What is known of one certificate. While it is locked, somebody asks: all others who want to know wait for that.
#[derive(Default)]
struct Known {
    /// What was said last, and until when it counts.
    said: Option<(Standing, Instant)>,
    /// What went wrong last, and until when nobody tries again.
    failed: Option<(Failure, Instant)>,
}

#[derive(Clone)]
enum Failure {
    /// No answer.
    Away(String),
    /// One that does not hold.
    Wrong(String),
}

/// Asks, and remembers. A clone shares what is remembered.
#[derive(Clone)]
pub struct Revocation(Arc<Inner>);

struct Inner {
    issuers: Issuers,
    http: reqwest::Client,
    url: String,
    timeout: Duration,
    cache: Duration,
    when_away: Away,
    known: Cache<[u8; 32], Arc<Mutex<Known>>>,
    places: Semaphore,
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocation({})", self.0.url)
    }
}

impl Revocation {
    /// Certificates of `issuers` (PEM of the platform CAs) are asked about. Nothing is sent yet.
    ///
    /// # Errors
    /// If the URL is not `http://…`, or there is no CA.
    pub fn new(config: &OcspConfig, issuers: &[u8]) -> Result<Self, OcspUrlError> {
        let wrong = |problem: String| OcspUrlError::Url { url: config.url.clone(), problem };
        let url = Url::parse(&config.url).map_err(|error| wrong(error.to_string()))?;
        if url.scheme() != "http" || url.query().is_some() || url.fragment().is_some() {
            let text = "has to be http://… without `?` or `#`, as the PVA's ocsp.url: answers are signed";
            return Err(wrong(text.to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OcspUrlError::Url {
                url: "…".into(), problem: "leave user and password out".into()
            });
        }
        for (key, span) in [("timeout", config.timeout), ("cache", config.cache)] {
            if span.0.is_zero() {
                return Err(OcspUrlError::Nothing(key));
            }
        }
        // Trusts nobody, and is never used: there is no https here.
        let nobody = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let builder = reqwest::Client::builder().tls_backend_preconfigured(nobody).redirect(Policy::none());
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // A proxy cannot reach our loopback.
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let builder = if local { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            issuers: Issuers::from_pem(issuers)?,
            http,
            url: config.url.clone(),
            timeout: config.timeout.0,
            cache: config.cache.0.min(LONGEST),
            when_away: config.when_away,
            known: Cache::new(REMEMBERED),
            places: Semaphore::new(AT_ONCE),
        })))
    }

    /// Whether a platform certificate (DER) that TLS has verified is good still. However many ask about one at a time, the
    /// responder is asked once.
    ///
    /// # Errors
    /// If it is not, or nobody can say.
    pub async fn check(&self, certificate: &[u8]) -> Result<(), Denied> {
        let inner = &self.0;
        let name: [u8; 32] = Sha256::digest(certificate).into();
        let made = inner.known.get_or_insert_with(&name, || Ok::<_, Infallible>(Arc::default()));
        let known = made.unwrap_or_else(|never| match never {});
        let mut known = known.lock().await;
        if let Some((standing, until)) = known.said
            && Instant::now() < until
        {
            return verdict(standing);
        }
        if let Some((failure, until)) = &known.failed
            && Instant::now() < *until
        {
            return inner.without(failure, known.said);
        }
        // From before the question: what is said is as of then, at the latest.
        let began = Instant::now();
        match inner.ask(certificate).await {
            Ok(answer) => {
                known.said = Some((answer.standing, began + inner.lasts(&answer)));
                known.failed = None;
                verdict(answer.standing)
            }
            Err(OcspError::NotIssued(why)) => {
                tracing::warn!(why, "nobody can say whether this platform certificate is revoked");
                Err(Denied::Unknown)
            }
            Err(error) => {
                tracing::warn!(url = inner.url, %error, "OCSP does not say whether a platform is revoked");
                let failure = match &error {
                    OcspError::NoAnswer(_) => Failure::Away(error.to_string()),
                    _ => Failure::Wrong(error.to_string()),
                };
                let said = inner.without(&failure, known.said);
                known.failed = Some((failure, Instant::now() + PAUSE));
                said
            }
        }
    }
}

fn verdict(standing: Standing) -> Result<(), Denied> {
    match standing {
        Standing::Good => Ok(()),
        Standing::Revoked => Err(Denied::Revoked),
        Standing::Unknown => Err(Denied::Unknown),
    }
}

impl Inner {
    /// What is done without an answer.
    fn without(&self, failure: &Failure, last: Option<(Standing, Instant)>) -> Result<(), Denied> {
        match (failure, self.when_away) {
            (Failure::Away(_), Away::Accept) => last.map_or(Ok(()), |(standing, _)| verdict(standing)),
            (Failure::Away(why) | Failure::Wrong(why), _) => Err(Denied::NotNow(why.clone())),
        }
    }

    /// How long an answer counts.
    fn lasts(&self, answer: &Answer) -> Duration {
        let left = answer.next_update.map(|next| Duration::from_secs(next.saturating_sub(now())));
        left.map_or(self.cache, |left| left.min(self.cache))
    }

    async fn ask(&self, certificate: &[u8]) -> Result<Answer, OcspError> {
        let mut nonce = [0; NONCE_OCTETS];
        getrandom::fill(&mut nonce)
            .map_err(|_| OcspError::Unwritable("the system gives no random numbers".to_owned()))?;
        let question = self.issuers.question(certificate, &nonce, now())?;
        let request = question.to_der()?;
        let octets = tokio::time::timeout(self.timeout, self.post(request)).await;
        let octets = octets.map_err(|_| OcspError::NoAnswer("nothing in time"))??;
        self.issuers.answer(&question, &octets, now())
    }

    async fn post(&self, request: Vec<u8>) -> Result<Vec<u8>, OcspError> {
        let away = |error: reqwest::Error| {
            let error = error.without_url();
            tracing::debug!(%error, "OCSP");
            OcspError::NoAnswer("nothing: it cannot be reached")
        };
        let _place = self.places.acquire().await;
        let request = self
            .http
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            .header(header::ACCEPT, "application/ocsp-response")
            .body(request);
        let mut answer = request.send().await.map_err(away)?;
        if answer.status() != StatusCode::OK {
            return Err(OcspError::NoAnswer("another HTTP status than 200"));
        }
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if octets.len() + chunk.len() > MAX_ANSWER {
                return Err(OcspError::Malformed("longer than 16 KiB"));
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }
}

/// Seconds since 1970 UTC.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
