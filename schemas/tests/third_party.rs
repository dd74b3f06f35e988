//! The shared formats, judged by pycose (COSE) and pycddl (CDDL).
#![cfg(feature = "formats")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rcgen::{CertificateParams, KeyPair};
use schemas::{
    cose::{self, PrivateKey, Signer},
    enrolment::{self, Enrolment, Platform},
    evidence::{Debugging, Evidence},
    octets::Octets,
    report::{self, InstallReport, InstallResult},
    rncp::{self, Credentials, Kind, Manifest, Part, PartKind},
    rnct::{self, M2mContext, NapDef, Rnct},
    secret::Key128,
    verdict::{self, Reason, Verdict},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The judge: `tests/python/formats.py`.
struct Judge {
    child: Child,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Judge {
    fn call() -> Self {
        let python = std::env::var_os("TESTS_PYTHON")
            .expect("TESTS_PYTHON: `bash tests/run --prepare` makes target/third-party/venv");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/formats.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let (ask, hear) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, ask, hear: BufReader::new(hear) }
    }

    fn judge(&mut self, case: Value) -> Value {
        writeln!(self.ask, "{case}").unwrap();
        let mut line = String::new();
        self.hear.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("an answer")
    }

    fn cddl(&mut self, rule: &str, file: &str, cbor: &[u8]) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cddl");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        // The first rule is the one that is asked about.
        let cddl = format!("start = {rule}\n{}\n{}", read(file), read("common.cddl"));
        self.judge(json!({ "op": "cddl", "cddl": cddl, "cbor": hex::encode(cbor) }))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn manifest(parts: Vec<Part>) -> Manifest {
    Manifest {
        version: rncp::VERSION,
        rncp: Uuid::from_u128(1),
        operator: "sho-a".parse().unwrap(),
        device_id: "meter-1".parse().unwrap(),
        tre_id: "tre-1".parse().unwrap(),
        pcid: "999710000000001".parse().unwrap(),
        session: Uuid::from_u128(2),
        kind: Kind::Update,
        replaces: Some(Uuid::from_u128(3)),
        issued: 1_800_000_000,
        expires: 1_800_003_600,
        parts,
    }
}

fn credentials() -> Credentials {
    let (k, opc) = (Key128::new([0xaa; 16]), Key128::new([0xbb; 16]));
    let (imsi, plmn) = ("999010000000001".parse().unwrap(), "999-01".parse().unwrap());
    Credentials::new(imsi, &k, &opc, [0x80, 0], "internet".into(), plmn)
}

fn samples() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let napdef = NapDef {
        id: "callhome".into(),
        name: "Callhome".into(),
        bearer: "GSM-GPRS".into(),
        address: "iot".into(),
        address_type: "APN".into(),
    };
    let rnct = Rnct {
        version: rnct::VERSION,
        id: Uuid::from_u128(4),
        pcid: "999710000000001".parse().unwrap(),
        sequence: 7,
        issued: 1_800_000_000,
        expires: 1_800_003_600,
        napdef: Some(napdef),
        dpf: "https://127.0.0.1:9443".into(),
        kind: Kind::Initial,
        operator: "sho-a".parse().unwrap(),
        m2m: Some(M2mContext { application: "meter".into(), url: "coaps://m2m.example".into() }),
    };
    let bare = Rnct { napdef: None, m2m: None, ..rnct.clone() };
    let evidence = Evidence {
        nonce: Octets(vec![7; 32]),
        issued: 1_800_000_000,
        device_id: "meter-1".parse().unwrap(),
        tre_id: "tre-1".parse().unwrap(),
        pcid: "999710000000001".parse().unwrap(),
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
    let good = Verdict {
        version: verdict::VERSION,
        good: true,
        reasons: vec![],
        detail: "as enrolled".into(),
        nonce: Octets(vec![7; 32]),
        evidence: Octets(vec![8; 32]),
        device_id: Some("meter-1".parse().unwrap()),
        tre_id: Some("tre-1".parse().unwrap()),
        supplier: Some("acme".parse().unwrap()),
        model: Some("meter".into()),
        state: Some("released".into()),
        platform_certificate: Some(Octets(vec![0x30])),
        issued: 1_800_000_000,
        expires: 1_800_000_300,
    };
    let reasons = vec![
        Reason::Malformed,
        Reason::WrongSignature,
        Reason::UnknownPlatform,
        Reason::Revoked,
        Reason::CertificateNotGood,
        Reason::Replayed,
        Reason::Stale,
        Reason::StateNotAccepted,
        Reason::NotSecure,
        Reason::IdentityMismatch,
    ];
    let bad = Verdict {
        good: false,
        reasons,
        device_id: None,
        tre_id: None,
        supplier: None,
        model: None,
        state: None,
        platform_certificate: None,
        ..good.clone()
    };
    let report = InstallReport {
        version: report::VERSION,
        session: Uuid::from_u128(2),
        rncp: Uuid::from_u128(1),
        device_id: "meter-1".parse().unwrap(),
        tre_id: "tre-1".parse().unwrap(),
        result: InstallResult::Failed,
        reason: Some("wrong-digest".into()),
        at: 1_800_000_000,
    };
    let platform = Platform {
        device_id: "meter-1".parse().unwrap(),
        tre_id: "tre-1".parse().unwrap(),
        model: "meter".into(),
        public_key: Octets(vec![0x30]),
    };
    let enrolment = Enrolment {
        version: enrolment::VERSION,
        id: Uuid::from_u128(5),
        supplier: "acme".parse().unwrap(),
        issued: 1_800_000_000,
        platforms: vec![platform],
    };
    let parts = vec![
        Part::of(rncp::CREDENTIALS, PartKind::Credentials, b"sealed", true, false),
        Part::of("algorithm.wasm", PartKind::Executable, b"code", false, true),
    ];
    vec![
        ("rnct", "rnct.cddl", rnct.encode().unwrap()),
        ("rnct", "rnct.cddl", bare.encode().unwrap()),
        ("evidence", "evidence.cddl", evidence.encode().unwrap()),
        ("verdict", "verdict.cddl", good.encode().unwrap()),
        ("verdict", "verdict.cddl", bad.encode().unwrap()),
        ("report", "report.cddl", report.encode().unwrap()),
        ("enrolment", "enrolment.cddl", enrolment.encode().unwrap()),
        ("manifest", "rncp.cddl", manifest(parts).encode().unwrap()),
        ("credentials", "rncp.cddl", credentials().encode().unwrap().to_vec()),
    ]
}

#[test]
fn pycddl_finds_every_format_as_its_cddl_says() {
    let mut judge = Judge::call();
    for (rule, file, cbor) in samples() {
        assert_eq!(judge.cddl(rule, file, &cbor), json!({ "ok": true }), "{rule}");
        // The judge does refuse: the same format without its last octet, and another format.
        assert!(judge.cddl(rule, file, &cbor[..cbor.len() - 1])["error"].is_string(), "{rule}");
        let (other, other_file) =
            if rule == "report" { ("rnct", "rnct.cddl") } else { ("report", "report.cddl") };
        assert!(judge.cddl(other, other_file, &cbor)["error"].is_string(), "{rule}");
    }
}

#[test]
fn pycose_verifies_and_decrypts_an_rncp() {
    let mut judge = Judge::call();
    let platform = PrivateKey::generate().unwrap();
    let rncp = Uuid::from_u128(1);
    let aad = rncp::part_aad(rncp, rncp::CREDENTIALS);
    let part = cose::encrypt(&credentials().encode().unwrap(), &aad, &platform.public()).unwrap();
    let manifest = manifest(vec![Part::of(rncp::CREDENTIALS, PartKind::Credentials, &part, true, false)])
        .encode()
        .unwrap();

    let operator = PrivateKey::generate().unwrap();
    let pair = KeyPair::try_from(operator.to_pkcs8().unwrap().as_slice()).unwrap();
    let certificate = CertificateParams::default().self_signed(&pair).unwrap();
    let signer = Signer::new(&operator, vec![certificate.der().to_vec()]).unwrap();
    let signed = signer.sign(rncp::CONTENT_TYPE, manifest.clone()).unwrap();

    let point = operator.public().to_sec1_point(false);
    let (x, y) = (hex::encode(&point.as_bytes()[1..33]), hex::encode(&point.as_bytes()[33..]));
    let verified = judge.judge(json!({ "op": "verify", "cose": hex::encode(&signed), "x": x, "y": y }));
    assert_eq!(verified, json!({ "payload": hex::encode(&manifest), "content_type": rncp::CONTENT_TYPE }));
    let mut changed = signed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let refused = judge.judge(json!({ "op": "verify", "cose": hex::encode(&changed), "x": x, "y": y }));
    assert_eq!(refused, json!({ "error": "the signature is not good" }));

    let d = hex::encode(platform.scalar().as_slice());
    let case = json!({ "op": "decrypt", "cose": hex::encode(&part), "d": d, "aad": hex::encode(&aad) });
    let opened = judge.judge(case);
    assert_eq!(opened, json!({ "plaintext": hex::encode(credentials().encode().unwrap().as_slice()) }));
    let elsewhere = hex::encode(rncp::part_aad(Uuid::from_u128(2), rncp::CREDENTIALS));
    let case = json!({ "op": "decrypt", "cose": hex::encode(&part), "d": d, "aad": elsewhere });
    assert!(judge.judge(case)["error"].is_string());
}
