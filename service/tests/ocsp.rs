//! Who asks whether a platform certificate is revoked believes what the platform CA's responder says of it now, and nothing
//! else. The responder is the PVA's own, and made to lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::any};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use pva::{
    model::{Revocation as Revoked, RevocationReason},
    ocsp::{Responder, Status, read},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use schemas::cose::PrivateKey;
use service::{
    config::Span,
    ocsp::{Away, Denied, OcspConfig, Revocation},
    serve::{HttpLimits, HttpServer},
};
use tokio_util::sync::CancellationToken;
use x509_cert_of_ocsp::{
    Certificate,
    der::{Decode, Encode, asn1::BitString},
};
use x509_ocsp::{BasicOcspResponse, OcspResponse};

fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.to_pkcs8().unwrap().as_slice()).unwrap()
}

/// A platform CA with its responder and a platform's certificate.
struct Ca {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    responder: Responder,
}

impl Ca {
    fn new(name: &str) -> Self {
        let key = pair(&PrivateKey::generate().unwrap());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        let issuer = Issuer::new(params, key);
        let (certificate, key) = issue(&issuer, "responder", ExtendedKeyUsagePurpose::OcspSigning);
        let responder =
            Responder::new(certificate.pem().as_bytes(), key.to_pem().unwrap().as_bytes(), &der).unwrap();
        Self { pem, der, issuer, responder }
    }

    fn platform(&self) -> (Vec<u8>, PrivateKey) {
        let (certificate, key) = issue(&self.issuer, "tre-1", ExtendedKeyUsagePurpose::ClientAuth);
        (certificate.der().to_vec(), key)
    }
}

fn issue(
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> (rcgen::Certificate, PrivateKey) {
    let key = PrivateKey::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    (params.signed_by(&pair(&key), issuer).unwrap(), key)
}

/// What the responder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Good,
    Revoked,
    Unknown,
    /// Good, an hour ago.
    Stale,
    /// Good, in an hour.
    Early,
    /// Good, says another CA of the same name.
    OtherCa,
    /// Good, says a platform with its own key and certificate.
    Platform,
    /// Good, changed on its way from revoked.
    Changed,
    /// Good, to the question before.
    Replayed,
    /// Good, of another certificate.
    OtherCertificate,
    /// A page.
    Page,
    TryLater,
    Error,
    Silent,
}

struct Rig {
    ca: Ca,
    other: Ca,
    platform: (Vec<u8>, PrivateKey),
    second: (Vec<u8>, PrivateKey),
    does: Mutex<Does>,
    kept: Mutex<Option<Vec<u8>>>,
    asked: AtomicUsize,
    url: Mutex<String>,
    stop: CancellationToken,
}

impl Rig {
    async fn new() -> Arc<Self> {
        let ca = Ca::new("platforms");
        let (platform, second) = (ca.platform(), ca.platform());
        let rig = Arc::new(Self {
            ca,
            other: Ca::new("platforms"),
            platform,
            second,
            does: Mutex::new(Does::Good),
            kept: Mutex::default(),
            asked: AtomicUsize::new(0),
            url: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let server =
            HttpServer::bind("127.0.0.1:0".parse().unwrap(), None, HttpLimits::default()).await.unwrap();
        *rig.url.lock().unwrap() = server.url();
        let routes = Router::new().fallback(any(respond)).with_state(Arc::clone(&rig));
        tokio::spawn(server.run(routes, rig.stop.clone()));
        rig
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn config(&self) -> OcspConfig {
        OcspConfig {
            url: self.url.lock().unwrap().clone(),
            timeout: Span(Duration::from_secs(5)),
            cache: Span::seconds(60),
            when_away: Away::Refuse,
        }
    }

    fn revocation(&self, change: impl FnOnce(&mut OcspConfig)) -> Revocation {
        let mut config = self.config();
        change(&mut config);
        Revocation::new(&config, self.ca.pem.as_bytes()).unwrap()
    }
}

async fn respond(State(rig): State<Arc<Rig>>, body: Bytes) -> axum::response::Response {
    rig.asked.fetch_add(1, Ordering::SeqCst);
    let does = *rig.does.lock().unwrap();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let validity = Duration::from_secs(300);
    let asked = read(&body).unwrap();
    let revoked = Status::Revoked(Revoked { at: now - 60, reason: RevocationReason::KeyCompromise });
    let by = |responder: &Responder, status, at| responder.respond(&asked, &[status], at, validity).unwrap();
    let own = &rig.ca.responder;
    let der = match does {
        Does::Good => by(own, Status::Good, now),
        Does::Revoked => by(own, revoked, now),
        Does::Unknown => by(own, Status::Unknown, now),
        Does::Stale => by(own, Status::Good, now - 3600),
        Does::Early => by(own, Status::Good, now + 3600),
        Does::OtherCa => by(&rig.other.responder, Status::Good, now),
        Does::Platform => resigned(by(own, Status::Good, now), &rig.platform),
        Does::Changed => changed(&by(own, revoked, now), &by(own, Status::Good, now)),
        Does::Replayed => {
            let fresh = by(own, Status::Good, now);
            rig.kept.lock().unwrap().replace(fresh.clone()).unwrap_or(fresh)
        }
        Does::OtherCertificate => {
            // The nonce of this question, the serial number of another.
            let other = x509_ocsp::OcspRequest::from_der(&body).unwrap();
            let mut other = other;
            let second = Certificate::from_der(&rig.second.0).unwrap();
            other.tbs_request.request_list[0].req_cert.serial_number = second.tbs_certificate.serial_number;
            let asked = read(&other.to_der().unwrap()).unwrap();
            own.respond(&asked, &[Status::Good], now, validity).unwrap()
        }
        Does::Page => b"<html>sign in to the network</html>".to_vec(),
        Does::TryLater => OcspResponse::try_later().to_der().unwrap(),
        Does::Error => return StatusCode::BAD_GATEWAY.into_response(),
        Does::Silent => std::future::pending().await,
    };
    ([("content-type", "application/ocsp-response")], der).into_response()
}

fn basic(der: &[u8]) -> BasicOcspResponse {
    let response = OcspResponse::from_der(der).unwrap();
    BasicOcspResponse::from_der(response.response_bytes.unwrap().response.as_bytes()).unwrap()
}

/// The same, signed by somebody else, who comes with a certificate.
fn resigned(der: Vec<u8>, (certificate, key): &(Vec<u8>, PrivateKey)) -> Vec<u8> {
    use p256::pkcs8::DecodePrivateKey;
    let mut basic = basic(&der);
    let key = SigningKey::from_pkcs8_der(&key.to_pkcs8().unwrap()).unwrap();
    let signature: Signature = key.sign(&basic.tbs_response_data.to_der().unwrap());
    basic.signature = BitString::from_bytes(signature.to_der().as_bytes()).unwrap();
    basic.certs = Some(vec![Certificate::from_der(certificate).unwrap()]);
    OcspResponse::successful(basic).unwrap().to_der().unwrap()
}

/// What `other` says, with the signature of `signed`.
fn changed(signed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut basic_of = basic(signed);
    basic_of.tbs_response_data = basic(other).tbs_response_data;
    OcspResponse::successful(basic_of).unwrap().to_der().unwrap()
}

/// A word for what came of it.
fn word(said: &Result<(), Denied>) -> &'static str {
    match said {
        Ok(()) => "good",
        Err(Denied::Revoked) => "revoked",
        Err(Denied::Unknown) => "unknown",
        Err(Denied::NotNow(_)) => "not now",
    }
}

#[tokio::test]
async fn only_what_the_cas_responder_says_now_of_this_certificate_is_believed() {
    let rig = Rig::new().await;
    for (does, wanted, why) in [
        (Does::Good, "good", ""),
        (Does::Revoked, "revoked", ""),
        (Does::Unknown, "unknown", ""),
        (Does::Stale, "not now", "the answer is from"),
        (Does::Early, "not now", "the answer is from"),
        (Does::OtherCa, "not now", "not signed by a responder"),
        (Does::Platform, "not now", "not signed by a responder"),
        (Does::Changed, "not now", "not signed by a responder"),
        (Does::OtherCertificate, "not now", "not about this certificate"),
        (Does::Page, "not now", "cannot be read"),
        (Does::TryLater, "not now", "tryLater"),
        (Does::Error, "not now", "another HTTP status"),
        (Does::Silent, "not now", "nothing in time"),
    ] {
        rig.does(does);
        let revocation = rig.revocation(|config| {
            if does == Does::Silent {
                config.timeout = Span(Duration::from_millis(200));
            }
        });
        let said = revocation.check(&rig.platform.0).await;
        assert_eq!(word(&said), wanted, "{does:?}: {said:?}");
        if let Err(Denied::NotNow(text)) = said {
            assert!(text.contains(why), "{does:?}: {text}");
        }
    }
    // The first is the answer to its own question, the second is not.
    rig.does(Does::Replayed);
    let first = rig.revocation(|_| {}).check(&rig.platform.0).await;
    let second = rig.revocation(|_| {}).check(&rig.platform.0).await;
    assert_eq!([word(&first), word(&second)], ["good", "not now"], "{second:?}");
    assert!(second.unwrap_err().to_string().contains("nonce"));
}

#[tokio::test]
async fn a_certificate_that_none_of_the_cas_issued_is_nobodys() {
    let rig = Rig::new().await;
    let (stranger, _) = rig.other.platform();
    assert_eq!(rig.revocation(|_| {}).check(&stranger).await, Err(Denied::Unknown));
    assert_eq!(rig.revocation(|_| {}).check(&rig.ca.der).await, Err(Denied::Unknown), "no platform");
    assert_eq!(rig.asked(), 0);
    // With both, of one name, each is asked about as its own.
    let both = rig.other.pem.clone() + &rig.ca.pem;
    let revocation = Revocation::new(&rig.config(), both.as_bytes()).unwrap();
    assert_eq!(revocation.check(&rig.platform.0).await, Ok(()));
}

#[tokio::test]
async fn many_that_ask_at_a_time_are_one_question_and_the_answer_counts_for_a_while() {
    let rig = Rig::new().await;
    let revocation = rig.revocation(|config| config.cache = Span(Duration::from_millis(300)));
    let all = (0..50).map(|_| {
        let (revocation, certificate) = (revocation.clone(), rig.platform.0.clone());
        tokio::spawn(async move { revocation.check(&certificate).await })
    });
    for asking in all.collect::<Vec<_>>() {
        assert_eq!(asking.await.unwrap(), Ok(()));
    }
    assert_eq!(rig.asked(), 1);
    rig.does(Does::Revoked);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(revocation.check(&rig.platform.0).await, Err(Denied::Revoked));
    assert_eq!(rig.asked(), 2);
}

#[tokio::test]
async fn a_responder_that_is_away_is_not_asked_by_everybody_and_a_revoked_one_stays_out() {
    let rig = Rig::new().await;
    rig.does(Does::Error);
    let refuses = rig.revocation(|_| {});
    for _ in 0..20 {
        assert_eq!(word(&refuses.check(&rig.platform.0).await), "not now");
    }
    assert_eq!(rig.asked(), 1, "the failure is remembered");
    // It is over in a moment.
    rig.does(Does::Good);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(refuses.check(&rig.platform.0).await, Ok(()));

    let quick = |config: &mut OcspConfig| {
        config.when_away = Away::Accept;
        config.cache = Span(Duration::from_millis(1));
    };
    let accepts = rig.revocation(quick);
    rig.does(Does::Error);
    assert_eq!(accepts.check(&rig.platform.0).await, Ok(()), "as configured");
    let lied_to = rig.revocation(quick);
    rig.does(Does::OtherCa);
    assert_eq!(word(&lied_to.check(&rig.platform.0).await), "not now", "a forgery is no absence");
    let knows = rig.revocation(quick);
    rig.does(Does::Revoked);
    assert_eq!(knows.check(&rig.platform.0).await, Err(Denied::Revoked));
    rig.does(Does::Error);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(knows.check(&rig.platform.0).await, Err(Denied::Revoked), "not by keeping packets away");
}

#[test]
fn where_nobody_can_be_asked_is_said_at_once() {
    let ca = Ca::new("platforms");
    for url in ["https://pva.example", "pva.example:80", "http://u:p@pva.example", "http://pva.example/?x"] {
        let config = OcspConfig {
            url: url.to_owned(),
            timeout: Span::seconds(1),
            cache: Span::seconds(1),
            when_away: Away::Refuse,
        };
        let error = Revocation::new(&config, ca.pem.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("ocsp.url") && !error.contains("u:p"), "{error}");
    }
}
