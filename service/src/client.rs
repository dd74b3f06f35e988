//! Asking another role: JSON or CBOR over HTTPS with a bearer token.

mod error;

use std::{net::IpAddr, sync::Arc};

use axum::http::{Method, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use reqwest::{Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use schemas::trust::ServerRole;
use serde::{Serialize, de::DeserializeOwned};

pub use error::{CallError, ClientError};

use crate::{
    config::Secret,
    problem::Problem,
    role::PeerRole,
    tls::{self, ClientTls, MinVersion},
};

/// Octets of an answer at most.
pub const MAX_ANSWER: usize = 16 << 20;

/// Another role's REST API. A clone shares its connections.
#[derive(Clone)]
pub struct RoleClient {
    http: reqwest::Client,
    url: Arc<str>,
    token: Arc<Secret>,
}

impl std::fmt::Debug for RoleClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoleClient({})", self.url)
    }
}

impl RoleClient {
    /// Sets up the client; nothing is sent yet. Redirects are not followed: the token is for this role alone, and so a server
    /// whose certificate names other roles than `role` is not spoken to.
    ///
    /// # Errors
    /// If the URL is neither https nor http to a loopback address, or token or certificate file cannot be read.
    pub fn new(role: ServerRole, config: &PeerRole) -> Result<Self, ClientError> {
        let wrong = |problem: &str| ClientError::Url { url: config.url.clone(), problem: problem.to_owned() };
        let url = Url::parse(&config.url).map_err(|error| wrong(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            // Not shown: there is a password in it.
            return Err(ClientError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("is a base URL: leave out what follows `?` or `#`"));
        }
        let local = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&url) => true,
            "http" => {
                return Err(wrong(
                    "plain HTTP is for loopback addresses alone: the token would be seen; use https://",
                ));
            }
            _ => return Err(wrong("has to begin with https://")),
        };
        let token =
            config.token.read().map_err(|error| ClientError::Token { url: config.url.clone(), error })?;
        if header::HeaderValue::from_str(token.expose()).is_err() {
            return Err(ClientError::NoToken { url: config.url.clone(), place: config.token.to_string() });
        }
        let failed = |error: &dyn std::error::Error| ClientError::Setup {
            url: config.url.clone(),
            problem: chain(error),
        };
        let tls = match (&config.ca, local) {
            (Some(ca), _) => {
                let files = ClientTls {
                    ca_file: ca.clone(),
                    cert_file: None,
                    key_file: None,
                    min_version: MinVersion::Tls12,
                };
                let tls = tls::role_client_config(&files, tls::HTTP_ALPN, role)
                    .map_err(|error| ClientError::Ca { url: config.url.clone(), error })?;
                ClientConfig::clone(&tls)
            }
            // Trusts nobody, and is never used.
            (None, true) => ClientConfig::builder_with_provider(tls::provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| failed(&error))?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
            (None, false) => return Err(ClientError::NoCa { url: config.url.clone() }),
        };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(!local)
            .timeout(config.timeout.0)
            .redirect(Policy::none());
        // A proxy cannot reach our loopback, and would see the token.
        let builder = if local { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| failed(&error))?;
        Ok(Self { http, url: config.url.trim_end_matches('/').into(), token: Arc::new(token) })
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends `body` as JSON, or nothing, and reads the JSON that is answered. An empty answer (204) is `null`, which
    /// `()` and `Option` are read from. `path` begins with a slash; what varies in it has to be percent-encoded.
    ///
    /// # Errors
    /// Refused, not understood, or not answered in time.
    pub async fn json<B, T>(&self, method: Method, path: &str, body: Option<&B>) -> Result<T, CallError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let whom = self.whom(&method, path);
        let body = match body.map(serde_json::to_vec).transpose() {
            Ok(body) => body,
            Err(error) => {
                let what = format!("what was to be sent cannot be written as JSON ({error})");
                return Err(CallError::Nonsense { whom, what });
            }
        };
        let content = body.map(|body| ("application/json", body));
        let answer = self.call(&whom, method, path, "application/json", content).await?;
        let text: &[u8] = if answer.body().is_empty() { b"null" } else { answer.body() };
        serde_json::from_slice(text).map_err(|error| CallError::Nonsense {
            whom,
            what: format!("the answer is not the JSON that is expected ({error})"),
        })
    }

    /// Sends `body` as it is (an empty one as none) and gives back a 2xx answer as it is.
    ///
    /// # Errors
    /// Refused, too large, or not answered in time.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Response<Bytes>, CallError> {
        let whom = self.whom(&method, path);
        let content = (!body.is_empty()).then_some((content_type, body));
        self.call(&whom, method, path, "*/*", content).await
    }

    fn whom(&self, method: &Method, path: &str) -> String {
        format!("{method} {}{path}", self.url)
    }

    async fn call(
        &self,
        whom: &str,
        method: Method,
        path: &str,
        accept: &str,
        content: Option<(&str, Vec<u8>)>,
    ) -> Result<Response<Bytes>, CallError> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(self.token.expose())
            .header(header::ACCEPT, accept);
        if let Some((kind, body)) = content {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        let mut answer = request.send().await.map_err(|error| unreached(whom, error))?;
        let mut octets = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unreached(whom, error))? {
            if octets.len() + chunk.len() > MAX_ANSWER {
                let what = format!("the answer is larger than {MAX_ANSWER} octets");
                return Err(CallError::Nonsense { whom: whom.to_owned(), what });
            }
            octets.extend_from_slice(&chunk);
        }
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            // Its own instance is a path there; the method and the whole URL say more here.
            let problem = Box::new(Problem::read(status, &octets).instance(whom));
            return Err(CallError::Refused { status, problem });
        }
        if !status.is_success() {
            let what = format!("it answers {status}, which a role never does; is the URL right?");
            return Err(CallError::Nonsense { whom: whom.to_owned(), what });
        }
        let mut whole = Response::new(octets.freeze());
        *whole.status_mut() = status;
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}

impl Problem {
    /// The problem that another role answered `status` with; of a body that is none, only the status remains.
    fn read(status: StatusCode, body: &[u8]) -> Self {
        const LONGEST: usize = 64 << 10;
        let mut problem = Self::new(status);
        let Some(Ok(serde_json::Value::Object(members))) =
            (body.len() <= LONGEST).then(|| serde_json::from_slice(body))
        else {
            return problem;
        };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("type", serde_json::Value::String(text)) => problem.kind = text.into(),
                ("title", serde_json::Value::String(text)) => problem.title = text.into(),
                ("detail", serde_json::Value::String(text)) => problem.detail = Some(text),
                (name, value) => problem = problem.with(name, value),
            }
        }
        problem
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761 §6.3: the name `localhost` is the loopback address.
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unreached(whom: &str, error: reqwest::Error) -> CallError {
    CallError::Unavailable { whom: whom.to_owned(), why: chain(&error.without_url()) }
}

/// An error with all its causes: reqwest's own text holds none of them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
