//! What is asked: one certificate, by who issued it and its serial number (RFC 6960 §4.1).

use schemas::trust::{Anchors, Leaf, Purpose, TrustError, chain_from_pem};
use sha2::{Digest, Sha256};
use x509_cert_of_ocsp::{
    Certificate,
    der::{
        Decode, Encode,
        asn1::{ObjectIdentifier, OctetString},
    },
    ext::Extension,
    spki::AlgorithmIdentifierOwned,
};
use x509_ocsp::{CertId, OcspRequest, Request, TbsRequest, Version};

/// id-sha256, RFC 5758 §2.
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// id-pkix-ocsp-nonce, RFC 6960 §4.4.1.
pub(super) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
/// Octets of a nonce (RFC 9654 §2.1: 32 are to be sent).
pub(super) const NONCE_OCTETS: usize = 32;

/// Why a question cannot be asked, or an answer not be relied upon. Nothing of it says that the certificate is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// Only who issued a certificate, or its delegate, can say whether it still holds.
    #[error("no platform CA that is configured has issued the certificate: {0}")]
    NotIssued(String),
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Unwritable(String),
    /// The responder says that it cannot say (RFC 6960 §4.2.1).
    #[error("the responder answers {0}")]
    NoAnswer(&'static str),
    /// Not an answer at all.
    #[error("the answer cannot be read: {0}")]
    Malformed(&'static str),
    /// Not signed by whom the CA has delegated (§4.2.2.2).
    #[error("the answer is not signed by a responder of the platform CA")]
    WrongSigner,
    /// It is about something else.
    #[error("the answer is not about this certificate")]
    OtherCertificate,
    /// It is the answer to another question.
    #[error("the answer has not the question's nonce: it is an old one, or somebody else's")]
    OtherNonce,
    /// It does not hold yet, or not any more (§4.2.2.1).
    #[error("the answer is from {this_update} to {next_update}, and it is {now} (seconds since 1970 UTC)")]
    Stale {
        /// `thisUpdate`.
        this_update: u64,
        /// `nextUpdate`; `thisUpdate` where there is none.
        next_update: u64,
        /// The time here.
        now: u64,
    },
}

/// A CA whose certificates are asked about.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    /// It alone: a chain that leads here was issued by it.
    pub(super) anchor: Anchors,
    /// It may sign answers itself.
    pub(super) leaf: Leaf,
    name_hash: [u8; 32],
    key_hash: [u8; 32],
}

/// The CAs whose certificates can be asked about.
#[derive(Debug, Clone)]
pub struct Issuers(pub(super) Vec<Issuer>);

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// Which of the issuers.
    pub(super) issuer: usize,
    pub(super) certificate: CertId,
    /// DER of the OCTET STRING.
    pub(super) nonce: Vec<u8>,
}

impl Issuers {
    /// Of the certificates of a PEM text.
    ///
    /// # Errors
    /// If there is none, or one is no authority's with a P-256 key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let bad = || TrustError::Certificate("an issuer is an authority's certificate");
        let issuers = chain_from_pem(pem)?.into_iter().map(|der| {
            let parsed = Certificate::from_der(&der).map_err(|_| bad())?;
            let name = parsed.tbs_certificate.subject.to_der().map_err(|_| bad())?;
            let key = parsed.tbs_certificate.subject_public_key_info.subject_public_key;
            Ok(Issuer {
                anchor: Anchors::from_der(std::slice::from_ref(&der))?,
                leaf: Leaf::parse(&der)?,
                name_hash: Sha256::digest(name).into(),
                key_hash: Sha256::digest(key.raw_bytes()).into(),
            })
        });
        issuers.collect::<Result<_, TrustError>>().map(Self)
    }

    /// The question about a platform certificate (DER) that is in force at `now` (seconds since 1970 UTC).
    ///
    /// # Errors
    /// If none of the CAs has issued it itself, or it cannot be asked.
    pub fn question(&self, certificate: &[u8], nonce: &[u8], now: u64) -> Result<Question, OcspError> {
        let chain = [certificate.to_vec()];
        let mut why = "there is none".to_owned();
        let issuer = self.0.iter().position(|issuer| {
            // Two CAs may have one name, as when a key is replaced: the signature tells them apart.
            let verified = issuer.anchor.verify(&chain, Purpose::Platform, now);
            verified.map_err(|error| why = error.to_string()).is_ok()
        });
        let issuer = issuer.ok_or(OcspError::NotIssued(why))?;
        let by = &self.0[issuer];
        let unwritable = |error: x509_cert_of_ocsp::der::Error| OcspError::Unwritable(error.to_string());
        let parsed = Certificate::from_der(certificate).map_err(unwritable)?;
        let certificate = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA_256, parameters: None },
            issuer_name_hash: OctetString::new(by.name_hash).map_err(unwritable)?,
            issuer_key_hash: OctetString::new(by.key_hash).map_err(unwritable)?,
            serial_number: parsed.tbs_certificate.serial_number,
        };
        let nonce = OctetString::new(nonce).and_then(|nonce| nonce.to_der()).map_err(unwritable)?;
        Ok(Question { issuer, certificate, nonce })
    }
}

impl Question {
    /// The request (RFC 6960 §4.1.1), DER.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn to_der(&self) -> Result<Vec<u8>, OcspError> {
        let unwritable = |error: x509_cert_of_ocsp::der::Error| OcspError::Unwritable(error.to_string());
        let nonce = Extension {
            extn_id: NONCE,
            critical: false,
            extn_value: OctetString::new(self.nonce.as_slice()).map_err(unwritable)?,
        };
        let request = Request { req_cert: self.certificate.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![request],
            request_extensions: Some(vec![nonce]),
        };
        OcspRequest { tbs_request, optional_signature: None }.to_der().map_err(unwritable)
    }
}
