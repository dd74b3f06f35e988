//! Who is at the other end, as its certificate says.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The certificates a TLS client has shown and that were found good; its own is the first. An extension of every
/// request that comes over TLS with client authentication.
#[derive(Debug, Clone)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// The DNS names of a certificate's subjectAltName (RFC 5280 §4.2.1.6), in lower case: what a Diameter identity is
/// compared with (RFC 6733 §13.1). Empty if it cannot be read or has none; the common name does not count.
#[must_use]
pub fn certificate_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, names))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    };
    names.0.iter().filter_map(dns).collect()
}

/// When the first of the certificates that a client has shown ends (`notAfter`, RFC 5280 §4.1.2.5); `None` if none of them
/// can be read.
#[must_use]
pub fn certificates_end(shown: &PeerCertificates) -> Option<SystemTime> {
    let ends = shown.0.iter().filter_map(|certificate| Certificate::from_der(certificate).ok());
    ends.map(|certificate| UNIX_EPOCH + certificate.tbs_certificate().validity().not_after.to_unix_duration())
        .min()
}
