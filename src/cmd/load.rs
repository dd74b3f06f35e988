//! `callhome load`: thousands of simulated devices against an S6a server, with a report.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::ValueEnum;
use schemas::identity::Plmn;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    device,
    load::{LoadConfig, Pace, Procedure, Verify, run as run_load},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Devices: NDJSON lines of imsi, k, opc, as `batches issue` writes and `credentials import` reads them.
    #[arg(long)]
    credentials: PathBuf,
    /// Where the S6a server listens (TCP); several are used in turn.
    #[arg(long, default_value = "127.0.0.1:3868", value_delimiter = ',')]
    connect: Vec<SocketAddr>,
    /// Our Origin-Host; an n in braces becomes the number of the connection.
    #[arg(long, default_value = "mme.localdomain")]
    origin_host: String,
    /// Our Origin-Realm.
    #[arg(long, default_value = "localdomain")]
    origin_realm: String,
    /// Destination-Realm: the ICF's.
    #[arg(long)]
    realm: String,
    /// Visited-PLMN-Id, the network the devices are in.
    #[arg(long, default_value = "999-70")]
    plmn: Plmn,
    /// AIR alone, or AIR and ULR.
    #[arg(long, value_enum, default_value_t = What::Air)]
    procedure: What,
    /// Connections to use.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Procedures a second, whatever the answers do; without, as many as the window allows.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests on their way on one connection at most.
    #[arg(long, default_value_t = 256)]
    window: usize,
    /// Vectors to ask for in one AIR, 1 to 5.
    #[arg(long, default_value_t = 1)]
    vectors: u32,
    /// End after so many procedures.
    #[arg(long)]
    count: Option<u64>,
    /// End after so many seconds (10 if no count is given).
    #[arg(long)]
    seconds: Option<f64>,
    /// What is checked of every vector.
    #[arg(long, value_enum, default_value_t = Check::Usim)]
    verify: Check,
    /// Keep the USIMs' sequence numbers here between runs.
    #[arg(long)]
    usim_state: Option<PathBuf>,
    /// Keep every sequence number seen here (with --verify unique): one of an earlier run is a duplicate too.
    #[arg(long)]
    sqn_log: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// No progress line.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Air,
    Attach,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Check {
    /// As a device does: MAC-A, freshness by the USIM's array, RES, KASME; resynchronises where it must.
    Usim,
    /// MAC-A, RES, KASME, and that no sequence number comes twice, in any order.
    Unique,
    /// Nothing but result codes: measures the server.
    Off,
}

/// Runs the load; fails if anything was not as it should be.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let devices = device::read(&args.credentials)?;
    let first = args.connect.first().copied().context("--connect: at least one address")?;
    let seconds = args.seconds.or(if args.count.is_none() { Some(10.0) } else { None });
    let duration = seconds.map(Duration::try_from_secs_f64).transpose().context("--seconds")?;
    let config = LoadConfig {
        connect: args.connect,
        origin_host: args.origin_host,
        origin_realm: args.origin_realm,
        destination_realm: args.realm,
        procedure: match args.procedure {
            What::Air => Procedure::Air,
            What::Attach => Procedure::Attach,
        },
        connections: args.connections,
        pace: args.rate.map_or(Pace::Window, Pace::Rate),
        window: args.window,
        vectors: args.vectors,
        procedures: args.count,
        duration,
        verify: match args.verify {
            Check::Usim => Verify::Usim,
            Check::Unique => Verify::Unique,
            Check::Off => Verify::Off,
        },
        usim_state: args.usim_state,
        sqn_log: args.sqn_log,
        progress: !args.quiet,
        ..LoadConfig::new(first, args.plmn)
    };
    let report = run_load(config, devices, stop).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    if !report.is_clean() {
        bail!("not everything was answered as it should be; see the report");
    }
    Ok(())
}
