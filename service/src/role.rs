//! The parts that every role's TOML has, and what is made of them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    api::Retention,
    auth::{AuthError, TokenConfig, Tokens},
    config::{SecretError, SecretSource, Span},
    sealed::{KeyError, Keyring},
    serve::HttpLimits,
    tls::{self, ClientCertificates, MinVersion, ServerTls, TlsError},
};

/// The scope that `/metrics` asks for, in every role: the counters name peers.
pub const METRICS: &str = "metrics:read";

/// `[database]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:///var/lib/callhome/….db`.
    pub url: String,
    /// How long an entry of the audit log is kept.
    #[serde(default = "DatabaseConfig::a_year")]
    pub audit_keep: Span,
    /// How many of them, the newest.
    #[serde(default = "DatabaseConfig::a_million")]
    pub audit_entries: u64,
}

impl DatabaseConfig {
    /// A database with everything else as it is by default.
    #[must_use]
    pub fn of(url: impl Into<String>) -> Self {
        Self { url: url.into(), audit_keep: Self::a_year(), audit_entries: Self::a_million() }
    }

    fn a_year() -> Span {
        Span::seconds(365 * 86_400)
    }
    fn a_million() -> u64 {
        1_000_000
    }

    /// What is kept of an audit log that counts time in milliseconds.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention { age: self.audit_keep.0, entries: self.audit_entries, per_second: 1000 }
    }
}

/// `[keys]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The key file that `callhome keys generate` writes.
    pub at_rest: SecretSource,
    /// How long a DRF or SHO, from when it seals with a newer key, does not say that older ones may go: what was sealed with
    /// one of them may be on its way into the database as long as a request takes. A minute, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Span>,
}

/// See [`KeysConfig::settle`].
const SETTLE: Duration = Duration::from_secs(60);

impl KeysConfig {
    /// [`settle`](Self::settle), or its default.
    ///
    /// # Errors
    /// If it is less than a second or more than a day.
    pub fn settle(&self) -> Result<Duration, RoleError> {
        let settle = self.settle.map_or(SETTLE, |settle| settle.0);
        if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&settle) {
            Ok(settle)
        } else {
            Err(RoleError::Settle)
        }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// Which file or line, and what to do.
    pub fn keyring(&self) -> Result<Keyring, RoleError> {
        let keys = self.read()?;
        let (again, told) = (self.clone(), AtomicBool::new(false));
        Ok(keys.with_source(move || match again.read() {
            Ok(keys) => {
                told.store(false, Ordering::Relaxed);
                Some(keys)
            }
            Err(error) => {
                // They are read every few seconds; it is said once.
                if !told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "at-rest keys cannot be read again; those in memory stay");
                }
                None
            }
        }))
    }

    fn read(&self) -> Result<Keyring, RoleError> {
        let text = self.at_rest.read().map_err(RoleError::NoKeys)?;
        Keyring::parse(text.expose())
            .map_err(|error| RoleError::Keys { place: self.at_rest.to_string(), error })
    }
}

/// `[rest]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// Where to listen; no REST without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Who may do what; nobody may do anything without a token.
    #[serde(default)]
    pub tokens: Vec<TokenConfig>,
    /// Certificate and key for HTTPS; without, plain HTTP, which is for loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RestTls>,
    /// `[rest.limits]`: what clients may take.
    #[serde(default)]
    pub limits: HttpLimits,
}

/// `[rest.tls]`: PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestTls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl RestConfig {
    /// The tokens; `scopes` are those that the role's routes ask for, besides [`METRICS`].
    ///
    /// # Errors
    /// Which token cannot be used, or that there is none.
    pub fn tokens(&self, scopes: &[&str]) -> Result<Tokens, RoleError> {
        let scopes: Vec<&str> = scopes.iter().copied().chain([METRICS]).collect();
        Tokens::new(&self.tokens, &scopes).map_err(RoleError::Tokens)
    }

    /// What to serve HTTPS with, if `[rest.tls]` is there.
    ///
    /// # Errors
    /// Which file is wrong.
    pub fn tls(&self) -> Result<Option<Arc<rustls::ServerConfig>>, RoleError> {
        let Some(files) = &self.tls else { return Ok(None) };
        let server = ServerTls {
            cert_file: files.cert.clone(),
            key_file: files.key.clone(),
            client_ca_file: None,
            client_certificates: Some(ClientCertificates::None),
            min_version: MinVersion::Tls12,
        };
        Ok(Some(tls::server_config(&server, tls::HTTP_ALPN).map_err(RoleError::Tls)?))
    }
}

/// Another role's REST, as `[pva]`; see [`RoleClient`](crate::client::RoleClient).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerRole {
    /// Base URL: `https://…`, or `http://` to a loopback address.
    pub url: String,
    /// Bearer token for it.
    pub token: SecretSource,
    /// Who signs its certificate, PEM; https needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take, connecting included.
    #[serde(default = "PeerRole::ten_seconds")]
    pub timeout: Span,
}

impl PeerRole {
    fn ten_seconds() -> Span {
        Span::seconds(10)
    }
}

/// A part of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// No at-rest keys.
    #[error("keys.at_rest: {0}; `callhome keys generate --out FILE` makes a key file")]
    NoKeys(SecretError),
    /// They are not keys.
    #[error("keys.at_rest: {place}: {error}")]
    Keys {
        /// File or variable.
        place: String,
        /// Which line.
        error: KeyError,
    },
    /// A time that is too short or too long.
    #[error("keys.settle: 1s to 1d")]
    Settle,
    /// A token.
    #[error("rest.tokens: {0}")]
    Tokens(AuthError),
    /// Certificate or key.
    #[error("rest.tls: {0}")]
    Tls(TlsError),
}

#[cfg(test)]
mod tests;
