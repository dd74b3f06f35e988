//! Issuing certificates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use schemas::{
    cose::PrivateKey,
    trust::{Purpose, ServerRole},
};
use time::{Duration, OffsetDateTime};

use super::names;
use crate::cmd::files::{write_private, write_public};

/// What a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum For<'a> {
    /// An HTTPS server of these roles under these names: DNS names or addresses of its host.
    Tls {
        /// Roles, at least one; several where one certificate serves roles that are hosted together.
        roles: &'a [ServerRole],
        /// Names.
        hosts: &'a [String],
    },
    /// Signatures of one purpose.
    Signing(Purpose),
    /// OCSP responses for the authority (RFC 6960 §4.2.2.2).
    Ocsp,
}

/// An authority whose key is at hand.
pub struct Authority {
    certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    // A clock may be a little behind ours.
    params.not_before = now - Duration::minutes(5);
    params.not_after = now + Duration::days(days);
    params
}

/// A key's file beside its certificate's.
pub fn key_file(certificate: &Path) -> PathBuf {
    certificate.with_extension("key")
}

fn new_key(path: &Path) -> anyhow::Result<KeyPair> {
    let key = PrivateKey::generate()?;
    write_private(path, key.to_pem()?.as_bytes())?;
    pair(&key)
}

fn pair(key: &PrivateKey) -> anyhow::Result<KeyPair> {
    Ok(KeyPair::try_from(key.to_pkcs8()?.as_slice())?)
}

fn read_key(path: &Path) -> anyhow::Result<KeyPair> {
    let text = service::config::read_private_file(path)?;
    pair(&PrivateKey::from_pem(&text).with_context(|| path.display().to_string())?)
}

fn write_certificate(path: &Path, pem: &str) -> anyhow::Result<()> {
    write_public(path, pem.as_bytes())
}

impl Authority {
    /// The authority in this file, or a new one whose certificates are limited to the names that `constraints` permit
    /// (RFC 5280 §4.2.1.10); says whether it is new. One that exists keeps the constraints that it has.
    ///
    /// # Errors
    /// Which file cannot be read or written.
    pub fn open(
        certificate: &Path,
        name: &str,
        days: i64,
        constraints: NameConstraints,
    ) -> anyhow::Result<(Self, bool)> {
        let key = key_file(certificate);
        let mut params = params(name, days);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        if certificate.exists() {
            // What it signs names it by its name and its key, and both are the same again.
            let issuer = Issuer::new(params, read_key(&key)?);
            return Ok((Self { certificate: certificate.to_owned(), issuer }, false));
        }
        params.name_constraints = Some(constraints);
        let key = new_key(&key)?;
        write_certificate(certificate, &params.self_signed(&key)?.pem())?;
        Ok((Self { certificate: certificate.to_owned(), issuer: Issuer::new(params, key) }, true))
    }

    /// Issues a certificate, with its key beside it, unless it is there; says whether it was made.
    ///
    /// # Errors
    /// Which file cannot be written.
    pub fn issue(
        &self,
        certificate: &Path,
        name: &str,
        good_for: For<'_>,
        days: i64,
    ) -> anyhow::Result<bool> {
        if certificate.exists() {
            return Ok(false);
        }
        let key = new_key(&key_file(certificate))?;
        let mut params = params(name, days);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        match good_for {
            For::Tls { roles, hosts } => {
                params.subject_alt_names = CertificateParams::new(hosts.to_vec())?.subject_alt_names;
                for role in roles {
                    params.subject_alt_names.push(SanType::URI(role.uri().try_into()?));
                }
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
            For::Signing(purpose) => {
                // Our OIDs have an arc of 128 bits, which rcgen's own list cannot hold.
                let usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage());
                params.custom_extensions = vec![usage];
            }
            For::Ocsp => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
                // id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1: its own status is not to be asked for.
                let no_check =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0]);
                params.custom_extensions = vec![no_check];
            }
        }
        let signed = params.signed_by(&key, &self.issuer)?;
        if let For::Tls { hosts, .. } = good_for {
            names::check_permitted(&self.certificate, signed.der(), hosts).inspect_err(|_| {
                // Without its certificate the key is good for nothing.
                let _ = fs::remove_file(key_file(certificate));
            })?;
        }
        write_certificate(certificate, &signed.pem())?;
        Ok(true)
    }
}
