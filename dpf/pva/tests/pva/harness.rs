//! A running PVA with its authorities, a supplier, and devices.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt, path::Path};

use axum::http::{Method, StatusCode};
use pva::{
    config::PvaConfig,
    rest::SCOPES,
    start::{Started, start},
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use schemas::{
    cose::{self, PrivateKey, Signer},
    enrolment::{self, Enrolment, Platform},
    evidence::{self, Debugging, Evidence},
    octets::Octets,
    rest::{
        AuditEntry, Page,
        provisioning::{Nonce, Requirements, Validation, ValidationCheck, ValidationRequest},
    },
    trust::{Anchors, Purpose, ServerRole},
    verdict::{self, Verdict},
};
use serde_json::{Value, json};
use service::{
    client::{CallError, RoleClient},
    config::{Loader, SecretSource, Span},
    role::PeerRole,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// SHA-256 of what good devices boot.
pub const BOOT: [u8; 32] = [9; 32];
/// Where the certificates say the responder is.
pub const OCSP_URL: &str = "http://127.0.0.1:2560/ocsp";

/// An authority of the tests.
pub struct Ca {
    pub issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub key_pem: String,
}

pub fn authority(name: &str) -> Ca {
    let key = PrivateKey::generate().unwrap();
    let pair = pair(&key);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&pair).unwrap().pem();
    let key_pem = key.to_pem().unwrap().to_string();
    Ca { issuer: Issuer::new(params, pair), pem, key_pem }
}

pub fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap()
}

impl Ca {
    /// Certificate and key, PEM.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, PrivateKey) {
        let key = PrivateKey::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        (params.signed_by(&pair(&key), &self.issuer).unwrap().pem(), key)
    }

    pub fn signer(&self, name: &str, purpose: Purpose) -> Signer {
        let (pem, key) = self.issue(name, |params| params.custom_extensions = vec![usage(purpose)]);
        Signer::from_pem(key.to_pem().unwrap().as_bytes(), pem.as_bytes()).unwrap()
    }
}

pub fn usage(purpose: Purpose) -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage())
}

/// id-pkix-ocsp-nocheck, RFC 6960 §4.2.2.2.1.
pub fn ocsp_signing(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0])];
}

/// A device with its platform key.
#[derive(Clone)]
pub struct Device {
    pub name: String,
    pub key: PrivateKey,
    /// What the PVA gave it.
    pub certificate: Vec<u8>,
}

impl Device {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key: PrivateKey::generate().unwrap(), certificate: Vec::new() }
    }

    pub fn tre(&self) -> String {
        format!("tre-{}", self.name)
    }

    pub fn platform(&self) -> Platform {
        Platform {
            device_id: self.name.parse().unwrap(),
            tre_id: self.tre().parse().unwrap(),
            model: "meter".to_owned(),
            public_key: self.key.spki().unwrap().into(),
        }
    }

    /// Evidence that is good, if `change` does nothing.
    pub fn evidence(&self, nonce: &Octets, change: impl FnOnce(&mut Evidence)) -> Vec<u8> {
        let mut evidence = claims(&self.name, nonce);
        change(&mut evidence);
        let signer = Signer::new(&self.key, vec![self.certificate.clone()]).unwrap();
        signer.sign(evidence::CONTENT_TYPE, evidence.encode().unwrap()).unwrap()
    }

    /// PKCS #10, DER.
    pub fn request(&self) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "whoever I say I am");
        params.serialize_request(&pair(&self.key)).unwrap().der().to_vec()
    }
}

/// What a good device says.
pub fn claims(name: &str, nonce: &Octets) -> Evidence {
    Evidence {
        nonce: nonce.clone(),
        issued: now(),
        device_id: name.parse().unwrap(),
        tre_id: format!("tre-{name}").parse().unwrap(),
        pcid: "999710000000001".parse().unwrap(),
        supplier: "acme".parse().unwrap(),
        model: "meter".into(),
        hardware_version: "1".into(),
        software: "fw".into(),
        software_version: "1.0".into(),
        boot_digest: BOOT,
        verified_boot: true,
        debugging: Debugging::DisabledSinceBoot,
        boot_count: 3,
    }
}

/// Seconds since 1970 UTC.
pub fn now() -> u64 {
    time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs()
}

/// A PVA, its authorities, and clients of it.
pub struct World {
    pub folder: tempfile::TempDir,
    pub root: Ca,
    pub platform_ca: Ca,
    pub supplier: Signer,
    pub config: PvaConfig,
    pub started: Option<Started>,
    stop: CancellationToken,
    /// By scope; `admin` may do everything.
    pub clients: HashMap<String, RoleClient>,
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The token with this scope alone.
pub fn token(scope: &str) -> String {
    format!("chm_{}_{}", "0".repeat(40), scope.replace(':', "_"))
}

impl World {
    /// Started, with supplier `acme` and its model `meter` in state `1.0`.
    pub async fn new() -> Self {
        let mut world = Self::prepared();
        world.start().await;
        world.put("/v1/suppliers/acme", json!({"name": "Acme Meters"})).await.unwrap();
        world.reference("1.0", BOOT).await;
        world
    }

    /// Files and configuration; not started.
    pub fn prepared() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (root, platform_ca) = (authority("root"), authority("platforms"));
        fs::write(at("root.crt"), &root.pem).unwrap();
        fs::write(at("platform-ca.crt"), &platform_ca.pem).unwrap();
        private(&at("platform-ca.key"), &platform_ca.key_pem);
        let pairs = [
            ("pva", root.issue("pva", |params| params.custom_extensions = vec![usage(Purpose::Verdict)])),
            ("ocsp", platform_ca.issue("OCSP", ocsp_signing)),
            (
                "tls",
                root.issue("pva", |params| {
                    params.subject_alt_names =
                        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().subject_alt_names;
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                }),
            ),
        ];
        for (name, (certificate, key)) in &pairs {
            fs::write(at(&format!("{name}.crt")), certificate).unwrap();
            private(&at(&format!("{name}.key")), &key.to_pem().unwrap());
        }
        let scopes: Vec<&str> = SCOPES.iter().copied().chain(["metrics:read", "admin"]).collect();
        let mut tokens = String::new();
        for scope in &scopes {
            let name = scope.replace(':', "-");
            private(&at(&name), &token(scope));
            let file = at(&name);
            tokens += &format!(
                "{{ name = \"only-{name}\", token = {{ file = {file:?} }}, scopes = [\"{scope}\"] }}, "
            );
        }
        let text = format!(
            r#"
            [pva]
            signing = {{ cert = {:?}, key = {:?} }}
            platform_ca = {{ cert = {:?}, key = {:?} }}
            anchors = {:?}
            [ocsp]
            listen = "127.0.0.1:0"
            url = "{OCSP_URL}"
            signing = {{ cert = {:?}, key = {:?} }}
            [database]
            url = "sqlite://{}"
            [rest]
            listen = "127.0.0.1:0"
            tls = {{ cert = {:?}, key = {:?} }}
            tokens = [{tokens}]
            "#,
            at("pva.crt"),
            at("pva.key"),
            at("platform-ca.crt"),
            at("platform-ca.key"),
            at("root.crt"),
            at("ocsp.crt"),
            at("ocsp.key"),
            at("pva.db").display(),
            at("tls.crt"),
            at("tls.key"),
        );
        let config = Loader::text("pva.toml", text).load().unwrap();
        let supplier = root.signer("acme", Purpose::Enrolment);
        let stop = CancellationToken::new();
        Self { folder, root, platform_ca, supplier, config, started: None, stop, clients: HashMap::new() }
    }

    pub async fn start(&mut self) {
        self.stop = CancellationToken::new();
        let started = start(self.config.clone(), self.stop.clone()).await.unwrap();
        let url = started.rest_url.clone().unwrap();
        assert!(url.starts_with("https://"));
        for scope in SCOPES.iter().copied().chain(["metrics:read", "admin"]) {
            let peer = PeerRole {
                url: url.clone(),
                token: SecretSource::File(self.folder.path().join(scope.replace(':', "-"))),
                ca: Some(self.folder.path().join("root.crt")),
                timeout: Span::seconds(60),
            };
            self.clients.insert(scope.to_owned(), RoleClient::new(ServerRole::Pva, &peer).unwrap());
        }
        self.started = Some(started);
    }

    /// Stops it; its memory is in the file alone then.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        self.started.take().unwrap().wait().await;
    }

    pub fn ocsp_url(&self) -> String {
        format!("{}/ocsp", self.started.as_ref().unwrap().ocsp_url)
    }

    pub fn admin(&self) -> &RoleClient {
        &self.clients["admin"]
    }

    pub async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.admin().json::<Value, Value>(Method::GET, path, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.admin().json(Method::PUT, path, Some(&body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.admin().json(Method::POST, path, Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.admin().json::<Value, Value>(Method::DELETE, path, None).await
    }

    /// An accepted state of the meter.
    pub async fn reference(&self, name: &str, boot: [u8; 32]) {
        let body = json!({
            "boot_digest": hex::encode(boot), "software": "fw", "software_version": "1.0"
        });
        self.put(&format!("/v1/reference-values/acme/meter/{name}"), body).await.unwrap();
    }

    /// A batch as the supplier signs it.
    pub fn batch(&self, id: Uuid, platforms: Vec<Platform>) -> Vec<u8> {
        let enrolment =
            Enrolment { version: 1, id, supplier: "acme".parse().unwrap(), issued: now(), platforms };
        self.supplier.sign(enrolment::CONTENT_TYPE, enrolment.encode().unwrap()).unwrap()
    }

    pub async fn send_batch(&self, batch: Vec<u8>) -> Result<Vec<Octets>, CallError> {
        let kind = "application/cose; cose-type=\"cose-sign1\"";
        let answer = self.admin().send(Method::POST, "/v1/enrolments", kind, batch).await?;
        Ok(serde_json::from_slice(answer.body()).unwrap())
    }

    /// Devices by name, enrolled.
    pub async fn devices<const N: usize>(&self, names: [&str; N]) -> [Device; N] {
        let mut devices = names.map(Device::new);
        let batch = self.batch(Uuid::new_v4(), devices.iter().map(Device::platform).collect());
        let certificates = self.send_batch(batch).await.unwrap();
        assert_eq!(certificates.len(), N);
        for (device, certificate) in devices.iter_mut().zip(certificates) {
            device.certificate = certificate.0;
        }
        devices
    }

    pub async fn nonce(&self) -> Octets {
        let nonce: Nonce = self.admin().json::<Value, Nonce>(Method::POST, "/v1/nonces", None).await.unwrap();
        assert_eq!(nonce.nonce.0.len(), 32);
        nonce.nonce
    }

    pub async fn ask(&self, request: &ValidationRequest) -> Result<Vec<u8>, CallError> {
        let answer: Validation = self.admin().json(Method::POST, "/v1/validations", Some(request)).await?;
        Ok(answer.verdict.0)
    }

    /// The verdict, its signature verified as a relying party does.
    pub async fn validate(&self, request: &ValidationRequest) -> Verdict {
        self.open(&self.ask(request).await.unwrap())
    }

    pub fn open(&self, signed: &[u8]) -> Verdict {
        let anchors = Anchors::from_pem(self.root.pem.as_bytes()).unwrap();
        let signed = cose::verify(signed, verdict::CONTENT_TYPE, &anchors, Purpose::Verdict, now()).unwrap();
        Verdict::decode(&signed.payload).unwrap()
    }

    pub async fn audit(&self) -> Vec<AuditEntry> {
        let page: Page<AuditEntry> =
            self.admin().json::<Value, _>(Method::GET, "/v1/audit?limit=499", None).await.unwrap();
        page.items
    }

    /// Whether the audit log has an entry of this action, whose target and outcome hold these.
    pub async fn audited(&self, action: &str, target: &str, outcome: &str) -> bool {
        let log = self.audit().await;
        log.iter().any(|e| e.action == action && e.target.contains(target) && e.outcome.contains(outcome))
    }
}

/// A request for a new session.
pub fn request(nonce: &Octets, evidence: Vec<u8>) -> ValidationRequest {
    ValidationRequest {
        session: Uuid::new_v4(),
        check: ValidationCheck::Provisioning,
        nonce: nonce.clone(),
        evidence: Octets(evidence),
        requirements: Requirements::default(),
    }
}

/// The status and text of a refusal.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> (StatusCode, String) {
    match answer.unwrap_err() {
        CallError::Refused { status, problem } => (status, problem.to_string()),
        other => panic!("{other}"),
    }
}
