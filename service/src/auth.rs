//! Bearer tokens (RFC 6750) with scopes. There is no open mode: without a token there is no server.

mod guard;
mod token;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};
use subtle::ConstantTimeEq;

use crate::config::{SecretError, SecretSource};

pub use guard::{Guard, RequireScope};
pub use token::{Token, TokenHash};

/// The scope that includes every other.
pub const ADMIN: &str = "admin";

/// What a token may do, such as `credentials:read`: lower-case letters, digits and `-`, in parts joined by `:`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Reads a scope.
    ///
    /// # Errors
    /// For anything that is not of the form above; RFC 6750 §3 lets a scope carry no quote or space.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let letter = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
        if text.split(':').all(part) { Ok(Self(text.to_owned())) } else { Err(AuthError::NoScope) }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// One entry of `tokens` in a configuration: `hash` or `token`, never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who bears it: what the audit log says.
    pub name: String,
    /// SHA-256 of the token, `sha256:` and 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TokenHash>,
    /// Where the token itself is, for those who keep their secrets in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// Who makes a request. As an extractor it is there on routes behind [`Guard::require`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's name.
    pub name: Arc<str>,
    /// The token's scopes.
    pub scopes: Arc<[Scope]>,
}

impl Principal {
    /// Whether it may do what `scope` stands for; [`ADMIN`] may do everything.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held.as_str() == scope || held.as_str() == ADMIN)
    }
}

/// The tokens that a server knows.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<[Known]>);

#[derive(Debug)]
struct Known {
    hash: TokenHash,
    principal: Principal,
}

impl Tokens {
    /// Takes the configured tokens; `scopes` are those that the server's routes ask for ([`ADMIN`] is always known).
    ///
    /// # Errors
    /// If there is none, one is incomplete or given twice, or a scope is unknown.
    pub fn new(configured: &[TokenConfig], scopes: &[&str]) -> Result<Self, AuthError> {
        if configured.is_empty() {
            return Err(AuthError::NoTokens);
        }
        let mut known: Vec<Known> = Vec::with_capacity(configured.len());
        for token in configured {
            let name = || token.name.clone();
            if token.name.is_empty() {
                return Err(AuthError::NoName);
            }
            if token.scopes.is_empty() {
                return Err(AuthError::NoScopes { name: name() });
            }
            if let Some(scope) =
                token.scopes.iter().find(|scope| scope.0 != ADMIN && !scopes.contains(&scope.as_str()))
            {
                let known = scopes.iter().copied().chain([ADMIN]).collect::<Vec<_>>().join(", ");
                return Err(AuthError::UnknownScope { name: name(), scope: scope.clone(), known });
            }
            let hash = match (&token.hash, &token.token) {
                (Some(hash), None) => hash.clone(),
                (None, Some(source)) => {
                    let secret =
                        source.read().map_err(|source| AuthError::Unreadable { name: name(), source })?;
                    Token::parse(secret.expose())
                        .map_err(|reason| AuthError::WeakToken { name: name(), reason })?
                        .hash()
                }
                _ => return Err(AuthError::HashOrToken { name: name() }),
            };
            if let Some(other) =
                known.iter().find(|other| *other.principal.name == token.name || other.hash == hash)
            {
                return Err(AuthError::Twice { name: name(), other: other.principal.name.to_string() });
            }
            let principal = Principal {
                name: Arc::from(token.name.as_str()),
                scopes: Arc::from(token.scopes.as_slice()),
            };
            known.push(Known { hash, principal });
        }
        Ok(Self(Arc::from(known)))
    }

    /// Whose token this is. Compares digests, each in constant time and all of them whatever matches, so that the
    /// time taken says nothing of how much of a guess was right.
    #[must_use]
    pub fn identify(&self, presented: &str) -> Option<&Principal> {
        let digest = TokenHash::of(presented);
        let mut found = None;
        for known in self.0.iter() {
            if bool::from(known.hash.octets().ct_eq(digest.octets())) {
                found = Some(&known.principal);
            }
        }
        found
    }
}

/// Tokens or scopes that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The list is empty.
    #[error(
        "no tokens are configured, and this server is never open to everybody; \
         make one with `callhome keys token` and add {{ name, hash, scopes }} to the tokens"
    )]
    NoTokens,
    /// A token without a name.
    #[error("a token has an empty name; name it after who bears it, the audit log says so")]
    NoName,
    /// Of no use.
    #[error("token \"{name}\" has no scopes; give it some, or remove it")]
    NoScopes {
        /// Whose.
        name: String,
    },
    /// Mistyped.
    #[error("token \"{name}\": there is no scope `{scope}`; there are {known}")]
    UnknownScope {
        /// Whose.
        name: String,
        /// Which.
        scope: Scope,
        /// What there is.
        known: String,
    },
    /// Neither or both.
    #[error("token \"{name}\": give either `hash = \"sha256:…\"` or `token = {{ file = \"…\" }}`")]
    HashOrToken {
        /// Whose.
        name: String,
    },
    /// The file or variable with the token.
    #[error("token \"{name}\": {source}")]
    Unreadable {
        /// Whose.
        name: String,
        /// Why.
        source: SecretError,
    },
    /// Could be guessed.
    #[error("token \"{name}\": {reason}")]
    WeakToken {
        /// Whose.
        name: String,
        /// What is wrong.
        reason: token::NoToken,
    },
    /// Name or token occurs twice.
    #[error(
        "tokens \"{name}\" and \"{other}\" have the same name or are the same token; each has to differ in both"
    )]
    Twice {
        /// The later.
        name: String,
        /// The earlier.
        other: String,
    },
    /// Not the text of a scope.
    #[error("a scope is lower-case letters, digits and -, in parts joined by `:`, such as credentials:read")]
    NoScope,
}

#[cfg(test)]
mod tests;
