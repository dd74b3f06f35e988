//! A load run from its first connection to its report.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use s6a::codec::Message;
use s6a::codec::frame::{self, Frame};
use schemas::identity::Imsi;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Finished, Plan};
use super::fleet::Fleet;
use super::pace::{Schedule, Ticker};
use super::progress::{Line, Live};
use super::tally::Tally;
use super::verify::Verifier;
use super::wire::{self, Wire};
use super::{End, LoadConfig, LoadError, LoadReport, Pace, Verify};
use crate::device::Device;
use crate::usim::state;

/// From connecting to the CEA.
const CONNECT: Duration = Duration::from_secs(10);

/// Runs a load and reports. It ends by itself, or soon after `stop`.
///
/// # Errors
/// If it cannot start, or cannot write down what the next run needs. A run that starts and then fails has a
/// report that says so ([`LoadReport::end`]).
pub async fn run(
    config: LoadConfig,
    devices: Vec<Device>,
    stop: CancellationToken,
) -> Result<LoadReport, LoadError> {
    config.check(devices.len())?;
    let devices = with_states(&config, devices)?;
    let count = devices.len();

    let mut connections = Vec::with_capacity(config.connections);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
    for (n, to) in config.connect.iter().cycle().take(config.connections).enumerate() {
        let digits = devices.iter().map(|device| device.imsi.digits());
        let wire = Wire::new(&config, n, started, digits);
        let stream = connect(*to, &wire, &config.origin_host_of(n)).await?;
        connections.push(Connection {
            stream,
            wire,
            fleet: Fleet::new(&devices, config.verify, n, config.connections),
            verifier: Verifier::new(config.verify, config.visited_plmn),
            quota: config.procedures.map(|all| share(all, n, config.connections)),
            schedule: None,
            wake: Arc::new(Notify::new()),
        });
    }
    let imsis: Vec<_> = devices.iter().map(|device| device.imsi).collect();
    drop(devices);

    let live = Arc::new(Live::default());
    let start = Instant::now();
    let plan = Arc::new(Plan {
        procedure: config.procedure,
        verify: config.verify,
        window: config.window,
        answer_timeout: config.answer_timeout,
        start,
        deadline: config.duration.map(|duration| start + duration),
        live: Arc::clone(&live),
        stop: stop.child_token(),
    });
    let mut ticker = None;
    if let Pace::Rate(rate) = config.pace {
        for (n, connection) in connections.iter_mut().enumerate() {
            connection.schedule = Some(Schedule::new(start, rate, n, config.connections));
        }
        let wakes = connections.iter().map(|connection| Arc::clone(&connection.wake)).collect();
        let started = Ticker::start(start, rate, wakes);
        ticker = Some(started.map_err(|e| LoadError::Config(format!("no thread to keep the pace: {e}")))?);
    }
    let line = Line::start(config.progress, &live);
    let finished = drive(connections, &plan, &stop).await;
    drop((ticker, line));

    let elapsed = finished.iter().map(|one| one.last).max().unwrap_or(start) - start;
    let mut tally = Tally::default();
    let mut end = End::Completed;
    for one in &finished {
        tally.add(&one.tally);
        // The first irregular end is why the others were stopped.
        if end.is_regular() && (!one.end.is_regular() || end == End::Completed) {
            end = one.end.clone();
        }
    }
    if config.verify == Verify::Usim
        && let Some(file) = &config.usim_state
    {
        let members = finished.iter().flat_map(|one| one.fleet.members());
        state::save(file, members.map(|member| (member.imsi, &member.usim)))?;
    }
    let duplicates = match config.verify {
        Verify::Unique => Some(duplicates(&config, &imsis, &finished)?),
        Verify::Usim | Verify::Off => None,
    };
    Ok(LoadReport::of(&config, count, &tally, elapsed, duplicates, end))
}

/// Runs all connections; when one ends irregularly, the others are stopped.
async fn drive(connections: Vec<Connection>, plan: &Arc<Plan>, stop: &CancellationToken) -> Vec<Finished> {
    let mut tasks: tokio::task::JoinSet<Finished> = tokio::task::JoinSet::new();
    for connection in connections {
        tasks.spawn(connection.run(Arc::clone(plan)));
    }
    let mut finished: Vec<Finished> = Vec::new();
    while let Some(one) = tasks.join_next().await {
        let Ok(mut one) = one else { continue };
        if !one.end.is_regular() {
            plan.stop.cancel();
            finished.insert(0, one);
            continue;
        }
        // Stopped because another connection failed, and not by who asked for the run.
        if one.end == End::Interrupted && !stop.is_cancelled() {
            one.end = End::Completed;
        }
        finished.push(one);
    }
    finished
}

/// Connection `n`'s part of `all`.
fn share(all: u64, n: usize, connections: usize) -> u64 {
    let (connections, n) = (connections as u64, n as u64);
    all / connections + u64::from(n < all % connections)
}

/// Gives the devices the sequence numbers of the last run.
fn with_states(config: &LoadConfig, devices: Vec<Device>) -> Result<Vec<Device>, LoadError> {
    let Some(file) = config.usim_state.as_ref().filter(|_| config.verify == Verify::Usim) else {
        return Ok(devices);
    };
    let mut states = state::load(file)?;
    Ok(devices
        .into_iter()
        .map(|device| match states.remove(&device.imsi) {
            Some(state) => device.with_state(&state),
            None => device,
        })
        .collect())
}

/// TCP, CER and CEA (RFC 6733 §5.3).
async fn connect(to: SocketAddr, wire: &Wire, as_host: &str) -> Result<TcpStream, LoadError> {
    let failed = |source| LoadError::Connect { to, source };
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.map_err(failed)?;
        // Whole batches are written, there is nothing to wait for.
        stream.set_nodelay(true).map_err(failed)?;
        let mut cer = Vec::new();
        wire.capabilities(&mut cer, stream.local_addr().map_err(failed)?.ip());
        stream.write_all(&cer).await.map_err(failed)?;
        let mut input = Vec::new();
        loop {
            let not_diameter = |what: String| LoadError::NotDiameter { to, what };
            match frame::next(&input, 64 << 10).map_err(|e| not_diameter(e.to_string()))? {
                Frame::Partial(missing) => {
                    // Not an octet more than the CEA, so that nothing of what follows is taken here.
                    let had = input.len();
                    input.resize(had + missing, 0);
                    if let Err(e) = stream.read_exact(&mut input[had..]).await {
                        return Err(match e.kind() {
                            std::io::ErrorKind::UnexpectedEof => not_diameter(format!(
                                "it closed the connection on our CER; does it know {as_host} as a peer?"
                            )),
                            _ => failed(e),
                        });
                    }
                }
                Frame::Whole(_) => {
                    let cea = Message::parse(&input).map_err(|e| not_diameter(e.to_string()))?;
                    wire::check_capabilities(&cea, to, as_host)?;
                    return Ok(stream);
                }
            }
        }
    };
    match tokio::time::timeout(CONNECT, exchange).await {
        Ok(done) => done,
        Err(_) => Err(failed(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Counts sequence numbers that came more than once, in this run and with those of `sqn_log`, and appends
/// the new ones there.
fn duplicates(config: &LoadConfig, imsis: &[Imsi], finished: &[Finished]) -> Result<u64, LoadError> {
    let mut all: BTreeMap<Imsi, Vec<u64>> = BTreeMap::new();
    for (device, sqn) in finished.iter().flat_map(|one| &one.seen) {
        if let Some(imsi) = imsis.get(*device as usize) {
            all.entry(*imsi).or_default().push(*sqn);
        }
    }
    if let Some(file) = &config.sqn_log {
        let wrong = |what: String| LoadError::SqnLog { file: file.display().to_string(), what };
        let before = read_log(file).map_err(wrong)?;
        append_log(file, &all).map_err(|e| wrong(e.to_string()))?;
        for (imsi, sqns) in before {
            all.entry(imsi).or_default().extend(sqns);
        }
    }
    let mut twice = 0;
    for sqns in all.values_mut() {
        sqns.sort_unstable();
        twice += sqns.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    }
    Ok(twice)
}

fn read_log(file: &Path) -> Result<BTreeMap<Imsi, Vec<u64>>, String> {
    let mut all: BTreeMap<Imsi, Vec<u64>> = BTreeMap::new();
    let input = match std::fs::File::open(file) {
        Ok(input) => BufReader::new(input),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(all),
        Err(e) => return Err(e.to_string()),
    };
    for (line, text) in (1..).zip(input.lines()) {
        let text = text.map_err(|e| e.to_string())?;
        let parsed =
            text.split_once(' ').and_then(|(imsi, sqn)| Some((imsi.parse().ok()?, sqn.parse().ok()?)));
        let (imsi, sqn) = parsed.ok_or_else(|| format!("line {line} is not `IMSI SQN`"))?;
        all.entry(imsi).or_default().push(sqn);
    }
    Ok(all)
}

fn append_log(file: &Path, all: &BTreeMap<Imsi, Vec<u64>>) -> std::io::Result<()> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    let mut out = BufWriter::new(log);
    for (imsi, sqns) in all {
        for sqn in sqns {
            writeln!(out, "{imsi} {sqn}")?;
        }
    }
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}
