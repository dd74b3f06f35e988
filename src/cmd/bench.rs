//! `callhome bench`: how many AIRs a second the ICF answers, with durable sequence numbers, beside a responder
//! that does nothing. Both are driven alike, in turn, in the same run: machines differ, the ratio says more.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use icf_auc::{
    chtif::issue::{BatchRequest, Issuing},
    config::IcfConfig,
    start,
};
use s6a::{
    app::{AuthenticationInfo, AuthenticationInformationAnswer, EutranVector},
    base::{AuthSessionState, Outcome},
    codec::{Message, dictionary::base::SESSION_ID},
    net::{Answer, Application, Endpoint, Node, NodeConfig, PeerConfig, PeerInfo},
};
use schemas::identity::{Imsi, Plmn};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    device::{self, Device},
    load::{LoadConfig, LoadReport, Pace, Verify, run as run_load},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Simulated devices, each a subscriber.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    devices: u64,
    /// Requests on their way on one connection.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// Connections.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; each measures both.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Check every vector of the ICF as well; measures the client's cryptography too.
    #[arg(long)]
    verify: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

const ICF: &str = "icf.bench.example";
const REALM: &str = "bench.example";
const VISITED: &str = "999-70";

/// One measurement.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    answers_per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Measures and prints.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("callhome-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    let result = measure(&args, &folder, stop).await;
    std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let figures = result?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }
    println!("{:<14}{:>14}{:>12}{:>12}", "", "answers/s", "p50 µs", "p99 µs");
    for figure in &figures {
        let Figure { what, answers_per_second, p50_us, p99_us } = figure;
        println!("{what:<14}{answers_per_second:>14.0}{p50_us:>12.0}{p99_us:>12.0}");
    }
    let median = |what: &str| {
        let mut rates: Vec<f64> =
            figures.iter().filter(|f| f.what == what).map(|f| f.answers_per_second).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    };
    let (icf, ceiling) = (median("ICF"), median("do nothing"));
    println!("\nmedian: ICF {icf:.0}/s, do nothing {ceiling:.0}/s, ratio {:.2}", icf / ceiling);
    Ok(())
}

async fn measure(
    args: &Args,
    folder: &std::path::Path,
    stop: CancellationToken,
) -> anyhow::Result<Vec<Figure>> {
    let peers = (1..=args.connections).map(|n| format!("mme{n}.{REALM}")).collect::<Vec<_>>();
    let key = folder.join("key");
    super::keys::write(&key, false)?;
    let listed = peers.iter().map(|p| format!("{{ identity = {p:?} }}")).collect::<Vec<_>>().join(", ");
    let config = format!(
        "[diameter]\norigin_host = \"{ICF}\"\norigin_realm = \"{REALM}\"\nlisten = [\"tcp://127.0.0.1:0\"]\n\
         peers = [{listed}]\n[database]\nurl = \"sqlite://{}\"\n[keys]\nat_rest = {{ file = {key:?} }}\n",
        folder.join("icf.db").display()
    );
    let config: IcfConfig = service::config::Loader::text("bench", config).load()?;
    let icf = start::start(config, stop.child_token()).await?;
    let devices = issue(&*icf.store, args.devices).await?;
    let icf_at = tcp(&icf.node).context("the ICF listens nowhere")?;

    let mut ceiling = NodeConfig::new(ICF, REALM);
    ceiling.listen = vec![Endpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    ceiling.peers = peers.iter().map(PeerConfig::new).collect();
    let ceiling = Node::start(ceiling, Arc::new(DoNothing)).await?;
    let ceiling_at = tcp(&ceiling).context("the responder listens nowhere")?;

    let mut figures = Vec::new();
    for round in 0..=args.rounds {
        for (what, at) in [("do nothing", ceiling_at), ("ICF", icf_at)] {
            let verify = if what == "ICF" && args.verify { Verify::Unique } else { Verify::Off };
            let report = load(args, at, devices.clone(), verify, stop.clone()).await?;
            if !report.is_clean() {
                bail!("{what}: not everything was answered as it should be\n{report}");
            }
            // The first round warms up: it fills the cache and leases the first numbers.
            if round > 0 {
                let latency = &report.procedure_latency_us;
                let (p50_us, p99_us) = (latency.p50, latency.p99);
                figures.push(Figure { what, answers_per_second: report.rate, p50_us, p99_us });
            }
        }
    }
    Ok(figures)
}

async fn load(
    args: &Args,
    at: SocketAddr,
    devices: Vec<Device>,
    verify: Verify,
    stop: CancellationToken,
) -> anyhow::Result<LoadReport> {
    let config = LoadConfig {
        origin_host: format!("mme{{number}}.{REALM}"),
        origin_realm: REALM.into(),
        destination_realm: REALM.into(),
        connections: args.connections,
        pace: Pace::Window,
        window: args.window,
        duration: Some(Duration::try_from_secs_f64(args.seconds).context("--seconds")?),
        verify,
        ..LoadConfig::new(at, VISITED.parse::<Plmn>()?)
    };
    Ok(run_load(config, devices, stop).await?)
}

async fn issue(store: &dyn icf_auc::store::Store, count: u64) -> anyhow::Result<Vec<Device>> {
    let request = BatchRequest {
        id: "bench".into(),
        first: "999710000000001".parse::<Imsi>()?,
        count,
        profile: "default".into(),
        party: None,
        op: None,
        amf: [0x80, 0],
        triple_url: None,
    };
    let mut issuing = Issuing::begin(store, request).await?;
    let mut devices = Vec::new();
    while let Some(credentials) = issuing.next().await? {
        for credential in &credentials {
            let mut line = zeroize::Zeroizing::new(Vec::new());
            credential.write_line(&mut line)?;
            devices.push(device::parse(std::str::from_utf8(&line)?).map_err(anyhow::Error::msg)?);
        }
    }
    Ok(devices)
}

fn tcp(node: &Node) -> Option<SocketAddr> {
    node.local_endpoints().into_iter().find_map(|endpoint| match endpoint {
        Endpoint::Tcp(address) => Some(address),
        _ => None,
    })
}

/// Answers every request with an AIA of the usual size, without looking at it.
struct DoNothing;

impl Application for DoNothing {
    fn request(&self, _: &Arc<PeerInfo>, request: &Message<'_>, answer: Answer<'_>) {
        let session = request.find(&SESSION_ID).and_then(|avp| avp.str().ok()).unwrap_or_default();
        let vectors =
            [EutranVector { item_number: None, rand: [1; 16], xres: &[2; 8], autn: [3; 16], kasme: [4; 32] }];
        answer.now(|out| {
            AuthenticationInformationAnswer {
                session_id: session,
                vendor_specific_application_id: Some(s6a::app::APPLICATION_ID),
                outcome: Outcome::SUCCESS,
                auth_session_state: AuthSessionState::NoStateMaintained,
                origin_host: ICF,
                origin_realm: REALM,
                authentication_info: Some(AuthenticationInfo {
                    eutran_vector: (&vectors[..]).into(),
                    ..AuthenticationInfo::default()
                }),
                ..AuthenticationInformationAnswer::default()
            }
            .encode(out, &request.header);
        });
    }
}
