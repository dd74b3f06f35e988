//! Certificates and keys from PEM files (RFC 7468).

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::TlsError;
use crate::config::read_private_file;

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let octets = std::fs::read(path).map_err(unreadable)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&octets)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::content(path, format!("is damaged PEM ({error}); copy it again")))?;
    if certificates.is_empty() {
        return Err(TlsError::content(
            path,
            "holds no certificate; it needs -----BEGIN CERTIFICATE----- (for a DER file: openssl x509 -inform der)",
        ));
    }
    Ok(certificates)
}

/// A certificate chain, valid now, and its private key.
pub(super) fn identity(
    cert_file: &Path,
    key_file: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(cert_file)?;
    if let Some(own) = chain.first() {
        check_validity(cert_file, own, SystemTime::now())?;
    }
    let octets = read_private_file(key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&octets).map_err(|_| {
        TlsError::content(
            key_file,
            "holds no private key; it needs -----BEGIN PRIVATE KEY-----, not encrypted with a passphrase",
        )
    })?;
    Ok((chain, key))
}

/// rustls leaves it to the peer to notice that our own certificate has expired; the operator wants to know first.
pub(super) fn check_validity(
    path: &Path,
    certificate: &CertificateDer<'_>,
    now: SystemTime,
) -> Result<(), TlsError> {
    let parsed = Certificate::from_der(certificate)
        .map_err(|error| TlsError::content(path, format!("holds no X.509 certificate ({error})")))?;
    let validity = parsed.tbs_certificate().validity();
    let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    if now > validity.not_after.to_unix_duration() {
        return Err(TlsError::content(
            path,
            format!("the certificate expired at {}; renew it", validity.not_after),
        ));
    }
    if now < validity.not_before.to_unix_duration() {
        let problem =
            format!("the certificate is valid from {} only; check this machine's clock", validity.not_before);
        return Err(TlsError::content(path, problem));
    }
    Ok(())
}

/// Why rustls takes a certificate and a key not for one another.
pub(super) fn unusable(cert_file: &Path, key_file: &Path, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::content(
            key_file,
            format!(
                "is not the key of {}; its first certificate has to be the one made for this key",
                cert_file.display()
            ),
        ),
        other => {
            TlsError::content(key_file, format!("cannot be used ({other}); take ECDSA P-256, Ed25519 or RSA"))
        }
    }
}
