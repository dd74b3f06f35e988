//! Signed responses, by a responder that the platform CA has delegated (RFC 6960 §4.2.2.2).

use std::{fmt, time::Duration};

use rcgen::{KeyPair, SigningKey};
use schemas::{cose::PrivateKey, trust::Leaf};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::{
    Certificate,
    der::{
        Decode, Encode,
        asn1::{BitString, GeneralizedTime, ObjectIdentifier, OctetString},
    },
    ext::{
        Extension,
        pkix::{CrlReason, ExtendedKeyUsage},
    },
    spki::AlgorithmIdentifierOwned,
};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, ResponderId, ResponseData,
    RevokedInfo, SingleResponse, Version,
};

use super::message::{Asked, CertificateId, NONCE_OID, Status};
use crate::model::{Revocation, RevocationReason};

/// id-kp-OCSPSigning, RFC 6960 §4.2.2.2.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// ecdsa-with-SHA256, RFC 5758 §3.2: no parameters.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// id-sha1 (RFC 3279 §2.1), id-sha256, id-sha384, id-sha512 (RFC 5758 §2): what CertIDs are made with.
const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// The responder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// Certificate or key.
    #[error("the OCSP responder's certificate and key cannot be used: {0}; `callhome pki` makes them")]
    Unusable(String),
    /// A response cannot be made.
    #[error("no response can be made: {0}")]
    Response(String),
}

/// Signs responses.
pub struct Responder {
    key: KeyPair,
    certificate: Certificate,
    id: ResponderId,
    /// `notBefore` and `notAfter` of its certificate, seconds since 1970 UTC.
    in_force: (i64, i64),
    /// Hashes of the CA's name and key, by algorithm (RFC 6960 §4.1.1).
    issuer: [(ObjectIdentifier, Vec<u8>, Vec<u8>); 4],
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(…)")
    }
}

impl Responder {
    /// From PEM texts; `ca` is the platform CA's certificate, DER. That the CA has signed the responder's certificate is
    /// for the caller to see with [`Self::issued_by`].
    ///
    /// # Errors
    /// If they do not belong together, or the certificate is not for OCSP signing.
    pub fn new(certificate: &[u8], key: &[u8], ca: &[u8]) -> Result<Self, ResponderError> {
        let unusable = |why: &dyn fmt::Display| ResponderError::Unusable(why.to_string());
        let chain = schemas::trust::chain_from_pem(certificate).map_err(|e| unusable(&e))?;
        let der = chain.first().map_or(&[][..], |leaf| leaf.as_ref());
        let leaf = Leaf::parse(der).map_err(|e| unusable(&e))?;
        let key = PrivateKey::from_pem(key).map_err(|e| unusable(&e))?;
        if leaf.key != key.public() {
            return Err(unusable(&"the key is of another certificate"));
        }
        let parsed = Certificate::from_der(der).map_err(|_| unusable(&"not X.509"))?;
        let ca = Certificate::from_der(ca).map_err(|_| unusable(&"the CA's is not X.509"))?;
        let (tbs, ca) = (&parsed.tbs_certificate, &ca.tbs_certificate);
        let usage = tbs.get::<ExtendedKeyUsage>().ok().flatten();
        if !usage.is_some_and(|(_, usage)| usage.0.contains(&OCSP_SIGNING)) {
            return Err(unusable(&"it lacks the extended key usage id-kp-OCSPSigning (RFC 6960 §4.2.2.2)"));
        }
        if tbs.issuer != ca.subject {
            return Err(unusable(&"it is not issued by the platform CA"));
        }
        let name = ca.subject.to_der().map_err(|e| unusable(&e))?;
        let ca_key = ca.subject_public_key_info.subject_public_key.raw_bytes();
        let hash = Sha1::digest(tbs.subject_public_key_info.subject_public_key.raw_bytes());
        let id = ResponderId::ByKey(OctetString::new(hash.to_vec()).map_err(|e| unusable(&e))?);
        let seconds = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let in_force = (seconds(tbs.validity.not_before), seconds(tbs.validity.not_after));
        let issuer = [
            (SHA_1, Sha1::digest(&name).to_vec(), Sha1::digest(ca_key).to_vec()),
            (SHA_256, Sha256::digest(&name).to_vec(), Sha256::digest(ca_key).to_vec()),
            (SHA_384, Sha384::digest(&name).to_vec(), Sha384::digest(ca_key).to_vec()),
            (SHA_512, Sha512::digest(&name).to_vec(), Sha512::digest(ca_key).to_vec()),
        ];
        let key = KeyPair::try_from(key.to_pkcs8().map_err(|e| unusable(&e))?.as_slice())
            .map_err(|e| unusable(&e))?;
        Ok(Self { key, certificate: parsed, id, in_force, issuer })
    }

    /// Sees that the key of `ca` (DER) has signed the responder's certificate.
    ///
    /// # Errors
    /// If it has not.
    pub fn issued_by(&self, ca: &[u8]) -> Result<(), ResponderError> {
        use p256::ecdsa::{Signature, signature::Verifier};
        let unusable = |why: &str| ResponderError::Unusable(why.to_owned());
        let ca = Leaf::parse(ca).map_err(|e| unusable(&e.to_string()))?;
        let signature = self.certificate.signature.as_bytes().and_then(|der| Signature::from_der(der).ok());
        let signed = self.certificate.tbs_certificate.to_der();
        match (signature, signed) {
            (Some(signature), Ok(signed)) if ca.key.verify(&signed, &signature).is_ok() => Ok(()),
            _ => Err(unusable("it is not signed by the platform CA")),
        }
    }

    /// Whether its certificate is in force at `now` (seconds since 1970 UTC): if not, it is not capable of responding
    /// authoritatively, and says `unauthorized` (RFC 6960 §2.3).
    #[must_use]
    pub fn is_authorised(&self, now: i64) -> bool {
        (self.in_force.0..=self.in_force.1).contains(&now)
    }

    /// Whether the certificate is of our CA.
    #[must_use]
    pub fn is_ours(&self, certificate: &CertificateId) -> bool {
        let CertId { hash_algorithm, issuer_name_hash, issuer_key_hash, .. } = &certificate.0;
        self.issuer.iter().any(|(algorithm, name, key)| {
            hash_algorithm.oid == *algorithm
                && issuer_name_hash.as_bytes() == name
                && issuer_key_hash.as_bytes() == key
        })
    }

    /// A signed response (RFC 6960 §4.2.1), DER: `statuses` in the order of what was asked, as they are at `now` (seconds
    /// since 1970 UTC); to be relied upon for `validity`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn respond(
        &self,
        asked: &Asked,
        statuses: &[Status],
        now: i64,
        validity: Duration,
    ) -> Result<Vec<u8>, ResponderError> {
        let failed = |why: &dyn fmt::Display| ResponderError::Response(why.to_string());
        if statuses.len() != asked.certificates.len() {
            return Err(failed(&"a certificate was not looked up"));
        }
        let validity = i64::try_from(validity.as_secs()).unwrap_or(i64::MAX);
        let next_update = time(now.saturating_add(validity))?;
        let responses = asked
            .certificates
            .iter()
            .zip(statuses)
            .map(|(certificate, status)| {
                Ok(SingleResponse {
                    cert_id: certificate.0.clone(),
                    cert_status: cert_status(*status)?,
                    this_update: time(now)?,
                    next_update: Some(next_update),
                    single_extensions: None,
                })
            })
            .collect::<Result<_, ResponderError>>()?;
        let response_extensions = match &asked.nonce {
            None => None,
            Some(nonce) => Some(vec![Extension {
                extn_id: ObjectIdentifier::new(NONCE_OID).map_err(|e| failed(&e))?,
                critical: false,
                extn_value: OctetString::new(nonce.as_slice()).map_err(|e| failed(&e))?,
            }]),
        };
        let tbs_response_data = ResponseData {
            version: Version::V1,
            responder_id: self.id.clone(),
            produced_at: time(now)?,
            responses,
            response_extensions,
        };
        let signed = tbs_response_data.to_der().map_err(|e| failed(&e))?;
        let signature = self.key.sign(&signed).map_err(|e| failed(&e))?;
        let response = BasicOcspResponse {
            tbs_response_data,
            signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
            signature: BitString::from_bytes(&signature).map_err(|e| failed(&e))?,
            certs: Some(vec![self.certificate.clone()]),
        };
        let response = OcspResponse::successful(response).map_err(|e| failed(&e))?;
        response.to_der().map_err(|e| failed(&e))
    }
}

fn cert_status(status: Status) -> Result<CertStatus, ResponderError> {
    Ok(match status {
        Status::Good => CertStatus::good(),
        Status::Unknown => CertStatus::unknown(),
        Status::Revoked(Revocation { at, reason }) => CertStatus::revoked(RevokedInfo {
            revocation_time: time(at)?,
            revocation_reason: crl_reason(reason),
        }),
    })
}

/// RFC 5280 §5.3.1: `unspecified` is left out rather than said.
fn crl_reason(reason: RevocationReason) -> Option<CrlReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(CrlReason::KeyCompromise),
        RevocationReason::CaCompromise => Some(CrlReason::CaCompromise),
        RevocationReason::AffiliationChanged => Some(CrlReason::AffiliationChanged),
        RevocationReason::Superseded => Some(CrlReason::Superseded),
        RevocationReason::CessationOfOperation => Some(CrlReason::CessationOfOperation),
        RevocationReason::CertificateHold => Some(CrlReason::CertificateHold),
        RevocationReason::PrivilegeWithdrawn => Some(CrlReason::PrivilegeWithdrawn),
        RevocationReason::AaCompromise => Some(CrlReason::AaCompromise),
    }
}

fn time(seconds: i64) -> Result<OcspGeneralizedTime, ResponderError> {
    let since_1970 = Duration::from_secs(seconds.unsigned_abs());
    GeneralizedTime::from_unix_duration(since_1970)
        .map(OcspGeneralizedTime)
        .map_err(|error| ResponderError::Response(error.to_string()))
}
