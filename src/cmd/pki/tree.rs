//! The folder of keys and certificates: which files there are.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use schemas::{
    cose::PrivateKey,
    identity::{OperatorId, SupplierId},
    trust::{Purpose, ServerRole},
};

use super::{
    authority::{Authority, For, key_file},
    names::{HostedRole, PermittedName, RoleHost, hosts_of, permitted_to_root, prohibited_to_platform_ca},
};
use crate::cmd::files::{write_private, write_public};

/// Days that TLS certificates are good for at most, whatever the rest.
const TLS_DAYS: i64 = 825;

/// Who is to have certificates.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// SHOs.
    pub operators: Vec<OperatorId>,
    /// Suppliers.
    pub suppliers: Vec<SupplierId>,
    /// Names of the roles' TLS certificates.
    pub hosts: Vec<RoleHost>,
    /// Roles that operators host under their own certificates.
    pub serves: Vec<HostedRole>,
    /// What a new root may certify besides `hosts`.
    pub permit: Vec<PermittedName>,
    /// How long certificates are good for.
    pub days: i64,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// PEM.
    pub cert: PathBuf,
    /// PEM, PKCS #8.
    pub key: PathBuf,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Tree(PathBuf);

impl Tree {
    /// The tree in this folder, which may not be there yet.
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn pair(&self, name: &str) -> Pair {
        let cert = self.0.join(format!("{name}.crt"));
        Pair { key: key_file(&cert), cert }
    }

    /// The services' root: the anchor that devices embed.
    pub fn root(&self) -> Pair {
        self.pair("root")
    }

    /// The authority for platform certificates.
    pub fn platform_ca(&self) -> Pair {
        self.pair("platform-ca")
    }

    /// The OCSP responder.
    pub fn ocsp(&self) -> Pair {
        self.pair("ocsp")
    }

    /// A role's TLS certificate.
    pub fn tls(&self, role: &str) -> Pair {
        self.pair(&format!("{role}.tls"))
    }

    /// What a role, or an operator, or a supplier signs with.
    pub fn signing(&self, who: &str) -> Pair {
        self.pair(&format!("{who}.sign"))
    }

    /// An operator's sealing key: private and public.
    pub fn sealing(&self, operator: &OperatorId) -> (PathBuf, PathBuf) {
        (self.0.join(format!("{operator}.seal.key")), self.0.join(format!("{operator}.seal.pub")))
    }

    /// Makes what is not there; gives how many certificates and keys that was.
    ///
    /// # Errors
    /// Which file cannot be made.
    pub fn make(&self, wanted: &Wanted) -> anyhow::Result<usize> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).with_context(|| {
            format!("{}: the folder cannot be made; choose another with --out", self.0.display())
        })?;
        let days = wanted.days;
        let permitted = permitted_to_root(&wanted.hosts, &wanted.permit);
        let (root, new_root) = Authority::open(&self.root().cert, "Callhome services", days, permitted)?;
        let (platform, new_platform) = Authority::open(
            &self.platform_ca().cert,
            "Callhome platforms",
            days,
            prohibited_to_platform_ca(),
        )?;
        let mut made = usize::from(new_root) + usize::from(new_platform);
        made += usize::from(platform.issue(&self.ocsp().cert, "Callhome OCSP responder", For::Ocsp, days)?);
        let mut issue = |pair: Pair, name: &str, good_for: For<'_>, days: i64| {
            root.issue(&pair.cert, name, good_for, days).map(|new| made += usize::from(new))
        };
        let tls_days = days.min(TLS_DAYS);
        for (name, role) in [
            ("icf", ServerRole::Icf),
            ("drf", ServerRole::Drf),
            ("dpf", ServerRole::Dpf),
            ("pva", ServerRole::Pva),
        ] {
            let hosts = hosts_of(&role, &wanted.hosts);
            issue(self.tls(name), name, For::Tls { roles: &[role], hosts: &hosts }, tls_days)?;
        }
        issue(self.signing("drf"), "drf", For::Signing(Purpose::Trigger), days)?;
        issue(self.signing("pva"), "pva", For::Signing(Purpose::Verdict), days)?;
        for operator in &wanted.operators {
            let own = ServerRole::Sho(operator.clone());
            let hosts = hosts_of(&own, &wanted.hosts);
            let hosted = wanted.serves.iter().filter(|hosted| hosted.operator == *operator);
            let roles: Vec<ServerRole> =
                [own].into_iter().chain(hosted.map(|hosted| hosted.role.clone())).collect();
            let good_for = For::Tls { roles: &roles, hosts: &hosts };
            issue(self.tls(operator.as_str()), operator.as_str(), good_for, tls_days)?;
            issue(self.signing(operator.as_str()), operator.as_str(), For::Signing(Purpose::Payload), days)?;
        }
        for supplier in &wanted.suppliers {
            issue(
                self.signing(supplier.as_str()),
                supplier.as_str(),
                For::Signing(Purpose::Enrolment),
                days,
            )?;
        }
        for operator in &wanted.operators {
            let (private, public) = self.sealing(operator);
            if !private.exists() {
                write_private(&private, PrivateKey::generate()?.to_pem()?.as_bytes())?;
                made += 1;
            }
            // Also where we were stopped between the two.
            if !public.exists() {
                let pem = service::config::read_private_file(&private)?;
                let key = PrivateKey::from_pem(&pem).with_context(|| private.display().to_string())?;
                write_public(&public, key.public_pem()?.as_bytes())?;
            }
        }
        Ok(made)
    }
}
