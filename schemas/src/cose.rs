//! COSE (RFC 9052, RFC 9053) as the shared formats use it: ES256 signatures with the signer's certificate, and
//! encryption to a P-256 key.

mod encrypt;
mod sign;

use std::fmt;

use p256::{SecretKey, ecdsa, pkcs8::DecodePrivateKey};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use crate::trust::TrustError;

pub use encrypt::{decrypt, encrypt};
pub use sign::{Signed, Signer, peek_chain, verify, verify_with};

/// Octets of a COSE object at most, parts of an RNCP apart.
pub const MAX: usize = 1 << 20;

/// A COSE object cannot be made or is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not COSE, or not this kind of it.
    #[error("not a {0}")]
    Malformed(&'static str),
    /// An algorithm or header that is not known or not allowed here.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Something else was signed.
    #[error("its content type is {found:?}, not {wanted}")]
    ContentType {
        /// What it says.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The signature is not of this key.
    #[error("the signature is not by the key of its certificate, or the object was changed")]
    Signature,
    /// The signer's certificate is not good.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It was not encrypted to this key, is bound to another place, or was changed.
    #[error("it does not open: encrypted to another key, meant for another place, or changed")]
    DoesNotOpen,
    /// A private key cannot be used.
    #[error("not a P-256 private key in PEM (PKCS #8 or SEC 1)")]
    Key,
    /// The system's random source fails.
    #[error("the system gives no random numbers")]
    Random,
}

/// A P-256 private key; signs, and opens what was encrypted to it. Debug shows nothing; wiped when dropped.
#[derive(Clone)]
pub struct PrivateKey(SecretKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// A new one.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate() -> Result<Self, CoseError> {
        // A candidate is not below the order once in 2^32.
        for _ in 0..8 {
            let mut octets = zeroize::Zeroizing::new([0; 32]);
            getrandom::fill(octets.as_mut_slice()).map_err(|_| CoseError::Random)?;
            if let Ok(key) = SecretKey::from_slice(octets.as_slice()) {
                return Ok(Self(key));
            }
        }
        Err(CoseError::Random)
    }

    /// From PEM: `PRIVATE KEY` (PKCS #8) or `EC PRIVATE KEY` (SEC 1).
    ///
    /// # Errors
    /// If it is anything else; it is not repeated.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CoseError> {
        match PrivateKeyDer::from_pem_slice(pem).map_err(|_| CoseError::Key)? {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                SecretKey::from_sec1_der(der.secret_sec1_der()).map(Self).map_err(|_| CoseError::Key)
            }
            _ => Err(CoseError::Key),
        }
    }

    /// From PKCS #8, DER.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CoseError> {
        SecretKey::from_pkcs8_der(der).map(Self).map_err(|_| CoseError::Key)
    }

    /// As PKCS #8, DER.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn to_pkcs8(&self) -> Result<zeroize::Zeroizing<Vec<u8>>, CoseError> {
        use p256::pkcs8::EncodePrivateKey;
        let document = self.0.to_pkcs8_der().map_err(|_| CoseError::Key)?;
        Ok(zeroize::Zeroizing::new(document.as_bytes().to_vec()))
    }

    /// As PKCS #8, PEM.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn to_pem(&self) -> Result<zeroize::Zeroizing<String>, CoseError> {
        use p256::pkcs8::{EncodePrivateKey, LineEnding};
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| CoseError::Key)
    }

    /// The private scalar, 32 octets: for a test's judge, and for nothing that prints.
    #[must_use]
    pub fn scalar(&self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(self.0.to_bytes().to_vec())
    }

    /// SubjectPublicKeyInfo of its public part, DER.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn spki(&self) -> Result<Vec<u8>, CoseError> {
        use p256::pkcs8::EncodePublicKey;
        let document = self.0.public_key().to_public_key_der().map_err(|_| CoseError::Key)?;
        Ok(document.as_bytes().to_vec())
    }

    /// Its public part as PEM, `PUBLIC KEY`.
    ///
    /// # Errors
    /// Only if memory fails.
    pub fn public_pem(&self) -> Result<String, CoseError> {
        use p256::pkcs8::{EncodePublicKey, LineEnding};
        self.0.public_key().to_public_key_pem(LineEnding::LF).map_err(|_| CoseError::Key)
    }

    /// Its public part.
    #[must_use]
    pub fn public(&self) -> ecdsa::VerifyingKey {
        ecdsa::VerifyingKey::from(self.0.public_key())
    }
}

/// A public key from PEM, `PUBLIC KEY` (RFC 7468 §13).
///
/// # Errors
/// If it is anything else than a P-256 key.
pub fn public_from_pem(pem: &str) -> Result<ecdsa::VerifyingKey, CoseError> {
    use p256::pkcs8::DecodePublicKey;
    ecdsa::VerifyingKey::from_public_key_pem(pem.trim())
        .map_err(|_| CoseError::Unsupported("not a P-256 public key in PEM"))
}
