//! What devices reach over HTTPS (TLS 1.3): `POST /device/v1/hello` (step 6 in non-3GPP access) and
//! `GET /device/v1/rnct` (step 8, asked).
//!
//! A device shows who it is with its platform certificate, whose device has to be the one registered with the PCID; or,
//! having none yet, with the call-home triple (HTTP Basic, RFC 7617), which the ICF knows whose it is. Also here: the
//! same over CoAP, where the address of the last notice has to do, as an RNCT is no secret and is signed.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use axum::{
    Extension, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::{
    identity::{DeviceId, Pcid},
    rest::{
        Object,
        provisioning::{Hello, RnctAnswer, TripleCheck, TripleOwner},
    },
    trust::Leaf,
};
use serde::Deserialize;
use service::{
    api::Trickle,
    client::{CallError, RoleClient},
    problem::{Json, Problem, Query},
    tls::PeerCertificates,
};
use zeroize::Zeroizing;

use crate::{
    coap::{
        endpoint::{Lookup, Resources},
        limit::Limit,
    },
    desk::{Desk, Refused, View},
};

/// Octets of a request's body at most.
const MAX_BODY: usize = 4096;
/// Media type of a signed RNCT (RFC 9052 §11.2).
const MEDIA_TYPE: &str = "application/cose; cose-type=\"cose-sign1\"";
/// Refusals of one address that are written down at once, and for each second in the long run: who is not known at all
/// must not fill the audit log.
const AUDITED: (u64, u64) = (20, 1);
/// Addresses that are counted.
const ADDRESSES: usize = 4096;
/// Refusals of all addresses that are written down at once; after that, one a second.
const AUDITED_AT_ONCE: u32 = 200;

/// What the routes work on.
#[derive(Clone)]
pub struct Door {
    desk: Desk,
    icf: Option<RoleClient>,
    audited: Arc<Mutex<Limit>>,
    /// Of all addresses together: over UDP a sender may have as many as it likes.
    overall: Arc<Trickle>,
    began: Instant,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door(…)")
    }
}

impl Door {
    /// Lets devices in; triples are checked with `icf`, and not taken without.
    #[must_use]
    pub fn new(desk: Desk, icf: Option<RoleClient>) -> Self {
        let audited = Arc::new(Mutex::new(Limit::new(AUDITED.0, AUDITED.1, ADDRESSES)));
        let overall = Arc::new(Trickle::new(AUDITED_AT_ONCE));
        Self { desk, icf, audited, overall, began: Instant::now() }
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/device/v1/hello", post(hello))
            .route("/device/v1/rnct", get(rnct))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self);
        service::problem::with_problems(routes).layer(axum::middleware::from_fn(service::api::answer_headers))
    }

    /// Writes a refusal down, unless this address had many of late.
    async fn refused(&self, from: IpAddr, action: &str, pcid: Pcid, why: &str) {
        self.desk.metrics.devices.with_label_values(&["refused"]).inc();
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let write = self.audited.lock().unwrap_or_else(PoisonError::into_inner).allows(from, 1, now)
            && self.overall.allows();
        tracing::info!(%from, action, %pcid, why, "a device is refused");
        if write {
            self.desk.audit(&format!("address {from}"), action, &pcid.to_string(), why).await;
        }
    }

    /// Sees that the device with `pcid` calls.
    async fn admit(&self, pcid: Pcid, shown: &Shown, device_id: Option<&DeviceId>) -> Result<(), Denied> {
        let registered = match self.desk.device(&View::All, pcid).await {
            Ok((device, _)) => device.device_id,
            Err(Refused::NotFound(_)) => return Err(Denied::Forbidden("the PCID is not registered")),
            Err(error) => return Err(Denied::Problem(error.into())),
        };
        if device_id.is_some_and(|id| *id != registered) {
            return Err(Denied::Forbidden("another device is registered with this PCID"));
        }
        match shown {
            Shown::Certificate(Some(id)) if *id == registered => Ok(()),
            Shown::Certificate(_) => Err(Denied::Forbidden("the certificate is of another device")),
            Shown::Triple(triple) => {
                let Some(icf) = &self.icf else {
                    return Err(Denied::Forbidden("no call-home triples are taken here"));
                };
                let owner: Result<TripleOwner, _> =
                    icf.json(Method::POST, "/v1/chtif/verify", Some(triple)).await;
                match owner {
                    Ok(owner) if owner.pcid == pcid => Ok(()),
                    Ok(_) => Err(Denied::Forbidden("the call-home triple is of another PCID")),
                    Err(error) if error.is_transient() => {
                        tracing::warn!(%error, "a call-home triple cannot be checked");
                        Err(Denied::Problem(
                            Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                                .detail("who you are cannot be checked now; try again later"),
                        ))
                    }
                    Err(CallError::Refused { status, .. })
                        if [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED]
                            .contains(&status) =>
                    {
                        Err(Denied::Forbidden("the call-home triple is not known"))
                    }
                    Err(error) => Err(Denied::Problem(Problem::internal(&error))),
                }
            }
            Shown::Nothing => Err(Denied::Unknown),
        }
    }

    async fn admitted(
        &self,
        from: IpAddr,
        action: &str,
        pcid: Pcid,
        shown: &Shown,
        device_id: Option<&DeviceId>,
    ) -> Result<(), Response> {
        let denied = match self.admit(pcid, shown, device_id).await {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        match denied {
            Denied::Problem(problem) => Err(problem.into_response()),
            // One answer, whatever it was: it says nothing of which PCIDs there are.
            Denied::Forbidden(why) => {
                self.refused(from, action, pcid, why).await;
                let detail = "this device is not known by this certificate or triple";
                Err(Problem::new(StatusCode::FORBIDDEN).detail(detail).into_response())
            }
            Denied::Unknown => {
                self.refused(from, action, pcid, "neither platform certificate nor triple").await;
                let detail = "show a platform certificate, or the call-home triple as Basic credentials";
                let mut response = Problem::new(StatusCode::UNAUTHORIZED).detail(detail).into_response();
                let challenge = HeaderValue::from_static("Basic realm=\"callhome\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                Err(response)
            }
        }
    }
}

enum Denied {
    Unknown,
    Forbidden(&'static str),
    Problem(Problem),
}

/// What a device has shown.
enum Shown {
    /// A certificate of the platform CA, and the device that it names.
    Certificate(Option<DeviceId>),
    /// User name and password of a call-home triple.
    Triple(TripleCheck),
    /// Nothing that is known here.
    Nothing,
}

/// A certificate counts before a triple.
fn shown(certificates: Option<&PeerCertificates>, headers: &HeaderMap) -> Shown {
    if let Some(certificate) = certificates.and_then(|certificates| certificates.0.first()) {
        return Shown::Certificate(Leaf::parse(certificate).ok().and_then(|leaf| leaf.device_id));
    }
    triple(headers).map_or(Shown::Nothing, Shown::Triple)
}

/// RFC 7617 §2.
fn triple(headers: &HeaderMap) -> Option<TripleCheck> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let octets = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
    let (username, password) = std::str::from_utf8(&octets).ok()?.split_once(':')?;
    Some(TripleCheck { username: username.to_owned(), password: password.to_owned() })
}

async fn hello(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    certificates: Option<Extension<PeerCertificates>>,
    headers: HeaderMap,
    Json(Object(hello)): Json<Object<Hello>>,
) -> Result<Response, Response> {
    let from = from.ip().to_canonical();
    let shown = shown(certificates.as_deref(), &headers);
    door.admitted(from, "device.hello", hello.pcid, &shown, Some(&hello.device_id)).await?;
    match door.desk.hello(&hello, from).await {
        Ok(rnct) => {
            door.desk.metrics.devices.with_label_values(&["answered"]).inc();
            Ok(Json(RnctAnswer { rnct: rnct.into() }).into_response())
        }
        Err(error) => {
            door.desk.metrics.devices.with_label_values(&["nothing"]).inc();
            Err(Problem::from(error).into_response())
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    pcid: Pcid,
}

async fn rnct(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    certificates: Option<Extension<PeerCertificates>>,
    headers: HeaderMap,
    Query(Whose { pcid }): Query<Whose>,
) -> Result<Response, Response> {
    let from = from.ip().to_canonical();
    let shown = shown(certificates.as_deref(), &headers);
    door.admitted(from, "device.rnct", pcid, &shown, None).await?;
    match door.desk.fetch(pcid).await {
        Ok(Some(rnct)) => {
            door.desk.metrics.devices.with_label_values(&["answered"]).inc();
            Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], rnct).into_response())
        }
        Ok(None) => {
            door.desk.metrics.devices.with_label_values(&["nothing"]).inc();
            Err(Problem::not_found("there is no RNCT for this device now").into_response())
        }
        Err(error) => Err(Problem::from(error).into_response()),
    }
}

#[async_trait]
impl Resources for Door {
    async fn rnct(&self, pcid: Pcid, from: IpAddr) -> Lookup {
        let (outcome, lookup) = match self.desk.fetch_from(pcid, from).await {
            Ok(Some(Some(rnct))) => ("answered", Lookup::Found(rnct)),
            Ok(Some(None)) => ("nothing", Lookup::None),
            Ok(None) => {
                self.refused(from, "coap.rnct", pcid, "the device is not at this address").await;
                return Lookup::Forbidden;
            }
            Err(error) => {
                tracing::error!(%error, "an RNCT cannot be read");
                ("nothing", Lookup::Unavailable)
            }
        };
        self.desk.metrics.devices.with_label_values(&[outcome]).inc();
        lookup
    }
}
