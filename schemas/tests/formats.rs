//! Signatures, certificates for a purpose, and encryption, as one program makes them and another finds them.
#![cfg(feature = "formats")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use schemas::{
    cbor::{self, CborError},
    cose::{self, CoseError, PrivateKey, Signer},
    enrolment::Enrolment,
    report::InstallReport,
    rncp::{Credentials, Manifest},
    rnct::Rnct,
    trust::{Anchors, Purpose, TrustError},
    verdict::Verdict,
};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority { issuer: Issuer::new(params, key), pem }
}

fn signer(authority: &Authority, name: &str, purpose: Purpose) -> Signer {
    let key = PrivateKey::generate().unwrap();
    let pair = KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let oid: Vec<u64> = purpose.oid().split('.').filter_map(|arc| arc.parse().ok()).collect();
    if purpose == Purpose::Platform {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(oid)];
    } else {
        // An arc of 128 bits does not fit rcgen's u64.
        params.custom_extensions = vec![usage(purpose)];
    }
    let certificate = params.signed_by(&pair, &authority.issuer).unwrap();
    Signer::new(&key, vec![certificate.der().to_vec()]).unwrap()
}

fn usage(purpose: Purpose) -> CustomExtension {
    CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose.extended_key_usage())
}

const TYPE: &str = "application/test";
const NOW: u64 = 1_800_000_000;

/// A later version may look quite different; still it is its version that is said.
#[test]
fn a_later_version_of_any_format_is_told_so_before_anything_else() {
    let later = std::collections::BTreeMap::from([("version", 2), ("what-is-new", 1)]);
    let octets = cbor::encode(&later).unwrap();
    let known = [
        ("RNCT", Rnct::decode(&octets).map(drop)),
        ("manifest", Manifest::decode(&octets).map(drop)),
        ("credentials", Credentials::decode(&octets).map(drop)),
        ("report", InstallReport::decode(&octets).map(drop)),
        ("verdict", Verdict::decode(&octets).map(drop)),
        ("enrolment", Enrolment::decode(&octets).map(drop)),
    ];
    for (format, decoded) in known {
        assert_eq!(decoded, Err(CborError::Version { found: 2, known: 1 }), "{format}");
    }
}

#[test]
fn a_signature_is_good_for_its_purpose_and_no_other() {
    let root = authority("root");
    let anchors = Anchors::from_pem(root.pem.as_bytes()).unwrap();
    for purpose in
        [Purpose::Trigger, Purpose::Payload, Purpose::Verdict, Purpose::Enrolment, Purpose::Platform]
    {
        let signer = signer(&root, "acme", purpose);
        let signed = signer.sign(TYPE, b"payload".to_vec()).unwrap();
        let read = cose::verify(&signed, TYPE, &anchors, purpose, NOW).unwrap();
        assert_eq!((read.payload.as_slice(), read.signer.name.as_str()), (b"payload".as_slice(), "acme"));
        for other in
            [Purpose::Trigger, Purpose::Payload, Purpose::Verdict, Purpose::Enrolment, Purpose::Platform]
        {
            let error = cose::verify(&signed, TYPE, &anchors, other, NOW).err();
            assert_eq!(error.is_none(), other == purpose, "{purpose} {other}: {error:?}");
        }
        let error = cose::verify(&signed, "application/other", &anchors, purpose, NOW).unwrap_err();
        assert!(matches!(error, CoseError::ContentType { .. }));
    }
}

#[test]
fn another_authority_another_key_and_any_changed_octet_are_refused() {
    let (root, other) = (authority("root"), authority("root"));
    let anchors = Anchors::from_pem(root.pem.as_bytes()).unwrap();
    let foreign = signer(&other, "acme", Purpose::Payload).sign(TYPE, b"x".to_vec()).unwrap();
    let error = cose::verify(&foreign, TYPE, &anchors, Purpose::Payload, NOW).unwrap_err();
    assert!(matches!(error, CoseError::Trust(TrustError::NotGood { .. })), "{error}");
    let signer = signer(&root, "acme", Purpose::Payload);
    let good = signer.sign(TYPE, b"payload".to_vec()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let read = cose::verify(&bad, TYPE, &anchors, Purpose::Payload, NOW);
        assert!(read.is_err(), "octet {at}");
    }
    assert!(Signer::new(&PrivateKey::generate().unwrap(), vec![signer.leaf().unwrap().der]).is_err());
    let key = signer.leaf().unwrap().key;
    assert_eq!(cose::verify_with(&good, TYPE, &key).unwrap(), b"payload");
    assert!(cose::verify_with(&good, TYPE, &PrivateKey::generate().unwrap().public()).is_err());
}

#[test]
fn what_is_encrypted_to_a_key_opens_with_it_at_its_place_alone() {
    let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let sealed = cose::encrypt(b"K and OPc", b"place", &key.public()).unwrap();
    assert_eq!(cose::decrypt(&sealed, b"place", &key).unwrap().as_slice(), b"K and OPc");
    assert!(!sealed.windows(9).any(|w| w == b"K and OPc"));
    for (octets, aad, key) in [(&sealed, b"place", &other), (&sealed, b"other", &key)] {
        assert_eq!(cose::decrypt(octets, aad, key).unwrap_err(), CoseError::DoesNotOpen);
    }
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(cose::decrypt(&bad, b"place", &key).is_err(), "octet {at}");
        assert!(cose::decrypt(&sealed[..at], b"place", &key).is_err(), "cut at {at}");
    }
    let pem = key.to_pem().unwrap();
    assert_eq!(PrivateKey::from_pem(pem.as_bytes()).unwrap().public(), key.public());
    assert_eq!(format!("{key:?}"), "PrivateKey(…)");
}
