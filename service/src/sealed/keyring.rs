//! The at-rest keys: a text of one line a key, `id:base64 of 32 octets`; the highest id is the newest.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

/// No key file is larger.
const MAX_FILE: u64 = 64 << 10;

/// Where the keys came from is read again no more often than this for the sake of a value that does not open.
const REREAD_INTERVAL: Duration = Duration::from_secs(1);

/// At-rest keys by id. The newest seals, all open. Key schedules are wiped when dropped.
///
/// A keyring that knows where its keys came from reads them again when it is asked to, and when it meets a value that is
/// sealed with a key it does not have: whoever rotates keys adds the new one there first, and so every process that seals
/// and opens learns of it. Keys that have gone from there stay until the process ends.
pub struct Keyring {
    keys: RwLock<Arc<Keys>>,
    source: Option<Source>,
    /// When the source was read for a key that was not there.
    missed: Mutex<Option<Instant>>,
}

type Source = Box<dyn Fn() -> Option<Keyring> + Send + Sync>;

pub(super) type Keys = BTreeMap<u32, Arc<Aes256Gcm>>;

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?})", self.ids().collect::<Vec<_>>())
    }
}

/// A key file cannot be used. The text of a line is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A line is wrong.
    #[error(
        "at-rest keys, line {line}: {what}; a line is `id:key`, the id a number and the key 32 octets in base64"
    )]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// No key in it.
    #[error("the at-rest key file holds no key; make one with `callhome keys generate`")]
    Empty,
    /// It cannot be read.
    #[error("at-rest key file {path}: {source}; check the path and that callhome's user may read it")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("at-rest key file {path}: mode {mode:04o} lets other users read it; run: chmod 600 {path}")]
    Exposed {
        /// Which.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gave no randomness.
    #[error("no at-rest key can be made: the system's random source fails")]
    Random,
}

impl Keyring {
    /// Reads the text of a key file; empty lines and lines that begin with `#` do not count.
    ///
    /// # Errors
    /// Which line is wrong, or that there is none.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |what| KeyError::Line { line: at + 1, what };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (id, key) = line.split_once(':').ok_or(wrong("there is no colon"))?;
            let id: u32 = id.trim().parse().map_err(|_| wrong("the id is not a number up to 4294967295"))?;
            let mut octets = Zeroizing::new([0; 33]);
            let length = BASE64
                .decode_slice(key.trim(), octets.as_mut_slice())
                .map_err(|_| wrong("the key is not base64 of 32 octets"))?;
            if length != 32 {
                return Err(wrong("the key is not 32 octets"));
            }
            let cipher =
                Aes256Gcm::new_from_slice(&octets[..32]).map_err(|_| wrong("the key is not 32 octets"))?;
            if keys.insert(id, Arc::new(cipher)).is_some() {
                return Err(wrong("this id is there twice"));
            }
        }
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self { keys: RwLock::new(Arc::new(keys)), source: None, missed: Mutex::new(None) })
    }

    /// With a place to read the keys from again; `source` gives `None`, and says why itself, where that fails.
    #[must_use]
    pub fn with_source(self, source: impl Fn() -> Option<Self> + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }

    /// Reads the keys again from where they came; gives whether there are more than before.
    pub fn refresh(&self) -> bool {
        let Some(read) = self.source.as_ref().and_then(|source| source()) else { return false };
        let read = read.snapshot();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = read.iter().filter(|(id, _)| !keys.contains_key(id)).collect();
        if new.is_empty() {
            return false;
        }
        let mut more = Keys::clone(&keys);
        more.extend(new.into_iter().map(|(id, cipher)| (*id, cipher.clone())));
        *keys = Arc::new(more);
        true
    }

    /// As [`refresh`](Self::refresh), for a value whose key is not there: how many such there are cannot make work.
    pub(super) fn refresh_for_missing_key(&self) -> bool {
        {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            if missed.is_some_and(|at| at.elapsed() < REREAD_INTERVAL) {
                return false;
            }
            *missed = Some(Instant::now());
        }
        self.refresh()
    }

    fn snapshot(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads a key file that only its owner may read.
    ///
    /// # Errors
    /// If it cannot be read, others may read it, or it is not a key file.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let shown = || path.display().to_string();
        let unreadable = |source| KeyError::Unreadable { path: shown(), source };
        let file = File::open(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed { path: shown(), mode });
            }
        }
        // Room for all of it at once: growing would leave copies behind.
        let length = file.metadata().map_err(unreadable)?.len().min(MAX_FILE);
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        file.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text)
    }

    /// A line, with its line end, for a new random key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate_line(id: u32) -> Result<Zeroizing<String>, KeyError> {
        let mut octets = Zeroizing::new([0; 32]);
        getrandom::fill(octets.as_mut_slice()).map_err(|_| KeyError::Random)?;
        // 44 characters of base64, the id, a colon and the line end.
        let mut line = Zeroizing::new(String::with_capacity(64));
        line.push_str(&id.to_string());
        line.push(':');
        BASE64.encode_string(octets.as_slice(), &mut line);
        line.push('\n');
        Ok(line)
    }

    /// Ids of all keys, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> + use<> {
        self.snapshot().keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// Id of the key that seals.
    #[must_use]
    pub fn newest_id(&self) -> u32 {
        // There is always one.
        self.snapshot().last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Id and cipher of the key that seals; `None` never, since a keyring has a key.
    pub(super) fn newest(&self) -> Option<(u32, Arc<Aes256Gcm>)> {
        self.snapshot().last_key_value().map(|(id, cipher)| (*id, cipher.clone()))
    }

    pub(super) fn key(&self, id: u32) -> Option<Arc<Aes256Gcm>> {
        self.snapshot().get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_line_and_never_the_key() {
        let secret = "c2VjcmV0c2VjcmV0";
        let good = Keyring::generate_line(7).unwrap();
        for (text, line) in [
            (format!("# keys\n1:{secret}"), 2),
            (format!("{secret}\n"), 1),
            (format!("one:{secret}"), 1),
            (format!("{}{}", *good, *good), 2),
        ] {
            let error = Keyring::parse(&text).unwrap_err();
            assert!(matches!(error, KeyError::Line { line: l, .. } if l == line), "{error}");
            assert!(!format!("{error}{error:?}").contains(secret));
        }
        assert!(matches!(Keyring::parse("# none\n"), Err(KeyError::Empty)));
        assert_eq!(format!("{:?}", Keyring::parse(&good).unwrap()), "Keyring([7])");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("at-rest.key");
        std::fs::write(&path, Keyring::generate_line(1).unwrap().as_bytes()).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = Keyring::read(&path);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
    }
}
