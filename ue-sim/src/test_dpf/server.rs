//! DRF and DPF on one port.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, Query, State, connect_info::Connected},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
    serve::{IncomingStream, Listener},
};
use futures_util::stream;
use rcgen::KeyPair;
use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier, version::TLS13};
use schemas::{
    cose::{self, PrivateKey},
    evidence,
    evidence::Evidence,
    octets::Octets,
    report::{self, InstallReport},
    rest::{Problem, provisioning::*},
    rncp::Manifest,
    rnct::Rnct,
    trust::{Leaf, Purpose, chain_from_pem},
};
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use uuid::Uuid;

use super::{Extra, Package, World};
use crate::tre::now;

/// What the other side does otherwise than it should.
#[derive(Default)]
pub(crate) struct Plan {
    /// In every RNCP.
    pub(crate) extras: Vec<Extra>,
    /// Before it is signed.
    pub(crate) change: Option<fn(&mut Manifest)>,
    /// The manifest is signed by the DRF.
    pub(crate) wrong_signer: bool,
    /// Each part has one octet changed on its way.
    pub(crate) corrupt: bool,
    /// The credentials are encrypted to this certificate's key.
    pub(crate) encrypt_to: Option<Leaf>,
    /// A part's answer ends after so many octets.
    pub(crate) end_after: Option<usize>,
    /// So many downloads break off after half of what is left.
    pub(crate) breaks: u32,
    /// The operator refuses.
    pub(crate) refuse: Option<Refusal>,
    /// So many requests get 503 first.
    pub(crate) unavailable: u32,
    /// So many reports get 503 first.
    pub(crate) reports_lost: u32,
    /// So often the operator has not decided yet.
    pub(crate) undecided: u32,
    /// Parts are not offered.
    pub(crate) offer_nothing: bool,
}

/// A session.
pub(crate) struct Kept {
    pub(crate) session: Session,
    pub(crate) opened: OpenSession,
    pub(crate) manifest: Vec<u8>,
    pub(crate) rncp: Uuid,
    parts: HashMap<String, Vec<u8>>,
    pub(crate) have: Vec<Vec<String>>,
    pub(crate) reports: Vec<InstallReport>,
}

/// What has happened.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) plan: Plan,
    pub(crate) sessions: Vec<Kept>,
    pub(crate) hellos: Vec<Hello>,
    /// `from` and octets sent of each part's answer.
    pub(crate) downloads: Vec<(usize, usize)>,
    /// RNCT for those who ask, by PCID.
    pub(crate) rncts: HashMap<String, Vec<u8>>,
    /// Requests with a platform certificate, with the triple.
    pub(crate) certified: u32,
    pub(crate) by_triple: u32,
    /// The key of device 1, which may ask for a certificate.
    pub(crate) certify: Option<PrivateKey>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) world: Arc<World>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) url: String,
}

/// User name and password that are good here.
pub(crate) const TRIPLE: (&str, &str) = ("device", "a secret");

impl Server {
    pub(crate) async fn start() -> Self {
        Self::of(Arc::new(World::new())).await
    }

    pub(crate) async fn of(world: Arc<World>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(chain_from_pem(world.platform_ca.pem.as_bytes()).unwrap().remove(0)).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let key = KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &world.root.issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", tcp.local_addr().unwrap());
        let server = Self { world, seen: Arc::default(), url };
        let router = Router::new()
            .route("/device/v1/hello", post(hello))
            .route("/device/v1/rnct", get(rnct))
            .route("/device/v1/platform-certificate", post(certificate_for))
            .route("/device/v1/sessions", post(open))
            .route("/device/v1/sessions/{id}", get(session))
            .route("/device/v1/sessions/{id}/evidence", put(take_evidence))
            .route("/device/v1/sessions/{id}/manifest", get(manifest))
            .route("/device/v1/sessions/{id}/parts", post(parts))
            .route("/device/v1/sessions/{id}/parts/{digest}", get(part))
            .route("/device/v1/sessions/{id}/report", post(take_report))
            .with_state(server.clone());
        let listener = Tls { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move {
            axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
        });
        server
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    pub(crate) fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.seen().plan);
    }

    /// Reports of all sessions.
    pub(crate) fn reports(&self) -> Vec<InstallReport> {
        self.seen().sessions.iter().flat_map(|kept| kept.reports.clone()).collect()
    }

    /// An RNCT of ours, and signed.
    pub(crate) fn rnct(&self, number: u64, sequence: u64) -> (Rnct, Vec<u8>) {
        let rnct = World::rnct(number, sequence, &self.url);
        let signed = self.world.sign_rnct(&rnct);
        (rnct, signed)
    }
}

struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (tcp, peer) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(tcp).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The certificate that the client has shown.
#[derive(Clone)]
struct Peer(Option<Vec<u8>>);

impl Connected<IncomingStream<'_, Tls>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        let shown = stream.io().get_ref().1.peer_certificates().and_then(|chain| chain.first());
        Self(shown.map(|certificate| certificate.to_vec()))
    }
}

fn problem(status: StatusCode, kind: &str, detail: &str) -> Response {
    let problem = Problem {
        kind: format!("urn:test:{kind}"),
        title: kind.to_owned(),
        status: status.as_u16(),
        detail: Some(detail.to_owned()),
        instance: None,
        errors: Vec::new(),
        report: None,
    };
    (status, Json(problem)).into_response()
}

impl Server {
    /// Who asks, and whether it is to be answered at all.
    #[allow(clippy::result_large_err, reason = "the error is the answer, and goes out as it is")]
    fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<Option<Leaf>, Response> {
        let mut seen = self.seen();
        if seen.plan.unavailable > 0 {
            seen.plan.unavailable -= 1;
            return Err(problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "not now"));
        }
        if let Some(certificate) = &peer.0 {
            seen.certified += 1;
            return Ok(Some(Leaf::parse(certificate).unwrap()));
        }
        // base64 of TRIPLE.
        if headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Basic ZGV2aWNlOmEgc2VjcmV0") {
            seen.by_triple += 1;
            return Ok(None);
        }
        Err(problem(StatusCode::UNAUTHORIZED, "who", "neither certificate nor triple"))
    }
}

async fn hello(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Json(hello): Json<Hello>,
) -> Response {
    if let Err(refused) = server.admit(&peer, &headers) {
        return refused;
    }
    let number = hello.pcid.number() % 10_000_000_000;
    let (_, signed) = server.rnct(number, now());
    server.seen().hellos.push(hello);
    Json(RnctAnswer { rnct: Octets(signed) }).into_response()
}

async fn rnct(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Err(refused) = server.admit(&peer, &headers) {
        return refused;
    }
    match server.seen().rncts.get(&query["pcid"]) {
        Some(signed) => signed.clone().into_response(),
        None => problem(StatusCode::NOT_FOUND, "no-rnct", "nothing for you"),
    }
}

async fn certificate_for(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refused) = server.admit(&peer, &headers) {
        return refused;
    }
    let key = server.seen().certify.clone().unwrap();
    let spki = key.spki().unwrap();
    assert!(body.windows(spki.len()).any(|window| window == spki), "a request of that key");
    let certificate = server.world.platform_ca.platform(&key, 1);
    ([(header::CONTENT_TYPE, "application/pkix-cert")], certificate).into_response()
}

async fn open(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Json(opened): Json<OpenSession>,
) -> Response {
    let leaf = match server.admit(&peer, &headers) {
        Ok(Some(leaf)) => leaf,
        Ok(None) => return problem(StatusCode::FORBIDDEN, "certificate", "a platform certificate is needed"),
        Err(refused) => return refused,
    };
    if leaf.device_id.as_ref() != Some(&opened.device_id) {
        return problem(StatusCode::FORBIDDEN, "not-yours", "another device's certificate");
    }
    let mut seen = server.seen();
    if let Some(kept) = seen.sessions.iter().find(|kept| kept.opened.trigger == opened.trigger) {
        return Json(kept.session.clone()).into_response();
    }
    let id = Uuid::new_v4();
    let number = opened.pcid.number() % 10_000_000_000;
    let leaf = seen.plan.encrypt_to.clone().unwrap_or(leaf);
    let Package { mut manifest, wires } =
        World::package(number, opened.operator.as_str(), id, opened.kind, &leaf, &seen.plan.extras);
    if let Some(change) = seen.plan.change {
        change(&mut manifest);
    }
    let signed = if seen.plan.wrong_signer {
        server.world.drf.sign(schemas::rncp::CONTENT_TYPE, manifest.encode().unwrap()).unwrap()
    } else {
        server.world.sign_manifest(&manifest)
    };
    let session = Session {
        id,
        state: SessionState::Opened,
        nonce: Octets(id.as_bytes().to_vec()),
        expires_at: OffsetDateTime::now_utc() + time::Duration::hours(1),
        problem: None,
    };
    let parts = manifest.parts.iter().map(|part| part.digest_hex()).zip(wires).collect();
    seen.sessions.push(Kept {
        session: session.clone(),
        opened,
        manifest: signed,
        rncp: manifest.rncp,
        parts,
        have: Vec::new(),
        reports: Vec::new(),
    });
    (StatusCode::CREATED, Json(session)).into_response()
}

/// Runs `act` with the session, if it is the caller's.
fn with(
    server: &Server,
    peer: &Peer,
    headers: &HeaderMap,
    id: Uuid,
    act: impl FnOnce(&mut Kept, &mut Plan) -> Response,
) -> Response {
    let leaf = match server.admit(peer, headers) {
        Ok(leaf) => leaf,
        Err(refused) => return refused,
    };
    let mut seen = server.seen();
    let Seen { plan, sessions, .. } = &mut *seen;
    match sessions.iter_mut().find(|kept| kept.session.id == id) {
        Some(kept) if leaf.and_then(|leaf| leaf.device_id) == Some(kept.opened.device_id.clone()) => {
            act(kept, plan)
        }
        _ => problem(StatusCode::NOT_FOUND, "no-session", "no such session of yours"),
    }
}

type Caller = ConnectInfo<Peer>;

async fn session(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Response {
    with(&server, &peer, &headers, id, |kept, plan| {
        if kept.session.state == SessionState::Relaying {
            if plan.undecided > 0 {
                plan.undecided -= 1;
            } else if let Some(refusal) = &plan.refuse {
                kept.session.state = SessionState::Refused;
                kept.session.problem = Some(refusal.clone());
            } else {
                kept.session.state = SessionState::Authorised;
            }
        }
        Json(kept.session.clone()).into_response()
    })
}

async fn take_evidence(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    body: Bytes,
) -> Response {
    let anchors = server.world.platform_anchors();
    assert_eq!(headers[header::CONTENT_TYPE], evidence::CONTENT_TYPE);
    with(&server, &peer, &headers, id, |kept, _| {
        let signed = cose::verify(&body, evidence::CONTENT_TYPE, &anchors, Purpose::Platform, now()).unwrap();
        let claims = Evidence::decode(&signed.payload).unwrap();
        assert_eq!(claims.nonce, kept.session.nonce);
        assert_eq!((&claims.device_id, &claims.tre_id), (&kept.opened.device_id, &kept.opened.tre_id));
        kept.session.state = SessionState::Relaying;
        StatusCode::NO_CONTENT.into_response()
    })
}

async fn manifest(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Response {
    with(&server, &peer, &headers, id, |kept, _| kept.manifest.clone().into_response())
}

async fn parts(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(have): Json<HaveParts>,
) -> Response {
    with(&server, &peer, &headers, id, |kept, plan| {
        kept.session.state = SessionState::Downloading;
        let needed =
            kept.parts.iter().filter(|(digest, _)| !plan.offer_nothing && !have.have.contains(digest));
        let needed = needed
            .map(|(digest, wire)| NeedPart { digest: digest.clone(), size: wire.len() as u64 })
            .collect();
        kept.have.push(have.have.clone());
        Json(NeedParts { needed }).into_response()
    })
}

async fn part(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path((id, digest)): Path<(Uuid, String)>,
) -> Response {
    let range = headers.get(header::RANGE).map(|value| value.to_str().unwrap().to_owned());
    let from: usize = range
        .map_or(0, |range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap());
    let mut sent = 0;
    let answer = with(&server, &peer, &headers, id, |kept, plan| {
        let Some(wire) = kept.parts.get(&digest) else {
            return problem(StatusCode::NOT_FOUND, "no-part", "not of this RNCP");
        };
        let mut rest = wire[from..].to_vec();
        if plan.corrupt {
            rest[0] ^= 1;
        }
        let range = format!("bytes {from}-{}/{}", wire.len() - 1, wire.len());
        let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        rest.truncate(plan.end_after.unwrap_or(usize::MAX));
        sent = rest.len();
        let body = if plan.breaks > 0 {
            plan.breaks -= 1;
            rest.truncate(rest.len().div_ceil(2));
            let chunks: [Result<Vec<u8>, io::Error>; 2] =
                [Ok(rest), Err(io::ErrorKind::ConnectionReset.into())];
            Body::from_stream(stream::iter(chunks))
        } else {
            Body::from_stream(stream::iter([Ok::<_, io::Error>(rest)]))
        };
        if from > 0 {
            (status, [(header::CONTENT_RANGE, range)], body).into_response()
        } else {
            (status, body).into_response()
        }
    });
    server.seen().downloads.push((from, sent));
    answer
}

async fn take_report(
    State(server): State<Server>,
    ConnectInfo(peer): Caller,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    body: Bytes,
) -> Response {
    let anchors = server.world.platform_anchors();
    with(&server, &peer, &headers, id, |kept, plan| {
        if plan.reports_lost > 0 {
            plan.reports_lost -= 1;
            return problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "not now");
        }
        let signed = cose::verify(&body, report::CONTENT_TYPE, &anchors, Purpose::Platform, now()).unwrap();
        kept.reports.push(InstallReport::decode(&signed.payload).unwrap());
        kept.session.state = SessionState::Reported;
        StatusCode::NO_CONTENT.into_response()
    })
}
