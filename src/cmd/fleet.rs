//! `callhome fleet`: many simulated devices in non-3GPP access, provisioned at once in a lab, with a report of where the
//! time goes and a look at what the roles have of them afterwards.

mod check;
mod factory;
mod progress;
mod report;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    fleet::{FleetConfig, FleetDevice, FleetEnd, FleetNews, FleetReport, provision_many},
    provision::Options,
};

use super::{
    client::Failure,
    lab::{PortArgs, clients::Clients, roles::Ports, roles::Roles, running::Running, setup::Folder},
};
use factory::{Fleet, Prepared};
use progress::Line;
use report::Report;

/// What stands below the options.
const MORE: &str = "\
Against a running `callhome lab` (the same --data and ports), or with roles of its own:
  callhome fleet --devices 1000 --concurrency 100
  callhome fleet --with-lab --devices 1000

Each device goes steps 6 to 18 over HTTPS of its own, and is then counted in the roles: one session, closed, and one
subscription with an IMSI that nobody else has.

Exit codes:
  0  every device is installed and reported, and the roles have each of them once
  1  a device was lost, doubled or refused; the report says which and why
  2  wrong usage
  3  the lab was not reached at --base-port";

/// Where a lab keeps its data if nothing else is said.
const DATA: &str = "callhome-data";
/// A batch of some hundred enrolments takes the PVA that long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The lab's data folder: tokens, keys, and the fleet's devices in fleets/; `callhome-data`, and with --with-lab a
    /// temporary one.
    #[arg(long, env = "CALLHOME_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(flatten)]
    ports: PortArgs,
    /// Run the lab's roles in this process, as `callhome lab` does.
    #[arg(long)]
    with_lab: bool,
    /// How many.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    devices: u64,
    /// Devices under way at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: u16,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// No progress line.
    #[arg(long)]
    quiet: bool,
}

/// Provisions the fleet; fails if a device was lost or doubled. With a [`Failure`] where the exit code is not 1.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let temporary = match (&args.data, args.with_lab) {
        (None, true) => Some(Temporary::make()?),
        _ => None,
    };
    let data = match (&temporary, &args.data) {
        (Some(temporary), _) => temporary.0.clone(),
        (None, Some(data)) => data.clone(),
        (None, None) => PathBuf::from(DATA),
    };
    if !args.with_lab && !data.join("icf.toml").exists() {
        let text = format!(
            "there is no lab in {}: start `callhome lab` and name its --data, or have one started by --with-lab",
            data.display()
        );
        return Err(Failure::Usage(text).into());
    }
    let folder = Folder::open(&data)?;
    let ports = args.ports.ports();
    let roles = Roles::write(&folder, ports, args.ports.open5gs_hss.as_deref())?;
    let running = if args.with_lab {
        let config = super::config::load(&roles.icf)?;
        service::telemetry::init(&config.log).context("logging cannot be set up")?;
        Some(Running::start(&roles, &stop).await?)
    } else {
        None
    };
    let report = tokio::select! {
        report = fleet(&args, &folder, &roles, ports) => report,
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted; the devices so far are in {}", data.display())),
    };
    stop.cancel();
    if let Some(running) = running {
        running.wait().await;
    }
    let report = report?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    if !report.clean {
        bail!("not every device is installed, or the roles have not each of them once; see the report");
    }
    Ok(())
}

async fn fleet(args: &Args, folder: &Folder, roles: &Roles, ports: Ports) -> anyhow::Result<Report> {
    let clients = Clients::new(roles, ports, PATIENCE)?;
    let line = Line::start(!args.quiet, args.devices);
    line.says("introducing supplier, operator and numbers");
    clients.introduce().await.map_err(reached)?;
    let fleet = Fleet { folder, roles, ports, clients: &clients, count: args.devices };
    let Prepared { name, devices, took } = fleet.prepare(&line).await?;
    let (report, ends, made) = provision(args, ports, devices, &line).await?;
    line.says("waiting for the roles to close their sessions");
    let checks = check::check(&clients, &name, &ends).await?;
    drop(line);
    Ok(Report::new(args.concurrency, report, (took, made), checks, ends))
}

/// Makes and provisions the devices; also what became of each, and how long the making took.
async fn provision(
    args: &Args,
    ports: Ports,
    devices: Vec<FleetDevice>,
    line: &Line,
) -> anyhow::Result<(FleetReport, Vec<FleetEnd>, Duration)> {
    let (news, mut told) = mpsc::unbounded_channel();
    let config = FleetConfig {
        drf: format!("https://{}", ports.drf_device()),
        concurrency: args.concurrency.into(),
        options: Options::default(),
        news: Some(news),
    };
    let begun = std::time::Instant::now();
    let count = devices.len();
    let running = tokio::spawn(provision_many(devices, config));
    let (mut ends, mut made, mut making) = (Vec::with_capacity(count), 0, Duration::ZERO);
    while let Some(news) = told.recv().await {
        match news {
            FleetNews::Made => {
                (made, making) = (made + 1, begun.elapsed());
                line.made(made);
            }
            FleetNews::Ended(end) => {
                line.ended(end.how.is_ok());
                ends.push(end);
            }
        }
    }
    Ok((running.await.context("the simulator failed")?, ends, making))
}

/// The first request to the lab tells whether it is there.
fn reached(error: anyhow::Error) -> anyhow::Error {
    let away = error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<service::client::CallError>(),
            Some(service::client::CallError::Unavailable { .. })
        )
    });
    if away {
        let text =
            format!("{error:#}; start `callhome lab` with the same --data and ports, or use --with-lab");
        return Failure::Unreachable(text).into();
    }
    error
}

/// A folder that goes with the run.
struct Temporary(PathBuf);

impl Temporary {
    fn make() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("callhome-fleet-{}", uuid::Uuid::new_v4()));
        // `Folder::open` makes it for its owner alone.
        Folder::open(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} stays: {error}", self.0.display());
        }
    }
}
