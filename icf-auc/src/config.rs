//! `icf.toml`: every key of the ICF's configuration. Unknown keys are errors; environment variables override.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use schemas::identity::Plmn;
use serde::{Deserialize, Serialize};
use service::{
    config::{SecretSource, Span},
    role::{DatabaseConfig, KeysConfig, PeerRole, RestConfig},
};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IcfConfig {
    /// `[diameter]`: who we are and who may talk to us.
    pub diameter: Diameter,
    /// `[database]`: where things are remembered.
    pub database: DatabaseConfig,
    /// `[keys]`: what they are encrypted with.
    pub keys: KeysConfig,
    /// `[rest]`: provisioning; without `listen` there is none.
    #[serde(default)]
    pub rest: RestConfig,
    /// `[icf]`: the role itself.
    #[serde(default)]
    pub icf: Icf,
    /// `[drf]`: who is told of attached devices (seed, section 5 step 6); without, nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drf: Option<PeerRole>,
    /// `[relay]`: ordinary IMSIs of a network that is shared with provisional ones go on to the HSS that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    /// `[causes]`: what a refusal is answered with, by its name; see docs/CAUSES.md.
    #[serde(default)]
    pub causes: BTreeMap<String, String>,
    /// `[log]`.
    #[serde(default)]
    pub log: service::telemetry::LogConfig,
}

/// `[relay]`: the HSS of the ordinary IMSIs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Its Origin-Host: one of `[diameter] peers`.
    pub hss: String,
    /// Its Origin-Realm.
    pub realm: String,
    /// What IMSIs of the shared network begin with, as `99970`.
    pub prefixes: Vec<String>,
    /// Ranges of that network that are ours, as `FIRST-LAST`.
    #[serde(default)]
    pub ours: Vec<String>,
    /// How long HSS or MME may take for the answer to a request that was passed on; then it is answered with 3002.
    #[serde(default = "Relay::four_seconds")]
    pub timeout: Span,
    /// Requests that may wait for such an answer, each way; above, 3004.
    #[serde(default = "Relay::four_thousand")]
    pub pending: usize,
}

impl Relay {
    /// To this HSS in this realm; no network is shared yet.
    #[must_use]
    pub fn to(hss: impl Into<String>, realm: impl Into<String>) -> Self {
        Self {
            hss: hss.into(),
            realm: realm.into(),
            prefixes: Vec::new(),
            ours: Vec::new(),
            timeout: Self::four_seconds(),
            pending: Self::four_thousand(),
        }
    }

    /// Well below the fifteen seconds that a UE waits for its attach (T3410, TS 24.301 §10.2).
    fn four_seconds() -> Span {
        Span::seconds(4)
    }
    fn four_thousand() -> usize {
        4096
    }
}

/// `[diameter]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diameter {
    /// Our Origin-Host (RFC 6733 §6.3): the name that peers connect to.
    pub origin_host: String,
    /// Our Origin-Realm (RFC 6733 §6.4).
    pub origin_realm: String,
    /// Where to listen: `tcp://address:3868`, `tls://address:5868`, `sctp://address:3868`.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Host-IP-Addresses to advertise; by default the address that the peer has connected to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ip_addresses: Vec<IpAddr>,
    /// Who may connect; nobody else can (RFC 6733 §5.3, 3010).
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// Whether peers that are not listed may connect. For a closed lab only.
    #[serde(default)]
    pub accept_unknown_peers: bool,
    /// Certificates for `tls://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DiameterTls>,
    /// Tw, the watchdog's interval (RFC 3539 §3.4.1), at least 6 s.
    #[serde(default = "Diameter::half_a_minute")]
    pub watchdog: Span,
    /// How long one of our own requests waits for its answer.
    #[serde(default = "Diameter::ten_seconds")]
    pub request_timeout: Span,
}

impl Diameter {
    fn half_a_minute() -> Span {
        Span::seconds(30)
    }
    fn ten_seconds() -> Span {
        Span::seconds(10)
    }
}

/// One of `[[diameter.peers]]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its Origin-Host.
    pub identity: String,
    /// Its Origin-Realm, if it has to be this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Addresses that it may come from; any, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Names of which its TLS certificate must hold one; its identity, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_names: Vec<String>,
    /// SHA-256 of its TLS certificate, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// Connect to it there instead of waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// E-UTRAN vectors in one answer, at most 5. Open5GS takes 1 and drops an answer with more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vectors: Option<u8>,
}

/// `[diameter.tls]`: PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiameterTls {
    /// Our certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs our peers' certificates: TLS is mutual (RFC 6733 §13.1).
    pub ca: PathBuf,
}

/// `[icf]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Icf {
    /// Name of this instance among those that share a database: it has its own INDs.
    pub instance: String,
    /// Subscribers kept in memory.
    pub cache: usize,
    /// SEQs in a subscriber's first lease.
    pub lease_first: u32,
    /// SEQs in a lease at most.
    pub lease_max: u32,
    /// E-UTRAN vectors in one answer to a peer that sets no `max_vectors`, at most 5 (TS 29.272 §7.3.17).
    pub max_vectors: u8,
    /// Pool of the profile `default` that a new database starts with.
    pub address_pool: Option<IpNet>,
    /// Networks whose credentials may be stored, as `999-71`; without, the network of `diameter.origin_realm`.
    pub networks: Vec<Plmn>,
    /// Where to fetch a credential that is not here (R4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chtif: Option<ChtifClient>,
}

impl Default for Icf {
    fn default() -> Self {
        Self {
            instance: "icf".into(),
            cache: 1_000_000,
            lease_first: 4,
            lease_max: 1024,
            max_vectors: 1,
            address_pool: None,
            networks: Vec::new(),
            chtif: None,
        }
    }
}

/// `[icf.chtif]`: a CHTIF elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChtifClient {
    /// Its base URL, https.
    pub url: String,
    /// Bearer token for it.
    pub token: SecretSource,
    /// Who signs its certificate, PEM.
    pub ca: PathBuf,
    /// Only IMSIs with one of these prefixes are asked for.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// How long an answer may take.
    #[serde(default = "ChtifClient::three_seconds")]
    pub timeout: Span,
}

impl ChtifClient {
    fn three_seconds() -> Span {
        Span::seconds(3)
    }
}
