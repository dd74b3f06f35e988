//! The lab's data folder: everything in it is made at the first run and used again at the next.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use service::auth::{Token, TokenHash};

use super::super::files::write_private;

/// A token of the lab: the file that holds it, and the hash that its server knows.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// For its bearer.
    pub file: PathBuf,
    /// For the server.
    pub hash: TokenHash,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, for its owner alone.
    ///
    /// # Errors
    /// Why it cannot be made, and what to do.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let folder = Self(data.to_owned());
        folder.make("")?;
        // Written into configurations, which are also read from elsewhere.
        let full = data.canonicalize().with_context(|| data.display().to_string())?;
        Ok(Self(full))
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A folder in it, made if it is not there.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(|| {
            format!("{}: the data folder cannot be made; choose another with --data", path.display())
        })?;
        Ok(path)
    }

    /// The at-rest key of a role's database.
    ///
    /// # Errors
    /// If the database is there and its key is not.
    pub fn at_rest_key(&self, role: &str) -> anyhow::Result<PathBuf> {
        // The ICF's has its name from when there was no other role.
        let key = match role {
            "icf" => self.path("at-rest.key"),
            _ => self.path(&format!("{role}.at-rest.key")),
        };
        let database = self.path(&format!("{role}.db"));
        if !key.exists() {
            if database.exists() {
                bail!(
                    "{} is there but its key {} is not: put the key back, or start anew with another --data",
                    database.display(),
                    key.display()
                );
            }
            super::super::keys::write(&key, false)?;
        }
        Ok(key)
    }

    /// The token in this file, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be read or made.
    pub fn token(&self, name: &str) -> anyhow::Result<Bearer> {
        let file = self.path(name);
        let hash = if file.exists() {
            let text = service::config::SecretSource::File(file.clone()).read()?;
            Token::parse(text.expose()).with_context(|| file.display().to_string())?.hash()
        } else {
            let token = Token::generate().context("the system gives no random numbers")?;
            write_private(&file, token.expose().as_bytes())?;
            token.hash()
        };
        Ok(Bearer { file, hash })
    }

    /// Writes a role's configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn config(&self, role: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(&format!("{role}.toml"));
        let text = format!("# Written by `callhome lab`, and written anew at each start of it.\n{text}");
        write_private(&path, text.as_bytes())?;
        Ok(path)
    }
}
