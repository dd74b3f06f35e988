//! The other side of a provisioning for the simulator's own tests: a DRF and a DPF with the operator behind it, over real
//! HTTPS, that sign real objects and do what they are told, mistakes included. It says nothing about Callhome's roles.

mod server;

pub(crate) use server::{Server, TRIPLE};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use schemas::{
    cose::{self, PrivateKey, Signer},
    identity::{Imsi, Pcid},
    rncp::{self, CREDENTIALS, Credentials, Kind, Manifest, Part, PartKind, part_aad},
    rnct::{self, Rnct},
    secret::Key128,
    trust::{Anchors, DEVICE_URN, Leaf, Purpose},
};
use uuid::Uuid;

use crate::tre::{DebugStatus, Manufacture, Measured, Provisional, now};

/// K and OPc of every subscription here: those of the first subscriber of `test_hss`.
pub(crate) const K: &str = "40404040404040404040404040404040";
pub(crate) const OPC: &str = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0";

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A signer whose certificate is good for one purpose.
    pub(crate) fn signer(&self, name: &str, purpose: Purpose) -> Signer {
        let key = PrivateKey::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage())];
        Signer::new(&key, vec![self.issue(params, &key)]).unwrap()
    }

    fn issue(&self, params: CertificateParams, key: &PrivateKey) -> Vec<u8> {
        let pair = KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap();
        params.signed_by(&pair, &self.issuer).unwrap().der().to_vec()
    }

    /// A platform certificate.
    pub(crate) fn platform(&self, key: &PrivateKey, number: u64) -> Vec<u8> {
        self.issue(platform_params(number), key)
    }
}

fn platform_params(number: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("tre-{number}"));
    let urn = format!("{DEVICE_URN}device-{number}");
    params.subject_alt_names = vec![SanType::URI(urn.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
    params
}

/// Everybody whom a device trusts, and the authority that its platform certificate is by.
pub(crate) struct World {
    pub(crate) root: Authority,
    pub(crate) platform_ca: Authority,
    pub(crate) drf: Signer,
    pub(crate) operators: [Signer; 2],
}

/// What the operator puts into an RNCP besides the credentials.
#[derive(Clone)]
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) content: Vec<u8>,
    pub(crate) shared: bool,
}

/// An RNCP as it travels.
pub(crate) struct Package {
    pub(crate) manifest: Manifest,
    pub(crate) wires: Vec<Vec<u8>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = Authority::new("service root");
        let platform_ca = Authority::new("platform CA");
        let drf = root.signer("registry", Purpose::Trigger);
        let operators = ["sho-a", "sho-b"].map(|name| root.signer(name, Purpose::Payload));
        Self { root, platform_ca, drf, operators }
    }

    pub(crate) fn pcid(number: u64) -> Pcid {
        format!("99970{number:010}").parse().unwrap()
    }

    pub(crate) fn imsi(number: u64) -> Imsi {
        format!("99971{number:010}").parse().unwrap()
    }

    /// Device `number`, with a platform certificate.
    pub(crate) fn manufacture(&self, number: u64) -> Manufacture {
        let platform_key = PrivateKey::generate().unwrap();
        let platform_chain = vec![self.platform_ca.platform(&platform_key, number)];
        Manufacture {
            device_id: format!("device-{number}").parse().unwrap(),
            tre_id: format!("tre-{number}").parse().unwrap(),
            pcid: Self::pcid(number),
            supplier: "acme".parse().unwrap(),
            platform_key,
            platform_chain,
            anchors: self.root.pem.clone(),
            triple: None,
            provisional: Some(Provisional {
                k: Key128::from_hex(K).unwrap(),
                opc: Key128::from_hex(OPC).unwrap(),
            }),
            measured: Measured {
                model: "meter".into(),
                hardware_version: "2".into(),
                software: "meter-os".into(),
                software_version: "1.4.0".into(),
                boot_digest: [7; 32],
                verified_boot: true,
                debugging: DebugStatus::DisabledPermanently,
            },
        }
    }

    pub(crate) fn platform_anchors(&self) -> Anchors {
        Anchors::from_pem(self.platform_ca.pem.as_bytes()).unwrap()
    }

    /// An RNCT for device `number`.
    pub(crate) fn rnct(number: u64, sequence: u64, dpf: &str) -> Rnct {
        Rnct {
            version: rnct::VERSION,
            id: Uuid::new_v4(),
            pcid: Self::pcid(number),
            sequence,
            issued: now(),
            expires: now() + 3600,
            napdef: None,
            dpf: dpf.to_owned(),
            kind: Kind::Initial,
            operator: "sho-a".parse().unwrap(),
            m2m: None,
        }
    }

    pub(crate) fn sign_rnct(&self, rnct: &Rnct) -> Vec<u8> {
        self.drf.sign(rnct::CONTENT_TYPE, rnct.encode().unwrap()).unwrap()
    }

    pub(crate) fn sign_manifest(&self, manifest: &Manifest) -> Vec<u8> {
        let at = usize::from(manifest.operator.as_str() != "sho-a");
        self.operators[at].sign(rncp::CONTENT_TYPE, manifest.encode().unwrap()).unwrap()
    }

    /// An RNCP for device `number` with this platform certificate.
    pub(crate) fn package(
        number: u64,
        operator: &str,
        session: Uuid,
        kind: Kind,
        platform: &Leaf,
        extras: &[Extra],
    ) -> Package {
        let rncp = Uuid::new_v4();
        let (k, opc) = (Key128::from_hex(K).unwrap(), Key128::from_hex(OPC).unwrap());
        let plmn = "999-01".parse().unwrap();
        let credentials = Credentials::new(Self::imsi(number), &k, &opc, [0x80, 0], "internet".into(), plmn);
        let sealed =
            cose::encrypt(&credentials.encode().unwrap(), &part_aad(rncp, CREDENTIALS), &platform.key)
                .unwrap();
        let mut parts = vec![Part::of(CREDENTIALS, PartKind::Credentials, &sealed, true, false)];
        let mut wires = vec![sealed];
        for extra in extras {
            parts.push(Part::of(extra.name, PartKind::Data, &extra.content, false, extra.shared));
            wires.push(extra.content.clone());
        }
        let manifest = Manifest {
            version: rncp::VERSION,
            rncp,
            operator: operator.parse().unwrap(),
            device_id: format!("device-{number}").parse().unwrap(),
            tre_id: format!("tre-{number}").parse().unwrap(),
            pcid: Self::pcid(number),
            session,
            kind,
            replaces: None,
            issued: now(),
            expires: now() + 3600,
            parts,
        };
        Package { manifest, wires }
    }
}
