//! Versions as entity tags (RFC 9110 §8.8.3), and what a request makes depend on them (§13.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service::problem::{Json, Problem};

/// The ETag of a version.
pub(super) fn etag(version: i64) -> HeaderValue {
    // Digits and quotes are fit for a header whatever the number.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// A resource with its ETag; 304 if the client has it already (RFC 9110 §13.1.2).
pub(super) fn tagged<T: Serialize>(version: i64, resource: T, preconditions: &Preconditions) -> Response {
    let tag = etag(version);
    if preconditions.none_match.as_ref().is_some_and(|rule| rule.holds_weakly(&tag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    ([(header::ETAG, tag)], Json(resource)).into_response()
}

/// `If-Match` and `If-None-Match` of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Preconditions {
    matching: Option<Rule>,
    none_match: Option<Rule>,
}

#[derive(Debug, Clone)]
enum Rule {
    /// `*`.
    Any,
    /// These, as they were written.
    These(Vec<String>),
}

impl Rule {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Vec::new();
        for value in headers.get_all(name) {
            // Versions are digits, so that no tag of ours holds a comma.
            tags.extend(
                String::from_utf8_lossy(value.as_bytes()).split(',').map(|tag| tag.trim().to_owned()),
            );
        }
        match tags.as_slice() {
            [] => None,
            tags if tags.iter().any(|tag| tag == "*") => Some(Self::Any),
            _ => Some(Self::These(tags)),
        }
    }

    /// Strong comparison, RFC 9110 §8.8.3.2: a weak tag equals nothing.
    fn holds(&self, tag: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|one| one.as_bytes() == tag.as_bytes()),
        }
    }

    /// Weak comparison, as If-None-Match wants it.
    fn holds_weakly(&self, tag: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => {
                tags.iter().any(|one| one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes())
            }
        }
    }
}

impl Preconditions {
    /// Whether the request depends on the version at all.
    pub(super) fn given(&self) -> bool {
        self.matching.is_some() || self.none_match.is_some()
    }

    /// Whether a change may go on, `version` being what is there now, if anything.
    ///
    /// # Errors
    /// 412 (RFC 9110 §15.5.13).
    pub(super) fn check(&self, version: Option<i64>) -> Result<(), Problem> {
        let tag = version.map(etag);
        if let Some(rule) = &self.matching
            && !tag.as_ref().is_some_and(|tag| rule.holds(tag))
        {
            return Err(changed(version));
        }
        if let Some(rule) = &self.none_match
            && tag.as_ref().is_some_and(|tag| rule.holds_weakly(tag))
        {
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED)
                .detail("it is there already, and If-None-Match asks that it be not"));
        }
        Ok(())
    }
}

/// 412, with what is there.
pub(super) fn changed(version: Option<i64>) -> Problem {
    let problem = Problem::new(StatusCode::PRECONDITION_FAILED);
    match version {
        Some(version) => problem
            .detail(format!("it has changed since it was read: its ETag is \"{version}\" now; read it again"))
            .with("version", version),
        None => problem.detail("it does not exist, and If-Match asks for a version of it"),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            matching: Rule::of(&parts.headers, &header::IF_MATCH),
            none_match: Rule::of(&parts.headers, &header::IF_NONE_MATCH),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: HeaderName, value: &'static str) -> Preconditions {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        Preconditions {
            matching: Rule::of(&headers, &header::IF_MATCH),
            none_match: Rule::of(&headers, &header::IF_NONE_MATCH),
        }
    }

    #[test]
    fn if_match_compares_strongly() {
        for (value, holds) in
            [("\"7\"", true), ("*", true), ("\"6\", \"7\"", true), ("W/\"7\"", false), ("7", false)]
        {
            assert_eq!(given(header::IF_MATCH, value).check(Some(7)).is_ok(), holds, "{value}");
        }
        assert!(given(header::IF_MATCH, "*").check(None).is_err());
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, holds) in [("\"7\"", false), ("*", false), ("W/\"7\"", false), ("\"6\"", true)] {
            assert_eq!(given(header::IF_NONE_MATCH, value).check(Some(7)).is_ok(), holds, "{value}");
        }
        assert!(given(header::IF_NONE_MATCH, "*").check(None).is_ok());
    }
}
