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
    identity::{DeviceId, Pcid, SupplierId},
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
    ocsp::{Denied as Status, Revocation},
    problem::{Json, Problem, Query},
    serve::CallerConnection,
    throttle::{Buckets, Guesses},
    tls::PeerCertificates,
};
use zeroize::Zeroizing;

use crate::{
    coap::endpoint::{Lookup, Resources},
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

/// Seconds after which a device may ask again, where somebody whom we need is out of order.
const PAUSE: u64 = 2;

/// What the routes work on.
#[derive(Clone)]
pub struct Door {
    desk: Desk,
    icf: Option<RoleClient>,
    /// Asked of every certificate; `None`: there is no HTTPS for devices.
    revocation: Option<Revocation>,
    /// Wrong triples by source.
    guesses: Arc<Guesses>,
    audited: Arc<Mutex<Buckets>>,
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
    /// Lets devices in; triples are checked with `icf`, certificates with `revocation`, and neither is taken without.
    #[must_use]
    pub fn new(desk: Desk, icf: Option<RoleClient>, revocation: Option<Revocation>) -> Self {
        let audited = Arc::new(Mutex::new(Buckets::new(AUDITED.0, AUDITED.1, ADDRESSES)));
        let overall = Arc::new(Trickle::new(AUDITED_AT_ONCE));
        let guesses = Arc::default();
        Self { desk, icf, revocation, guesses, audited, overall, began: Instant::now() }
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
        if let Some(outcome) = self.overall.entry(write, why) {
            self.desk.audit(&format!("address {from}"), action, &pcid.to_string(), &outcome).await;
        }
    }

    /// Sees that the device with `pcid` calls.
    async fn admit(
        &self,
        from: IpAddr,
        pcid: Pcid,
        shown: &Shown,
        device_id: Option<&DeviceId>,
    ) -> Result<(), Denied> {
        let registered = match self.desk.device(&View::All, pcid).await {
            Ok((device, _)) => Some((device.device_id, device.supplier)),
            // As long as with one: a triple is tried all the same, and counted.
            Err(Refused::NotFound(_)) => None,
            Err(error) => return Err(Denied::Problem(error.into())),
        };
        const ANOTHER: Denied = Denied::Forbidden("another device is registered with this PCID");
        let another = |registered: &DeviceId| device_id.is_some_and(|id| id != registered);
        match shown {
            Shown::Certificate { device: id, supplier: by, der } => {
                let Some((registered, supplier)) = &registered else {
                    return Err(Denied::Forbidden("the PCID is not registered"));
                };
                if another(registered) {
                    return Err(ANOTHER);
                }
                if id.as_ref() != Some(registered) {
                    return Err(Denied::Forbidden("the certificate is of another device"));
                }
                // Those of before this was in them say nothing; the SHO has the PVA's verdict.
                if by.as_ref().is_some_and(|by| by != supplier) {
                    return Err(Denied::Forbidden("the certificate is of another supplier's device"));
                }
                self.holds(der).await?;
            }
            Shown::Triple(triple) if self.owner(from, triple).await? == pcid => {}
            Shown::Triple(_) => return Err(Denied::Forbidden("the call-home triple is of another PCID")),
            Shown::Nothing => return Err(Denied::Unknown),
        }
        match registered {
            None => Err(Denied::Forbidden("the PCID is not registered")),
            Some((registered, _)) if another(&registered) => Err(ANOTHER),
            Some(_) => Ok(()),
        }
    }

    /// Sees that a certificate is not revoked: TLS does not ask.
    async fn holds(&self, certificate: &[u8]) -> Result<(), Denied> {
        let Some(revocation) = &self.revocation else {
            return Err(Denied::Forbidden("no platform certificates are taken here"));
        };
        revocation.check(certificate).await.map_err(|status| match status {
            Status::Revoked => Denied::Certificate("platform-revoked", status.to_string()),
            Status::Unknown => Denied::Certificate("platform-unknown", status.to_string()),
            // Why exactly is in the log; devices need not know.
            Status::NotNow(_) => Denied::Later(
                StatusCode::SERVICE_UNAVAILABLE,
                PAUSE,
                "whether your certificate is revoked cannot be seen now: OCSP does not say; ask again",
            ),
        })
    }

    /// Whose triple it is.
    async fn owner(&self, from: IpAddr, triple: &TripleCheck) -> Result<Pcid, Denied> {
        let Some(icf) = &self.icf else {
            return Err(Denied::Forbidden("no call-home triples are taken here"));
        };
        let guess = self.guesses.begin(from).await.map_err(|wait| {
            tracing::info!(%from, "triples of this address are not heard: there were too many wrong ones");
            Denied::Later(
                StatusCode::TOO_MANY_REQUESTS,
                wait.as_secs().saturating_add(1),
                "too many wrong triples came from your address; try again later",
            )
        })?;
        match icf.json::<_, TripleOwner>(Method::POST, "/v1/chtif/verify", Some(triple)).await {
            Ok(owner) => {
                guess.forgive();
                Ok(owner.pcid)
            }
            // Any other 403 is about our token: of that the device is not to blame.
            Err(CallError::Refused { status: StatusCode::FORBIDDEN, problem })
                if problem.kind.ends_with("/not-a-triple") =>
            {
                Err(Denied::Forbidden("the call-home triple is not known"))
            }
            Err(error) => {
                guess.forgive();
                tracing::warn!(%error, "a call-home triple cannot be checked");
                Err(Denied::Later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    PAUSE,
                    "who you are cannot be checked now; try again later",
                ))
            }
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
        let denied = match self.admit(from, pcid, shown, device_id).await {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        match denied {
            Denied::Problem(problem) => Err(problem.into_response()),
            Denied::Later(status, seconds, detail) => {
                self.desk.metrics.devices.with_label_values(&["later"]).inc();
                let mut response = Problem::new(status).detail(detail).into_response();
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                Err(response)
            }
            // Who has the key may know what became of its certificate.
            Denied::Certificate(code, why) => {
                self.refused(from, action, pcid, &why).await;
                let kind = format!("/problems/{code}");
                let problem = Problem::of_kind(StatusCode::FORBIDDEN, kind, "The certificate does not hold");
                Err(problem.detail(why).into_response())
            }
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
    /// A code, and a sentence.
    Certificate(&'static str, String),
    /// Status, seconds, and why.
    Later(StatusCode, u64, &'static str),
    Problem(Problem),
}

/// What a device has shown.
enum Shown {
    /// A certificate of the platform CA.
    Certificate {
        /// The device that it names.
        device: Option<DeviceId>,
        /// Who enrolled that device.
        supplier: Option<SupplierId>,
        /// Itself.
        der: Vec<u8>,
    },
    /// User name and password of a call-home triple.
    Triple(TripleCheck),
    /// Nothing that is known here.
    Nothing,
}

/// A certificate counts before a triple.
fn shown(certificates: Option<&PeerCertificates>, headers: &HeaderMap) -> Shown {
    if let Some(certificate) = certificates.and_then(|certificates| certificates.0.first()) {
        let leaf = Leaf::parse(certificate).ok();
        let (device, supplier) = leaf.map_or((None, None), |leaf| (leaf.device_id, leaf.supplier));
        return Shown::Certificate { device, supplier, der: certificate.to_vec() };
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
    connection: CallerConnection,
    headers: HeaderMap,
    Json(Object(hello)): Json<Object<Hello>>,
) -> Result<Response, Response> {
    let from = from.ip().to_canonical();
    let shown = shown(certificates.as_deref(), &headers);
    door.admitted(from, "device.hello", hello.pcid, &shown, Some(&hello.device_id)).await?;
    connection.mark_authenticated();
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
    connection: CallerConnection,
    headers: HeaderMap,
    Query(Whose { pcid }): Query<Whose>,
) -> Result<Response, Response> {
    let from = from.ip().to_canonical();
    let shown = shown(certificates.as_deref(), &headers);
    door.admitted(from, "device.rnct", pcid, &shown, None).await?;
    connection.mark_authenticated();
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
