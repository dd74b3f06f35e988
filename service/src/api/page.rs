//! Pages of listings: `limit` and `after` in, `next` and a `Link` header (RFC 8288) out.

#![allow(clippy::result_large_err, reason = "a problem ends its request: it is made once and sent")]

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use schemas::rest::Page;
use serde::Serialize;

use crate::problem::{Json, Problem};

/// Items on a page unless asked otherwise.
const DEFAULT: u32 = 100;
/// Items on a page at most. One more is read, to see whether there is a next page.
const MAX: u32 = 500;

/// How many items are asked for.
///
/// # Errors
/// 400 for none or too many.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    limit_to(MAX, asked)
}

/// As [`limit`], where fewer than usual can be had at once.
///
/// # Errors
/// As [`limit`].
pub fn limit_to(max: u32, asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(DEFAULT);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(format!("limit: 1 to {max}")))
}

/// The page: `rows` may be one longer than `limit`; `next` makes path and query of the next page from the last item. What
/// is in it needs no escaping: identities and numbers.
pub fn answer<T, U: Serialize>(
    limit: u32,
    mut rows: Vec<T>,
    show: impl Fn(T) -> U,
    next: impl Fn(&T) -> String,
) -> Response {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(next);
    let link = next.as_ref().and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok());
    let items = rows.into_iter().map(show).collect();
    let mut response = Json(Page { items, next, total: None }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
