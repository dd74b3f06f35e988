//! Which names certificates have, and which names the authorities may certify.

use std::{net::IpAddr, path::Path, str::FromStr, sync::Arc};

use anyhow::{Context, bail, ensure};
use ipnet::IpNet;
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use schemas::{identity::OperatorId, trust::ServerRole};

/// The names of this machine itself (RFC 6761 §6.3).
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A name or an address of the host that a role runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHost {
    /// The role; `None` for every role, which only loopback names can be.
    pub role: Option<ServerRole>,
    /// A DNS name, or an address as text.
    pub name: String,
}

impl RoleHost {
    /// The loopback names, for every role.
    pub fn loopback() -> Vec<Self> {
        LOOPBACK.map(|name| Self { role: None, name: name.to_owned() }).to_vec()
    }
}

fn role(text: &str) -> anyhow::Result<ServerRole> {
    Ok(match text {
        "icf" => ServerRole::Icf,
        "drf" => ServerRole::Drf,
        "dpf" => ServerRole::Dpf,
        "pva" => ServerRole::Pva,
        other => match other.strip_prefix("sho:") {
            Some(operator) => ServerRole::Sho(operator.parse()?),
            None => bail!("{other:?} is no role: icf, drf, dpf, pva, or sho: and the operator (sho:sho-a)"),
        },
    })
}

impl FromStr for RoleHost {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (role, name) = match text.split_once('=') {
            Some((role, name)) => (Some(self::role(role)?), name),
            None => (None, text),
        };
        ensure!(ServerName::try_from(name).is_ok(), "{name:?} is neither a DNS name nor an address");
        let loopback =
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        ensure!(
            role.is_some() || loopback,
            "of which role is {name}? --host drf={name}, for one; a role's certificate names the host of that role alone"
        );
        Ok(Self { role, name: name.to_owned() })
    }
}

/// A role that an operator hosts under its own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedRole {
    /// Whose certificate names it.
    pub operator: OperatorId,
    /// The role.
    pub role: ServerRole,
}

impl FromStr for HostedRole {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (operator, role) = text.split_once('=').context("is to be OPERATOR=ROLE, as sho-a=dpf")?;
        Ok(Self { operator: operator.parse()?, role: self::role(role)? })
    }
}

/// A domain or network that a root may certify names of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermittedName {
    /// A DNS name, and all below it.
    Domain(String),
    /// Addresses.
    Network(IpNet),
}

impl PermittedName {
    fn of_host(name: &str) -> Self {
        match name.parse::<IpAddr>() {
            Ok(address) => Self::Network(address.into()),
            Err(_) => Self::Domain(name.to_ascii_lowercase()),
        }
    }

    fn subtree(&self) -> GeneralSubtree {
        match self {
            Self::Domain(domain) => GeneralSubtree::DnsName(domain.clone()),
            Self::Network(network) => {
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network.addr(), network.prefix_len()))
            }
        }
    }
}

impl FromStr for PermittedName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        ensure!(
            ServerName::try_from(text).is_ok(),
            "{text:?} is neither a DNS domain (example.net) nor a network of addresses (10.1.0.0/16)"
        );
        Ok(Self::of_host(text))
    }
}

/// The names of a role's TLS certificate: its own hosts and those of every role, or the loopback names if there are none.
pub fn hosts_of(role: &ServerRole, hosts: &[RoleHost]) -> Vec<String> {
    let named = hosts.iter().filter(|host| host.role.as_ref().is_none_or(|of| of == role));
    let mut names: Vec<String> = named.map(|host| host.name.clone()).collect();
    if names.is_empty() {
        names = LOOPBACK.map(str::to_owned).to_vec();
    }
    names.sort();
    names.dedup();
    names
}

/// What the root of the services may certify (RFC 5280 §4.2.1.10): the loopback names, the hosts, and what is permitted
/// besides. Names of other kinds, as the URIs of roles, are not constrained.
pub fn permitted_to_root(hosts: &[RoleHost], permit: &[PermittedName]) -> NameConstraints {
    let loopback = RoleHost::loopback();
    let of_hosts = loopback.iter().chain(hosts).map(|host| PermittedName::of_host(&host.name));
    let mut names: Vec<PermittedName> = Vec::new();
    for name in of_hosts.chain(permit.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    NameConstraints {
        permitted_subtrees: names.iter().map(PermittedName::subtree).collect(),
        excluded_subtrees: Vec::new(),
    }
}

/// What the authority of the platforms may not certify: any host. Its certificates name devices, by URI.
pub fn prohibited_to_platform_ca() -> NameConstraints {
    let every_v4 = CidrSubnet::from_v4_prefix([0; 4], 0);
    let every_v6 = CidrSubnet::from_v6_prefix([0; 16], 0);
    NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: vec![
            // The empty name is above every other.
            GeneralSubtree::DnsName(String::new()),
            GeneralSubtree::IpAddress(every_v4),
            GeneralSubtree::IpAddress(every_v6),
        ],
    }
}

/// Sees that a new certificate is good for each of its hosts under the authority's constraints.
///
/// # Errors
/// Which host the authority may not certify.
pub fn check_permitted(authority: &Path, certificate: &[u8], hosts: &[String]) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).with_context(|| authority.display().to_string())?)?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), service::tls::provider()).build()?;
    let certificate = CertificateDer::from(certificate);
    for host in hosts {
        let name = ServerName::try_from(host.as_str())?;
        verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).with_context(|| {
            format!(
                "{} may not certify {host}: its name constraints were set when it was made; \
                 make another PKI, with --permit for what will be wanted later",
                authority.display()
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
