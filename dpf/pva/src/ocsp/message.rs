//! OCSP requests as they are read, bounded; and what is said of one certificate.

use x509_cert::der::{Decode, Encode, asn1::OctetString};
use x509_ocsp::{CertId, OcspRequest};

use crate::model::Revocation;

/// Octets of a request at most: that of one certificate has about 100.
pub const MAX_REQUEST: usize = 8 * 1024;
/// Certificates in one request at most.
pub const MAX_SINGLE: usize = 16;
/// Octets of a nonce (RFC 9654 §2.1: 1 to 128).
const NONCE: std::ops::RangeInclusive<usize> = 1..=128;

/// id-pkix-ocsp-nonce, RFC 6960 §4.4.1.
pub(super) const NONCE_OID: &str = "1.3.6.1.5.5.7.48.1.2";

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Certificates, at least one.
    pub certificates: Vec<CertificateId>,
    /// The nonce, as it has to be in the response (RFC 9654 §2.1).
    pub nonce: Option<Vec<u8>>,
}

/// A certificate, by issuer and serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateId(pub(super) CertId);

impl CertificateId {
    /// Content octets of the serial number without leading zeros.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        let octets = self.0.serial_number.as_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        octets.get(zeros..).unwrap_or_default()
    }
}

/// What is said of one certificate (RFC 6960 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Issued here, and not revoked.
    Good,
    /// Revoked, or on hold.
    Revoked(Revocation),
    /// Of another issuer, or never issued.
    Unknown,
}

/// A request is no request: `malformedRequest` (RFC 6960 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable OCSP request: {0}")]
pub struct Unusable(pub &'static str);

/// Reads a request (RFC 6960 §4.1.1). A signature on it is not looked at: nobody has to sign here (§2.3).
///
/// # Errors
/// If it is malformed, too long, asks for nothing or too much, or has an extension that is critical and not known.
pub fn read(octets: &[u8]) -> Result<Asked, Unusable> {
    if octets.len() > MAX_REQUEST {
        return Err(Unusable("longer than 8192 octets"));
    }
    let request = OcspRequest::from_der(octets).map_err(|_| Unusable("not an OCSPRequest in DER"))?;
    let request = request.tbs_request;
    if !(1..=MAX_SINGLE).contains(&request.request_list.len()) {
        return Err(Unusable("it has to ask for 1 to 16 certificates"));
    }
    let mut nonce = None;
    for extension in request.request_extensions.iter().flatten() {
        if extension.extn_id.to_string() == NONCE_OID {
            let value = extension.extn_value.as_bytes();
            let octets =
                OctetString::from_der(value).map_err(|_| Unusable("its nonce is no OCTET STRING"))?;
            // RFC 9654 §2.1: 0 octets, or more than 128, are refused.
            if !NONCE.contains(&octets.as_bytes().len()) {
                return Err(Unusable("a nonce has 1 to 128 octets (RFC 9654 §2.1)"));
            }
            if nonce.replace(value.to_vec()).is_some() {
                return Err(Unusable("it has two nonces"));
            }
        } else if extension.critical {
            // RFC 6960 §4.4: extensions that are not known are passed over, unless they are critical.
            return Err(Unusable("it has a critical extension that is not known here"));
        }
    }
    let mut certificates = Vec::with_capacity(request.request_list.len());
    for single in request.request_list {
        if single.single_request_extensions.iter().flatten().any(|extension| extension.critical) {
            return Err(Unusable("it has a critical extension that is not known here"));
        }
        // It will be repeated as it is.
        single.req_cert.to_der().map_err(|_| Unusable("its CertID cannot be repeated"))?;
        certificates.push(CertificateId(single.req_cert));
    }
    Ok(Asked { certificates, nonce })
}
