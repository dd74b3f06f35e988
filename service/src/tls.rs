//! TLS by rustls with the `ring` provider: configurations from PEM files, and errors that name the file.

mod identity;
mod pem;
mod role;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use schemas::trust::ServerRole;
use serde::{Deserialize, Serialize};

use crate::config::SecretError;

pub use identity::{PeerCertificates, certificate_names, certificates_end};
pub use role::{OtherRole, RoleVerifier};

/// The application protocols of an HTTPS server or client, RFC 7301: HTTP/2, else HTTP/1.1.
pub const HTTP_ALPN: &[&[u8]] = &[b"h2", b"http/1.1"];

static FROM_TLS12: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
static FROM_TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246) and 1.3: what RFC 6733 §13.1 peers can be expected to have.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446) alone.
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => FROM_TLS12,
            Self::Tls13 => FROM_TLS13,
        }
    }
}

/// Whether a server asks its clients for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Does not ask.
    None,
    /// Asks, and takes clients without; a certificate that is shown has to be good.
    Optional,
    /// Takes nobody without.
    #[default]
    Required,
}

/// A TLS server's keys: `[….tls]` in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM: the server's certificate, then its intermediates.
    pub cert_file: PathBuf,
    /// PEM: the private key (PKCS #8, PKCS #1 or SEC 1), for its owner's eyes only.
    pub key_file: PathBuf,
    /// PEM: the authorities whose client certificates are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients need one; `required` if nothing is said and `client_ca_file` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
    /// Oldest version.
    #[serde(default)]
    pub min_version: MinVersion,
}

/// A TLS client's keys and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// PEM: the authorities whose server certificates are good.
    pub ca_file: PathBuf,
    /// PEM: the client's own certificate, then its intermediates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM: the private key of `cert_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Oldest version.
    #[serde(default)]
    pub min_version: MinVersion,
}

/// A TLS configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate file cannot be read.
    #[error("{}: cannot read the certificates ({source}); check the path and permissions", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key file cannot be read, or others can read it.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// A file's content is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Keys of the configuration contradict each other.
    #[error("{0}")]
    Settings(&'static str),
}

impl TlsError {
    fn content(path: &Path, problem: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.into() }
    }
}

/// The cryptography that all TLS here uses.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Makes [`provider`] the process's default, for libraries that take no other way (reqwest). Call it once in `main`;
/// later calls change nothing.
pub fn install_provider() {
    // Err means that one is installed already: ours, as no other is in the dependency tree.
    let _ = ring::default_provider().install_default();
}

/// A server's configuration from its files. Where clients are asked for certificates, sessions are not resumed.
///
/// # Errors
/// Which file, what is wrong with it (unreadable, no PEM, expired, of another key, open to others) and what to do.
pub fn server_config(tls: &ServerTls, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(tls.min_version.versions())
        .map_err(|error| TlsError::content(&tls.cert_file, error.to_string()))?;
    let wanted = tls.client_certificates.unwrap_or(match tls.client_ca_file {
        Some(_) => ClientCertificates::Required,
        None => ClientCertificates::None,
    });
    let builder = match (&tls.client_ca_file, wanted) {
        (None, ClientCertificates::None) => builder.with_no_client_auth(),
        (Some(_), ClientCertificates::None) => {
            return Err(TlsError::Settings(
                "client_ca_file is given but client_certificates = \"none\"; remove one of them",
            ));
        }
        (None, _) => {
            return Err(TlsError::Settings(
                "client_certificates needs client_ca_file: the authorities whose certificates are good",
            ));
        }
        (Some(ca_file), wanted) => {
            let roots = Arc::new(anchors(ca_file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = match wanted {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            let verifier = verifier.build().map_err(|error| TlsError::content(ca_file, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let (chain, key) = pem::identity(&tls.cert_file, &tls.key_file)?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| pem::unusable(&tls.cert_file, &tls.key_file, &error))?;
    if wanted != ClientCertificates::None {
        // A resumed session (RFC 8446 §2.2) is as good as the certificate of its first handshake, which nobody would look at
        // again: each resumption gives new tickets, whether or not the certificate, or the key, is still the client's.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A client's configuration from its files. It trusts `ca_file` and nobody else.
///
/// # Errors
/// As [`server_config`].
pub fn client_config(tls: &ClientTls, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = Arc::new(anchors(&tls.ca_file)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| TlsError::content(&tls.ca_file, error.to_string()))?;
    client_config_with(tls, alpn, verifier)
}

/// As [`client_config`], for a server that is one of Callhome's roles: a certificate that names others and not `role` is
/// refused, see [`RoleVerifier`].
///
/// # Errors
/// As [`server_config`].
pub fn role_client_config(
    tls: &ClientTls,
    alpn: &[&[u8]],
    role: ServerRole,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = Arc::new(anchors(&tls.ca_file)?);
    let verifier =
        RoleVerifier::new(roots, role).map_err(|error| TlsError::content(&tls.ca_file, error.to_string()))?;
    client_config_with(tls, alpn, Arc::new(verifier))
}

fn client_config_with(
    tls: &ClientTls,
    alpn: &[&[u8]],
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(tls.min_version.versions())
        .map_err(|error| TlsError::content(&tls.ca_file, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert_file), Some(key_file)) => {
            let (chain, key) = pem::identity(cert_file, key_file)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| pem::unusable(cert_file, key_file, &error))?
        }
        _ => return Err(TlsError::Settings("cert_file and key_file go together; give both or neither")),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

fn anchors(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(path)? {
        roots.add(certificate).map_err(|error| {
            TlsError::content(path, format!("holds a certificate that is no authority's ({error})"))
        })?;
    }
    Ok(roots)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
