//! `dpf.toml`: every key of the DPF's configuration. Unknown keys are errors; environment variables override.

use std::{net::SocketAddr, path::PathBuf};

use schemas::identity::OperatorId;
use serde::{Deserialize, Serialize};
use service::{
    config::{SecretSource, Span},
    ocsp::OcspConfig,
    role::{DatabaseConfig, KeysConfig, PeerRole, RestConfig, RestTls},
    serve::HttpLimits,
};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpfConfig {
    /// `[dpf]`: the role itself.
    pub dpf: Dpf,
    /// `[device]`: HTTPS for devices.
    pub device: Device,
    /// `[database]`: where things are remembered.
    pub database: DatabaseConfig,
    /// `[keys]`: taken as in every role's file, and not needed: what is secret here is encrypted to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysConfig>,
    /// `[rest]`: for operators; without `listen` there is none.
    #[serde(default)]
    pub rest: RestConfig,
    /// `[drf]`: is told how provisioning ended, and asked to trigger devices. Scopes there: `devices:write`,
    /// `triggers:write`.
    pub drf: PeerRole,
    /// `[pva]`: gives nonces, validates platforms, certifies them. Scopes there: `nonces:write`, `validations:write`,
    /// `platforms:write`.
    pub pva: PeerRole,
    /// `[icf]`: knows the call-home triples; without, devices need a platform certificate. Scope there: `chtif:verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icf: Option<PeerRole>,
    /// `[[operators]]`: for whom devices are provisioned.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// `[log]`.
    #[serde(default)]
    pub log: service::telemetry::LogConfig,
}

/// `[dpf]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dpf {
    /// Who certifies operators and the PVA: the service root, PEM.
    pub anchors: PathBuf,
    /// How long a session may take until its operator has authorised it; after that, as long as the operator says.
    #[serde(default = "Dpf::an_hour")]
    pub session_lifetime: Span,
    /// How long a report is awaited after the RNCP may not be installed any more.
    #[serde(default = "Dpf::ten_minutes")]
    pub report_grace: Span,
    /// How long an RNCP that was made by a rule may be installed.
    #[serde(default = "Dpf::a_day")]
    pub generated_lifetime: Span,
    /// Delay after the first failure to reach an operator or the PVA; each further one is twice as long,
    #[serde(default = "Dpf::a_second")]
    pub retry_first: Span,
    /// up to this.
    #[serde(default = "Dpf::half_a_minute")]
    pub retry_max: Span,
    /// Requests to one operator, or to the PVA, at a time.
    #[serde(default = "Dpf::some")]
    pub parallel: usize,
    /// How long a device may make us wait with `?wait=`.
    #[serde(default = "Dpf::just_below_a_minute")]
    pub longest_wait: Span,
    /// Sessions that one device may have open at a time; each has a nonce of the PVA's.
    #[serde(default = "Dpf::a_few")]
    pub open_sessions: u32,
    /// Sessions that one device may open within an hour, also if they end at once: each has a nonce of the PVA's, and most
    /// ask the operator and the PVA.
    #[serde(default = "Dpf::some_tens")]
    pub sessions_per_hour: u32,
    /// How often sessions are looked through for those whose time is over.
    #[serde(default = "Dpf::five_seconds")]
    pub sweep: Span,
    /// How long ended sessions are kept.
    #[serde(default = "Dpf::ninety_days")]
    pub keep_sessions: Span,
}

impl Dpf {
    fn an_hour() -> Span {
        Span::seconds(3600)
    }
    fn ten_minutes() -> Span {
        Span::seconds(600)
    }
    fn a_day() -> Span {
        Span::seconds(86_400)
    }
    fn a_second() -> Span {
        Span::seconds(1)
    }
    fn half_a_minute() -> Span {
        Span::seconds(30)
    }
    fn some() -> usize {
        32
    }
    fn a_few() -> u32 {
        32
    }
    fn some_tens() -> u32 {
        40
    }
    fn just_below_a_minute() -> Span {
        Span::seconds(50)
    }
    fn five_seconds() -> Span {
        Span::seconds(5)
    }
    fn ninety_days() -> Span {
        Span::seconds(90 * 86_400)
    }
}

/// `[device]`: TLS 1.3.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM files.
    pub tls: RestTls,
    /// Who issues platform certificates, PEM.
    pub platform_ca: PathBuf,
    /// `[device.ocsp]`: who says whether one is revoked.
    pub ocsp: OcspConfig,
    /// `[device.limits]`: what clients may take.
    #[serde(default)]
    pub limits: HttpLimits,
}

/// `[[operators]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// As RNCTs and manifests name it.
    pub id: OperatorId,
    /// Its SHO's REST: `https://…`, or `http://` to a loopback address.
    pub url: String,
    /// Bearer token there; scope `provisioning:write`.
    pub token: SecretSource,
    /// Who signs its certificate, PEM; https needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    #[serde(default = "Operator::ten_seconds")]
    pub timeout: Span,
    /// Public key, PEM, that credentials are encrypted to which were made by its rules (R17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<PathBuf>,
    /// Certificate and key, PEM files, that it gave us to sign manifests with which were made by its rules: purpose
    /// *payload*, common name its identity (R17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_signing: Option<RestTls>,
}

impl Operator {
    fn ten_seconds() -> Span {
        Span::seconds(10)
    }

    /// How its SHO is asked.
    #[must_use]
    pub fn peer(&self) -> PeerRole {
        PeerRole {
            url: self.url.clone(),
            token: self.token.clone(),
            ca: self.ca.clone(),
            timeout: self.timeout,
        }
    }
}
