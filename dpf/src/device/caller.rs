//! Who calls: a platform by its certificate, or the owner of a call-home triple.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use schemas::{
    identity::{DeviceId, Pcid, TreId},
    rest::provisioning::{TripleCheck, TripleOwner},
    trust::Leaf,
};
use service::{
    client::CallError, ocsp::Denied, problem::Problem, serve::mark_authenticated, tls::PeerCertificates,
};
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
            let caller = platform(leaf).ok_or_else(|| {
                turned_away(dpf, "certificate");
                Problem::of_kind(StatusCode::FORBIDDEN, "/problems/no-platform", "Not a platform certificate")
                    .detail("the certificate names no device (SAN URI urn:callhome:device:…) or no TRE (common name)")
                    .into_response()
            })?;
            holds(dpf, &caller, leaf).await?;
            mark_authenticated(&parts.extensions);
            return Ok(caller);
        }
        let Some(check) = basic(&parts.headers) else {
            turned_away(dpf, "nobody");
            return Err(unauthorised(
                "show the platform certificate, or send the call-home triple with HTTP Basic",
            ));
        };
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0);
        let caller = triple(dpf, from, &check).await?;
        mark_authenticated(&parts.extensions);
        Ok(caller)
    }
}

fn turned_away(dpf: &Dpf, why: &str) {
    dpf.metrics.turned_away.with_label_values(&[why]).inc();
}

fn platform(der: &[u8]) -> Option<Caller> {
    let leaf = Leaf::parse(der).ok()?;
    Some(Caller::Platform { tre: leaf.tre_id()?, device: leaf.device_id?, certificate: leaf.der })
}

/// Sees that the certificate is not revoked: TLS does not ask.
async fn holds(dpf: &Dpf, caller: &Caller, certificate: &[u8]) -> Result<(), Response> {
    let Err(denied) = dpf.revocation.check(certificate).await else { return Ok(()) };
    let code = match denied {
        Denied::Revoked => "platform-revoked",
        Denied::Unknown => "platform-unknown",
        Denied::NotNow(_) => {
            turned_away(dpf, "ocsp-away");
            dpf.metrics.trouble.with_label_values(&["ocsp"]).inc();
            // Why exactly is in the log; devices need not know.
            let text = "whether the platform certificate is revoked cannot be seen now: OCSP does not say; ask again";
            return Err(super::failure::later(text).into_response());
        }
    };
    turned_away(dpf, "revoked");
    let text = denied.to_string();
    dpf.refused(&caller.name(), "device.admit", code, &format!("refused: {text}")).await;
    let problem = super::failure::coded(StatusCode::FORBIDDEN, code, "The certificate does not hold", text);
    Err(problem.into_response())
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

async fn triple(dpf: &Dpf, from: Option<SocketAddr>, check: &TripleCheck) -> Result<Caller, Response> {
    let Some(icf) = &dpf.icf else {
        turned_away(dpf, "triple");
        return Err(unauthorised("call-home triples are not taken here; show the platform certificate"));
    };
    // The server puts it there, always; nobody is heard without.
    let Some(from) = from.map(|from| from.ip()) else {
        return Err(Problem::internal(&"a request without an address").into_response());
    };
    let guess = dpf.guesses.begin(from).await.map_err(|wait| {
        turned_away(dpf, "guesses");
        tracing::info!(%from, "triples of this address are not heard: there were too many wrong ones");
        let text = "too many wrong triples came from your address; try again later";
        let problem = super::failure::coded(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-guesses",
            "Too many guesses",
            text,
        );
        super::failure::after(problem, wait.as_secs().saturating_add(1))
    })?;
    match icf.json::<_, TripleOwner>(Method::POST, "/v1/chtif/verify", Some(check)).await {
        Ok(owner) => {
            guess.forgive();
            Ok(Caller::Triple(owner.pcid))
        }
        Err(CallError::Refused { status: StatusCode::FORBIDDEN, problem })
            if problem.kind.ends_with("/not-a-triple") =>
        {
            turned_away(dpf, "triple");
            // The ICF puts it down; without a name nobody fills our audit log.
            tracing::info!("refused: not a call-home triple");
            Err(unauthorised("user name and password are not those of an active credential's triple"))
        }
        Err(error) => {
            guess.forgive();
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
