//! `callhome ue`: a simulated UE at a simulated eNB, towards a real MME, told step by step.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use schemas::identity::Imsi;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    access::s1ap::{
        Asked, Enb, End, Event, EventKind, Events, NoUserPlane, Patience, Report, S1Ue, UserPlane,
    },
    device::Device,
    nas::Told,
    user_plane::{DEFAULT_MTU, Gate, Gtp, Pings, RULE, Tun, UeNet},
    usim::state,
};

use super::client::Failure;
use super::devices;
use super::enb::{EnbArgs, OptionArgs, taken, unreached};

/// What stands below the options.
const MORE: &str = "\
Steps, in this order, one after another:
  attach       attach, up to the default bearer           service      ask for the user plane again
  detach       detach, and wait for the answer            tau          tracking area update
  off          switch off: detach without an answer       periodic     periodic tracking area update
  ping:ADDRESS three ICMP echoes through the bearer (--s1u)
  idle         the eNB gives the connection up            wait:10      wait 10 s for what the network begins
  release:6    the eNB gives the dedicated bearer 6 up
  try:STEP     the step, and go on whatever it comes to: a refusal is told, and is no failure
What a network has forbidden by a reject is not tried again: the UE says which list has it and what takes it off. `off`
erases all lists but that of forbidden networks in the USIM (--usim-state), which --manual passes by.
Paged, the UE answers with a service request; detached with re-attach required, it attaches again.
Without steps: attach detach.

S1AP needs SCTP of the kernel (`modprobe sctp`). PLMN and TAC have to be among the MME's.

Examples, with Open5GS's MME at 127.0.0.2 and a device that the ICF knows; 127.0.1.1 is the eNB's own address, 10.45.0.1
the gateway:
  callhome ue --mme 127.0.0.2 --plmn 999-70 --tac 1 --credentials devices.ndjson --apn provisioning attach idle service detach
  callhome ue --mme 127.0.0.2 --credentials devices.ndjson --s1u 127.0.1.1 attach ping:10.45.0.1 detach

Exit codes:
  0  every step came to what was asked for
  1  one did not: a refusal, no answer, a lost association, an interruption
  2  wrong usage
  3  the MME was not reached, or refused the eNB";

/// Not every step came to what was asked for, and nobody else is to blame.
const INTERRUPTED: &str = "interrupted; the network is not told, and may keep the UE registered for a while";

/// The longest wait of a step, seconds: a week. What is far longer is no time at all to a clock.
const LONGEST: u64 = 7 * 24 * 60 * 60;

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
    Ping(Ipv4Addr),
    Release(u8),
}

/// A step of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    what: Do,
    /// `try:`: the network may refuse it, or not answer.
    may_fail: bool,
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tried = text.strip_prefix("try:");
        Ok(Self { what: tried.unwrap_or(text).parse()?, may_fail: tried.is_some() })
    }
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
            other => match (other.strip_prefix("wait:"), other.strip_prefix("ping:")) {
                (Some(seconds), _) => {
                    let seconds = seconds.parse().ok().filter(|seconds| *seconds <= LONGEST);
                    Self::Wait(seconds.ok_or("wait:SECONDS, a week at most")?)
                }
                (_, Some(address)) => Self::Ping(address.parse().map_err(|_| "ping:ADDRESS (IPv4)")?),
                _ => match other.strip_prefix("release:") {
                    Some(ebi) => Self::Release(ebi.parse().map_err(|_| "release:BEARER")?),
                    None => {
                        return Err("attach, detach, off, idle, service, tau, periodic, wait:SECONDS, \
                                    ping:ADDRESS, release:BEARER, or try: before one of them"
                            .into());
                    }
                },
            },
        })
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    #[command(flatten)]
    enb: EnbArgs,
    /// File of the devices: NDJSON lines of imsi, k, opc, as `credentials import` takes them and a decrypted batch has them.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Which of them; without, the first.
    #[arg(long)]
    imsi: Option<Imsi>,
    #[command(flatten)]
    options: OptionArgs,
    /// Take user packets at this address, GTP-U port 2152; without, bearers carry nothing.
    #[arg(long, value_name = "ADDRESS")]
    s1u: Option<IpAddr>,
    /// Let programs on this machine through the bearer while the steps run: prints the address of an HTTP CONNECT
    /// proxy, as for `curl --proxy`.
    #[arg(long, requires = "s1u")]
    gate: bool,
    /// Make a TUN device of this name with the UE's address, for programs that are bound to that, as `ping -I`. It needs
    /// CAP_NET_ADMIN, and where the core runs on this machine a network of its own: --netns.
    #[arg(long, value_name = "NAME", requires = "s1u", conflicts_with = "gate")]
    tun: Option<String>,
    /// The network namespace that the TUN device is made in, as `ip netns add` names it. The eNB stays in this one.
    #[arg(long, value_name = "NAME", requires = "tun")]
    netns: Option<String>,
    /// Keep what the USIM remembers in this file between runs: its sequence numbers, written at each authentication
    /// before the answer, and the networks that are forbidden to it.
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
    steps: Vec<Step>,
}

/// Runs the steps. Stopped, it takes down what it has put up: the TUN device with its rule, the association.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let device = chosen(&args)?;
    let options = args.options.options()?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let teller = tokio::spawn(tell(receiver, args.json, args.verbose, Instant::now()));
    let mut config = args.enb.config();
    if let Some(address) = args.s1u {
        config.user_plane = address;
    }
    let gtp = match args.s1u {
        Some(address) => Some(Gtp::bind(address).await.with_context(|| taken(address))?),
        None => None,
    };
    let user_plane: Arc<dyn UserPlane> = match &gtp {
        Some(gtp) => Arc::new(gtp.clone()),
        None => Arc::new(NoUserPlane::default()),
    };
    let enb = tokio::select! {
        () = stop.cancelled() => bail!(INTERRUPTED),
        enb = Enb::connect(config, user_plane, Events::to(sender)) => enb.map_err(unreached)?,
    };
    let mut ue = S1Ue::new(&enb, device, options);
    if let Some(file) = args.usim_state.clone() {
        ue = ue.keeping(Box::new(move |device| {
            state::save(&file, [(device.imsi, &device.usim)]).map_err(|error| error.to_string())
        }));
    }
    let default = [Do::Attach, Do::Detach].map(|what| Step { what, may_fail: false });
    let steps = if args.steps.is_empty() { &default[..] } else { &args.steps };
    let mut runner = Runner {
        ue,
        gtp,
        net: None,
        gate: None,
        wants_gate: args.gate,
        tun: args.tun.clone().map(|name| Tun { name, network: args.netns.clone() }),
        json: args.json,
    };
    let done = tokio::select! {
        () = stop.cancelled() => Err(anyhow!(INTERRUPTED)),
        done = runner.steps(steps) => done,
    };
    drop(runner);
    enb.shutdown().await;
    drop(enb);
    teller.await.context("the steps could not be told")?;
    done
}

fn chosen(args: &Args) -> anyhow::Result<Device> {
    let devices = devices::read(&args.credentials)?;
    let found = devices.into_iter().find(|device| args.imsi.is_none_or(|imsi| imsi == device.imsi));
    let device = found.ok_or_else(|| {
        Failure::Usage(match args.imsi {
            Some(imsi) => format!("{imsi} is not in {}", args.credentials.display()),
            None => format!("{} has no device", args.credentials.display()),
        })
    })?;
    let Some(file) = args.usim_state.as_deref().filter(|file| file.exists()) else { return Ok(device) };
    Ok(match devices::usims(file)?.remove(&device.imsi) {
        Some(state) => device.with_state(&state),
        None => device,
    })
}

/// The UE, and what it has by now.
struct Runner {
    ue: S1Ue,
    gtp: Option<Gtp>,
    net: Option<UeNet>,
    gate: Option<Gate>,
    wants_gate: bool,
    tun: Option<Tun>,
    json: bool,
}

impl Runner {
    /// One step after another; the first that does not come to what was asked for ends it.
    async fn steps(&mut self, steps: &[Step]) -> anyhow::Result<()> {
        for step in steps {
            match self.step(step.what).await {
                Err(error) if step.may_fail => {
                    if !self.json {
                        println!("{error:#}: tried, and going on");
                    }
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn step(&mut self, what: Do) -> anyhow::Result<()> {
        const RELEASE: Patience = Patience(Duration::from_secs(10));
        match what {
            Do::Attach => self.attach().await,
            Do::Detach => came_to(&self.ue.detach(false).await?, self.json),
            Do::Off => came_to(&self.ue.detach(true).await?, self.json),
            Do::Idle => Ok(self.ue.idle(RELEASE).await?),
            Do::Service => came_to(&self.ue.service_request(false).await?, self.json),
            Do::Update => came_to(&self.ue.tracking_area_update(false, false).await?, self.json),
            Do::Periodic => came_to(&self.ue.tracking_area_update(true, false).await?, self.json),
            Do::Wait(seconds) => self.wait(Duration::from_secs(seconds)).await,
            Do::Ping(address) => self.ping(address).await,
            Do::Release(ebi) => Ok(self.ue.release_bearer(ebi).await?),
        }
    }

    /// Attaches; with a user plane, the UE has an IP stack then.
    async fn attach(&mut self) -> anyhow::Result<()> {
        let report = self.ue.attach().await?;
        came_to(&report, self.json)?;
        let (Some(gtp), End::Attached { bearer }) = (&self.gtp, &report.end) else { return Ok(()) };
        let address = bearer.address.context("the network has given no IPv4 address")?;
        if let Some(tun) = &self.tun {
            gtp.tun(self.ue.nas().imsi(), tun, address).with_context(|| without(tun))?;
            if !self.json {
                let inside =
                    tun.network.as_ref().map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
                println!("through the bearer, by {}: {inside}ping -I {address} …", tun.name);
            }
            return Ok(());
        }
        let net = UeNet::new(gtp.port(self.ue.nas().imsi(), bearer.mtu.unwrap_or(DEFAULT_MTU)), address);
        if self.wants_gate {
            let gate = Gate::open(net.clone()).await.context("no proxy can be opened")?;
            if self.json {
                println!("{}", json!({ "proxy": format!("http://{}", gate.at()) }));
            } else {
                println!("through the bearer of {address}: curl --proxy http://{} …", gate.at());
            }
            self.gate = Some(gate);
        }
        self.net = Some(net);
        Ok(())
    }

    /// Three echoes, while the UE does what the network begins.
    async fn ping(&mut self, to: Ipv4Addr) -> anyhow::Result<()> {
        const ECHOES: usize = 3;
        const ANSWER: Duration = Duration::from_secs(5);
        let net = self.net.clone().context("ping: an attach has to come first, and --s1u")?;
        let mut pings = Pings::from(&net).await?;
        let mut came = 0;
        for _ in 0..ECHOES {
            let ping = pings.ping(to, ANSWER);
            tokio::pin!(ping);
            let echo = loop {
                tokio::select! {
                    echo = &mut ping => break echo?,
                    waited = serve(&mut self.ue, ANSWER, self.json) => waited?,
                }
            };
            came += usize::from(echo.after.is_some());
            let after_us = echo.after.map(|after| after.as_micros());
            if self.json {
                println!("{}", json!({ "ping": to, "sequence": echo.sequence, "after_us": after_us }));
            } else {
                match echo.after {
                    Some(after) => {
                        println!("echo {} of {to} after {:.1} ms", echo.sequence, after.as_secs_f64() * 1e3)
                    }
                    None => println!("echo {} of {to} did not come", echo.sequence),
                }
            }
        }
        ensure!(came == ECHOES, "{came} of {ECHOES} echoes of {to} came through the bearer");
        Ok(())
    }

    /// Does what the network begins, for so long.
    async fn wait(&mut self, long: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + long;
        while Instant::now() < until {
            serve(&mut self.ue, until.saturating_duration_since(Instant::now()), self.json).await?;
        }
        Ok(())
    }
}

/// What is wrong where no TUN device can be had.
fn without(tun: &Tun) -> String {
    let network = tun.network.as_ref().map(|name| format!("-n {name} ")).unwrap_or_default();
    format!(
        "no TUN device {} can be made; it needs CAP_NET_ADMIN, a name that no other device has, and nothing left of a run \
         that was killed: `ip {network}rule show` has its rule {RULE}, `ip {network}rule del priority {RULE}` takes it away",
        tun.name
    )
}

/// Does the next thing that the network begins, if it comes in so long.
async fn serve(ue: &mut S1Ue, long: Duration, as_json: bool) -> anyhow::Result<()> {
    match ue.wait(Patience(long)).await? {
        Some(Asked::Paged) => came_to(&ue.service_request(true).await?, as_json),
        Some(Asked::DataWaits) => came_to(&ue.service_request(false).await?, as_json),
        Some(Asked::Detached { reattach: true, .. }) => came_to(&ue.attach().await?, as_json),
        Some(Asked::Detached { .. } | Asked::Released { .. }) | None => Ok(()),
    }
}

fn came_to(report: &Report, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string(report)?);
    }
    if !report.is_success() {
        bail!("{} of {}: {}", report.procedure.words(), report.imsi, report.end);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_as_long_as_a_clock_goes() {
        assert_eq!("wait:604800".parse(), Ok(Do::Wait(604_800)));
        for too_long in ["wait:604801", "wait:18446744073709551615"] {
            assert!(too_long.parse::<Do>().is_err(), "{too_long}");
        }
    }
}
