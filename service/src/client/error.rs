//! Why another role could not be asked, or what it said.

use axum::http::StatusCode;

use crate::{config::SecretError, problem::Problem, tls::TlsError};

/// The client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL.
    #[error("url {url:?}: {problem}")]
    Url {
        /// As written.
        url: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// User and password in the URL.
    #[error("the url holds a user or password: leave them out, roles are asked with `token`")]
    Credentials,
    /// The token cannot be read.
    #[error("token for {url}: {error}")]
    Token {
        /// Whose.
        url: String,
        /// Why.
        error: SecretError,
    },
    /// What was read is no token.
    #[error("token for {url}: {place} holds more than a token: it is one line of visible characters")]
    NoToken {
        /// Whose.
        url: String,
        /// File or variable.
        place: String,
    },
    /// Nobody is trusted.
    #[error(
        "ca for {url} is missing: the PEM file of who signs its certificate \
         (/etc/ssl/certs/ca-certificates.crt has the public ones)"
    )]
    NoCa {
        /// Whose.
        url: String,
    },
    /// The file cannot be used.
    #[error("ca for {url}: {error}")]
    Ca {
        /// Whose.
        url: String,
        /// Why.
        error: TlsError,
    },
    /// Anything else.
    #[error("{url}: no client can be made ({problem})")]
    Setup {
        /// Whose.
        url: String,
        /// Why.
        problem: String,
    },
}

/// A call was not answered with success. `whom` is the method and URL. Never holds the token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// It said no.
    #[error("{} is refused: {problem}{}", .problem.instance.as_deref().unwrap_or("a call"), remedy(*.status))]
    Refused {
        /// HTTP status, 400 to 599.
        status: StatusCode,
        /// What it said; only the status, if that was no problem of RFC 9457. Its `instance` is whom we asked.
        problem: Box<Problem>,
    },
    /// The answer is not what a role answers, or the request cannot be sent.
    #[error("{whom}: {what}; check that both sides are of the same version")]
    Nonsense {
        /// Whom.
        whom: String,
        /// What is wrong.
        what: String,
    },
    /// No answer in time, or no connection.
    #[error("{whom} does not answer ({why}); check that it runs and can be reached from here")]
    Unavailable {
        /// Whom.
        whom: String,
        /// In words.
        why: String,
    },
}

impl CallError {
    /// Whether the same call may succeed later: not answered, too many requests (429), or a fault there (5xx).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }
            Self::Nonsense { .. } => false,
            Self::Unavailable { .. } => true,
        }
    }

    /// The status it was refused with.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Nonsense { .. } | Self::Unavailable { .. } => None,
        }
    }
}

fn remedy(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; put a token that it knows where `token` points",
        StatusCode::FORBIDDEN => "; give our token this scope there",
        _ => "",
    }
}
