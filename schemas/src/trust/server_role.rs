//! Which role of Callhome a TLS server is, as its certificate says.

use std::{fmt, str::FromStr};

use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::TrustError;
use crate::identity::OperatorId;

/// A role that serves TLS. Its certificate names it by a URI in subjectAltName (RFC 5280 §4.2.1.6), beside the DNS names and
/// addresses of its host: two roles on one host are told apart by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerRole {
    /// Initial Connectivity Function, or another HSS that is an ICF.
    Icf,
    /// Discovery and Registration Function.
    Drf,
    /// Download and Provisioning Function.
    Dpf,
    /// Platform Validation Authority.
    Pva,
    /// This operator's SHO.
    Sho(OperatorId),
}

/// What a role's name stands behind: an informal URN of Callhome's own, as for devices.
const ROLE_URN: &str = "urn:callhome:role:";

impl ServerRole {
    /// The URI of the certificate: `urn:callhome:role:drf`, `urn:callhome:role:sho:sho-a`.
    #[must_use]
    pub fn uri(&self) -> String {
        match self {
            Self::Icf => format!("{ROLE_URN}icf"),
            Self::Drf => format!("{ROLE_URN}drf"),
            Self::Dpf => format!("{ROLE_URN}dpf"),
            Self::Pva => format!("{ROLE_URN}pva"),
            Self::Sho(operator) => format!("{ROLE_URN}sho:{operator}"),
        }
    }

    /// Reads such a URI; `None` if it is something else.
    fn from_uri(uri: &str) -> Option<Self> {
        match uri.strip_prefix(ROLE_URN)? {
            "icf" => Some(Self::Icf),
            "drf" => Some(Self::Drf),
            "dpf" => Some(Self::Dpf),
            "pva" => Some(Self::Pva),
            other => Some(Self::Sho(OperatorId::from_str(other.strip_prefix("sho:")?).ok()?)),
        }
    }
}

impl fmt::Display for ServerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icf => f.write_str("ICF"),
            Self::Drf => f.write_str("DRF"),
            Self::Dpf => f.write_str("DPF"),
            Self::Pva => f.write_str("PVA"),
            Self::Sho(operator) => write!(f, "SHO {operator}"),
        }
    }
}

/// What the certificate of a TLS server says about its roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedRoles {
    /// Those that are known here.
    pub roles: Vec<ServerRole>,
    /// Whether any URI of a role is there, known or not. A certificate without one is of a PKI that does not name roles.
    pub any: bool,
}

/// Reads the roles that a certificate (DER) names; says nothing of whether it is to be trusted.
///
/// # Errors
/// If it is no certificate.
pub fn named_roles(certificate: &[u8]) -> Result<NamedRoles, TrustError> {
    let certificate = Certificate::from_der(certificate).map_err(|_| TrustError::Certificate("not X.509"))?;
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .map_err(|_| TrustError::Certificate("its subjectAltName cannot be read"))?;
    let mut named = NamedRoles::default();
    for name in names.into_iter().flat_map(|(_, names)| names.0) {
        let GeneralName::UniformResourceIdentifier(uri) = &name else { continue };
        if uri.as_str().starts_with(ROLE_URN) {
            named.any = true;
            named.roles.extend(ServerRole::from_uri(uri.as_str()));
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_read_from_its_own_uri_and_nothing_else_is() {
        let roles = [
            ServerRole::Icf,
            ServerRole::Drf,
            ServerRole::Dpf,
            ServerRole::Pva,
            ServerRole::Sho("sho-a".parse().unwrap()),
        ];
        for role in roles {
            assert_eq!(ServerRole::from_uri(&role.uri()), Some(role));
        }
        for other in [
            "urn:callhome:role:",
            "urn:callhome:role:sho",
            "urn:callhome:role:sho:",
            "urn:callhome:device:drf",
            "drf",
        ] {
            assert_eq!(ServerRole::from_uri(other), None, "{other}");
        }
    }
}
