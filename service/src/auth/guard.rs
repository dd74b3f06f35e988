//! Axum: routes that ask for a scope, and handlers that know who asks.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, Ready, ready};
use tower::{Layer, Service};

use super::{Principal, Tokens};
use crate::problem::Problem;

/// Puts routes behind tokens: `route("/v1/credentials", get(list).route_layer(guard.require("credentials:read")))`.
#[derive(Debug, Clone)]
pub struct Guard(Tokens);

impl Guard {
    /// Guards with these tokens.
    #[must_use]
    pub fn new(tokens: Tokens) -> Self {
        Self(tokens)
    }

    /// A layer that lets through who may do `scope`: 401 without a known token, 403 without the scope.
    #[must_use]
    pub fn require(&self, scope: &'static str) -> RequireScope {
        RequireScope { tokens: self.0.clone(), scope }
    }
}

/// See [`Guard::require`].
#[derive(Debug, Clone)]
pub struct RequireScope {
    tokens: Tokens,
    scope: &'static str,
}

impl RequireScope {
    fn check(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Err(Refusal::NoToken),
            (Some(value), None) => value.to_str().map_err(|_| Refusal::Malformed)?,
            // RFC 6750 §3.1: more than one way to authenticate is invalid_request.
            (Some(_), Some(_)) => return Err(Refusal::Malformed),
        };
        let (scheme, token) = value.split_once(' ').ok_or(Refusal::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::NoToken);
        }
        let principal = self.tokens.identify(token.trim()).ok_or(Refusal::UnknownToken)?;
        if principal.may(self.scope) {
            Ok(principal.clone())
        } else {
            tracing::info!(principal = %principal.name, scope = self.scope, "refused: scope missing");
            Err(Refusal::ScopeMissing(self.scope))
        }
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, rule: self.clone() }
    }
}

/// A service behind [`RequireScope`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    rule: RequireScope,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.rule.check(request.headers()) {
            Ok(principal) => {
                crate::serve::mark_authenticated(request.extensions());
                request.extensions_mut().insert(principal);
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => Either::Right(ready(Ok(refusal.into_response()))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            // A route that asks who calls, and was left outside the guard: refuse rather than guess.
            Problem::internal(&format!("no scope guards {}", parts.uri.path()))
        })
    }
}

/// Why a request is not let through, RFC 6750 §3.1.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    NoToken,
    Malformed,
    UnknownToken,
    ScopeMissing(&'static str),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (problem, challenge) = match self {
            // §3.1: no error code for a request that brought no token.
            Self::NoToken => (
                Problem::new(StatusCode::UNAUTHORIZED).detail("send a token: Authorization: Bearer chm_…"),
                "Bearer realm=\"callhome\"".to_owned(),
            ),
            Self::Malformed => (
                Problem::bad_request("send one header of the form Authorization: Bearer chm_…"),
                "Bearer realm=\"callhome\", error=\"invalid_request\"".to_owned(),
            ),
            Self::UnknownToken => (
                Problem::new(StatusCode::UNAUTHORIZED)
                    .detail("this token is not known here; it may have been withdrawn"),
                "Bearer realm=\"callhome\", error=\"invalid_token\"".to_owned(),
            ),
            Self::ScopeMissing(scope) => (
                Problem::new(StatusCode::FORBIDDEN)
                    .detail(format!("this token lacks the scope {scope}"))
                    .with("scope", scope),
                format!("Bearer realm=\"callhome\", error=\"insufficient_scope\", scope=\"{scope}\""),
            ),
        };
        let mut response = problem.into_response();
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
