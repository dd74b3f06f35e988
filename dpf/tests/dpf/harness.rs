//! Authorities, devices, an operator that composes real RNCPs, and a running DPF.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use dpf::{
    config::DpfConfig,
    machine::State,
    start::{Started, start},
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use reqwest::{Method, Response, StatusCode, header};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use schemas::{
    cose::{self, PrivateKey, Signer},
    evidence::{self, Debugging, Evidence},
    octets::Octets,
    report::{self, InstallReport, InstallResult},
    rest::{
        AuditEntry, Page,
        provisioning::{
            HaveParts, NeedParts, OpenSession, Package, ProvisioningAnswer, ProvisioningRequest, Session,
            SessionState,
        },
    },
    rncp::{self, CREDENTIALS, Kind, Manifest, Part, PartKind, part_aad},
    trust::Purpose,
};
use serde_json::Value;
use service::config::Loader;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    others::{Others, answer},
    responder::{self, Register},
};

pub struct Ca {
    pub issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

pub fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap()
}

impl Ca {
    pub fn new(name: &str) -> Self {
        let key = pair(&PrivateKey::generate().unwrap());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, PrivateKey) {
        let key = PrivateKey::generate().unwrap();
        (self.certify(&key, name, change).1, key)
    }

    pub fn certify(
        &self,
        key: &PrivateKey,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<u8>, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&pair(key), &self.issuer).unwrap();
        (certificate.der().to_vec(), certificate.pem())
    }

    pub fn signer(&self, name: &str, purpose: Purpose) -> Signer {
        let (pem, key) = self.issue(name, |params| params.custom_extensions = vec![usage(purpose)]);
        Signer::from_pem(key.to_pem().unwrap().as_bytes(), pem.as_bytes()).unwrap()
    }
}

fn usage(purpose: Purpose) -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage())
}

pub fn now() -> u64 {
    time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs()
}

/// What the other roles sign with.
#[derive(Clone)]
pub struct Keys {
    pub pva: Signer,
    pub sho: Signer,
    /// Another operator's.
    pub sho_b: Signer,
    /// By the root, with another purpose.
    pub trigger: Signer,
}

/// How an RNCP differs from a good one.
pub type Change = fn(&mut Manifest, &mut Package);

/// A device with a platform key and its certificate.
#[derive(Clone)]
pub struct Device {
    pub name: String,
    pub pcid: String,
    pub key: PrivateKey,
    pub certificate: Vec<u8>,
    pub http: reqwest::Client,
}

impl Device {
    pub fn open_request(&self, trigger: Uuid) -> OpenSession {
        OpenSession {
            pcid: self.pcid.parse().unwrap(),
            device_id: self.name.parse().unwrap(),
            tre_id: format!("tre-{}", self.name).parse().unwrap(),
            trigger,
            kind: Kind::Initial,
            operator: "sho-a".parse().unwrap(),
        }
    }

    pub fn signer(&self) -> Signer {
        Signer::new(&self.key, vec![self.certificate.clone()]).unwrap()
    }

    pub fn evidence(&self, nonce: &Octets, change: impl FnOnce(&mut Evidence)) -> Vec<u8> {
        let mut claims = Evidence {
            nonce: nonce.clone(),
            issued: now(),
            device_id: self.name.parse().unwrap(),
            tre_id: format!("tre-{}", self.name).parse().unwrap(),
            pcid: self.pcid.parse().unwrap(),
            supplier: "acme".parse().unwrap(),
            model: "meter".into(),
            hardware_version: "1".into(),
            software: "fw".into(),
            software_version: "1.0".into(),
            boot_digest: [9; 32],
            verified_boot: true,
            debugging: Debugging::DisabledSinceBoot,
            boot_count: 3,
        };
        change(&mut claims);
        self.signer().sign(evidence::CONTENT_TYPE, claims.encode().unwrap()).unwrap()
    }

    pub fn report(&self, session: Uuid, rncp: Uuid, reason: Option<&str>) -> Vec<u8> {
        let report = InstallReport {
            version: 1,
            session,
            rncp,
            device_id: self.name.parse().unwrap(),
            tre_id: format!("tre-{}", self.name).parse().unwrap(),
            result: if reason.is_some() { InstallResult::Failed } else { InstallResult::Installed },
            reason: reason.map(str::to_owned),
            at: now(),
        };
        self.signer().sign(report::CONTENT_TYPE, report.encode().unwrap()).unwrap()
    }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub root: Arc<Ca>,
    pub platform_ca: Arc<Ca>,
    pub keys: Keys,
    pub others: Arc<Others>,
    /// What OCSP says.
    pub register: Register,
    pub sealing: PrivateKey,
    pub config: DpfConfig,
    pub started: Option<Started>,
    pub stop: CancellationToken,
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn token(name: &str) -> String {
    format!("chm_{}_{}", "0".repeat(40), name.replace('-', "_"))
}

impl World {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With more keys in `[dpf]`.
    pub async fn with(more: &str) -> Self {
        let mut world = Self::prepared(more).await;
        world.start().await;
        world
    }

    pub async fn prepared(more: &str) -> Self {
        service::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (root, platform_ca) = (Arc::new(Ca::new("root")), Arc::new(Ca::new("platforms")));
        fs::write(at("root.crt"), &root.pem).unwrap();
        fs::write(at("platform-ca.crt"), &platform_ca.pem).unwrap();
        let (pem, key) = root.issue("dpf", |params| {
            params.subject_alt_names =
                CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().subject_alt_names;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
        fs::write(at("tls.crt"), pem).unwrap();
        private(&at("tls.key"), &key.to_pem().unwrap());
        let (pem, key) =
            root.issue("sho-a", |params| params.custom_extensions = vec![usage(Purpose::Payload)]);
        fs::write(at("payload.crt"), pem).unwrap();
        private(&at("payload.key"), &key.to_pem().unwrap());
        let sealing = PrivateKey::generate().unwrap();
        fs::write(at("sealing.pem"), sealing.public_pem().unwrap()).unwrap();
        let keys = Keys {
            pva: root.signer("pva", Purpose::Verdict),
            sho: root.signer("sho-a", Purpose::Payload),
            sho_b: root.signer("sho-b", Purpose::Payload),
            trigger: root.signer("sho-a", Purpose::Trigger),
        };
        let stop = CancellationToken::new();
        let (others, url) = Others::start(keys.clone(), stop.clone()).await;
        let register = Register::default();
        let signer = platform_ca.issue("ocsp", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        });
        let ocsp = responder::serve(register.clone(), signer, &platform_ca.pem, stop.clone()).await;
        let mut tokens = String::new();
        for (name, scopes) in [
            ("admin", r#""admin""#),
            ("sho-a", r#""sessions:read", "rules:read", "rules:write", "updates:write", "operator:sho-a""#),
            ("sho-b", r#""sessions:read", "rules:read", "rules:write", "updates:write", "operator:sho-b""#),
            ("other", r#""audit:read""#),
        ] {
            private(&at(name), &token(name));
            tokens += &format!(
                "{{ name = \"{name}\", token = {{ file = {:?} }}, scopes = [{scopes}] }}, ",
                at(name)
            );
        }
        let peer = format!("url = \"{url}\"\ntoken = {{ file = {:?} }}\ntimeout = \"2s\"", at("admin"));
        let text = format!(
            r#"
            [dpf]
            anchors = {root_crt:?}
            retry_first = "20ms"
            retry_max = "100ms"
            sweep = "50ms"
            {more}
            [device]
            listen = "127.0.0.1:0"
            tls = {{ cert = {crt:?}, key = {key:?} }}
            platform_ca = {platform:?}
            ocsp = {{ url = "{ocsp}", cache = "100ms" }}
            [database]
            url = "sqlite://{db}"
            [rest]
            listen = "127.0.0.1:0"
            tls = {{ cert = {crt:?}, key = {key:?} }}
            tokens = [{tokens}]
            [drf]
            {peer}
            [pva]
            {peer}
            [icf]
            {peer}
            [[operators]]
            id = "sho-a"
            {peer}
            sealing_key = {sealing:?}
            payload_signing = {{ cert = {payload_crt:?}, key = {payload_key:?} }}
            [[operators]]
            id = "sho-b"
            {peer}
            "#,
            root_crt = at("root.crt"),
            crt = at("tls.crt"),
            key = at("tls.key"),
            platform = at("platform-ca.crt"),
            db = at("dpf.db").display(),
            sealing = at("sealing.pem"),
            payload_crt = at("payload.crt"),
            payload_key = at("payload.key"),
        );
        let config = Loader::text("dpf.toml", text).load().unwrap();
        let world =
            Self { folder, root, platform_ca, keys, others, register, sealing, config, started: None, stop };
        world.authorise(|_, _| {});
        world
    }

    pub async fn start(&mut self) {
        self.stop = CancellationToken::new();
        self.started = Some(start(self.config.clone(), self.stop.clone()).await.unwrap());
    }

    /// Drops it and opens it again: its memory is in the file alone then.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        self.started.take().unwrap().wait().await;
        self.start().await;
    }

    /// The operator authorises; its RNCP is good, if `change` does nothing.
    pub fn authorise(&self, change: Change) {
        let signer = self.keys.sho.clone();
        self.others.decide(move |id, request| {
            let package = package(id, request, &signer, change);
            answer(&ProvisioningAnswer::Authorised { package })
        });
    }

    pub fn started(&self) -> &Started {
        self.started.as_ref().unwrap()
    }

    pub fn device(&self, name: &str, pcid: &str) -> Device {
        let key = PrivateKey::generate().unwrap();
        let urn = format!("urn:callhome:device:{name}");
        let (certificate, _) = self.platform_ca.certify(&key, &format!("tre-{name}"), |params| {
            params.subject_alt_names = vec![SanType::URI(urn.as_str().try_into().unwrap())];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let http = self.http(Some((certificate.clone(), &key)));
        Device { name: name.to_owned(), pcid: pcid.to_owned(), key, certificate, http }
    }

    pub fn meter(&self) -> Device {
        self.device("meter-1", "999710000000001")
    }

    pub fn http(&self, identity: Option<(Vec<u8>, &PrivateKey)>) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        for der in schemas::trust::chain_from_pem(self.root.pem.as_bytes()).unwrap() {
            roots.add(der).unwrap();
        }
        let builder = rustls::ClientConfig::builder_with_provider(service::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivatePkcs8KeyDer::from(key.to_pkcs8().unwrap().to_vec());
                builder
                    .with_client_auth_cert(vec![CertificateDer::from(certificate)], PrivateKeyDer::from(key))
                    .unwrap()
            }
        };
        reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.started().device_url)
    }

    pub async fn open(&self, device: &Device, trigger: Uuid) -> Session {
        let answer = self.post(device, "/device/v1/sessions", &device.open_request(trigger)).await;
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
        answer.json().await.unwrap()
    }

    pub async fn post(&self, device: &Device, path: &str, body: &impl serde::Serialize) -> Response {
        device.http.post(self.url(path)).json(body).send().await.unwrap()
    }

    pub async fn get(&self, device: &Device, path: &str) -> Response {
        device.http.get(self.url(path)).send().await.unwrap()
    }

    pub async fn octets(
        &self,
        device: &Device,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Response {
        device
            .http
            .request(method, self.url(path))
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub async fn send_evidence(&self, device: &Device, session: &Session) -> Session {
        let evidence = device.evidence(&session.nonce, |_| {});
        let answer = self.put_evidence(device, session.id, evidence).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub async fn put_evidence(&self, device: &Device, id: Uuid, evidence: Vec<u8>) -> Response {
        let path = format!("/device/v1/sessions/{id}/evidence");
        self.octets(device, Method::PUT, &path, evidence::CONTENT_TYPE, evidence).await
    }

    /// What the device waits for.
    pub async fn decided(&self, device: &Device, id: Uuid) -> Session {
        loop {
            let path = format!("/device/v1/sessions/{id}?wait=30");
            let session: Session = self.get(device, &path).await.json().await.unwrap();
            if !matches!(session.state, SessionState::Opened | SessionState::Relaying) {
                return session;
            }
        }
    }

    /// To the state in which the manifest may be fetched.
    pub async fn authorised(&self, device: &Device) -> Session {
        let session = self.open(device, Uuid::new_v4()).await;
        self.send_evidence(device, &session).await;
        let session = self.decided(device, session.id).await;
        assert_eq!(session.state, SessionState::Authorised, "{:?}", session.problem);
        session
    }

    pub async fn manifest(&self, device: &Device, id: Uuid) -> Manifest {
        let answer = self.get(device, &format!("/device/v1/sessions/{id}/manifest")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let signed = answer.bytes().await.unwrap();
        let (_, payload) = cose::peek_chain(&signed, rncp::CONTENT_TYPE).unwrap();
        Manifest::decode(&payload).unwrap()
    }

    pub async fn agree(&self, device: &Device, id: Uuid, have: &[String]) -> NeedParts {
        let answer = self.ask_parts(device, id, have).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub async fn ask_parts(&self, device: &Device, id: Uuid, have: &[String]) -> Response {
        self.post(device, &format!("/device/v1/sessions/{id}/parts"), &HaveParts { have: have.to_vec() })
            .await
    }

    pub async fn send_report(&self, device: &Device, id: Uuid, report: Vec<u8>) -> Response {
        self.octets(
            device,
            Method::POST,
            &format!("/device/v1/sessions/{id}/report"),
            report::CONTENT_TYPE,
            report,
        )
        .await
    }

    /// Waits until the session is in this state, as the DPF knows it.
    pub async fn state(&self, id: Uuid, wanted: State) {
        let store = &self.started().dpf.store;
        let looked = async {
            loop {
                let state = store.session(id).await.unwrap().unwrap().state;
                if state == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), looked).await.is_err() {
            panic!("{:?}, not {wanted:?}", store.session(id).await.unwrap().unwrap());
        }
    }

    pub async fn rest(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.started().rest_url.as_ref().unwrap());
        let mut request = self.http(None).request(method, url).bearer_auth(token(who));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Whether the audit log has an entry of this action with this outcome.
    pub async fn audited(&self, action: &str, outcome: &str) -> bool {
        let (status, page) = self.rest("other", Method::GET, "/v1/audit?limit=499", None).await;
        assert_eq!(status, StatusCode::OK);
        let page: Page<AuditEntry> = serde_json::from_value(page).unwrap();
        page.items.iter().any(|entry| entry.action == action && entry.outcome.contains(outcome))
    }
}

/// What a part `credentials` says before it is encrypted.
pub const SECRET: &[u8] = b"K and OPc of the subscription";

/// An RNCP as an operator makes it.
pub fn package(id: Uuid, request: &ProvisioningRequest, signer: &Signer, change: Change) -> Package {
    let (chain, _) = cose::peek_chain(request.evidence.as_ref(), evidence::CONTENT_TYPE).unwrap();
    let platform = schemas::trust::Leaf::parse(&chain[0]).unwrap();
    let rncp = Uuid::new_v4();
    let sealed = cose::encrypt(SECRET, &part_aad(rncp, CREDENTIALS), &platform.key).unwrap();
    // Larger than a piece, and no multiple of one.
    let firmware: Vec<u8> = (0..700_001u32).map(|at| (at % 251) as u8).collect();
    let profile = b"apn=internet".to_vec();
    let mut manifest = Manifest {
        version: 1,
        rncp,
        operator: "sho-a".parse().unwrap(),
        device_id: request.device_id.clone(),
        tre_id: request.tre_id.clone(),
        pcid: request.pcid,
        session: id,
        kind: request.kind,
        replaces: None,
        issued: now(),
        expires: now() + 3600,
        parts: vec![
            Part::of(CREDENTIALS, PartKind::Credentials, &sealed, true, false),
            Part::of("firmware", PartKind::Executable, &firmware, false, true),
            Part::of("profile", PartKind::Data, &profile, false, false),
        ],
    };
    let mut package = Package {
        rncp,
        manifest: Octets::default(),
        parts: vec![Octets(sealed), Octets(firmware), Octets(profile)],
        validate_before_download: false,
        expires_at: time::OffsetDateTime::now_utc() + time::Duration::hours(1),
    };
    change(&mut manifest, &mut package);
    if package.manifest.0.is_empty() {
        package.manifest = Octets(signer.sign(rncp::CONTENT_TYPE, manifest.encode().unwrap()).unwrap());
    }
    package
}

/// The code of a problem: the last word of its type.
pub async fn code(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap();
    let kind = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    (status, kind)
}
