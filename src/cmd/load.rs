//! `callhome load`: thousands of simulated devices against an S6a server, with a report.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use schemas::identity::Plmn;
use tokio_util::sync::CancellationToken;
use ue_sim::load::{LoadConfig, LoadError, Pace, Procedure, Verify, run as run_load};

use super::client::Failure;

/// What stands below the options.
const MORE: &str = "\
It acts as an MME and as its devices: connects with CER, sends AIR (and ULR), and checks every vector
as a USIM does. The server has to know the Origin-Host as a peer ([diameter] peers); for several
connections give each its own, as --origin-host 'mme{number}.localdomain'.

Example, against a running `callhome lab`, whose first two devices are their operator's by now:
  callhome load --credentials callhome-data/credentials.ndjson --skip 2 \\
    --realm epc.mnc071.mcc999.3gppnetwork.org --procedure attach --seconds 10

Exit codes:
  0  all requests were answered as they should be, and every vector was accepted
  1  something was not: a refusal, a timeout, a vector or sequence number that is wrong, a lost connection
  2  wrong usage: an option, or options that contradict each other
  3  the S6a server was not reached at --connect";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// File of the devices: NDJSON lines of imsi, k, opc, as `batches issue` writes and `credentials import` reads
    /// them.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Leave out the first so many devices of the file, as those that a lab has provisioned.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: usize,
    /// Where the S6a server listens (TCP); of several, with commas between, the connections take turns.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3868", value_delimiter = ',')]
    connect: Vec<SocketAddr>,
    /// Our Origin-Host; {number} in it becomes the number of the connection, from 1.
    #[arg(long, value_name = "IDENTITY", default_value = "mme.localdomain")]
    origin_host: String,
    /// Our Origin-Realm.
    #[arg(long, value_name = "REALM", default_value = "localdomain")]
    origin_realm: String,
    /// Destination-Realm: the server's `diameter.origin_realm`.
    #[arg(long)]
    realm: String,
    /// Visited-PLMN-Id: the network that the devices are in, as MCC-MNC.
    #[arg(long, default_value = "999-70")]
    plmn: Plmn,
    /// What each device does, again and again.
    #[arg(long, value_enum, default_value_t = What::Air)]
    procedure: What,
    /// Connections to use, each with its share of the devices.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    connections: usize,
    /// Procedures a second over all connections, whatever the answers do; without, as many as the window allows.
    #[arg(long, value_name = "A SECOND")]
    rate: Option<f64>,
    /// Requests without an answer on one connection at most, 1 to 65536.
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    window: usize,
    /// Vectors to ask for in one AIR, 1 to 5.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    vectors: u32,
    /// End after so many procedures.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// End after so many seconds; 10 if neither this nor --count is given.
    #[arg(long)]
    seconds: Option<f64>,
    /// What is checked of every vector.
    #[arg(long, value_enum, default_value_t = Check::Usim)]
    verify: Check,
    /// Keep the USIMs' sequence numbers in this file between runs: the same devices go on where they were.
    #[arg(long, value_name = "FILE")]
    usim_state: Option<PathBuf>,
    /// Keep every sequence number seen in this file (with --verify unique): one of an earlier run is a duplicate too.
    #[arg(long, value_name = "FILE")]
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
    /// AIR: asks for a vector.
    Air,
    /// AIR, then ULR: attaches, which counts against the profile's attach budget.
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

/// Runs the load; fails if anything was not as it should be. With a [`Failure`] where the exit code is not 1.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let mut devices = super::devices::read(&args.credentials)?;
    if args.skip > 0 {
        let (file, there) = (args.credentials.display(), devices.len());
        ensure!(
            there > args.skip,
            Failure::Usage(format!("--skip {}: {file} has {there} devices", args.skip))
        );
        devices.drain(..args.skip);
    }
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
    let report = run_load(config, devices, stop).await.map_err(failure)?;
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

/// With the exit code that says what to do about it.
fn failure(error: LoadError) -> anyhow::Error {
    match error {
        LoadError::Config(_) => Failure::Usage(error.to_string()).into(),
        LoadError::Connect { .. } => {
            Failure::Unreachable(format!("{error} --connect says where it listens")).into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use clap::Parser;

    use super::*;
    use crate::cmd::Cli;

    #[derive(Debug, Parser)]
    struct Load {
        #[command(flatten)]
        args: Args,
    }

    /// Runs a load of one device; what it fails of.
    async fn fails(options: &[&str]) -> anyhow::Error {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("devices.ndjson");
        let device = r#"{"imsi":"999710000000001","k":"465b5ce8b199b49faa5f0a2ee238a6bc","opc":"cd63cb71954a9f4e48a5994e37a02baf"}"#;
        std::fs::write(&file, device).unwrap();
        let file = file.to_string_lossy().into_owned();
        let needed = ["load", "--credentials", &file, "--realm", "home.example", "--quiet"];
        let args = Load::try_parse_from([&needed[..], options].concat()).unwrap().args;
        run(args, CancellationToken::new()).await.unwrap_err()
    }

    fn exit_code(error: &anyhow::Error) -> Option<u8> {
        error.downcast_ref::<Failure>().map(Failure::exit_code)
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_exit_code_3_and_wrong_options_are_2() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let error = fails(&["--connect", &nobody.to_string()]).await;
        assert_eq!(exit_code(&error), Some(3), "{error:#}");
        let text = error.to_string();
        assert!(text.contains(&nobody.to_string()) && text.contains("--connect"), "{text}");
        let error = fails(&["--connect", &nobody.to_string(), "--window", "0"]).await;
        assert_eq!(exit_code(&error), Some(2), "{error:#}");
        assert!(error.to_string().contains("window"), "{error:#}");
    }

    #[test]
    fn the_help_has_an_example_the_exit_codes_and_a_meaning_for_every_option() {
        use clap::CommandFactory;

        let mut command = Cli::command();
        let load = command.find_subcommand_mut("load").unwrap();
        let help = load.render_help().to_string();
        for part in ["Example", "Exit codes", "3  the S6a server was not reached", "<ADDRESS:PORT>"] {
            assert!(help.contains(part), "{part}: {help}");
        }
        for option in load.get_arguments() {
            assert!(option.get_help().is_some(), "--{}", option.get_id());
        }
    }
}
