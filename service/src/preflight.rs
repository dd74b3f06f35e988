//! What a role needs of this machine and of others when it starts, looked at without starting it: `callhome config check`.

use std::{
    fmt::Display,
    net::SocketAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::Method;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode};

use crate::{
    client::{CallError, RoleClient},
    database::{Database, Schema},
    role::RestConfig,
    sealed::Keyring,
    serve::{self, ServeError},
    telemetry::{self, LogConfig},
};

/// How long another role may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// What keeps a role from starting: each thing on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct PreflightError(pub Vec<String>);

/// Collects what is found; every look goes on after the one that failed.
#[derive(Debug, Default)]
pub struct Preflight {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// Places to listen that are taken: by the role itself, where it runs already.
    taken: Vec<String>,
    running: Option<u32>,
}

impl Preflight {
    /// What keeps the role from starting.
    pub fn error(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    /// What does not keep it from starting, and should be known.
    pub fn warning(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Keeps an error with all that it came of.
    pub fn keep<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(format!("{error:#}"))).ok()
    }

    /// The log filter.
    pub fn log(&mut self, log: &LogConfig) {
        if let Err(error) = telemetry::check(log) {
            self.error(error.to_string());
        }
    }

    /// The database file, its folder and its keys; whether the role works with it already.
    pub async fn database(&mut self, url: &str, schema: &Schema, keys: Option<&Keyring>) {
        match Database::inspect(url, schema, keys).await {
            Ok(inspection) => self.running = self.running.or(inspection.holder),
            Err(error) => self.error(error.to_string()),
        }
    }

    /// A TCP address to listen on.
    pub async fn tcp(&mut self, key: &str, address: SocketAddr) {
        match serve::bind(address).await {
            Ok(_) => {}
            Err(error @ ServeError::Taken { .. }) => self.taken(format!("{key}: {error}")),
            Err(error) => self.error(format!("{key}: {error}")),
        }
    }

    /// A UDP address to listen on.
    pub fn udp(&mut self, key: &str, address: SocketAddr) {
        match std::net::UdpSocket::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                self.taken(format!(
                    "{key}: UDP {address}: {error}; stop what uses it, or choose another port"
                ));
            }
            Err(error) => self.error(format!("{key}: UDP {address}: {error}")),
        }
    }

    /// A place to listen that is taken.
    pub fn taken(&mut self, what: String) {
        self.taken.push(what);
    }

    /// REST's address and certificate.
    pub async fn rest(&mut self, rest: &RestConfig) {
        if let Some(listen) = rest.listen {
            self.tcp("rest.listen", listen).await;
            if let Some(tls) = &rest.tls {
                self.certificate("rest.tls.cert", &tls.cert);
            }
        }
    }

    /// A certificate that is served or signed with: whether it is in force. What else is wrong with it, whoever loads it says.
    pub fn certificate(&mut self, key: &str, path: &Path) {
        let Ok(der) = CertificateDer::from_pem_file(path) else { return };
        let Ok(certificate) = Certificate::from_der(&der) else { return };
        let validity = certificate.tbs_certificate().validity();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shown = path.display();
        if now > validity.not_after.to_unix_duration() {
            self.error(format!("{key}: {shown} has expired on {}: make another one", validity.not_after));
        } else if now < validity.not_before.to_unix_duration() {
            self.error(format!("{key}: {shown} is in force from {} on only", validity.not_before));
        }
    }

    /// Another role, which may be away now and be there later.
    pub async fn role(&mut self, key: &str, client: &RoleClient) {
        let answer = client.json::<(), serde_json::Value>(Method::GET, "/healthz", None);
        let why = match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Err(error @ CallError::Unavailable { .. })) => error.to_string(),
            Err(_) => format!("{} gives no answer within {ANSWER_WITHIN:?}", client.url()),
            Ok(_) => return,
        };
        self.warning(format!("{key}: {why}; it is asked again when it is needed"));
    }

    /// What it comes to: warnings, where nothing keeps the role from starting.
    ///
    /// # Errors
    /// Everything that does, a line each.
    pub fn finish(mut self) -> Result<Vec<String>, PreflightError> {
        match self.running {
            Some(process) => {
                let who = if process == 0 { String::new() } else { format!(" (process {process})") };
                let ports = match self.taken.is_empty() {
                    true => "",
                    false => "; the addresses that it listens on are taken, by itself it seems",
                };
                self.warnings.push(format!("it runs already{who}: its database is in use{ports}"));
            }
            None => self.errors.append(&mut self.taken),
        }
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(PreflightError(self.errors)) }
    }
}

#[cfg(test)]
mod tests;
