//! A client of one role speaks to that role alone: another's certificate is refused, whatever hosts it names.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use schemas::trust::{ServerRole, named_roles};

/// A server's certificate is of another role than the client was configured for.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "its certificate is that of {named}, and the {wanted} is asked; is the URL right? (callhome pki show)"
)]
pub struct OtherRole {
    /// The roles that the certificate names.
    named: String,
    /// The role that the client is for.
    wanted: ServerRole,
}

/// rustls shows the Debug form of an error of others in its own text, where people read it.
impl fmt::Debug for OtherRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Verifies a server's chain and host name (RFC 5280, RFC 9525), and then that it names the expected role. A certificate that
/// names no role at all (of a PKI that is not `callhome pki`'s) is judged by its host name alone.
#[derive(Debug)]
pub struct RoleVerifier {
    chain: Arc<WebPkiServerVerifier>,
    role: ServerRole,
}

impl RoleVerifier {
    /// Trusts `roots` for servers that are `role`.
    ///
    /// # Errors
    /// If there is no root.
    pub fn new(roots: Arc<RootCertStore>, role: ServerRole) -> Result<Self, VerifierBuilderError> {
        let chain = WebPkiServerVerifier::builder_with_provider(roots, super::provider()).build()?;
        Ok(Self { chain, role })
    }

    fn check_role(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let named =
            named_roles(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !named.any || named.roles.contains(&self.role) {
            return Ok(());
        }
        let names: Vec<String> = named.roles.iter().map(ToString::to_string).collect();
        let named = if names.is_empty() { "a role unknown here".to_owned() } else { names.join(" and ") };
        let error = OtherRole { named, wanted: self.role.clone() };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))
    }
}

impl ServerCertVerifier for RoleVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        self.check_role(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
