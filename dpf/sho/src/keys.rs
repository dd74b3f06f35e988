//! K and OPc of a subscription: from the system's random source, sealed at rest, shown nowhere.

use schemas::secret::Key128;
use service::sealed::{Keyring, Place, SealError};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where they are sealed.
pub(crate) const COLUMN: &str = "session/sealed";

/// K and OPc (TS 35.206 §2.3). Debug shows nothing; wiped when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriberKeys {
    /// K.
    pub k: Key128,
    /// OPc.
    pub opc: Key128,
    /// AMF, which is no secret (TS 33.102 annex H): separation bit set, as E-UTRAN wants it.
    pub amf: [u8; 2],
}

/// AMF of new keys: separation bit (TS 33.102 annex H).
pub const AMF: [u8; 2] = [0x80, 0];

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no keys can be made: the system's random source fails")]
pub struct NoRandom;

impl SubscriberKeys {
    /// New ones. OPc is random as well: that there is an OP behind it would help nobody but an attacker.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate() -> Result<Self, NoRandom> {
        Ok(Self { k: random()?, opc: random()?, amf: AMF })
    }

    /// Sealed for the row of `session`.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn seal(&self, keyring: &Keyring, session: Uuid) -> Result<Vec<u8>, SealError> {
        let mut octets = Zeroizing::new([0; 32]);
        octets[..16].copy_from_slice(self.k.expose());
        octets[16..].copy_from_slice(self.opc.expose());
        keyring.seal(Place { column: COLUMN, row: &session }, octets.as_slice())
    }

    /// Opened from the row of `session`.
    ///
    /// # Errors
    /// If the at-rest key is missing or another one, or the value was changed or moved.
    pub fn open(keyring: &Keyring, session: Uuid, sealed: &[u8], amf: [u8; 2]) -> Result<Self, SealError> {
        let place = Place { column: COLUMN, row: &session };
        let octets = keyring.open(place, sealed)?;
        let halves = octets
            .split_first_chunk::<16>()
            .and_then(|(k, rest)| Some((k, <&[u8; 16]>::try_from(rest).ok()?)));
        let Some((k, opc)) = halves else {
            return Err(SealError::Form { place: format!("{COLUMN}/{session}") });
        };
        Ok(Self { k: Key128::new(*k), opc: Key128::new(*opc), amf })
    }
}

fn random() -> Result<Key128, NoRandom> {
    let mut octets = Zeroizing::new([0; 16]);
    getrandom::fill(octets.as_mut_slice()).map_err(|_| NoRandom)?;
    Ok(Key128::new(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_keys_open_in_their_row_alone_and_show_nothing() {
        let keyring = Keyring::parse(&Keyring::generate_line(1).unwrap()).unwrap();
        let (keys, row) = (SubscriberKeys::generate().unwrap(), Uuid::from_u128(1));
        assert!(keys.k != keys.opc && keys != SubscriberKeys::generate().unwrap());
        let sealed = keys.seal(&keyring, row).unwrap();
        assert_eq!(SubscriberKeys::open(&keyring, row, &sealed, AMF).unwrap(), keys);
        assert!(SubscriberKeys::open(&keyring, Uuid::from_u128(2), &sealed, AMF).is_err());
        let k = *keys.k.expose();
        assert!(!sealed.windows(16).any(|window| window == k));
        assert!(!format!("{keys:?}").contains(&format!("{}, {}", k[0], k[1])));
    }
}
