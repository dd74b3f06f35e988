//! COSE_Sign1 (RFC 9052 §4.2), ES256 (RFC 9053 §2.1), with `x5chain` (RFC 9360 §2) in the protected header.

use std::sync::Arc;

use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, RegisteredLabel,
    RegisteredLabelWithPrivate, TaggedCborSerializable, cbor::Value, iana,
};
use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};

use super::{CoseError, MAX, PrivateKey};
use crate::trust::{Anchors, Leaf, Purpose, TrustError, chain_from_pem};

/// `x5chain`, RFC 9360 §2.
const X5CHAIN: i64 = 33;
/// Certificates that are taken at most.
const MAX_CHAIN: usize = 4;

/// A key and the certificate that says whose it is.
#[derive(Clone)]
pub struct Signer {
    key: Arc<SigningKey>,
    chain: Arc<[Vec<u8>]>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    /// A key and its chain, DER, leaf first and without the anchor.
    ///
    /// # Errors
    /// If the leaf is of another key.
    pub fn new(key: &PrivateKey, chain: Vec<Vec<u8>>) -> Result<Self, CoseError> {
        let leaf = chain.first().ok_or(CoseError::Unsupported("a signer needs a certificate"))?;
        if Leaf::parse(leaf)?.key != key.public() {
            return Err(CoseError::Unsupported("the certificate is of another key"));
        }
        Ok(Self { key: Arc::new(SigningKey::from(&key.0)), chain: chain.into() })
    }

    /// From PEM texts.
    ///
    /// # Errors
    /// As [`new`](Self::new), or if one cannot be read.
    pub fn from_pem(key: &[u8], chain: &[u8]) -> Result<Self, CoseError> {
        let chain = chain_from_pem(chain)?.into_iter().map(|der| der.to_vec()).collect();
        Self::new(&PrivateKey::from_pem(key)?, chain)
    }

    /// Its certificate.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn leaf(&self) -> Result<Leaf, TrustError> {
        Leaf::parse(self.chain.first().map_or(&[], Vec::as_slice))
    }

    /// Signs; gives a tagged COSE_Sign1.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn sign(&self, content_type: &str, payload: Vec<u8>) -> Result<Vec<u8>, CoseError> {
        // RFC 9360 §2: one certificate is a byte string, several are an array.
        let chain = match self.chain.as_ref() {
            [one] => Value::Bytes(one.clone()),
            several => Value::Array(several.iter().cloned().map(Value::Bytes).collect()),
        };
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::ES256)
            .content_type(content_type.to_owned())
            .value(X5CHAIN, chain)
            .build();
        CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .create_signature(&[], |to_sign| {
                let signature: Signature = self.key.sign(to_sign);
                signature.to_bytes().to_vec()
            })
            .build()
            .to_tagged_vec()
            .map_err(|_| CoseError::Malformed("COSE_Sign1"))
    }
}

/// What was signed, and by whom.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The payload.
    pub payload: Vec<u8>,
    /// The signer's certificate.
    pub signer: Leaf,
}

/// Verifies a tagged COSE_Sign1: `content_type`, chain to `anchors` for `purpose` at `now`, signature.
///
/// # Errors
/// What is wrong with it.
pub fn verify(
    octets: &[u8],
    content_type: &'static str,
    anchors: &Anchors,
    purpose: Purpose,
    now: u64,
) -> Result<Signed, CoseError> {
    let sign1 = parse(octets, content_type)?;
    let signer = anchors.verify(&chain(&sign1)?, purpose, now)?;
    check(&sign1, &signer.key)?;
    let payload = sign1.payload.ok_or(CoseError::Malformed("COSE_Sign1 with a payload"))?;
    Ok(Signed { payload, signer })
}

/// Verifies with a key that is known otherwise, whatever certificate is inside; gives the payload.
///
/// # Errors
/// What is wrong with it.
pub fn verify_with(
    octets: &[u8],
    content_type: &'static str,
    key: &VerifyingKey,
) -> Result<Vec<u8>, CoseError> {
    let sign1 = parse(octets, content_type)?;
    check(&sign1, key)?;
    sign1.payload.ok_or(CoseError::Malformed("COSE_Sign1 with a payload"))
}

/// The certificates inside, leaf first, of which nothing has been verified; and the payload.
///
/// # Errors
/// If it is no COSE_Sign1 of that content type, or holds none.
pub fn peek_chain(octets: &[u8], content_type: &'static str) -> Result<(Vec<Vec<u8>>, Vec<u8>), CoseError> {
    let sign1 = parse(octets, content_type)?;
    let chain = chain(&sign1)?;
    Ok((chain, sign1.payload.ok_or(CoseError::Malformed("COSE_Sign1 with a payload"))?))
}

fn parse(octets: &[u8], wanted: &'static str) -> Result<CoseSign1, CoseError> {
    if octets.len() > MAX {
        return Err(CoseError::Malformed("COSE_Sign1 of at most 1 MiB"));
    }
    let sign1 = CoseSign1::from_tagged_slice(octets).or_else(|_| CoseSign1::from_slice(octets));
    let sign1 = sign1.map_err(|_| CoseError::Malformed("COSE_Sign1"))?;
    let header = &sign1.protected.header;
    if header.alg != Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) {
        return Err(CoseError::Unsupported("the signature's algorithm is not ES256, or not protected"));
    }
    if !header.crit.is_empty() {
        return Err(CoseError::Unsupported("a critical header that is not known here"));
    }
    match &header.content_type {
        Some(RegisteredLabel::Text(found)) if found == wanted => Ok(sign1),
        found => Err(CoseError::ContentType { found: shown(found.as_ref()), wanted }),
    }
}

fn shown(content_type: Option<&RegisteredLabel<iana::CoapContentFormat>>) -> String {
    match content_type {
        None => "missing".to_owned(),
        Some(RegisteredLabel::Text(text)) => text.chars().take(80).collect(),
        Some(RegisteredLabel::Assigned(_)) => "a number".to_owned(),
    }
}

fn chain(sign1: &CoseSign1) -> Result<Vec<Vec<u8>>, CoseError> {
    const BAD: CoseError =
        CoseError::Malformed("COSE_Sign1 with the signer's certificate (x5chain) protected");
    let mut rest = sign1.protected.header.rest.iter();
    let value = rest.find(|(label, _)| *label == coset::Label::Int(X5CHAIN)).map(|(_, value)| value);
    match value {
        Some(Value::Bytes(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(several)) if (1..=MAX_CHAIN).contains(&several.len()) => {
            several.iter().map(|one| one.as_bytes().cloned().ok_or(BAD)).collect()
        }
        _ => Err(BAD),
    }
}

fn check(sign1: &CoseSign1, key: &VerifyingKey) -> Result<(), CoseError> {
    sign1.verify_signature(&[], |signature, signed| {
        let signature = Signature::from_slice(signature).map_err(|_| CoseError::Signature)?;
        key.verify(signed, &signature).map_err(|_| CoseError::Signature)
    })
}
