use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, body::Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::config::Span;
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
async fn a_full_server_closes_what_is_idle_and_serves_who_is_new() {
    let server = start(None, HttpLimits { connections: 2, ..HttpLimits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        let mut half = TcpStream::connect(server.address).await.unwrap();
        half.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
        held.push(half);
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(status(server.address, request).await, 200);
    }
    let mut octet = [0];
    for half in held.iter_mut().take(4) {
        let closed = timeout(Duration::from_secs(5), half.read(&mut octet)).await.unwrap();
        assert!(closed.is_err() || closed.is_ok_and(|octets| octets == 0));
    }
}

/// The status of the answer to a request.
async fn status(address: SocketAddr, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut head = [0; 12];
    timeout(Duration::from_secs(5), stream.read_exact(&mut head)).await.unwrap().unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_request_of_http_1_1_without_host_gets_400() {
    let server = start(None, HttpLimits::default()).await;
    for (request, expected) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
    ] {
        assert_eq!(status(server.address, request).await, expected, "{}", String::from_utf8_lossy(request));
    }
}

#[tokio::test]
async fn a_body_has_to_come_in_time_and_slow_octets_are_not_enough() {
    let limits = HttpLimits {
        body_timeout: Span(Duration::from_millis(500)),
        body_rate: 1000,
        ..HttpLimits::default()
    };
    let server = start(None, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), reader.read_to_end(&mut answer)).await;
    assert!(read.is_ok() && answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    drip.abort();
    // A large one has more time.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n").await.unwrap();
    stream.write_all(&[b'x'; 19_000]).await.unwrap();
    sleep(Duration::from_millis(1000)).await;
    stream.write_all(&[b'x'; 1000]).await.unwrap();
    let mut head = [0; 12];
    timeout(Duration::from_secs(10), stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn ping_frames_of_http2_keep_no_idle_connection() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let server = start(Some(keys(&authority, &own, false)), short()).await;
    let tls = ClientTls {
        ca_file: authority.file(),
        cert_file: None,
        key_file: None,
        min_version: MinVersion::Tls12,
    };
    let connector = tokio_rustls::TlsConnector::from(client_config(&tls, &[b"h2"]).unwrap());
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = hyper::Request::get("https://localhost/").body(()).unwrap();
    let answer = client.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(answer);
    let pinging = async {
        let mut count = 0;
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            count += 1;
            sleep(Duration::from_millis(50)).await;
        }
        count
    };
    let count = timeout(Duration::from_secs(10), pinging).await.expect("PINGs hold the connection for ever");
    assert!(count > 0);
    drop(client);
    let _ = timeout(Duration::from_secs(5), connection).await.unwrap();
}

#[tokio::test]
async fn handshakes_that_do_not_end_keep_nobody_waiting() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let limits =
        HttpLimits { pending_handshakes: 8, handshake_timeout: Span::seconds(60), ..HttpLimits::default() };
    let server = start(Some(keys(&authority, &own, false)), limits).await;
    let tls = ClientTls {
        ca_file: authority.file(),
        cert_file: None,
        key_file: None,
        min_version: MinVersion::Tls12,
    };
    let config = client_config(&tls, &[b"http/1.1"]).unwrap();
    let mut silent = Vec::new();
    for _ in 0..40 {
        // Another address of this machine than the one of the client below.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(server.address).await.unwrap());
    }
    for _ in 0..3 {
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
        let connecting = connector.connect("localhost".try_into().unwrap(), tcp);
        let mut stream = timeout(Duration::from_secs(10), connecting).await.unwrap().unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_certificate_that_expires_ends_its_connection_and_its_resumption() {
    let authority = Authority::new();
    let own = authority.issue("localhost");
    let device =
        authority.issue_until("device.example", std::time::SystemTime::now() + Duration::from_secs(4));
    let server = start(Some(keys(&authority, &own, true)), HttpLimits::default()).await;
    let tls = ClientTls {
        ca_file: authority.file(),
        cert_file: Some(device.cert.clone()),
        key_file: Some(device.key.clone()),
        min_version: MinVersion::Tls13,
    };
    // One configuration: it keeps the tickets of all its connections.
    let tls = Arc::unwrap_or_clone(client_config(&tls, &[b"http/1.1"]).unwrap());
    let client = || {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
        builder.build().unwrap()
    };
    let who = format!("{}/who", server.url);
    let kept = client();
    let (mut good, mut refused) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(6) {
        for client in [&kept, &client()] {
            match client.get(&who).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    assert_eq!(answer.text().await.unwrap(), "device.example");
                    assert!(begin.elapsed() < Duration::from_secs(5), "served with an expired certificate");
                    good += 1;
                }
                Ok(answer) => assert_eq!(answer.status(), StatusCode::FORBIDDEN),
                Err(_) => refused += 1,
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    assert!(good > 2 && refused > 2, "{good} {refused}");
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
    let limits =
        HttpLimits { connections_per_source: 2, known_networks: Vec::new(), ..HttpLimits::default() };
    let running = start(None, limits).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut octets = [0; 12];
        stream.read_exact(&mut octets).await.unwrap();
        assert_eq!(&octets, b"HTTP/1.1 200");
        held.push(stream);
    }
    // The oldest were closed for the newest.
    let mut open = 0;
    for stream in &mut held {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ok();
        let mut octets = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut octets)).await.unwrap();
        open += usize::from(String::from_utf8_lossy(&octets).matches("HTTP/1.1 200").count() == 1);
    }
    assert_eq!(open, 2);
    running.stop.cancel();
    running.task.await.unwrap();
}
