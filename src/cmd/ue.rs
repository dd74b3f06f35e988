//! `callhome ue`: a simulated UE at a simulated eNB, towards a real MME, told step by step.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use schemas::identity::{Imsi, Plmn};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    access::s1ap::{
        Asked, Enb, EnbConfig, Event, EventKind, Events, NoUserPlane, PORT, Patience, Report, S1Error, S1Ue,
    },
    device::{self, Device},
    nas::{Capabilities, Told, UeOptions},
    usim::state,
};

use super::client::Failure;

/// What stands below the options.
const MORE: &str = "\
Steps, in this order, one after another:
  attach       attach, up to the default bearer           service      ask for the user plane again
  detach       detach, and wait for the answer            tau          tracking area update
  off          switch off: detach without an answer       periodic     periodic tracking area update
  idle         the eNB gives the connection up            wait:10      wait 10 s for what the network begins
Paged, the UE answers with a service request; detached with re-attach required, it attaches again.
Without steps: attach detach.

S1AP needs SCTP of the kernel (`modprobe sctp`). PLMN and TAC have to be among the MME's.

Example, with Open5GS's MME at 127.0.0.2 and a device that `callhome batches issue` wrote:
  callhome ue --mme 127.0.0.2 --plmn 999-70 --tac 1 --credentials devices.ndjson --apn provisioning attach idle service detach

Exit codes:
  0  every step came to what was asked for
  1  one did not: a refusal, no answer, a lost association
  2  wrong usage
  3  the MME was not reached, or refused the eNB";

/// What the UE is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    Attach,
    Detach,
    Off,
    Idle,
    Service,
    Update,
    Periodic,
    Wait(u64),
}

impl FromStr for Do {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "attach" => Self::Attach,
            "detach" => Self::Detach,
            "off" => Self::Off,
            "idle" => Self::Idle,
            "service" => Self::Service,
            "tau" => Self::Update,
            "periodic" => Self::Periodic,
            other => match other.strip_prefix("wait:").map(str::parse) {
                Some(Ok(seconds)) => Self::Wait(seconds),
                _ => return Err("attach, detach, off, idle, service, tau, periodic or wait:SECONDS".into()),
            },
        })
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The MME's S1AP: its address, or several of one MME with commas between (multihoming).
    #[arg(long, value_name = "ADDRESS[:PORT]", value_delimiter = ',', required = true, value_parser = mme)]
    mme: Vec<SocketAddr>,
    /// The eNB's own SCTP addresses; without, the system chooses.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    bind: Vec<IpAddr>,
    /// The eNB's network, as MCC-MNC.
    #[arg(long, default_value = "999-70")]
    plmn: Plmn,
    /// The eNB's tracking area code.
    #[arg(long, default_value_t = 1)]
    tac: u16,
    /// The eNB's identity, 20 bits.
    #[arg(long, default_value_t = 0x0ca11)]
    enb_id: u32,
    /// File of the devices: NDJSON lines of imsi, k, opc, as `batches issue` writes them.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Which of them; without, the first.
    #[arg(long)]
    imsi: Option<Imsi>,
    /// The APN that the UE asks for; without, the network's default.
    #[arg(long)]
    apn: Option<String>,
    /// Ciphering algorithms that the UE has, as 0,1,2.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "0,1,2,3")]
    eea: Vec<u8>,
    /// Integrity algorithms that the UE has, as 1,2.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2,3")]
    eia: Vec<u8>,
    /// Keep the USIM's sequence numbers in this file between runs.
    #[arg(long, value_name = "FILE")]
    usim_state: Option<PathBuf>,
    /// Print each step as a line of JSON.
    #[arg(long)]
    json: bool,
    /// Print every message.
    #[arg(long)]
    verbose: bool,
    /// What the UE does.
    #[arg(value_name = "STEP")]
    steps: Vec<Do>,
}

/// An address, with S1AP's port unless another is given.
fn mme(text: &str) -> Result<SocketAddr, String> {
    text.parse().or_else(|_| {
        let address: IpAddr = text.parse().map_err(|_| "an address, or an address and a port".to_owned())?;
        Ok(SocketAddr::new(address, PORT))
    })
}

/// Bit 8 for number 0, as the UE network capability has them.
fn bits(numbers: &[u8], what: &str) -> anyhow::Result<u8> {
    let mut octet = 0;
    for number in numbers {
        ensure!(*number < 8, Failure::Usage(format!("--{what}: 0 to 7")));
        octet |= 0x80 >> number;
    }
    Ok(octet)
}

/// Runs the steps.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        done = told(args) => done,
    }
}

async fn told(args: Args) -> anyhow::Result<()> {
    let device = chosen(&args)?;
    let capabilities =
        Capabilities { ciphering: bits(&args.eea, "eea")?, integrity: bits(&args.eia, "eia")? };
    let (sender, receiver) = mpsc::unbounded_channel();
    let teller = tokio::spawn(tell(receiver, args.json, args.verbose, Instant::now()));
    let config = EnbConfig {
        mme: args.mme.clone(),
        local: args.bind.clone(),
        tac: args.tac,
        enb_id: args.enb_id,
        ..EnbConfig::new(args.mme[0], args.plmn)
    };
    let enb = Enb::connect(config, Arc::new(NoUserPlane::default()), Events::to(sender)).await;
    let enb = enb.map_err(|error| match error {
        S1Error::Codec(_) | S1Error::Nas(_) => anyhow::Error::from(error),
        other => Failure::Unreachable(other.to_string()).into(),
    })?;
    let options = UeOptions { apn: args.apn.clone(), capabilities };
    let mut ue = S1Ue::new(&enb, device, options);
    let steps: &[Do] = if args.steps.is_empty() { &[Do::Attach, Do::Detach] } else { &args.steps };
    let done = steps_of(&mut ue, steps, args.json).await;
    let kept = args.usim_state.as_deref().map(|file| keep(file, ue.device())).transpose();
    drop(ue);
    enb.shutdown().await;
    drop(enb);
    teller.await.context("the steps could not be told")?;
    done?;
    kept?;
    Ok(())
}

fn chosen(args: &Args) -> anyhow::Result<Device> {
    let devices = device::read(&args.credentials)?;
    let found = devices.into_iter().find(|device| args.imsi.is_none_or(|imsi| imsi == device.imsi));
    let device = found.with_context(|| match args.imsi {
        Some(imsi) => format!("{imsi} is not in {}", args.credentials.display()),
        None => format!("{} has no device", args.credentials.display()),
    })?;
    let Some(file) = args.usim_state.as_deref().filter(|file| file.exists()) else { return Ok(device) };
    Ok(match state::load(file)?.remove(&device.imsi) {
        Some(sqn) => device.with_sqn(sqn),
        None => device,
    })
}

fn keep(file: &std::path::Path, device: &Device) -> anyhow::Result<()> {
    Ok(state::save(file, [(device.imsi, &device.usim)])?)
}

/// One step after another; the first that does not come to what was asked for ends it.
async fn steps_of(ue: &mut S1Ue, steps: &[Do], as_json: bool) -> anyhow::Result<()> {
    const RELEASE: Patience = Patience(Duration::from_secs(10));
    for step in steps {
        match *step {
            Do::Attach => came_to(&ue.attach().await?, as_json)?,
            Do::Detach => came_to(&ue.detach(false).await?, as_json)?,
            Do::Off => came_to(&ue.detach(true).await?, as_json)?,
            Do::Idle => ue.idle(RELEASE).await?,
            Do::Service => came_to(&ue.service_request(false).await?, as_json)?,
            Do::Update => came_to(&ue.tracking_area_update(false, false).await?, as_json)?,
            Do::Periodic => came_to(&ue.tracking_area_update(true, false).await?, as_json)?,
            Do::Wait(seconds) => wait(ue, Duration::from_secs(seconds), as_json).await?,
        }
    }
    Ok(())
}

/// Does what the network begins, for so long.
async fn wait(ue: &mut S1Ue, long: Duration, as_json: bool) -> anyhow::Result<()> {
    let until = Instant::now() + long;
    while let Some(asked) = ue.wait(Patience(until.saturating_duration_since(Instant::now()))).await? {
        match asked {
            Asked::Paged => came_to(&ue.service_request(true).await?, as_json)?,
            Asked::Detached { reattach: true, .. } => came_to(&ue.attach().await?, as_json)?,
            Asked::Detached { .. } | Asked::Released { .. } => {}
        }
    }
    Ok(())
}

fn came_to(report: &Report, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(report)?);
    }
    if !report.is_success() {
        let end = serde_json::to_value(&report.end)?;
        bail!("{} of {} did not come to what was asked for: {end}", report.procedure.words(), report.imsi);
    }
    Ok(())
}

/// Prints what happens, as it happens.
async fn tell(mut events: mpsc::UnboundedReceiver<Event>, as_json: bool, verbose: bool, begun: Instant) {
    while let Some(event) = events.recv().await {
        let message = matches!(event.kind, EventKind::S1(..) | EventKind::Nas(Told::Message { .. }));
        if message && !verbose {
            continue;
        }
        let after = event.at.saturating_duration_since(begun).as_micros();
        if as_json {
            let line = json!({ "after_us": after, "imsi": event.imsi, "what": event.kind.to_string() });
            println!("{line}");
        } else {
            println!("{:>10.1} ms  {event}", after as f64 / 1e3);
        }
    }
}
