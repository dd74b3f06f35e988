//! Configuration: one TOML file, keys overridden by environment variables, read into a serde struct.
//!
//! `CALLHOME_DIAMETER__ORIGIN_HOST=hss.example` overrides `origin_host` in `[diameter]`: two underscores nest, a
//! number picks an element of an array. A variable is text until the target asks: it becomes the type of the key.
//! Arrays are written as TOML, as JSON, or with commas; tables as TOML (`{ file = "…" }`) or JSON. Every variable
//! with the prefix has to match a key, except those of [`RESERVED`]; an empty variable is an empty value.
//!
//! Unknown keys are errors, with or without serde's `deny_unknown_fields`. Do not use `serde(flatten)` in a
//! configuration: serde then hides the names of the known keys from this module.
//!
//! Why not `figment` or `config`: both merge into a tree without positions, so that an error in the file has no
//! line any more, and both drop environment variables that match nothing. `toml` (kept by cargo's people) gives a
//! tree with spans; the overlay and the typed reading of it are the few hundred lines below.

mod de;
mod duration;
mod error;
mod node;
mod secret;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use bytesize::ByteSize;
pub use duration::Span;
pub use error::ConfigError;
pub use secret::{Secret, SecretError, SecretSource, read_private_file};

use error::Source;
use node::Node;

/// What the names of overriding environment variables start with.
pub const PREFIX: &str = "CALLHOME_";

/// Variables with the prefix that are no keys: the log filter, where the configuration is, where the command
/// line finds a server and its token.
pub const RESERVED: &[&str] =
    &["CALLHOME_LOG", "CALLHOME_CONFIG", "CALLHOME_URL", "CALLHOME_TOKEN", "CALLHOME_CA", "CALLHOME_DATA"];

/// Reads `path`, lays the environment of this process over it and deserialises the result.
///
/// # Errors
/// File, line, column and key of what is wrong, and what to do.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    Loader::file(path).environment()?.load()
}

/// Where configuration comes from. Each step can be left out: no file means all keys from the environment.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    file: Option<PathBuf>,
    text: Option<String>,
    variables: Vec<(String, String)>,
}

impl Loader {
    /// Reads from a file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..Self::default() }
    }

    /// Reads from text already at hand; `name` stands for the file in errors.
    #[must_use]
    pub fn text(name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { file: Some(name.into()), text: Some(text.into()), variables: Vec::new() }
    }

    /// Adds the variables of this process that start with [`PREFIX`].
    ///
    /// # Errors
    /// If one of them is not UTF-8.
    pub fn environment(mut self) -> Result<Self, ConfigError> {
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| ConfigError::not_utf8(name))?;
            self.variables.push((name.to_owned(), value));
        }
        Ok(self)
    }

    /// Adds variables from elsewhere; those without [`PREFIX`] are passed over.
    #[must_use]
    pub fn variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables.extend(variables.filter(|(name, _): &(String, String)| name.starts_with(PREFIX)));
        self
    }

    /// Reads, overlays, deserialises.
    ///
    /// # Errors
    /// File, line, column and key of what is wrong, and what to do.
    pub fn load<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        self.read(None)
    }

    /// As [`load`](Self::load), but of the keys at `paths` (as `database.url`) and what is in them alone: for whoever needs
    /// what the configurations of several roles have in common. Other keys are passed over, known or not.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_part<T: DeserializeOwned>(self, paths: &[&str]) -> Result<T, ConfigError> {
        self.read(Some(paths))
    }

    fn read<T: DeserializeOwned>(mut self, paths: Option<&[&str]>) -> Result<T, ConfigError> {
        let text = match (&self.file, self.text.take()) {
            (_, Some(text)) => text,
            (Some(path), None) => {
                std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?
            }
            (None, None) => String::new(),
        };
        let source = Source { file: self.file.as_deref(), text: &text };
        let mut root = Node::parse_file(&text).map_err(|fault| fault.at(&source))?;
        self.variables.retain(|(name, _)| !RESERVED.contains(&name.as_str()));
        // In order of names, a table comes before the keys inside it.
        self.variables.sort();
        for (name, value) in &self.variables {
            root.overlay(name, value).map_err(|fault| fault.at(&source))?;
        }
        if let Some(paths) = paths {
            root.keep(paths);
        }
        T::deserialize(de::Reader::new(&root)).map_err(|fault| fault.at(&source))
    }
}

#[cfg(test)]
mod tests;
