//! Who calls: a platform by its certificate, or the owner of a call-home triple.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use schemas::{
    identity::{DeviceId, Pcid, TreId},
    rest::provisioning::{TripleCheck, TripleOwner},
    trust::Leaf,
};
use service::{client::CallError, problem::Problem, tls::PeerCertificates};
use zeroize::Zeroizing;

use super::DeviceState;
use crate::{model::Session, procedure::Dpf};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A platform whose certificate TLS has verified.
    Platform {
        device: DeviceId,
        tre: TreId,
        /// DER.
        certificate: Vec<u8>,
    },
    /// Who has a triple; the ICF says whose.
    Triple(Pcid),
}

impl Caller {
    /// Whether a session is its own.
    pub(super) fn may(&self, session: &Session) -> bool {
        match self {
            Self::Platform { device, tre, .. } => *device == session.device_id && *tre == session.tre_id,
            Self::Triple(pcid) => *pcid == session.pcid,
        }
    }

    /// In the audit log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Platform { tre, .. } => format!("device:{tre}"),
            Self::Triple(pcid) => format!("triple:{pcid}"),
        }
    }
}

impl FromRequestParts<DeviceState> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &DeviceState) -> Result<Self, Response> {
        let dpf = &state.0;
        let certificates = parts.extensions.get::<PeerCertificates>();
        if let Some(leaf) = certificates.and_then(|certificates| certificates.0.first()) {
            return platform(leaf).ok_or_else(|| {
                turned_away(dpf, "certificate");
                Problem::of_kind(StatusCode::FORBIDDEN, "/problems/no-platform", "Not a platform certificate")
                    .detail("the certificate names no device (SAN URI urn:callhome:device:…) or no TRE (common name)")
                    .into_response()
            });
        }
        let Some(check) = basic(&parts.headers) else {
            turned_away(dpf, "nobody");
            return Err(unauthorised(
                "show the platform certificate, or send the call-home triple with HTTP Basic",
            ));
        };
        triple(dpf, &check).await
    }
}

fn turned_away(dpf: &Dpf, why: &str) {
    dpf.metrics.turned_away.with_label_values(&[why]).inc();
}

fn platform(der: &[u8]) -> Option<Caller> {
    let leaf = Leaf::parse(der).ok()?;
    Some(Caller::Platform { tre: leaf.tre_id()?, device: leaf.device_id?, certificate: leaf.der })
}

/// RFC 7617 §2.
fn basic(headers: &HeaderMap) -> Option<TripleCheck> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = Zeroizing::new(BASE64.decode(credentials.trim().as_bytes()).ok()?);
    let (username, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some(TripleCheck { username: username.to_owned(), password: password.to_owned() })
}

async fn triple(dpf: &Dpf, check: &TripleCheck) -> Result<Caller, Response> {
    let Some(icf) = &dpf.icf else {
        turned_away(dpf, "triple");
        return Err(unauthorised("call-home triples are not taken here; show the platform certificate"));
    };
    match icf.json::<_, TripleOwner>(Method::POST, "/v1/chtif/verify", Some(check)).await {
        Ok(owner) => Ok(Caller::Triple(owner.pcid)),
        Err(CallError::Refused { status: StatusCode::FORBIDDEN, problem })
            if problem.kind.ends_with("/not-a-triple") =>
        {
            turned_away(dpf, "triple");
            // The ICF puts it down; without a name nobody fills our audit log.
            tracing::info!("refused: not a call-home triple");
            Err(unauthorised("user name and password are not those of an active credential's triple"))
        }
        Err(error) => {
            dpf.metrics.trouble.with_label_values(&["icf"]).inc();
            tracing::warn!(%error, "the ICF does not say whose a call-home triple is");
            Err(super::failure::later("the triple cannot be verified now; ask again").into_response())
        }
    }
}

fn unauthorised(detail: &str) -> Response {
    let problem = Problem::of_kind(StatusCode::UNAUTHORIZED, "/problems/not-authenticated", "Who calls?");
    let mut response = problem.detail(detail).into_response();
    let challenge = HeaderValue::from_static("Basic realm=\"callhome\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        basic(&headers).map(|check| (check.username, check.password))
    }

    #[test]
    fn basic_credentials_are_read_as_rfc_7617_has_them() {
        let good = of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(good, Some(("Aladdin".into(), "open sesame".into())));
        // A password may hold a colon, a user name may not.
        assert_eq!(of("bAsIc YTpiOmM="), Some(("a".into(), "b:c".into())));
        for bad in ["Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic", "Basic !", "Basic YQ==", "Basic /w=="] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
