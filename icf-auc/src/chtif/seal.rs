//! Encryption to the one who is to read: age (X25519 recipients), which suppliers can open with the `age`
//! program that every distribution carries.

use std::{io::Write, str::FromStr};

use age::{Encryptor, x25519};

/// Public keys, `age1…`, each of whose owners can read.
#[derive(Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

/// A text is no age public key, or sealing failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not `age1…`.
    #[error("{0:?} is not an age X25519 public key (age1…); `age-keygen` makes one")]
    NotARecipient(String),
    /// No recipient at all.
    #[error("no recipient: give at least one age public key (age1…)")]
    Nobody,
    /// Not sealed for us, or damaged.
    #[error("the sealed credential cannot be opened: it is for another key, or damaged")]
    Unreadable,
    /// Writing failed.
    #[error("writing: {0}")]
    Io(#[from] std::io::Error),
}

impl Recipients {
    /// Parses one or more public keys.
    ///
    /// # Errors
    /// Which of them is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SealError> {
        let parse = |text: &str| {
            x25519::Recipient::from_str(text.trim()).map_err(|_| SealError::NotARecipient(text.to_owned()))
        };
        let recipients = texts.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() { Err(SealError::Nobody) } else { Ok(Self(recipients)) }
    }

    /// A writer that encrypts what is written to it; `finish` has to be called at the end.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn seal<W: Write>(&self, out: W) -> Result<age::stream::StreamWriter<W>, SealError> {
        let recipients = self.0.iter().map(|r| r as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(|_| SealError::Nobody)?;
        Ok(encryptor.wrap_output(out)?)
    }

    /// Encrypts one short text.
    ///
    /// # Errors
    /// As [`Recipients::seal`].
    pub fn seal_bytes(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(plain.len() + 256);
        let mut writer = self.seal(&mut sealed)?;
        writer.write_all(plain)?;
        writer.finish()?;
        Ok(sealed)
    }
}

/// A key pair of this process, for what is sent to it.
pub struct Identity(x25519::Identity);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.0.to_public())
    }
}

impl Identity {
    /// A new key pair.
    #[must_use]
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// The public key, `age1…`.
    #[must_use]
    pub fn public(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Opens what was sealed for this key.
    ///
    /// # Errors
    /// If it was not, or is damaged.
    pub fn open(&self, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, SealError> {
        age::decrypt(&self.0, sealed).map(zeroize::Zeroizing::new).map_err(|_| SealError::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recipient_reads() {
        let (me, other) = (Identity::generate(), Identity::generate());
        let recipients = Recipients::parse([me.public().as_str()]).unwrap();
        let sealed = recipients.seal_bytes(b"k").unwrap();
        assert_eq!(me.open(&sealed).unwrap().as_slice(), b"k");
        assert!(matches!(other.open(&sealed), Err(SealError::Unreadable)));
        assert!(matches!(me.open(&sealed[..sealed.len() - 1]), Err(SealError::Unreadable)));
    }

    #[test]
    fn says_what_is_no_recipient() {
        assert!(matches!(Recipients::parse(["age1nonsense"]), Err(SealError::NotARecipient(_))));
        assert!(matches!(Recipients::parse([]), Err(SealError::Nobody)));
    }
}
