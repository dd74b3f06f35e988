//! HTTPS of a device: TLS 1.3 alone, to servers whose certificates lead to the anchors that it came with, with its platform
//! certificate, or with the call-home triple when there is none yet.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_RANGE, CONTENT_TYPE, RANGE, RETRY_AFTER},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    version::TLS13,
};
use schemas::{
    rest::{Problem, provisioning::Refusal},
    trust::{ServerRole, chain_from_pem},
};
use serde::{Serialize, de::DeserializeOwned};
use service::tls::RoleVerifier;

use super::{Exchange, on_disk};
use crate::tre::{Tre, Triple};

/// For the TCP connection and the TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// For a request and its answer, downloads apart.
const REQUEST: Duration = Duration::from_secs(60);
/// Without one octet, in a download.
const SILENCE: Duration = Duration::from_secs(30);
/// Octets of an answer at most, parts apart: a manifest is the largest.
const MAX_ANSWER: usize = 1 << 20;

/// A device cannot be a client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS does not take the platform key, certificate or anchors.
    #[error("the platform key, its certificate or the anchors cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The anchors cannot be trusted for TLS.
    #[error("the anchors cannot be used for TLS: {0}")]
    Anchors(#[from] rustls::client::VerifierBuilderError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
    /// The device's own keys.
    #[error(transparent)]
    Device(#[from] crate::tre::TreError),
    /// There is neither a certificate nor a triple.
    #[error(
        "the device has neither a platform certificate nor a call-home triple; it can show nobody who it is"
    )]
    Nobody,
}

/// A request did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The other side, or the way there, is out of order: the same may succeed later.
    #[error("{why}")]
    Transient {
        /// What is out of order.
        why: String,
        /// How long the other side wants us to wait.
        after: Option<Duration>,
    },
    /// The other side says no.
    #[error("{status}: {} ({})", refusal.detail, refusal.code)]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What it says.
        refusal: Refusal,
    },
}

impl CallError {
    fn transient(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), after: None }
    }

    /// `reqwest` names the URL and the cause behind it; neither holds a secret.
    fn sending(error: &reqwest::Error) -> Self {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        Self::transient(why)
    }
}

/// An answer of the 2xx kind.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) wire: Exchange,
}

impl Answer {
    /// Its JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            CallError::transient(format!("{}: the answer makes no sense: {error}", self.wire.request))
        })
    }
}

/// A body and its type.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    kind: &'a str,
    octets: Vec<u8>,
}

impl<'a> Content<'a> {
    pub(crate) fn of(kind: &'a str, octets: Vec<u8>) -> Self {
        Self { kind, octets }
    }

    pub(crate) fn json<T: Serialize>(value: &T) -> Result<Self, CallError> {
        let octets = serde_json::to_vec(value).map_err(|error| CallError::transient(error.to_string()))?;
        Ok(Self { kind: "application/json", octets })
    }
}

/// A device as a client of one server.
#[derive(Debug)]
pub(crate) struct DeviceClient {
    http: reqwest::Client,
    base: String,
    triple: Option<Triple>,
}

impl DeviceClient {
    /// Of the server at `base`, `https://…`, which has to be `role` if its certificate names roles.
    ///
    /// # Errors
    /// If the device has nothing to show.
    pub(crate) async fn new(tre: &Tre, role: ServerRole, base: &str) -> Result<Self, ClientError> {
        Self::through(tre, role, base, None).await
    }

    /// As [`new`](Self::new), through an HTTP CONNECT proxy if there is one: TLS goes through to the server.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) async fn through(
        tre: &Tre,
        role: ServerRole,
        base: &str,
        proxy: Option<SocketAddr>,
    ) -> Result<Self, ClientError> {
        let (config, certified) = tls(tre, role)?;
        let triple = if certified { None } else { Some(tre.triple().cloned().ok_or(ClientError::Nobody)?) };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::https(format!("http://{proxy}"))?);
        }
        let http = builder.build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), triple })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.triple {
            Some(triple) => request.basic_auth(&triple.username, Some(&triple.password)),
            None => request,
        }
    }

    /// One request and its answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        content: Option<Content<'_>>,
    ) -> Result<Answer, CallError> {
        let name = format!("{method} {path}");
        let mut request = self.request(method, path).timeout(REQUEST);
        let mut sent = 0;
        if let Some(Content { kind, octets }) = content {
            sent = octets.len() as u64;
            request = request.header(CONTENT_TYPE, kind).body(octets);
        }
        let response = request.send().await.map_err(|error| CallError::sending(&error))?;
        let mut wire = wire(name, sent, &response);
        let response = self.good(response).await?;
        let body = limited(response).await?;
        wire.received = body.len() as u64;
        Ok(Answer { body, wire })
    }

    /// Begins a download at octet `from`; the answer says where it begins in fact.
    pub(crate) async fn download(
        &self,
        path: &str,
        from: u64,
    ) -> Result<(u64, Response, Exchange), CallError> {
        let mut request = self.request(Method::GET, path);
        if from > 0 {
            // RFC 9110 §14.1.2.
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| CallError::sending(&error))?;
        let wire = wire(format!("GET {path}"), 0, &response);
        let response = self.good(response).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Ok((0, response, wire));
        }
        // RFC 9110 §14.4: `bytes first-last/length`.
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let first = range
            .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok())
            .ok_or_else(|| {
                CallError::transient(format!("GET {path}: 206 without a Content-Range that can be read"))
            })?;
        Ok((first, response, wire))
    }

    /// An answer of the 2xx kind, or why it is none.
    async fn good(&self, response: Response) -> Result<Response, CallError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let after = after.map(Duration::from_secs);
        let url = response.url().path().to_owned();
        let problem: Option<Problem> =
            limited(response).await.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let detail = problem.as_ref().and_then(|problem| problem.detail.clone());
        let detail = detail.unwrap_or_else(|| status.to_string());
        if status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
        {
            return Err(CallError::Transient { why: format!("{url}: {status}: {detail}"), after });
        }
        let kind =
            problem.map(|problem| problem.kind).filter(|kind| !kind.is_empty() && kind != "about:blank");
        let code = kind.as_deref().and_then(|kind| kind.rsplit(['/', ':', '#']).next().map(str::to_owned));
        let code = code.unwrap_or_else(|| format!("http-{}", status.as_u16()));
        Err(CallError::Refused { status, refusal: Refusal { code, detail, retry: false } })
    }
}

/// Bounded, however large the other side says it is.
async fn limited(mut response: Response) -> Result<Bytes, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::sending(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(CallError::transient(format!(
                "{}: the answer is larger than {MAX_ANSWER} octets",
                response.url().path()
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

fn wire(request: String, sent: u64, response: &Response) -> Exchange {
    let protocol = format!("{:?} over TLS 1.3", response.version());
    Exchange { protocol, request, answer: response.status().to_string(), sent, received: 0 }
}

/// TLS of the device; whether it shows a certificate.
fn tls(tre: &Tre, role: ServerRole) -> Result<(ClientConfig, bool), ClientError> {
    let mut roots = RootCertStore::empty();
    for anchor in chain_from_pem(tre.anchors_pem().as_bytes()).map_err(crate::tre::TreError::from)? {
        roots.add(anchor)?;
    }
    // The DRF is not the DPF, though both lead to the same anchor.
    let verifier = RoleVerifier::new(Arc::new(roots), role)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let chain: Vec<CertificateDer<'static>> =
        tre.platform_chain().into_iter().map(CertificateDer::from).collect();
    let certified = !chain.is_empty();
    let mut config = if certified {
        let key = tre.platform_key().to_pkcs8().map_err(crate::tre::TreError::from)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
        builder.with_client_auth_cert(chain, key)?
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, certified))
}

/// Asks the server at `base` for the first or a new platform certificate (docs/PROVISIONING.md), and takes it.
pub(crate) async fn certify(tre: &Tre, client: &DeviceClient) -> Result<Exchange, CertifyError> {
    let request = tre.certificate_request()?;
    let path = "/device/v1/platform-certificate";
    let content = Content::of("application/pkcs10", request);
    let answer = client.call(Method::POST, path, Some(content)).await?;
    // PEM with what leads to it, or one in DER.
    let chain = if answer.body.trim_ascii_start().starts_with(b"-----BEGIN") {
        let chain = chain_from_pem(&answer.body).map_err(crate::tre::TreError::from)?;
        chain.into_iter().map(|certificate| certificate.to_vec()).collect()
    } else {
        vec![answer.body.to_vec()]
    };
    on_disk(tre, move |tre| tre.certify(chain)).await?;
    Ok(answer.wire)
}

/// There is no new platform certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertifyError {
    /// The server gives none.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The device cannot ask, or does not take it.
    #[error(transparent)]
    Device(#[from] crate::tre::TreError),
}
