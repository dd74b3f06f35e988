//! Secrets are not written in a configuration, it says where they are.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de};
use zeroize::Zeroizing;

/// No secret and no key file is larger.
const MAX_SECRET: u64 = 1 << 20;

/// Where a secret is: `{ file = "/etc/callhome/at-rest.key" }` or `{ env = "AT_REST_KEY" }`. A relative path is
/// relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A file that only its owner (and, if need be, its group) may read.
    File(PathBuf),
    /// An environment variable; without the prefix `CALLHOME_`, which is for keys of the configuration.
    Env(String),
}

impl SecretSource {
    /// Reads the secret; a line end after it does not count.
    ///
    /// # Errors
    /// Which file or variable, what is wrong with it, and what to do.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::File(path) => {
                let octets = read_private_file(path)?;
                let text = std::str::from_utf8(&octets)
                    .map_err(|_| SecretError::NotText { place: path.display().to_string() })?;
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
            Self::Env(name) => {
                let text = std::env::var_os(name).ok_or_else(|| SecretError::Unset { name: name.clone() })?;
                let text =
                    Zeroizing::new(text.into_string().map_err(|_| SecretError::NotText {
                        place: format!("environment variable {name}"),
                    })?);
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
        };
        if secret.expose().is_empty() {
            Err(SecretError::Empty { place: self.to_string() })
        } else {
            Ok(secret)
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Places {
            file: Option<PathBuf>,
            env: Option<String>,
        }

        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SecretSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("where the secret is, { file = \"…\" } or { env = \"…\" },")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<SecretSource, A::Error> {
                let places = Places::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match (places.file, places.env) {
                    (Some(file), None) => Ok(SecretSource::File(file)),
                    (None, Some(env)) => Ok(SecretSource::Env(env)),
                    _ => Err(de::Error::custom("give either `file` or `env`")),
                }
            }
        }
        deserializer.deserialize_struct("SecretSource", &["file", "env"], Visitor)
    }
}

/// A secret text: wiped when dropped, and Debug shows none of it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a copy of the text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The secret itself; keep it out of anything that prints.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the secret ({source}); check the path and that callhome's user may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody on the machine may read the file.
    #[error("{0}: mode {mode:04o} lets every user read this secret; run: chmod {advised:o} {0}", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        advised: u32,
    },
    /// Larger than any key.
    #[error("{}: larger than any key (1 MiB); is this the right file?", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// Not UTF-8.
    #[error("{place}: is not text; a secret is one line of text")]
    NotText {
        /// File or variable.
        place: String,
    },
    /// The variable is not set.
    #[error("environment variable {name}: is not set; set it to the secret, or use {{ file = \"…\" }}")]
    Unset {
        /// Which variable.
        name: String,
    },
    /// There is nothing in it.
    #[error("{place}: is empty; put the secret there")]
    Empty {
        /// File or variable.
        place: String,
    },
}

/// Reads a file that holds a private key or another secret, at most 1 MiB.
///
/// # Errors
/// If other users may read or write it (with the `chmod` to run), or it cannot be read.
pub fn read_private_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Of the open file, not of the path: it cannot be exchanged in between.
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o007 != 0 {
            let advised = if mode & 0o070 == 0 { 0o600 } else { 0o640 };
            return Err(SecretError::Exposed { path: path.to_owned(), mode, advised });
        }
    }
    // Room for all of it at once: growing would leave copies behind.
    let length = file.metadata().map_err(unreadable)?.len().min(MAX_SECRET);
    let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(MAX_SECRET + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > MAX_SECRET {
        return Err(SecretError::TooLarge { path: path.to_owned() });
    }
    Ok(octets)
}
