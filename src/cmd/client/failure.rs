//! Why a command fails, and the exit code that says so.

use std::error::Error as _;

use reqwest::{Response, StatusCode, Url};
use schemas::rest::Problem;

/// Why a command that talks to a server fails. Exit codes: 1 refused or failed, 2 wrong usage, 3 not reached.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server refuses.
    #[error("{text}")]
    Refused {
        /// With which status.
        status: StatusCode,
        /// Its words.
        text: String,
        /// All it said, if it was a problem.
        problem: Option<Box<Problem>>,
    },
    /// It cannot be asked like this.
    #[error("{0}")]
    Usage(String),
    /// The server is not there, or goes away.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// 1, 2 or 3.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    /// No answer came.
    #[must_use]
    pub fn unreachable(base: &Url, error: &reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let advice = if error.is_connect() {
            "; is `callhome icf` running, and is this its [rest] listen? --url says where it is"
        } else {
            ""
        };
        Self::Unreachable(format!("{base} gives no answer: {cause}{advice}"))
    }

    /// An answer came, and it is not from a Callhome.
    #[must_use]
    pub fn nonsense(base: &Url, error: &reqwest::Error) -> Self {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self::Unreachable(format!("{base} answers something else than this Callhome expects: {cause}"))
    }

    /// The server's words, with the fields that are wrong.
    pub async fn refused(answer: Response) -> Self {
        let status = answer.status();
        let body = answer.bytes().await.unwrap_or_default();
        let problem = serde_json::from_slice::<Problem>(&body).ok().map(Box::new);
        let text = match &problem {
            Some(problem) => {
                let mut text = problem.detail.as_ref().unwrap_or(&problem.title).clone();
                for field in problem.errors.iter().skip(1) {
                    text.push_str(&format!(
                        "\n  {}: {}",
                        field.pointer.trim_start_matches('/'),
                        field.detail
                    ));
                }
                text
            }
            None => format!("the server answers {status}"),
        };
        let advice = match status {
            StatusCode::UNAUTHORIZED => "; is it the token of this server? --token-file names the file",
            StatusCode::FORBIDDEN => "; add it to the token's scopes in [rest] tokens, or take another token",
            _ => "",
        };
        Self::Refused { status, text: format!("{text}{advice}"), problem }
    }
}
