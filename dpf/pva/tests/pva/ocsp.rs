//! The OCSP responder, judged by OpenSSL.

use std::{path::PathBuf, process::Command};

use axum::http::StatusCode;
use schemas::trust::Leaf;
use serde_json::json;
use x509_cert::der::Decode;
use x509_ocsp::{BasicOcspResponse, OcspResponse, OcspResponseStatus};

use crate::harness::{Device, World, authority};

fn pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn file(world: &World, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// What `openssl ocsp` says, both streams.
async fn openssl(world: &World, more: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-issuer", "platform-ca.crt", "-CAfile", "platform-ca.crt"]);
    command.args(more).current_dir(world.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect("Debian's openssl is needed: apt-get install openssl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// DER of a request that OpenSSL writes.
async fn written(world: &World, more: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["-reqout", "request.der"];
    arguments.extend(more);
    openssl(world, &arguments).await;
    std::fs::read(world.folder.path().join("request.der")).unwrap()
}

fn client() -> reqwest::Client {
    service::tls::install_provider();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn post(world: &World, body: Vec<u8>) -> reqwest::Response {
    let request =
        client().post(world.ocsp_url()).header("content-type", "application/ocsp-request").body(body);
    request.send().await.unwrap()
}

async fn status(world: &World, body: Vec<u8>) -> OcspResponseStatus {
    let answer = post(world, body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/ocsp-response");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let octets = answer.bytes().await.unwrap();
    OcspResponse::from_der(&octets).unwrap().response_status
}

fn device_files(world: &World, devices: &[&Device]) {
    for device in devices {
        file(world, &format!("{}.crt", device.name), pem(&device.certificate));
    }
}

#[tokio::test]
async fn openssl_accepts_good_revoked_and_unknown() {
    let world = World::new().await;
    let [good, revoked] = world.devices(["m1", "m2"]).await;
    device_files(&world, &[&good, &revoked]);
    world.post("/v1/platforms/tre-m2/revoke", json!({"reason": "keyCompromise"})).await.unwrap();
    let url = world.ocsp_url();
    for digest in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        let said = openssl(
            &world,
            &[
                digest, "-cert", "m1.crt", digest, "-cert", "m2.crt", digest, "-serial", "0x123456", "-url",
                &url,
            ],
        )
        .await;
        for line in [
            "Response verify OK",
            "m1.crt: good",
            "m2.crt: revoked",
            "Reason: keyCompromise",
            "Revocation Time:",
            "0x123456: unknown",
            "This Update:",
            "Next Update:",
        ] {
            assert!(said.contains(line), "{digest} {line}: {said}");
        }
        // OpenSSL sends a nonce and warns where it does not come back, and checks times.
        assert!(!said.contains("WARNING"), "{said}");
    }
    world.post("/v1/platforms/tre-m1/revoke", json!({"reason": "certificateHold"})).await.unwrap();
    let said = openssl(&world, &["-cert", "m1.crt", "-url", &url]).await;
    assert!(said.contains("revoked") && said.contains("certificateHold"), "{said}");
    world.post("/v1/platforms/tre-m1/revoke", json!({"reason": "removeFromCRL"})).await.unwrap();
    let said = openssl(&world, &["-cert", "m1.crt", "-url", &url]).await;
    assert!(said.contains("m1.crt: good"), "{said}");
}

#[tokio::test]
async fn a_reason_that_is_unspecified_is_left_out() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    world.post("/v1/platforms/tre-m1/revoke", json!({"reason": "unspecified"})).await.unwrap();
    let said = openssl(&world, &["-cert", "m1.crt", "-url", &world.ocsp_url()]).await;
    assert!(said.contains("m1.crt: revoked") && !said.contains("Reason"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_another_issuer_is_unknown() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    // Of the same name, with another key.
    file(&world, "other.crt", authority("platforms").pem);
    let serial = format!("0x{}", hex::encode(Leaf::parse(&device.certificate).unwrap().serial));
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-issuer", "other.crt", "-serial", &serial, "-url", &world.ocsp_url()]);
    command.args(["-CAfile", "platform-ca.crt"]).current_dir(world.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains(&format!("{serial}: unknown")), "{said}");
}

#[tokio::test]
async fn openssl_refuses_a_response_that_another_ca_should_have_signed() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    file(&world, "other.crt", authority("elsewhere").pem);
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-issuer", "platform-ca.crt", "-cert", "m1.crt", "-url", &world.ocsp_url()]);
    command.args(["-no-CApath", "-no-CAstore", "-CAfile", "other.crt"]).current_dir(world.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains("Response verify OK") && said.contains("Verify Failure"), "{said}");
}

#[tokio::test]
async fn a_request_in_the_path_is_answered_and_may_be_cached() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    let request = written(&world, &["-no_nonce", "-cert", "m1.crt"]).await;
    let text = data_encoding::BASE64.encode(&request);
    let escaped = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for text in [text, escaped] {
        let answer = client().get(format!("{}/{text}", world.ocsp_url())).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let headers = answer.headers().clone();
        assert_eq!(headers["cache-control"], "max-age=300, public, no-transform, must-revalidate");
        for name in ["etag", "last-modified", "expires"] {
            assert!(headers.contains_key(name), "{name}");
        }
        let octets = answer.bytes().await.unwrap();
        let response = OcspResponse::from_der(&octets).unwrap();
        assert_eq!(response.response_status, OcspResponseStatus::Successful);
        let basic =
            BasicOcspResponse::from_der(response.response_bytes.unwrap().response.as_bytes()).unwrap();
        let (single, data) = (&basic.tbs_response_data.responses[0], &basic.tbs_response_data);
        assert!(data.response_extensions.is_none());
        let life = single.next_update.unwrap().0.to_unix_duration() - single.this_update.0.to_unix_duration();
        assert_eq!(life.as_secs(), 300);
        assert_eq!(data.produced_at, single.this_update);
        file(&world, "response.der", &octets);
        let said = openssl(&world, &["-respin", "response.der", "-cert", "m1.crt", "-no_nonce"]).await;
        assert!(said.contains("Response verify OK") && said.contains("m1.crt: good"), "{said}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    let good = written(&world, &["-no_nonce", "-cert", "m1.crt"]).await;
    assert_eq!(status(&world, good.clone()).await, OcspResponseStatus::Successful);
    for bad in [Vec::new(), b"x".to_vec(), good[..good.len() - 1].to_vec(), vec![0; 9000], vec![0x30, 0]] {
        assert_eq!(status(&world, bad).await, OcspResponseStatus::MalformedRequest);
    }
    // Seventeen certificates are more than anybody has to ask for at once.
    let serials: Vec<String> = (1..=17).map(|n| format!("{n}")).collect();
    let mut many = vec!["-no_nonce"];
    many.extend(serials.iter().flat_map(|serial| ["-serial", serial.as_str()]));
    assert_eq!(status(&world, written(&world, &many).await).await, OcspResponseStatus::MalformedRequest);
    many.truncate(33);
    assert_eq!(status(&world, written(&world, &many).await).await, OcspResponseStatus::Successful);
    for path in ["", "/", "/AAAA", "/%"] {
        let answer = client().get(format!("{}{path}", world.ocsp_url())).send().await.unwrap();
        let octets = answer.bytes().await.unwrap();
        let response = OcspResponse::from_der(&octets).unwrap();
        assert_eq!(response.response_status, OcspResponseStatus::MalformedRequest, "{path}");
    }
    let wrong = client().post(world.ocsp_url()).header("content-type", "text/plain").body(good.clone());
    assert_eq!(wrong.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let wrong = client().put(world.ocsp_url()).body(good).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// RFC 9654 §2.1: 1 to 128 octets are repeated, others refused.
#[tokio::test]
async fn a_nonce_is_repeated_if_it_is_one() {
    use x509_cert::{
        der::{Encode, asn1::OctetString},
        ext::Extension,
    };
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    let plain = written(&world, &["-no_nonce", "-cert", "m1.crt"]).await;
    let with = |octets: usize, critical: bool, oid: &str| {
        let mut request = x509_ocsp::OcspRequest::from_der(&plain).unwrap();
        let value = OctetString::new(vec![7; octets]).unwrap().to_der().unwrap();
        request.tbs_request.request_extensions = Some(vec![Extension {
            extn_id: oid.parse().unwrap(),
            critical,
            extn_value: OctetString::new(value).unwrap(),
        }]);
        request.to_der().unwrap()
    };
    let nonce = "1.3.6.1.5.5.7.48.1.2";
    for (octets, good) in [(0, false), (1, true), (32, true), (128, true), (129, false)] {
        let answer = post(&world, with(octets, false, nonce)).await.bytes().await.unwrap();
        let response = OcspResponse::from_der(&answer).unwrap();
        assert_eq!(response.response_status == OcspResponseStatus::Successful, good, "{octets}");
        if good {
            let bytes = response.response_bytes.unwrap().response;
            let basic = BasicOcspResponse::from_der(bytes.as_bytes()).unwrap();
            assert_eq!(basic.nonce().unwrap().0.as_bytes(), vec![7; octets]);
        }
    }
    // An extension that is not known: passed over, unless it is critical (RFC 6960 §4.4).
    assert_eq!(status(&world, with(4, false, "1.2.3.4")).await, OcspResponseStatus::Successful);
    assert_eq!(status(&world, with(4, true, "1.2.3.4")).await, OcspResponseStatus::MalformedRequest);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_try_later() {
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    let request = written(&world, &["-no_nonce", "-cert", "m1.crt"]).await;
    world.started.as_ref().unwrap().pva.store.database().close().await;
    assert_eq!(status(&world, request).await, OcspResponseStatus::TryLater);
}

/// Without a responder that is in force, `unauthorized` (RFC 6960 §2.3).
#[tokio::test]
async fn a_responder_that_has_run_out_says_unauthorized() {
    use pva::{
        metrics::Metrics,
        model::Revocation,
        ocsp::{Lookup, Public, Responder, router},
    };
    struct Nothing;
    impl Lookup for Nothing {
        async fn revocation(&self, _: &[u8]) -> Result<Option<Option<Revocation>>, String> {
            panic!("it is not to be asked")
        }
    }
    let world = World::new().await;
    let [device] = world.devices(["m1"]).await;
    device_files(&world, &[&device]);
    let request = written(&world, &["-no_nonce", "-cert", "m1.crt"]).await;
    let (pem, key) = world.platform_ca.issue("OCSP", |params| {
        crate::harness::ocsp_signing(params);
        params.not_after = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(10_000);
    });
    let ca = schemas::trust::chain_from_pem(world.platform_ca.pem.as_bytes()).unwrap();
    let responder = Responder::new(pem.as_bytes(), key.to_pem().unwrap().as_bytes(), &ca[0]).unwrap();
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let validity = std::time::Duration::from_secs(60);
    let public = Public::new(responder, Nothing, validity, "http://x/", metrics.ocsp.clone());
    let limits = service::serve::HttpLimits::default();
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = service::serve::HttpServer::bind(listen, None, limits).await.unwrap();
    let url = server.url();
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(server.run(router(public), stop.clone()));
    let asked = client().post(url).header("content-type", "application/ocsp-request").body(request);
    let octets = asked.send().await.unwrap().bytes().await.unwrap();
    let response = OcspResponse::from_der(&octets).unwrap();
    assert_eq!(response.response_status, OcspResponseStatus::Unauthorized);
    assert!(response.response_bytes.is_none());
    assert_eq!(metrics.ocsp.with_label_values(&["unauthorized"]).get(), 1);
    stop.cancel();
}
