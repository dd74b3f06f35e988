//! Who gets through TLS, with `openssl s_client` as the judge.

use std::process::Stdio;

use tokio::{io::AsyncWriteExt, process::Command};

use crate::harness::World;

/// What `openssl s_client` says to a request for a session; `more` are its options.
async fn s_client(world: &World, more: &[&str]) -> String {
    let address = world.started().device_url.trim_start_matches("https://").to_owned();
    let root = world.folder.path().join("root.crt");
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-CAfile"])
        .arg(root)
        .args(["-verify_return_error", "-ign_eof"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl (Debian: openssl)");
    let mut input = child.stdin.take().unwrap();
    let request = b"GET /device/v1/sessions/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // A server that refuses closes before this is written.
    let _ = input.write_all(request).await;
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn identity(world: &World, device: &crate::harness::Device) -> [String; 2] {
    let at = |name: &str| world.folder.path().join(name).display().to_string();
    let pem = rcgen_pem(&device.certificate);
    std::fs::write(at("device.crt"), pem).unwrap();
    std::fs::write(at("device.key"), device.key.to_pem().unwrap().as_bytes()).unwrap();
    [at("device.crt"), at("device.key")]
}

fn rcgen_pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn only_tls_1_3_and_only_with_a_platform_certificate() {
    let mut world = World::prepared("").await;
    // Without an ICF there is nobody to judge a triple.
    world.config.icf = None;
    world.start().await;
    let [certificate, key] = identity(&world, &world.meter());
    let mine = ["-cert", &certificate, "-key", &key];

    let good = s_client(&world, &[mine.as_slice(), &["-tls1_3"]].concat()).await;
    assert!(good.contains("TLSv1.3") && good.contains("HTTP/1.1 404"), "{good}");
    let old = s_client(&world, &[mine.as_slice(), &["-tls1_2"]].concat()).await;
    assert!(old.contains("alert protocol version") && !old.contains("HTTP/1.1"), "{old}");
    let bare = s_client(&world, &["-tls1_3"]).await;
    assert!(bare.contains("certificate required") && !bare.contains("HTTP/1.1"), "{bare}");

    // A certificate of somebody else's authority.
    let stranger = crate::harness::Ca::new("platforms");
    let (pem, key) = stranger.issue("tre-meter-1", |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let at = |name: &str| world.folder.path().join(name).display().to_string();
    std::fs::write(at("stranger.crt"), pem).unwrap();
    std::fs::write(at("stranger.key"), key.to_pem().unwrap().as_bytes()).unwrap();
    let strange =
        s_client(&world, &["-tls1_3", "-cert", &at("stranger.crt"), "-key", &at("stranger.key")]).await;
    assert!(strange.contains("alert") && !strange.contains("HTTP/1.1"), "{strange}");
}

#[tokio::test]
async fn where_triples_are_taken_a_client_without_certificate_still_has_to_say_who_it_is() {
    let world = World::new().await;
    let bare = s_client(&world, &["-tls1_3"]).await;
    assert!(bare.contains("HTTP/1.1 401"), "{bare}");
    let old = s_client(&world, &["-tls1_2"]).await;
    assert!(!old.contains("HTTP/1.1"), "{old}");
}

#[tokio::test]
async fn a_certificate_that_names_no_device_is_nobodys() {
    let world = World::new().await;
    let (pem, key) = world.platform_ca.issue("tre-meter-1", |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let certificate = schemas::trust::chain_from_pem(pem.as_bytes()).unwrap()[0].to_vec();
    let http = world.http(Some((certificate, &key)));
    let answer = http.get(world.url("/device/v1/sessions/x")).send().await.unwrap();
    let (status, code) = crate::harness::code(answer).await;
    assert_eq!((status.as_u16(), code.as_str()), (403, "no-platform"));
}
