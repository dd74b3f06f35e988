//! For which operator a token is.

use axum::http::StatusCode;
use schemas::identity::OperatorId;
use service::{
    auth::{ADMIN, Principal},
    problem::Problem,
};

use super::BOUND;

/// Whose sessions and rules a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Viewer {
    /// Everybody's.
    All,
    /// This operator's alone.
    Only(OperatorId),
}

impl Viewer {
    /// By the token's scopes.
    ///
    /// # Errors
    /// 403, if it is bound to no operator; 500 where the check at the start let through what it must not.
    pub(super) fn of(principal: &Principal) -> Result<Self, Problem> {
        if principal.scopes.iter().any(|scope| scope.as_str() == ADMIN) {
            return Ok(Self::All);
        }
        let mut bound = principal.scopes.iter().filter_map(|scope| scope.as_str().strip_prefix(BOUND));
        match (bound.next().map(str::parse), bound.next()) {
            (Some(Ok(operator)), None) => Ok(Self::Only(operator)),
            (None, _) => Err(Problem::new(StatusCode::FORBIDDEN)
                .detail("this token is bound to no operator; it lacks a scope operator:⟨identity⟩")),
            _ => Err(Problem::internal(&"a token is bound to several operators")),
        }
    }

    /// Whether it is for this operator.
    pub(super) fn sees(&self, operator: &OperatorId) -> bool {
        match self {
            Self::All => true,
            Self::Only(mine) => mine == operator,
        }
    }
}
