use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, body::Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::tls::testing::{Authority, Files};
use crate::tls::{
    ClientTls, HTTP_ALPN, MinVersion, PeerCertificates, ServerTls, certificate_names, client_config,
    server_config,
};

struct Running {
    url: String,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn router() -> Router {
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route(
            "/slow",
            get(|| async {
                sleep(Duration::from_millis(700)).await;
                "done"
            }),
        )
        .route("/for-ever", get(std::future::pending::<()>))
        .route("/echo", axum::routing::post(|body: Bytes| async move { body }))
        .route(
            "/who",
            get(|shown: Option<Extension<PeerCertificates>>| async move {
                shown.map(|shown| certificate_names(&shown.0.0[0]).join(",")).unwrap_or_default()
            }),
        )
}

async fn start(tls: Option<Arc<ServerConfig>>, limits: HttpLimits) -> Running {
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap(), tls, limits).await.unwrap();
    let (url, address, stop) = (server.url(), server.local_addr(), CancellationToken::new());
    let task = tokio::spawn(server.run(router(), stop.clone()));
    Running { url, address, stop, task }
}

fn short() -> HttpLimits {
    let milliseconds = |count| Span(Duration::from_millis(count));
    HttpLimits {
        header_timeout: milliseconds(300),
        idle_timeout: milliseconds(900),
        grace: milliseconds(500),
        ..HttpLimits::default()
    }
}

/// Time until the server closes a connection on which `octets` were sent.
async fn closed_after(address: SocketAddr, octets: &[u8]) -> Duration {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection is held for ever");
    begin.elapsed()
}

#[tokio::test]
async fn it_serves_on_a_free_port_and_knows_who_calls() {
    let server = start(None, HttpLimits::default()).await;
    assert_ne!(server.address.port(), 0);
    crate::tls::install_provider();
    let answer = reqwest::get(&server.url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "127.0.0.1");
    server.stop.cancel();
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_taken_port_is_named_with_what_to_do() {
    let server = start(None, HttpLimits::default()).await;
    let error =
        HttpServer::bind(server.address, None, HttpLimits::default()).await.err().unwrap().to_string();
    let port = server.address.port();
    assert!(error.starts_with(&format!("127.0.0.1:{port}: port {port} is taken")), "{error}");
    assert!(error.contains("ss -ltnp") && error.contains("port 0 takes a free one"), "{error}");
    // TEST-NET-1 (RFC 5737) is nobody's address.
    let error = bind("192.0.2.1:1".parse().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("no address of this machine"), "{error}");
}

#[tokio::test]
async fn half_a_header_does_not_hold_a_connection() {
    let server = start(None, HttpLimits { idle_timeout: Span::seconds(30), ..short() }).await;
    for octets in [&b""[..], b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let closed = closed_after(server.address, octets).await;
        assert!(closed >= Duration::from_millis(250) && closed < Duration::from_secs(2), "{closed:?}");
    }
    // Nor does a client that keeps its connection after an answer.
    let kept = closed_after(server.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(kept < Duration::from_secs(2), "{kept:?}");
}

#[tokio::test]
async fn half_a_body_does_not_hold_a_connection() {
    let server = start(None, short()).await;
    let body = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
    let body = closed_after(server.address, body).await;
    assert!(body >= Duration::from_millis(800) && body < Duration::from_secs(3), "{body:?}");
}

#[tokio::test]
async fn connections_are_bounded_and_room_is_given_back() {
    let server = start(None, HttpLimits { connections: 2, ..short() }).await;
    let begin = Instant::now();
    let _one = TcpStream::connect(server.address).await.unwrap();
    let _other = TcpStream::connect(server.address).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(5), third.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begin.elapsed() >= Duration::from_millis(280), "it waited for the silent ones' time-out");
}

#[tokio::test]
async fn requests_under_way_are_finished_when_it_stops() {
    let server =
        start(None, HttpLimits { idle_timeout: Span::seconds(10), grace: Span::seconds(2), ..short() }).await;
    crate::tls::install_provider();
    let request = tokio::spawn(reqwest::get(format!("{}/slow", server.url)));
    sleep(Duration::from_millis(300)).await;
    // A connection that does nothing is no reason to wait.
    let _idle = TcpStream::connect(server.address).await.unwrap();
    server.stop.cancel();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    timeout(Duration::from_secs(4), server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_grace_is_bounded() {
    let server = start(None, HttpLimits { idle_timeout: Span::seconds(10), ..short() }).await;
    crate::tls::install_provider();
    let request = tokio::spawn(reqwest::get(format!("{}/for-ever", server.url)));
    sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    server.stop.cancel();
    timeout(Duration::from_secs(3), server.task).await.unwrap().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(450), "{:?}", begin.elapsed());
    assert!(request.await.unwrap().is_err());
}

fn keys(authority: &Authority, own: &Files, optional: bool) -> Arc<ServerConfig> {
    let tls = ServerTls {
        cert_file: own.cert.clone(),
        key_file: own.key.clone(),
        client_ca_file: optional.then(|| authority.file()),
        client_certificates: optional.then_some(crate::tls::ClientCertificates::Optional),
        min_version: MinVersion::Tls12,
    };
    server_config(&tls, HTTP_ALPN).unwrap()
}

#[tokio::test]
async fn over_tls_it_speaks_http2_and_knows_the_clients_certificate() {
    let authority = Authority::new();
    let (own, device) = (authority.issue("localhost"), authority.issue("device.example"));
    let server = start(Some(keys(&authority, &own, true)), HttpLimits::default()).await;
    assert!(server.url.starts_with("https://127.0.0.1:"));
    for (own, expected) in [(Some(&device), "device.example"), (None, "")] {
        let tls = ClientTls {
            ca_file: authority.file(),
            cert_file: own.map(|files| files.cert.clone()),
            key_file: own.map(|files| files.key.clone()),
            min_version: MinVersion::Tls13,
        };
        let tls = Arc::unwrap_or_clone(client_config(&tls, HTTP_ALPN).unwrap());
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        let answer = client.get(format!("{}/who", server.url)).send().await.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), expected);
    }
    server.stop.cancel();
    timeout(Duration::from_secs(5), server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn http2_without_its_preface_does_not_hold_a_connection() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let server =
        start(Some(keys(&authority, &own, false)), HttpLimits { idle_timeout: Span::seconds(30), ..short() })
            .await;
    let tls = ClientTls {
        ca_file: authority.file(),
        cert_file: None,
        key_file: None,
        min_version: MinVersion::Tls12,
    };
    let connector = tokio_rustls::TlsConnector::from(client_config(&tls, &[b"h2"]).unwrap());
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is held for ever");
}

#[tokio::test]
async fn one_source_cannot_take_all_connections() {
    let running = start(None, HttpLimits { connections_per_source: 2, ..HttpLimits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut octets = [0; 12];
        stream.read_exact(&mut octets).await.unwrap();
        assert_eq!(&octets, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut third = TcpStream::connect(running.address).await.unwrap();
    let mut octets = Vec::new();
    // Closed without a word; a reset is as good.
    let closed = timeout(Duration::from_secs(10), third.read_to_end(&mut octets)).await.unwrap();
    assert!(closed.is_err() || octets.is_empty());
    held.clear();
    let again = timeout(Duration::from_secs(10), async {
        loop {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            let mut octets = Vec::new();
            if stream.write_all(request).await.is_ok()
                && stream.read_to_end(&mut octets).await.is_ok_and(|n| n > 0)
            {
                return octets;
            }
        }
    });
    assert!(again.await.unwrap().starts_with(b"HTTP/1.1 200"));
    running.stop.cancel();
    running.task.await.unwrap();
}
