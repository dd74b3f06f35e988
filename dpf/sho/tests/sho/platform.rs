//! Authorities, a PVA that signs real verdicts, and a device.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, SanType};
use schemas::{
    cose::{PrivateKey, Signer},
    identity::{DeviceId, TreId},
    report::{self, InstallReport, InstallResult},
    rest::provisioning::{ProvisioningRequest, Validation, ValidationRequest},
    rncp::{self, Kind},
    trust::{Anchors, DEVICE_URN, Purpose},
    verdict::{self, Reason, Verdict},
};
use sho::machine::{NoVerdict, Validator};
use uuid::Uuid;

use crate::rig::NOW;

/// Something that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub fn anchors(&self) -> Anchors {
        Anchors::from_pem(self.pem.as_bytes()).unwrap()
    }

    fn certify(&self, key: &PrivateKey, name: &str, purpose: Purpose, device: Option<&str>) -> Vec<u8> {
        let pair = KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        let usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage());
        params.custom_extensions = vec![usage];
        if let Some(device) = device {
            let uri = format!("{DEVICE_URN}{device}");
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        }
        params.signed_by(&pair, &self.issuer).unwrap().der().to_vec()
    }

    pub fn signer(&self, name: &str, purpose: Purpose) -> Signer {
        let key = PrivateKey::generate().unwrap();
        let certificate = self.certify(&key, name, purpose, None);
        Signer::new(&key, vec![certificate]).unwrap()
    }
}

/// A device: its identities and platform key.
pub struct Device {
    pub device_id: DeviceId,
    pub tre_id: TreId,
    pub key: PrivateKey,
    pub certificate: Vec<u8>,
}

impl Device {
    pub fn new(authority: &Authority, name: &str) -> Self {
        let key = PrivateKey::generate().unwrap();
        let tre = format!("tre-{name}");
        let certificate = authority.certify(&key, &tre, Purpose::Platform, Some(name));
        Self { device_id: name.parse().unwrap(), tre_id: tre.parse().unwrap(), key, certificate }
    }

    /// Step 10; the evidence is not looked into by an SHO, its PVA does that.
    pub fn request(&self, session: Uuid, kind: Kind) -> ProvisioningRequest {
        ProvisioningRequest {
            pcid: "999710000000001".parse().unwrap(),
            device_id: self.device_id.clone(),
            tre_id: self.tre_id.clone(),
            kind,
            nonce: session.as_bytes().to_vec().into(),
            evidence: format!("evidence of {} for {session}", self.device_id).into_bytes().into(),
        }
    }

    pub fn report(&self, session: Uuid, rncp: Uuid, result: InstallResult) -> Vec<u8> {
        let report = InstallReport {
            version: report::VERSION,
            session,
            rncp,
            device_id: self.device_id.clone(),
            tre_id: self.tre_id.clone(),
            result,
            reason: None,
            at: NOW,
        };
        let signer = Signer::new(&self.key, vec![self.certificate.clone()]).unwrap();
        signer.sign(report::CONTENT_TYPE, report.encode().unwrap()).unwrap()
    }
}

/// What the PVA says next, instead of the truth.
pub type Twist = Box<dyn Fn(&mut Verdict) + Send + Sync>;

/// A PVA that finds every device good that it knows.
pub struct Pva {
    signer: Mutex<Signer>,
    devices: Mutex<Vec<(DeviceId, TreId, Vec<u8>)>>,
    pub twist: Mutex<Option<Twist>>,
    pub away: Mutex<Option<NoVerdict>>,
    pub replay: Mutex<Option<Validation>>,
    pub asked: AtomicUsize,
    pub requests: Mutex<Vec<ValidationRequest>>,
}

impl Pva {
    pub fn new(authority: &Authority) -> Self {
        Self {
            signer: Mutex::new(authority.signer("pva", Purpose::Verdict)),
            devices: Mutex::default(),
            twist: Mutex::default(),
            away: Mutex::default(),
            replay: Mutex::default(),
            asked: AtomicUsize::new(0),
            requests: Mutex::default(),
        }
    }

    pub fn knows(&self, device: &Device) {
        let row = (device.device_id.clone(), device.tre_id.clone(), device.certificate.clone());
        self.devices.lock().unwrap().push(row);
    }

    pub fn signs_as(&self, signer: Signer) {
        *self.signer.lock().unwrap() = signer;
    }

    pub fn finds(&self, reason: Reason) {
        *self.twist.lock().unwrap() = Some(Box::new(move |verdict| {
            verdict.good = false;
            verdict.reasons = vec![reason];
            verdict.detail = format!("{reason:?}");
        }));
    }
}

#[async_trait]
impl Validator for Pva {
    async fn validate(&self, request: &ValidationRequest) -> Result<Validation, NoVerdict> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.requests.lock().unwrap().push(request.clone());
        if let Some(away) = self.away.lock().unwrap().clone() {
            return Err(away);
        }
        if let Some(replay) = self.replay.lock().unwrap().clone() {
            return Ok(replay);
        }
        let text = String::from_utf8(request.evidence.0.clone()).unwrap();
        let devices = self.devices.lock().unwrap();
        let known =
            devices.iter().find(|(device, ..)| text.starts_with(&format!("evidence of {device} for ")));
        let mut verdict = Verdict {
            version: verdict::VERSION,
            good: known.is_some(),
            reasons: if known.is_some() { vec![] } else { vec![Reason::UnknownPlatform] },
            detail: String::new(),
            nonce: request.nonce.clone(),
            evidence: rncp::digest(request.evidence.as_ref()).to_vec().into(),
            device_id: known.map(|(device, ..)| device.clone()),
            tre_id: known.map(|(_, tre, _)| tre.clone()),
            supplier: Some("acme".parse().unwrap()),
            model: Some("meter".into()),
            state: Some("fw-1".into()),
            platform_certificate: known.map(|(.., certificate)| certificate.clone().into()),
            issued: NOW,
            expires: NOW + 300,
        };
        if let Some(twist) = self.twist.lock().unwrap().as_ref() {
            twist(&mut verdict);
        }
        let signer = self.signer.lock().unwrap();
        let verdict = signer.sign(verdict::CONTENT_TYPE, verdict.encode().unwrap()).unwrap();
        Ok(Validation { verdict: verdict.into() })
    }
}
