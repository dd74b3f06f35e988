//! `pva.toml`: every key of the PVA's configuration. Unknown keys are errors; environment variables override.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use service::{
    config::Span,
    role::{DatabaseConfig, KeysConfig, RestConfig},
    serve::HttpLimits,
};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvaConfig {
    /// `[pva]`: the role itself.
    pub pva: Pva,
    /// `[ocsp]`: the OCSP responder.
    pub ocsp: Ocsp,
    /// `[database]`: where things are remembered.
    pub database: DatabaseConfig,
    /// `[keys]`: taken as in every role's file, and not needed: nothing that the PVA stores is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysConfig>,
    /// `[rest]`.
    #[serde(default)]
    pub rest: RestConfig,
    /// `[log]`.
    #[serde(default)]
    pub log: service::telemetry::LogConfig,
}

/// PEM files of a key and its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPairFiles {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key, for its owner's eyes only.
    pub key: PathBuf,
}

/// `[pva]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pva {
    /// Its name among people.
    #[serde(default = "Pva::pva")]
    pub name: String,
    /// Signs verdicts: purpose *verdict*.
    pub signing: KeyPairFiles,
    /// Issues platform certificates.
    pub platform_ca: KeyPairFiles,
    /// Who certifies suppliers: the service root, PEM.
    pub anchors: PathBuf,
    /// How long a nonce may wait for its evidence.
    #[serde(default = "Pva::five_minutes")]
    pub nonce_lifetime: Span,
    /// How old evidence may be where the relying party says nothing.
    #[serde(default = "Pva::five_minutes")]
    pub max_age: Span,
    /// How far in the future evidence may be: clocks differ.
    #[serde(default = "Pva::half_a_minute")]
    pub clock_skew: Span,
    /// How long a verdict may be relied upon.
    #[serde(default = "Pva::five_minutes")]
    pub verdict_lifetime: Span,
    /// How long a platform certificate is in force, unless the platform CA's ends before.
    #[serde(default = "Pva::a_year")]
    pub certificate_lifetime: Span,
    /// How long a verdict is repeated to those who ask again.
    #[serde(default = "Pva::a_month")]
    pub keep_verdicts: Span,
}

impl Pva {
    fn pva() -> String {
        "pva".to_owned()
    }
    fn half_a_minute() -> Span {
        Span::seconds(30)
    }
    fn five_minutes() -> Span {
        Span::seconds(300)
    }
    fn a_month() -> Span {
        Span::seconds(30 * 86_400)
    }
    fn a_year() -> Span {
        Span::seconds(365 * 86_400)
    }
}

/// `[ocsp]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ocsp {
    /// Where to listen: plain HTTP, as RFC 6960 appendix A.1 has it; no token is asked for.
    pub listen: SocketAddr,
    /// `http://…` as platform certificates name it (RFC 5280 §4.2.2.1); a path in it stands before a GET's request.
    pub url: String,
    /// Signs responses: certificate of the platform CA with id-kp-OCSPSigning (RFC 6960 §4.2.2.2).
    pub signing: KeyPairFiles,
    /// From a response's `thisUpdate` to its `nextUpdate`: so long a revocation may go unnoticed.
    #[serde(default = "Ocsp::five_minutes")]
    pub validity: Span,
    /// `[ocsp.limits]`: what clients may take.
    #[serde(default)]
    pub limits: HttpLimits,
}

impl Ocsp {
    fn five_minutes() -> Span {
        Span::seconds(300)
    }
}
