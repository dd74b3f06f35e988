//! PKCS #10 (RFC 2986): a device shows that it has the key that it wants a certificate for.

use p256::ecdsa::{Signature, signature::Verifier};
use schemas::trust;
use x509_cert::{
    der::{Decode, Encode, asn1::ObjectIdentifier},
    request::CertReq,
};

/// ecdsa-with-SHA256, RFC 5758 §3.2.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// A request is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not PKCS #10.
    #[error("not a certification request of PKCS #10 in DER (RFC 2986)")]
    Malformed,
    /// Another key or signature than P-256.
    #[error("the request has to be of a P-256 key, signed with ecdsa-with-SHA256 (RFC 5758 §3.2)")]
    Algorithm,
    /// Signed by another key, or changed.
    #[error("the request is not signed by the key that it names: no proof of possession (RFC 2986 §3)")]
    Signature,
}

/// The key of a certification request, SubjectPublicKeyInfo in DER, if whoever made it has its private part. Names and
/// extensions that it asks for are passed over: the PVA knows whom it certifies.
///
/// # Errors
/// What is wrong with it.
pub fn possessed_key(request: &[u8]) -> Result<Vec<u8>, RequestError> {
    let request = CertReq::from_der(request).map_err(|_| RequestError::Malformed)?;
    if request.algorithm.oid != ECDSA_WITH_SHA256 {
        return Err(RequestError::Algorithm);
    }
    let spki = request.info.public_key.to_der().map_err(|_| RequestError::Malformed)?;
    let key = trust::public_key(&spki).map_err(|_| RequestError::Algorithm)?;
    let signature = request.signature.as_bytes().ok_or(RequestError::Signature)?;
    let signature = Signature::from_der(signature).map_err(|_| RequestError::Signature)?;
    let signed = request.info.to_der().map_err(|_| RequestError::Malformed)?;
    key.verify(&signed, &signature).map_err(|_| RequestError::Signature)?;
    // One form of one key: what is compared with it was made the same way.
    Ok(canonical(&key))
}

/// SubjectPublicKeyInfo (DER) of a key, its point uncompressed: the one form that keys are stored and compared in.
#[must_use]
pub fn canonical(key: &p256::ecdsa::VerifyingKey) -> Vec<u8> {
    /// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 66 octets }: RFC 5480 §2.
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let point = key.to_sec1_point(false);
    [HEAD.as_slice(), point.as_bytes()].concat()
}
