//! `sho.toml`: every key of an SHO's configuration. Unknown keys are errors; environment variables override.

use std::path::PathBuf;

use schemas::identity::{OperatorId, Plmn};
use serde::{Deserialize, Serialize};
use service::{
    config::{SecretSource, Span},
    role::{DatabaseConfig, KeysConfig, PeerRole, RestConfig},
};

pub use crate::policy::{Policy, UpdateKeys};

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShoConfig {
    /// `[sho]`: the operator.
    pub sho: Sho,
    /// `[database]`: where things are remembered; each operator has its own.
    pub database: DatabaseConfig,
    /// `[keys]`: what they are encrypted with.
    pub keys: KeysConfig,
    /// `[rest]`: for the DPF and for people.
    #[serde(default)]
    pub rest: RestConfig,
    /// `[pva]`: who validates platforms.
    pub pva: PeerRole,
    /// `[dpf]`: whom updates are asked of; without, none can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpf: Option<PeerRole>,
    /// `[policy]`: what is accepted, and for how long things are kept.
    #[serde(default)]
    pub policy: Policy,
    /// `[[connectors]]`: the HSSs; all of them get every subscription.
    #[serde(default)]
    pub connectors: Vec<ConnectorConfig>,
    /// `[log]`.
    #[serde(default)]
    pub log: service::telemetry::LogConfig,
}

/// `[sho]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sho {
    /// Which operator this is; its payload certificate has the same common name.
    pub operator: OperatorId,
    /// Its name for people; `operator`, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its network.
    pub plmn: Plmn,
    /// APN of its service, where a contract names none.
    pub apn: String,
    /// What RNCPs are signed with: a certificate of purpose *payload*.
    pub signing: Signing,
    /// The key that a DPF encrypts credentials to that it has generated (R17), PEM; without, none are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<PathBuf>,
    /// Who signs the PVA's certificate, PEM.
    pub anchors: PathBuf,
}

/// PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// One of `[[connectors]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ConnectorConfig {
    /// Callhome's own ICF/AuC.
    Callhome(CallhomeConfig),
    /// Open5GS.
    Open5gs(Open5gsConfig),
    /// PyHSS.
    Pyhss(PyHssConfig),
}

impl ConnectorConfig {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Callhome(config) => &config.name,
            Self::Open5gs(config) => &config.name,
            Self::Pyhss(config) => &config.name,
        }
    }
}

/// `kind = "callhome"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallhomeConfig {
    /// What it is called here; the database knows it by that.
    #[serde(default = "CallhomeConfig::called")]
    pub name: String,
    /// Base URL of its REST API.
    pub url: String,
    /// Token with the scopes credentials:read and credentials:write.
    pub token: SecretSource,
    /// Who signs its certificate, PEM; https needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
    /// Profile of the credentials: APNs, bit rates, no limit of attaches.
    #[serde(default = "CallhomeConfig::full")]
    pub profile: String,
}

impl CallhomeConfig {
    fn called() -> String {
        "callhome".to_owned()
    }
    fn full() -> String {
        "default".to_owned()
    }

    /// As another role.
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

/// `kind = "open5gs"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open5gsConfig {
    /// What it is called here; the database knows it by that.
    #[serde(default = "Open5gsConfig::called")]
    pub name: String,
    /// `mongodb://host:port` of Open5GS's MongoDB, more hosts with commas, without user and password.
    pub url: String,
    /// Database with the collection `subscribers`.
    #[serde(default = "Open5gsConfig::called")]
    pub database: String,
    /// What our subscribers are known by there. SHOs that share a database have different ones.
    #[serde(default = "Open5gsConfig::marked")]
    pub mark: String,
    /// User of MongoDB, with the role `readWrite` for the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// Database that the user is made in.
    #[serde(default = "Open5gsConfig::admin")]
    pub auth_database: String,
    /// Who signs MongoDB's certificate, PEM: then it is TLS. A host that is not this one needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
}

impl Open5gsConfig {
    fn called() -> String {
        "open5gs".to_owned()
    }
    fn marked() -> String {
        "callhome".to_owned()
    }
    fn admin() -> String {
        "admin".to_owned()
    }
}

/// `kind = "pyhss"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PyHssConfig {
    /// What it is called here; the database knows it by that.
    #[serde(default = "PyHssConfig::called")]
    pub name: String,
    /// Base URL of its REST API: https by a proxy before it, or http to a loopback address.
    pub url: String,
    /// Its `provisioning_key`, if `lock_provisioning` is on there, as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_key: Option<SecretSource>,
    /// Who signs the proxy's certificate, PEM; https needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// How long an answer may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
}

impl PyHssConfig {
    fn called() -> String {
        "pyhss".to_owned()
    }
}

fn ten_seconds() -> Span {
    Span::seconds(10)
}

#[cfg(test)]
mod tests {
    use service::config::Loader;

    use super::*;

    const TEXT: &str = r#"
        [sho]
        operator = "sho-a"
        plmn = "999-01"
        apn = "internet"
        signing = { cert = "sho-a.crt", key = "sho-a.key" }
        anchors = "root.crt"
        [database]
        url = "sqlite:///var/lib/callhome/sho.db"
        [keys]
        at_rest = { file = "at-rest.key" }
        [pva]
        url = "https://127.0.0.1:9643"
        token = { file = "pva.token" }
        ca = "root.crt"
        [policy]
        suppliers = ["acme"]
        max_age = "2m"
        update_keys = "new"
        [[connectors]]
        kind = "callhome"
        url = "http://127.0.0.1:8080"
        token = { file = "icf.token" }
        profile = "subscriber"
        [[connectors]]
        kind = "pyhss"
        url = "http://127.0.0.1:8080"
        [[connectors]]
        kind = "open5gs"
        url = "mongodb://127.0.0.1:27017"
    "#;

    #[test]
    fn a_file_is_read_and_what_is_not_known_is_refused() {
        let config: ShoConfig = Loader::text("sho.toml", TEXT).load().unwrap();
        assert_eq!(config.policy.requirements().max_age, Some(120));
        assert_eq!(config.policy.update_keys, UpdateKeys::New);
        assert!(config.policy.validate_before_download && config.policy.attach_before_report);
        let names: Vec<&str> = config.connectors.iter().map(ConnectorConfig::name).collect();
        assert_eq!(names, ["callhome", "pyhss", "open5gs"]);
        for (right, wrong) in
            [("profile =", "profil ="), ("max_age", "maxage"), ("plmn", "plnm"), ("pyhss", "hss")]
        {
            let text = TEXT.replace(right, wrong);
            assert!(Loader::text("sho.toml", text).load::<ShoConfig>().is_err(), "{wrong}");
        }
    }
}
