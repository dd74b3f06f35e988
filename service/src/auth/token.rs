//! Tokens, and the digests that a server keeps of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a token starts with, so that scanners find one that was published by mistake.
const PREFIX: &str = "chm_";

/// A token for the bearer: wiped when dropped, and Debug shows none of it.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes a token of 256 bits from the operating system: `chm_` and 64 hexadecimal digits.
    ///
    /// # Errors
    /// If the operating system has no random octets to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut octets = Zeroizing::new([0_u8; 32]);
        getrandom::fill(octets.as_mut_slice())?;
        let mut digits = Zeroizing::new([0_u8; 64]);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + digits.len()));
        text.push_str(PREFIX);
        // Two digits an octet: the slice has just the right length.
        if hex::encode_to_slice(octets.as_slice(), digits.as_mut_slice()).is_ok() {
            text.extend(digits.iter().map(|digit| char::from(*digit)));
        }
        Ok(Self(text))
    }

    /// Takes a token from elsewhere: 32 to 512 visible ASCII characters.
    ///
    /// # Errors
    /// If it is shorter, longer or has other characters; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, NoToken> {
        if (32..=512).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(NoToken)
        }
    }

    /// The token itself: to hand to its bearer once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the server keeps.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token has 32 to 512 visible ASCII characters; make one with `callhome keys token`")]
pub struct NoToken;

/// SHA-256 of a token. A plain digest is enough: a token has 256 random bits, there is nothing to guess.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of a presented token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(super) fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let mut octets = [0; 32];
        hex::decode_to_slice(text.strip_prefix("sha256:")?, &mut octets).ok()?;
        Some(Self(octets))
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text is not repeated: it may be the token itself in the wrong place.
        let advice = "a token's hash is `sha256:` and 64 hexadecimal digits; `callhome keys token` shows it";
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| de::Error::custom(advice))
    }
}
