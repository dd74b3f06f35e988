//! What is answered: believed only if all that RFC 6960 §3.2 asks for is so. Pure: octets and the time in, standing out.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use schemas::trust::Purpose;
use x509_cert_of_ocsp::der::{Decode, Encode, asn1::ObjectIdentifier};
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus};

use super::question::{Issuers, NONCE, OcspError, Question};

/// id-pkix-ocsp-basic, RFC 6960 §4.2.1.
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// ecdsa-with-SHA256, RFC 5758 §3.2: all keys here are P-256.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// How far the responder's clock may be from ours, seconds.
const SKEW: u64 = 60;
/// Certificates of an answer that are looked at: a responder needs one.
const MOST: usize = 4;

/// What is said of a certificate (RFC 6960 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Issued, and not revoked.
    Good,
    /// Revoked, or on hold.
    Revoked,
    /// Its CA does not know it: nobody has enrolled it.
    Unknown,
}

/// An answer that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub standing: Standing,
    /// Seconds since 1970 UTC; after this a newer one has to be asked for. `None`: there always is a newer one.
    pub next_update: Option<u64>,
}

impl Issuers {
    /// What an answer says to a question, at `now` (seconds since 1970 UTC).
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn answer(&self, question: &Question, octets: &[u8], now: u64) -> Result<Answer, OcspError> {
        let bad = OcspError::Malformed;
        let response = OcspResponse::from_der(octets).map_err(|_| bad("no OCSPResponse in DER"))?;
        match response.response_status {
            OcspResponseStatus::Successful => {}
            OcspResponseStatus::MalformedRequest => return Err(OcspError::NoAnswer("malformedRequest")),
            OcspResponseStatus::InternalError => return Err(OcspError::NoAnswer("internalError")),
            OcspResponseStatus::TryLater => return Err(OcspError::NoAnswer("tryLater")),
            OcspResponseStatus::SigRequired => return Err(OcspError::NoAnswer("sigRequired")),
            OcspResponseStatus::Unauthorized => return Err(OcspError::NoAnswer("unauthorized")),
        }
        let inner = response.response_bytes.ok_or(bad("successful, and without a response"))?;
        if inner.response_type != BASIC {
            return Err(bad("of another type than id-pkix-ocsp-basic"));
        }
        let basic = BasicOcspResponse::from_der(inner.response.as_bytes())
            .map_err(|_| bad("no BasicOCSPResponse in DER"))?;
        // §3.2 points 2 to 4: signed, and by whom it has to be. Before anything in it is believed.
        self.signed(question, &basic, now)?;
        let data = &basic.tbs_response_data;
        let nonce = data.response_extensions.iter().flatten().find(|extension| extension.extn_id == NONCE);
        if nonce.is_none_or(|nonce| nonce.extn_value.as_bytes() != question.nonce) {
            return Err(OcspError::OtherNonce);
        }
        // Point 1.
        let single = data.responses.iter().find(|single| single.cert_id == question.certificate);
        let single = single.ok_or(OcspError::OtherCertificate)?;
        // Points 5 and 6.
        let this_update = seconds(single.this_update);
        let next_update = single.next_update.map(seconds);
        let last = next_update.unwrap_or(this_update);
        if this_update > now.saturating_add(SKEW) || last.saturating_add(SKEW) < now {
            return Err(OcspError::Stale { this_update, next_update: last, now });
        }
        let standing = match single.cert_status {
            CertStatus::Good(_) => Standing::Good,
            CertStatus::Revoked(_) => Standing::Revoked,
            CertStatus::Unknown(_) => Standing::Unknown,
        };
        Ok(Answer { standing, next_update })
    }

    /// Sees that the CA of the question, or a responder that it has certified for that itself (§4.2.2.2), has signed.
    /// Whose name the answer has for its signer does not matter: whose key it is, does.
    fn signed(&self, question: &Question, basic: &BasicOcspResponse, now: u64) -> Result<(), OcspError> {
        let wrong = OcspError::WrongSigner;
        let issuer = self.0.get(question.issuer).ok_or(wrong.clone())?;
        if basic.signature_algorithm.oid != ECDSA_WITH_SHA256 {
            return Err(wrong);
        }
        let signature = basic.signature.as_bytes().and_then(|der| Signature::from_der(der).ok());
        let signature = signature.ok_or(wrong.clone())?;
        let octets = basic.tbs_response_data.to_der().map_err(|_| wrong.clone())?;
        let by = |key: &VerifyingKey| key.verify(&octets, &signature).is_ok();
        let delegated = basic.certs.iter().flatten().take(MOST).any(|certificate| {
            let Ok(der) = certificate.to_der() else { return false };
            // No intermediates: delegation is by the CA itself.
            issuer.anchor.verify(&[der], Purpose::Ocsp, now).is_ok_and(|leaf| by(&leaf.key))
        });
        if delegated || by(&issuer.leaf.key) { Ok(()) } else { Err(wrong) }
    }
}

fn seconds(time: OcspGeneralizedTime) -> u64 {
    time.0.to_unix_duration().as_secs()
}
