//! Listeners that others try to hold shut, and a well-behaved client beside them whose times are printed.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use harness::role::Role;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{io::AsyncWriteExt, net::TcpSocket};

/// Where those come from who hold connections; the well-behaved one is at 127.0.0.1.
const STRANGERS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(127, 0, 0, 2),
    Ipv4Addr::new(127, 0, 0, 3),
    Ipv4Addr::new(127, 0, 0, 4),
    Ipv4Addr::new(127, 0, 0, 5),
];
/// Connections that they hold at a time, several times as many as the listener has room for.
const HELD: usize = 400;
/// Requests of the well-behaved client.
const REQUESTS: usize = 50;
/// What no request may take, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that do nothing, held and renewed until this is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl Flood {
    /// Each connection says `first` and then nothing, or an octet each half second if `drips`.
    fn start(port: u16, first: &'static [u8], drips: bool) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || runtime.block_on(flood(port, first, drips, &stopped)));
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it; how many connections there were.
    fn end(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(0)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn flood(port: u16, first: &[u8], drips: bool, stop: &AtomicBool) -> usize {
    let mut held = std::collections::VecDeque::new();
    let (mut opened, mut dripped) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        for address in STRANGERS {
            let connected = async {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::new(address.into(), 0))?;
                let mut stream = socket.connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await?;
                stream.write_all(first).await?;
                Ok::<_, std::io::Error>(stream)
            };
            if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), connected).await {
                held.push_back(stream);
                opened += 1;
            }
        }
        while held.len() > HELD {
            held.pop_front();
        }
        if drips && dripped.elapsed() > Duration::from_millis(500) {
            dripped = Instant::now();
            for stream in &mut held {
                let _ = stream.try_write(b"x");
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    opened
}

/// One request in the clear, on a connection of its own: its answer's first line.
fn plain(port: u16, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    exchange(&stream.try_clone()?, &mut stream, request)
}

/// As [`plain`], over TLS.
fn secure(port: u16, tls: &Arc<ClientConfig>, request: &[u8]) -> Result<String> {
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let timeouts = tcp.try_clone()?;
    let client = ClientConnection::new(Arc::clone(tls), ServerName::try_from("localhost")?)?;
    exchange(&timeouts, &mut StreamOwned::new(client, tcp), request)
}

fn exchange(timeouts: &TcpStream, stream: &mut (impl Read + Write), request: &[u8]) -> Result<String> {
    timeouts.set_read_timeout(Some(PATIENCE))?;
    timeouts.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    stream.flush()?;
    let mut line = Vec::new();
    let mut octet = [0];
    while stream.read(&mut octet)? > 0 && octet[0] != b'\n' {
        line.push(octet[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Asks again and again beside the flood; prints the times.
fn is_served(
    what: &str,
    flood: Flood,
    mut ask: impl FnMut() -> Result<String>,
    expected: &str,
) -> Result<()> {
    // Until the listener is full.
    thread::sleep(Duration::from_millis(700));
    let mut times = Vec::with_capacity(REQUESTS);
    for n in 0..REQUESTS {
        let begin = Instant::now();
        let answer =
            ask().with_context(|| format!("{what}: request {n}, {:?} after it began", begin.elapsed()))?;
        ensure!(answer.starts_with(expected), "{what}: {answer:?}");
        times.push(begin.elapsed());
    }
    times.sort();
    let connections = flood.end();
    let (half, most) = (times[REQUESTS / 2], times[REQUESTS * 99 / 100]);
    println!(
        "{what}: {REQUESTS} requests beside {connections} idle connections, none lost; median {half:?}, p99 {most:?}"
    );
    ensure!(connections > 200, "{what}: there was no flood");
    ensure!(most < PATIENCE, "{what}: {most:?}");
    Ok(())
}

fn trusting(root: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const RNCT: &[u8] =
    b"GET /device/v1/rnct?pcid=999710000000001 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const OCSP: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\n\
                      Content-Length: 1\r\nConnection: close\r\n\r\nx";

#[test]
fn idle_connections_and_unfinished_handshakes_keep_no_device_from_the_drf() -> Result<()> {
    let mut drf = Role::start_with(
        "drf",
        &[
            ("CALLHOME_DEVICE__LIMITS__CONNECTIONS", "64"),
            ("CALLHOME_DEVICE__LIMITS__PENDING_HANDSHAKES", "32"),
            ("CALLHOME_DEVICE__LIMITS__KNOWN_NETWORKS", "[]"),
            ("CALLHOME_REST__LIMITS__CONNECTIONS", "64"),
        ],
    )?;
    let tls = trusting(&drf.folder().join("pki/root.crt"))?;
    let device = drf.port("device")?;
    let ask = || secure(device, &tls, RNCT);
    is_served("DRF, device port, handshakes", Flood::start(device, b"", false)?, ask, "HTTP/1.1 401")?;
    let rest = drf.rest;
    is_served("DRF, REST", Flood::start(rest, b"", false)?, || plain(rest, GET), "HTTP/1.1 200")?;
    drf.running()
}

#[test]
fn idle_connections_keep_nobody_from_the_dpfs_rest() -> Result<()> {
    let mut dpf = Role::start_with("dpf", &[("CALLHOME_REST__LIMITS__CONNECTIONS", "64")])?;
    let rest = dpf.rest;
    let half = b"GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX: ";
    is_served("DPF, REST", Flood::start(rest, half, false)?, || plain(rest, GET), "HTTP/1.1 200")?;
    dpf.running()
}

#[test]
fn slow_octets_keep_nobody_from_the_ocsp_responder() -> Result<()> {
    let mut pva = Role::start_with("pva", &[("CALLHOME_OCSP__LIMITS__CONNECTIONS", "64")])?;
    let ocsp = pva.port("ocsp")?;
    let slow = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: 8000\r\n\r\n";
    is_served("PVA, OCSP", Flood::start(ocsp, slow, true)?, || plain(ocsp, OCSP), "HTTP/1.1 200")?;
    pva.running()
}

#[test]
fn a_flood_of_refusals_fills_no_log() -> Result<()> {
    let mut drf = Role::start("drf")?;
    let tls = trusting(&drf.folder().join("pki/root.crt"))?;
    let (device, begin) = (drf.port("device")?, Instant::now());
    let mut stream = {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, device))?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        StreamOwned::new(ClientConnection::new(Arc::clone(&tls), ServerName::try_from("localhost")?)?, tcp)
    };
    let request = b"GET /device/v1/rnct?pcid=999710000000001 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (mut refused, mut buffer) = (0, [0; 4096]);
    for _ in 0..1000 {
        stream.write_all(request)?;
        let mut answer = Vec::new();
        // Problem details end the answer.
        while !answer.ends_with(b"}") {
            let octets = stream.read(&mut buffer)?;
            ensure!(octets > 0, "the DRF has closed after {refused} requests");
            answer.extend_from_slice(&buffer[..octets]);
        }
        refused += usize::from(answer.starts_with(b"HTTP/1.1 401"));
    }
    ensure!(refused == 1000, "{refused}");
    let lines = |log: &str| log.lines().filter(|line| line.contains("a device is refused")).count() as u64;
    let most = 100 + 5 * (begin.elapsed().as_secs() + 2);
    ensure!(lines(&drf.log()) <= most, "{} lines", lines(&drf.log()));
    let until = Instant::now() + Duration::from_secs(15);
    while !drf.log().contains("some were left out") {
        ensure!(Instant::now() < until, "what was left out is not counted:\n{}", drf.log());
        thread::sleep(Duration::from_millis(100));
    }
    println!(
        "1000 refusals in {:?}: {} lines of log, {} octets",
        begin.elapsed(),
        lines(&drf.log()),
        drf.log().len()
    );
    drf.running()
}
