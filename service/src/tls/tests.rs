use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::tls::testing::{Authority, Files};

fn refusal<T>(result: Result<T, TlsError>) -> String {
    match result {
        Ok(_) => panic!("has to be refused"),
        Err(error) => error.to_string(),
    }
}

fn server(files: &Files) -> ServerTls {
    ServerTls {
        cert_file: files.cert.clone(),
        key_file: files.key.clone(),
        client_ca_file: None,
        client_certificates: None,
        min_version: MinVersion::Tls12,
    }
}

fn client(ca_file: PathBuf, own: Option<&Files>) -> ClientTls {
    ClientTls {
        ca_file,
        cert_file: own.map(|files| files.cert.clone()),
        key_file: own.map(|files| files.key.clone()),
        min_version: MinVersion::Tls12,
    }
}

/// Accepts for ever; answers "hello" and the names the client has shown.
async fn greet(tls: &ServerTls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let acceptor = TlsAcceptor::from(server_config(tls, &[]).unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first());
                let names = shown.map(certificate_names).unwrap_or_default().join(",");
                let _ = stream.write_all(format!("hello {names}\n").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

async fn greeting(address: SocketAddr, tls: &ClientTls) -> std::io::Result<String> {
    let connector = TlsConnector::from(client_config(tls, &[]).unwrap());
    let tcp = TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn both_sides_authenticate_where_certificates_are_required() {
    let authority = Authority::new();
    let (own, peer) = (authority.issue("localhost"), authority.issue("mme.example"));
    let tls = ServerTls { client_ca_file: Some(authority.file()), ..server(&own) };
    let address = greet(&tls).await;
    let shown = greeting(address, &client(authority.file(), Some(&peer))).await.unwrap();
    assert_eq!(shown, "hello mme.example\n");
    assert!(greeting(address, &client(authority.file(), None)).await.is_err());
    let stranger = Authority::new();
    let impostor = stranger.issue("mme.example");
    assert!(greeting(address, &client(authority.file(), Some(&impostor))).await.is_err());
    // The client, too, trusts its own authorities only.
    assert!(greeting(address, &client(stranger.file(), Some(&peer))).await.is_err());
}

#[tokio::test]
async fn an_optional_certificate_may_be_missing_but_not_wrong() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let tls = ServerTls {
        client_ca_file: Some(authority.file()),
        client_certificates: Some(ClientCertificates::Optional),
        ..server(&own)
    };
    let address = greet(&tls).await;
    assert_eq!(greeting(address, &client(authority.file(), None)).await.unwrap(), "hello \n");
    let stranger = Authority::new();
    let impostor = stranger.issue("mme.example");
    assert!(greeting(address, &client(authority.file(), Some(&impostor))).await.is_err());
}

/// A TLS implementation that is not ours, as a judge. Does its handshake, and says what it has agreed on.
async fn openssl(address: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let address = address.to_string();
    let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        arguments.extend(["-connect".to_owned(), address, "-verify_return_error".to_owned()]);
        let output = Command::new("openssl").arg("s_client").args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("this test needs the program openssl");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn openssl_agrees_on_versions_and_trust() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let ca = authority.file();
    let ca = ca.to_str().unwrap();
    let both = greet(&server(&own)).await;
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (well, text) = openssl(both, &[version, "-CAfile", ca, "-verify_hostname", "localhost"]).await;
        assert!(well && text.contains(name) && text.contains("Verify return code: 0 (ok)"), "{text}");
    }
    let (well, text) = openssl(both, &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-CAfile", ca]).await;
    assert!(!well, "{text}");

    let tls = ServerTls { min_version: MinVersion::Tls13, ..server(&own) };
    let only_13 = greet(&tls).await;
    let (well, text) = openssl(only_13, &["-tls1_2", "-CAfile", ca]).await;
    assert!(!well, "{text}");
    let (well, text) = openssl(only_13, &["-CAfile", ca]).await;
    assert!(well && text.contains("TLSv1.3"), "{text}");
}

#[tokio::test]
async fn who_shows_a_certificate_gets_no_ticket_to_come_again_without() {
    let authority = Authority::new();
    let (own, peer) = (authority.issue("localhost"), authority.issue("device.example"));
    let tls = ServerTls { client_ca_file: Some(authority.file()), ..server(&own) };
    let asked = greet(&tls).await;
    let not_asked = greet(&server(&own)).await;
    let (cert, key, ca) = (peer.cert.to_str().unwrap(), peer.key.to_str().unwrap(), authority.file());
    let ca = ca.to_str().unwrap();
    let session = tempfile::NamedTempFile::new().unwrap();
    let session = session.path().to_str().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        for (address, resumed) in [(asked, false), (not_asked, true)] {
            let common = [version, "-CAfile", ca, "-cert", cert, "-key", key, "-ign_eof"];
            let first = openssl(address, &[&common[..], &["-sess_out", session]].concat()).await;
            assert!(first.0 && first.1.contains("New, TLSv1"), "{}", first.1);
            let again = openssl(address, &[&common[..], &["-sess_in", session]].concat()).await;
            assert_eq!(again.1.contains("Reused, TLSv1"), resumed, "{version}: {}", again.1);
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_name() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("localhost"), authority.issue("localhost"));
    let good = server(&one);

    let mismatch = refusal(server_config(&ServerTls { key_file: other.key.clone(), ..good.clone() }, &[]));
    assert!(mismatch.contains(other.key.to_str().unwrap()), "{mismatch}");
    assert!(
        mismatch.contains("is not the key of") && mismatch.contains(one.cert.to_str().unwrap()),
        "{mismatch}"
    );

    let swapped = ServerTls { cert_file: one.key.clone(), key_file: one.cert.clone(), ..good.clone() };
    let swapped = refusal(server_config(&swapped, &[]));
    assert!(swapped.contains("holds no certificate"), "{swapped}");

    let missing = ServerTls { cert_file: "/nonexistent/cert.pem".into(), ..good.clone() };
    assert!(refusal(server_config(&missing, &[])).starts_with("/nonexistent/cert.pem: cannot read"));

    let unknown_ca = ServerTls { client_certificates: Some(ClientCertificates::Required), ..good.clone() };
    assert!(refusal(server_config(&unknown_ca, &[])).contains("needs client_ca_file"));

    let half = ClientTls { cert_file: Some(one.cert.clone()), ..client(authority.file(), None) };
    assert!(refusal(client_config(&half, &[])).contains("go together"));

    std::fs::write(&other.key, "no key here").unwrap();
    let no_key = refusal(server_config(&ServerTls { key_file: other.key.clone(), ..good }, &[]));
    assert!(no_key.contains("holds no private key") && !no_key.contains("no key here"), "{no_key}");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let (past, future) =
        (authority.issue_for("localhost", 2001..2002), authority.issue_for("localhost", 4000..4001));
    let expired = refusal(server_config(&server(&past), &[]));
    assert!(expired.contains("expired at 2002-01-01") && expired.contains("renew"), "{expired}");
    let early = refusal(server_config(&server(&future), &[]));
    assert!(early.contains("valid from 4000-01-01") && early.contains("clock"), "{early}");
    let chain = pem::certificates(&past.cert).unwrap();
    let then = UNIX_EPOCH + Duration::from_secs(31 * 365 * 86_400 + 40 * 86_400);
    assert!(pem::check_validity(&past.cert, &chain[0], then).is_ok());
}

#[cfg(unix)]
#[test]
fn a_private_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let files = Authority::new().issue("localhost");
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refusal = refusal(server_config(&server(&files), &[]));
    assert!(refusal.contains("chmod 640"), "{refusal}");
}

#[tokio::test]
async fn a_client_of_a_role_speaks_to_that_role_and_to_a_server_that_names_none() {
    let authority = Authority::new();
    let ask = async |uris: &[String], role: ServerRole| {
        let address = greet(&server(&authority.issue_with_uris(uris))).await;
        let config = role_client_config(&client(authority.file(), None), &[], role).unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config).connect(name, tcp).await.map(drop).map_err(|error| error.to_string())
    };
    let sho = |operator: &str| ServerRole::Sho(operator.parse().unwrap());
    ask(&[], ServerRole::Drf).await.unwrap();
    ask(&["https://localhost/".to_owned()], ServerRole::Drf).await.unwrap();
    ask(&[ServerRole::Drf.uri()], ServerRole::Drf).await.unwrap();
    ask(&[sho("sho-a").uri(), ServerRole::Dpf.uri()], ServerRole::Dpf).await.unwrap();
    for (named, asked, says) in [
        (vec![ServerRole::Drf.uri()], ServerRole::Dpf, "that of DRF, and the DPF is asked"),
        (vec![sho("sho-a").uri()], sho("sho-b"), "that of SHO sho-a, and the SHO sho-b is asked"),
        (vec!["urn:callhome:role:amf".to_owned()], ServerRole::Icf, "that of a role unknown here"),
    ] {
        let error = ask(&named, asked).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
