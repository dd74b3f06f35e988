//! Who a TLS certificate is of.

use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest, Sha256};

use super::{PeerConfig, TransportKind};

/// The name under which a peer is asked for its certificate.
pub(super) fn server_name(config: &PeerConfig) -> Result<ServerName<'static>, std::io::Error> {
    let name = config.certificate_names.first().unwrap_or(&config.identity);
    ServerName::try_from(name.clone()).map_err(|_| {
        std::io::Error::other(format!("{name:?} cannot be the name in a certificate: use a host name"))
    })
}

/// Whether the certificate is one that the peer may have.
pub(super) fn certificate_is_of(
    config: &PeerConfig,
    kind: TransportKind,
    certificate: Option<&[u8]>,
) -> Result<(), String> {
    let Some(certificate) = certificate else {
        return match kind {
            TransportKind::Tls => Err("has shown no certificate".to_owned()),
            _ if config.certificate_names.is_empty() && config.certificate_sha256.is_none() => Ok(()),
            _ => Err(format!("has to come over TLS with its certificate, not over {kind}")),
        };
    };
    if let Some(expected) = &config.certificate_sha256 {
        if Sha256::digest(certificate).as_slice() != expected {
            return Err("has shown another certificate than the configured one".to_owned());
        }
        // The very certificate: what names stand in it does not matter, unless some were asked for.
        if config.certificate_names.is_empty() {
            return Ok(());
        }
    }
    let der = CertificateDer::from(certificate);
    let parsed = webpki::EndEntityCert::try_from(&der)
        .map_err(|_| "has shown a certificate that cannot be read".to_owned())?;
    let own = std::slice::from_ref(&config.identity);
    let names = if config.certificate_names.is_empty() { own } else { &config.certificate_names };
    let holds = |name: &String| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
    };
    if names.iter().any(holds) {
        return Ok(());
    }
    Err(format!("has shown a certificate without any of the names {names:?}"))
}
