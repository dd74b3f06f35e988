//! Sealing: AES-256-GCM (NIST SP 800-38D) with a key for each compartment, derived from the device's storage key by
//! HKDF-SHA-256 (RFC 5869), so that what is sealed for one operator does not open for another.

use std::{os::unix::fs::PermissionsExt, path::Path};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use schemas::cose::CoseError;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    StorageKeyError, TreError,
    files::{Files, replace},
};

/// What a sealed file begins with.
const MAGIC: &[u8; 8] = b"callTRE1";
/// Octets of a GCM nonce.
const NONCE: usize = 12;
/// Magic, generation, nonce.
const HEAD: usize = MAGIC.len() + 8 + NONCE;

/// The key that a real device has in hardware.
pub(super) struct StorageKey(Zeroizing<[u8; 32]>);

impl StorageKey {
    pub(super) fn create(files: &dyn Files, path: &Path) -> Result<Self, TreError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|_| CoseError::Random)?;
        let text = Zeroizing::new(hex::encode(key.as_slice()));
        replace(files, path, text.as_bytes()).map_err(TreError::at(path))?;
        Ok(Self(key))
    }

    pub(super) fn open(files: &dyn Files, path: &Path) -> Result<Self, TreError> {
        let mode = std::fs::metadata(path).map_err(TreError::at(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(StorageKeyError::Open(path.to_owned()).into());
        }
        let text = Zeroizing::new(files.read(path).map_err(TreError::at(path))?);
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), key.as_mut_slice())
            .map_err(|_| StorageKeyError::Content(path.to_owned()))?;
        Ok(Self(key))
    }

    /// The key of one compartment.
    pub(super) fn compartment(&self, name: &str) -> Result<Compartment, TreError> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand_multi_info(&[b"callhome TRE 1 ", name.as_bytes()], key.as_mut_slice())
            .map_err(|_| CoseError::Key)?;
        Ok(Compartment(Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| CoseError::Key)?))
    }
}

/// What seals and opens the files of one compartment.
pub(super) struct Compartment(Aes256Gcm);

impl Compartment {
    /// Seals `plain` for `path` (below the device's folder) in `generation`.
    pub(super) fn seal(&self, path: &str, generation: u64, plain: &[u8]) -> Result<Vec<u8>, TreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| CoseError::Random)?;
        let aad = aad(path, generation);
        let sealed = self
            .0
            .encrypt(&nonce.into(), Payload { msg: plain, aad: &aad })
            .map_err(|_| CoseError::DoesNotOpen)?;
        Ok([MAGIC.as_slice(), &generation.to_be_bytes(), &nonce, &sealed].concat())
    }

    /// Opens what was sealed for `path` in exactly this generation.
    pub(super) fn open(
        &self,
        path: &str,
        generation: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TreError> {
        match self.open_any(path, sealed)? {
            (found, plain) if found == generation => Ok(plain),
            _ => Err(TreError::Sealed(path.to_owned())),
        }
    }

    /// Opens what was sealed for `path`; says in which generation that was.
    pub(super) fn open_any(&self, path: &str, sealed: &[u8]) -> Result<(u64, Zeroizing<Vec<u8>>), TreError> {
        let bad = || TreError::Sealed(path.to_owned());
        let (head, body) = sealed.split_at_checked(HEAD).ok_or_else(bad)?;
        let rest = head.strip_prefix(MAGIC).ok_or_else(bad)?;
        let (generation, nonce) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
        let generation = u64::from_be_bytes(*generation);
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| bad())?;
        let aad = aad(path, generation);
        let plain = self.0.decrypt(&nonce.into(), Payload { msg: body, aad: &aad }).map_err(|_| bad())?;
        Ok((generation, Zeroizing::new(plain)))
    }
}

/// What binds a sealed file to its place and time.
fn aad(path: &str, generation: u64) -> Vec<u8> {
    [generation.to_be_bytes().as_slice(), path.as_bytes()].concat()
}
