//! Pages of listings: `limit` and `after` in, `next` and a `Link` header (RFC 8288) out.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemas::rest::Page as Listing;
use serde::Serialize;
use service::problem::{Json, Problem};

use crate::store::Page;

/// Items on a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// Items on a page at most. One more is read, to see whether there is a next page.
pub(super) const MAX_LIMIT: u32 = 500;

/// How many items are asked for.
///
/// # Errors
/// 400 for none or too many.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::bad_request(format!("limit: 1 to {MAX_LIMIT}")))
    }
}

/// What to read from the store: the page and one item more.
pub(super) fn read(limit: u32, after: Option<&str>) -> Page {
    Page { after: after.map(str::to_owned), limit: limit.saturating_add(1) }
}

/// A cursor as a key of type `K`.
///
/// # Errors
/// 400 if it is none.
pub(super) fn cursor<K: std::str::FromStr>(after: Option<&str>, what: &str) -> Result<Option<K>, Problem> {
    after
        .map(|text| {
            text.parse()
                .map_err(|_| Problem::bad_request(format!("after: has to be {what}; follow `next` instead")))
        })
        .transpose()
}

/// The page: `rows` may be one longer than `limit`. `query` makes the query of the next page from the key of the
/// last item.
pub(super) fn answer<T, U: Serialize, Q: Serialize>(
    path: &str,
    limit: u32,
    mut rows: Vec<T>,
    show: impl Fn(T) -> U,
    query: impl Fn(&T) -> Q,
    total: Option<u64>,
) -> Result<Response, Problem> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = match rows.last().filter(|_| more) {
        Some(last) => {
            let query =
                serde_urlencoded::to_string(query(last)).map_err(|error| Problem::internal(&error))?;
            Some(format!("{path}?{query}"))
        }
        None => None,
    };
    let link = next.as_ref().and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok());
    let items = rows.into_iter().map(show).collect();
    let mut response = Json(Listing { items, next, total }).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
