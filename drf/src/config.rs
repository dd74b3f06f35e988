//! `drf.toml`: every key of the DRF's configuration. Unknown keys are errors; environment variables override.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use schemas::{
    identity::OperatorId,
    rnct::{M2mContext, NapDef},
};
use serde::{Deserialize, Serialize};
use service::{
    config::Span,
    ocsp::OcspConfig,
    role::{DatabaseConfig, KeysConfig, PeerRole, RestConfig, RestTls},
    serve::HttpLimits,
};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrfConfig {
    /// `[drf]`: the role itself.
    pub drf: Drf,
    /// `[device]`: HTTPS for devices; without, there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// `[coap]`: where triggers go out and devices ask.
    pub coap: Coap,
    /// `[database]`: where things are remembered.
    pub database: DatabaseConfig,
    /// `[keys]`: what claim codes are sealed with.
    pub keys: KeysConfig,
    /// `[rest]`: the registry; without `listen` there is none.
    #[serde(default)]
    pub rest: RestConfig,
    /// `[icf]`: whose credentials the PCIDs are; without, no profile is lifted, no credential revoked, and no call-home
    /// triple taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icf: Option<PeerRole>,
    /// `[log]`.
    #[serde(default)]
    pub log: service::telemetry::LogConfig,
}

/// `[drf]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drf {
    /// The registration operator: a device in 3GPP access that is bound to it keeps its PCID (seed, section 5 step 8).
    pub operator: OperatorId,
    /// Certificate and key that RNCTs are signed with, purpose *trigger*; PEM files.
    pub signing: RestTls,
    /// Server URL of the DPF, https, for operators that have none of their own.
    pub dpf: String,
    /// How long an RNCT is good, and is tried.
    #[serde(default = "Drf::an_hour")]
    pub rnct_lifetime: Span,
    /// What becomes of a provisional credential that did its work.
    #[serde(default)]
    pub after_success: AfterSuccess,
    /// The ICF's profile for devices that keep their PCID.
    #[serde(default = "Drf::full")]
    pub full_profile: String,
    /// Where triggers may be sent besides where the device itself was last: networks of operators' subscribers, as
    /// `10.46.0.0/16`. Whoever asks for a trigger may name an address (an update of an RNCP, under which the device has
    /// another one), and what is sent there is sent in our name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trigger_networks: Vec<IpNet>,
    /// Connectivity parameters in RNCTs for 3GPP access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub napdef: Option<NapDef>,
    /// Context of the M2M application in RNCTs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m2m: Option<M2mContext>,
}

impl Drf {
    fn an_hour() -> Span {
        Span::seconds(3600)
    }
    fn full() -> String {
        "full".to_owned()
    }
}

/// What becomes of a provisional credential when the device has its operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterSuccess {
    /// It is disabled for good; its serving node is told (CLR).
    #[default]
    Revoke,
    /// It is blocked, and can be made active again; its serving node is told (CLR).
    Block,
    /// Nothing: it is kept for a change of operator.
    Keep,
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

/// `[coap]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coap {
    /// Where to listen, UDP.
    pub listen: SocketAddr,
    /// Port where devices of a notice listen (RFC 7252 §12.6: 5683).
    #[serde(default = "Coap::registered_port")]
    pub device_port: u16,
}

impl Coap {
    fn registered_port() -> u16 {
        5683
    }
}
