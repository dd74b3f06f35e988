//! Secrets at rest: AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.2.2), bound to the place
//! they are stored at, so that a sealed value copied to another row does not open there.

mod keyring;

use aes_gcm::aead::{AeadInOut, Nonce};
use zeroize::Zeroizing;

pub use keyring::{KeyError, Keyring};

/// First octet of a sealed value: how it is laid out.
const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Version, key id, nonce.
const HEAD: usize = 1 + 4 + NONCE;

/// A value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not in the key file.
    #[error(
        "{place} is sealed with at-rest key {id}, which the key file does not have: put that key's line back"
    )]
    NoKey {
        /// What does not open.
        place: String,
        /// Id of the missing key.
        id: u32,
    },
    /// The key is there, but is not the one, or the value is damaged.
    #[error(
        "{place} does not open with at-rest key {id}: the key file has another key under that id, or the \
         database is damaged"
    )]
    DoesNotOpen {
        /// What does not open.
        place: String,
        /// Id of the key tried.
        id: u32,
    },
    /// Not a sealed value.
    #[error(
        "{place} is not a sealed value of a known form: the database is damaged, or is of a newer callhome"
    )]
    Form {
        /// What does not open.
        place: String,
    },
    /// The system gave no randomness, or the cipher refused.
    #[error("{place} cannot be sealed: the system's random source fails")]
    CannotSeal {
        /// What was to be sealed.
        place: String,
    },
}

/// Where a sealed value is stored; the additional authenticated data.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Table and column, as `credential/sealed`.
    pub column: &'static str,
    /// Key of the row.
    pub row: &'a (dyn std::fmt::Display + Sync),
}

impl Place<'_> {
    fn aad(self) -> String {
        format!("{}/{}", self.column, self.row)
    }
}

impl Keyring {
    /// Seals with the newest key: version (1 octet) ‖ key id (4) ‖ nonce (12) ‖ ciphertext and tag (16).
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let aad = place.aad();
        let mut nonce = [0; NONCE];
        if getrandom::fill(&mut nonce).is_err() {
            return Err(SealError::CannotSeal { place: aad });
        }
        let Some((id, cipher)) = self.newest() else { return Err(SealError::CannotSeal { place: aad }) };
        let mut blob = Vec::with_capacity(HEAD + secret.len() + TAG);
        blob.push(VERSION);
        blob.extend_from_slice(&id.to_be_bytes());
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(secret);
        let tag = cipher
            .encrypt_inout_detached(
                &Nonce::<aes_gcm::Aes256Gcm>::from(nonce),
                aad.as_bytes(),
                (&mut blob[HEAD..]).into(),
            )
            .map_err(|_| SealError::CannotSeal { place: aad })?;
        blob.extend_from_slice(&tag);
        Ok(blob)
    }

    /// Opens with the key that the value names.
    ///
    /// # Errors
    /// If that key is missing or another one, or the value was changed or moved.
    pub fn open(&self, place: Place<'_>, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let aad = place.aad();
        let Some((head, rest)) = blob.split_first_chunk::<HEAD>() else {
            return Err(SealError::Form { place: aad });
        };
        let Some((body, tag)) = rest.split_last_chunk::<TAG>() else {
            return Err(SealError::Form { place: aad });
        };
        let [version, a, b, c, d, nonce @ ..] = *head;
        if version != VERSION {
            return Err(SealError::Form { place: aad });
        }
        let id = u32::from_be_bytes([a, b, c, d]);
        let cipher = self.key(id).or_else(|| {
            // Whoever has sealed it may have the key from a newer file than we have read.
            self.refresh_for_missing_key();
            self.key(id)
        });
        let Some(cipher) = cipher else {
            return Err(SealError::NoKey { place: aad, id });
        };
        let mut secret = Zeroizing::new(body.to_vec());
        cipher
            .decrypt_inout_detached(
                &nonce.into(),
                aad.as_bytes(),
                secret.as_mut_slice().into(),
                &(*tag).into(),
            )
            .map_err(|_| SealError::DoesNotOpen { place: aad, id })?;
        Ok(secret)
    }

    /// The octets that every value sealed with the newest key begins with.
    #[must_use]
    pub fn newest_prefix(&self) -> [u8; 5] {
        let [a, b, c, d] = self.newest_id().to_be_bytes();
        [VERSION, a, b, c, d]
    }

    /// Id of the key that a value is sealed with; `None`: it is not a sealed value of a known form.
    #[must_use]
    pub fn key_id(blob: &[u8]) -> Option<u32> {
        let ([VERSION, a, b, c, d], _) = blob.split_first_chunk::<5>()? else { return None };
        Some(u32::from_be_bytes([*a, *b, *c, *d]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { column: "credential/sealed", row: &"999710000000001" };

    fn ring(text: &str) -> Keyring {
        Keyring::parse(text).unwrap()
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let keys = ring(&Keyring::generate_line(1).unwrap());
        let blob = keys.seal(PLACE, b"K and OPc").unwrap();
        assert_eq!(keys.open(PLACE, &blob).unwrap().as_slice(), b"K and OPc");
        assert!(!blob.windows(9).any(|w| w == b"K and OPc"));
        assert_ne!(blob, keys.seal(PLACE, b"K and OPc").unwrap(), "a nonce is never reused");
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert!(keys.open(PLACE, &changed).is_err(), "octet {at}");
            assert!(keys.open(PLACE, &blob[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_value_moved_to_another_row_or_column_does_not_open() {
        let keys = ring(&Keyring::generate_line(1).unwrap());
        let blob = keys.seal(PLACE, b"secret").unwrap();
        let other_row = Place { row: &"999710000000002", ..PLACE };
        let other_column = Place { column: "vector/sealed", ..PLACE };
        for place in [other_row, other_column] {
            assert!(matches!(keys.open(place, &blob), Err(SealError::DoesNotOpen { id: 1, .. })));
        }
    }

    #[test]
    fn a_key_that_was_added_where_the_keys_came_from_opens_at_once_and_seals_when_it_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("at-rest.key");
        let (one, two) = (Keyring::generate_line(1).unwrap(), Keyring::generate_line(2).unwrap());
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            #[cfg(unix)]
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        };
        write(&one);
        let again = path.clone();
        let keys = ring(&one).with_source(move || Keyring::read(&again).ok());
        assert!(!keys.refresh());
        write(&format!("{}{}", *one, *two));
        let new = ring(&two).seal(PLACE, b"secret").unwrap();
        assert_eq!(Keyring::key_id(&new), Some(2));
        assert_eq!(keys.newest_id(), 1);
        assert_eq!(keys.open(PLACE, &new).unwrap().as_slice(), b"secret");
        assert_eq!(keys.newest_id(), 2);
        // What cannot be read, or is not there any more, takes nothing away.
        write("2:broken");
        assert!(!keys.refresh() && keys.open(PLACE, &new).is_ok());
        let three = ring(&Keyring::generate_line(3).unwrap()).seal(PLACE, b"secret").unwrap();
        assert!(matches!(keys.open(PLACE, &three), Err(SealError::NoKey { id: 3, .. })));
    }

    #[test]
    fn the_newest_key_seals_and_all_open() {
        let (one, two) = (Keyring::generate_line(1).unwrap(), Keyring::generate_line(2).unwrap());
        let old = ring(&one).seal(PLACE, b"secret").unwrap();
        let both = ring(&format!("{}{}", *two, *one));
        assert_eq!(both.open(PLACE, &old).unwrap().as_slice(), b"secret");
        let new = both.seal(PLACE, b"secret").unwrap();
        assert!(new.starts_with(&both.newest_prefix()) && !old.starts_with(&both.newest_prefix()));
        let error = ring(&one).open(PLACE, &new).unwrap_err();
        assert_eq!(error, SealError::NoKey { place: "credential/sealed/999710000000001".into(), id: 2 });
    }
}
