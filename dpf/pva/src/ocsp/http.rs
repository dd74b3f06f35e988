//! OCSP over HTTP (RFC 6960 appendix A.1): GET with the request in the path, and POST. Caching as RFC 5019 §6.2 has it.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use data_encoding::BASE64;
use prometheus::IntCounterVec;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use x509_cert::der::Encode;
use x509_ocsp::OcspResponse;

use super::{
    message::{Asked, MAX_REQUEST, Status, read},
    responder::Responder,
};
use crate::model::Revocation;

/// Requests that are worked on at a time; more are told to try later.
const PLACES: usize = 64;
/// How long the database may take before the client is told to try later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where revocations are looked up.
pub trait Lookup: Send + Sync + 'static {
    /// Of the certificate with this serial number: `None` if none was issued, else its revocation, if it is revoked.
    ///
    /// # Errors
    /// If that cannot be seen now.
    fn revocation(
        &self,
        serial: &[u8],
    ) -> impl Future<Output = Result<Option<Option<Revocation>>, String>> + Send;
}

/// What the responder works with.
pub struct Public<L> {
    responder: Responder,
    lookup: L,
    validity: Duration,
    /// Path of the responder's URL, without a slash at the end.
    prefix: String,
    places: Semaphore,
    responses: IntCounterVec,
}

impl<L> fmt::Debug for Public<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Public(…)")
    }
}

impl<L: Lookup> Public<L> {
    /// Responses may be relied upon, and cached, for `validity`; `url` is the one in the certificates; `responses` counts
    /// by status.
    pub fn new(
        responder: Responder,
        lookup: L,
        validity: Duration,
        url: &str,
        responses: IntCounterVec,
    ) -> Self {
        let after = url.split_once("://").map_or(url, |(_, rest)| rest);
        let prefix = after.find('/').and_then(|at| after.get(at..)).unwrap_or_default();
        let prefix = prefix.trim_end_matches('/').to_owned();
        Self { responder, lookup, validity, prefix, places: Semaphore::new(PLACES), responses }
    }
}

/// Serves the responder.
pub fn router<L: Lookup>(public: Public<L>) -> Router {
    Router::new().fallback(any(serve::<L>)).with_state(Arc::new(public))
}

/// RFC 6960 §4.2.1: what is answered when there is nothing to sign.
#[derive(Debug, Clone, Copy)]
enum Refused {
    Malformed,
    Internal,
    TryLater,
    Unauthorized,
}

impl Refused {
    fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformedRequest",
            Self::Internal => "internalError",
            Self::TryLater => "tryLater",
            Self::Unauthorized => "unauthorized",
        }
    }

    fn response(self) -> OcspResponse {
        match self {
            Self::Malformed => OcspResponse::malformed_request(),
            Self::Internal => OcspResponse::internal_error(),
            Self::TryLater => OcspResponse::try_later(),
            Self::Unauthorized => OcspResponse::unauthorized(),
        }
    }
}

async fn serve<L: Lookup>(State(public): State<Arc<Public<L>>>, request: Request) -> Response {
    let get = request.method() == Method::GET;
    let octets = match *request.method() {
        Method::GET => from_path(&public.prefix, request.uri().path()),
        Method::POST if is_ocsp(request.headers()) => {
            to_bytes(request.into_body(), MAX_REQUEST).await.ok().map(Vec::from)
        }
        Method::POST => {
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/ocsp-request")
                .into_response();
        }
        _ => return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")]).into_response(),
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let answer = match octets.ok_or(Refused::Malformed) {
        Ok(octets) => answer(&public, &octets, now).await,
        Err(refused) => Err(refused),
    };
    match answer {
        Ok((asked, body)) => {
            public.responses.with_label_values(&["successful"]).inc();
            let cached = get && asked.nonce.is_none();
            success(body, cached.then_some((now, public.validity)))
        }
        Err(refused) => {
            public.responses.with_label_values(&[refused.label()]).inc();
            let body = refused.response().to_der().unwrap_or_default();
            success(body, None)
        }
    }
}

async fn answer<L: Lookup>(public: &Public<L>, octets: &[u8], now: i64) -> Result<(Asked, Vec<u8>), Refused> {
    let asked = read(octets).map_err(|error| {
        tracing::debug!(%error, "OCSP");
        Refused::Malformed
    })?;
    if !public.responder.is_authorised(now) {
        tracing::error!("the OCSP responder's certificate is not in force: make another with `callhome pki`");
        return Err(Refused::Unauthorized);
    }
    let _place = public.places.try_acquire().map_err(|_| Refused::TryLater)?;
    let statuses = tokio::time::timeout(PATIENCE, statuses(public, &asked)).await;
    let statuses = statuses.map_err(|_| Refused::TryLater)??;
    let response = public.responder.respond(&asked, &statuses, now, public.validity).map_err(|error| {
        tracing::error!(%error, "OCSP");
        Refused::Internal
    })?;
    Ok((asked, response))
}

async fn statuses<L: Lookup>(public: &Public<L>, asked: &Asked) -> Result<Vec<Status>, Refused> {
    let mut statuses = Vec::with_capacity(asked.certificates.len());
    for certificate in &asked.certificates {
        if !public.responder.is_ours(certificate) {
            statuses.push(Status::Unknown);
            continue;
        }
        let found = public.lookup.revocation(certificate.serial()).await.map_err(|error| {
            tracing::error!(%error, "OCSP");
            Refused::TryLater
        })?;
        statuses.push(match found {
            None => Status::Unknown,
            Some(None) => Status::Good,
            Some(Some(revocation)) => Status::Revoked(revocation),
        });
    }
    Ok(statuses)
}

/// Appendix A.1.1: `GET {url}/{url-encoding of base-64 encoding of the DER encoding of the OCSPRequest}`.
fn from_path(prefix: &str, path: &str) -> Option<Vec<u8>> {
    if path.len() > 2 * MAX_REQUEST {
        return None;
    }
    let text = percent_decoded(path.strip_prefix(prefix)?.strip_prefix('/')?)?;
    BASE64.decode(&text).ok()
}

/// RFC 3986 §2.1.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut octets = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(octets.next()?)? << 4 | digit(octets.next()?)?
            }
            other => other,
        });
    }
    Some(decoded)
}

fn is_ocsp(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/ocsp-request")
}

/// With `cached` (`thisUpdate`, and how long it holds) the headers of RFC 5019 §6.2; else nobody keeps it.
fn success(body: Vec<u8>, cached: Option<(i64, Duration)>) -> Response {
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
    let mut response = Bytes::from(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let Some((this_update, validity)) = cached else {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    };
    let at = UNIX_EPOCH + Duration::from_secs(this_update.unsigned_abs());
    let control = format!("max-age={}, public, no-transform, must-revalidate", validity.as_secs());
    let fields = [
        (header::CACHE_CONTROL, control),
        (header::ETAG, etag),
        (header::LAST_MODIFIED, http_date(at)),
        (header::EXPIRES, http_date(at + validity)),
    ];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// IMF-fixdate, RFC 9110 §5.6.7.
fn http_date(at: SystemTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from(at).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_a_path_is_read_with_and_without_percent_signs() {
        assert_eq!(from_path("", "/AQID"), Some(vec![1, 2, 3]));
        assert_eq!(from_path("/ocsp", "/ocsp/%2B%2f%2F%2b"), Some(vec![0xfb, 0xff, 0xfe]));
        assert_eq!(from_path("", "/+//+"), Some(vec![0xfb, 0xff, 0xfe]));
        for bad in ["", "/AQI", "/%", "/%4", "/%zz", "/AQ%00"] {
            assert_eq!(from_path("", bad), None, "{bad}");
        }
        assert_eq!(from_path("/ocsp", "/other/AQID"), None);
    }

    #[test]
    fn dates_are_those_of_http() {
        let at = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
