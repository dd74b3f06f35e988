//! HTTP to programs of others: no role of ours, so neither bearer token nor problems.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use reqwest::{Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde_json::Value;
use service::{
    config::Secret,
    tls::{self, ClientTls, MinVersion},
};

use super::ConnectorError;

/// Octets of an answer that are read at most.
const MAX: usize = 4 << 20;

/// A JSON API.
#[derive(Clone)]
pub struct JsonApi {
    name: String,
    http: reqwest::Client,
    url: String,
    header: Option<(&'static str, Secret)>,
}

impl std::fmt::Debug for JsonApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JsonApi({})", self.url)
    }
}

/// An answer that was read.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Its body, if that was JSON.
    pub body: Option<Value>,
}

impl JsonApi {
    /// Sets it up. K travels here: https, or http to a loopback address.
    ///
    /// # Errors
    /// If URL or CA cannot be used.
    pub fn new(
        name: &str,
        url: &str,
        ca: Option<&std::path::Path>,
        timeout: Duration,
        header: Option<(&'static str, Secret)>,
    ) -> anyhow::Result<Self> {
        let place = format!("connectors {name:?}: url");
        let parsed = Url::parse(url).map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        anyhow::ensure!(
            parsed.username().is_empty() && parsed.password().is_none(),
            "{place}: leave user and password out of it"
        );
        let tls = match (parsed.scheme(), ca) {
            ("https", Some(ca)) => {
                let files = ClientTls {
                    ca_file: ca.to_owned(),
                    cert_file: None,
                    key_file: None,
                    min_version: MinVersion::Tls12,
                };
                ClientConfig::clone(&*tls::client_config(&files, tls::HTTP_ALPN)?)
            }
            ("https", None) => {
                anyhow::bail!("{place}: https needs `ca`, the PEM file of who signs its certificate")
            }
            ("http", _) if local => ClientConfig::builder_with_provider(tls::provider())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth(),
            ("http", _) => anyhow::bail!(
                "{place}: K would travel in the clear; put a TLS proxy before it and write https://"
            ),
            _ => anyhow::bail!("{place}: has to begin with https://, or http:// to a loopback address"),
        };
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(timeout)
            .redirect(Policy::none());
        let builder = if local { builder.no_proxy() } else { builder };
        let (name, url) = (name.to_owned(), url.trim_end_matches('/').to_owned());
        Ok(Self { name, http: builder.build()?, url, header })
    }

    /// Asks; any status is an answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ask<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<Answer, ConnectorError> {
        let away = |error: &reqwest::Error| {
            let kind = if error.is_timeout() { "no answer in time" } else { "cannot be reached" };
            ConnectorError::Away(format!(
                "connector {}: {method} {}{path}: {kind}; check that it runs and can be reached from here",
                self.name, self.url
            ))
        };
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some((header, value)) = &self.header {
            request = request.header(*header, value.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(|error| away(&error))?;
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| away(&error))? {
            if octets.len() + chunk.len() > MAX {
                return Err(self.wrong(&method, path, "the answer is larger than 4 MiB"));
            }
            octets.extend_from_slice(&chunk);
        }
        let body = serde_json::from_slice(&octets).ok();
        Ok(Answer { status: answer.status(), body })
    }

    /// The error of an answer that is no success; `refusal`: whether the same will be answered again. What the other side
    /// says of it is not repeated: it may hold what was sent, and that holds K.
    #[must_use]
    pub fn unsuccessful(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        refusal: bool,
    ) -> ConnectorError {
        let remedy = if status == StatusCode::NOT_FOUND || status.is_redirection() {
            "is the URL right?"
        } else {
            "its log says why"
        };
        let text =
            format!("connector {}: {method} {}{path} is answered {status}; {remedy}", self.name, self.url);
        if refusal { ConnectorError::Refused(text) } else { ConnectorError::Away(text) }
    }

    /// The error of an answer that makes no sense.
    #[must_use]
    pub fn wrong(&self, method: &Method, path: &str, what: &str) -> ConnectorError {
        ConnectorError::Away(format!(
            "connector {}: {method} {}{path}: {what}; is the URL right?",
            self.name, self.url
        ))
    }
}

/// Whether a status is about what was asked, so that the same gets the same again (RFC 9110 §15.5). Any other is about
/// the way there, who asks, or how the other side is: that is put right, and then it goes on.
#[must_use]
pub fn is_about_the_request(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::GONE
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}
