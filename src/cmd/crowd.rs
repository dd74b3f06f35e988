//! `callhome crowd`: thousands of simulated UEs at a simulated eNB, towards a real MME, with a report.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    access::s1ap::{
        Enb, Events, NoUserPlane, UserPlane,
        crowd::{self, Act, CrowdConfig, CrowdReport, News, Traffic},
    },
    user_plane::{Echoes, Gtp},
    usim::state,
};

use super::{
    client::Failure,
    devices,
    enb::{EnbArgs, OptionArgs, taken, unreached},
};

/// What stands below the options.
const MORE: &str = "\
Example, with Open5GS's MME at 127.0.0.2: a thousand UEs, fifty a second, each attached for ten seconds
in which it goes idle and comes back every three or so:
  callhome crowd --mme 127.0.0.2 --credentials devices.ndjson --count 1000 --rate 50 --hold 10 --every 3 --mix service=3,tau=1

Exit codes:
  0  every procedure of every UE came to what was asked for
  1  one did not; the report says how many, and of what; or it was interrupted
  2  wrong usage
  3  the MME was not reached, or refused the eNB";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    #[command(flatten)]
    enb: EnbArgs,
    /// File of the devices: NDJSON lines of imsi, k, opc, as `credentials import` takes them and a decrypted batch has them.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    #[command(flatten)]
    options: OptionArgs,
    /// UEs: the first so many of the file; without, all.
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    /// UEs that begin to attach, a second.
    #[arg(long, value_name = "A SECOND", default_value_t = 20.0)]
    rate: f64,
    /// Seconds in which the rate rises from nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    ramp: f64,
    /// Seconds that each UE stays attached.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    hold: f64,
    /// Each UE does something of the mix about every so many seconds while it is attached.
    #[arg(long, value_name = "SECONDS")]
    every: Option<f64>,
    /// What it does, with weights: service (idle, then a service request), tau, periodic, anew (detach and attach), ping.
    #[arg(long, value_name = "WHAT=WEIGHT", value_delimiter = ',', default_value = "service=1")]
    mix: Vec<Share>,
    /// Take user packets at this address, GTP-U port 2152.
    #[arg(long, value_name = "ADDRESS", requires = "ping")]
    s1u: Option<IpAddr>,
    /// Each UE sends an ICMP echo there through its bearer when it has attached, and as `ping` of the mix.
    #[arg(long, value_name = "ADDRESS", requires = "s1u")]
    ping: Option<Ipv4Addr>,
    /// UEs stay attached at the end.
    #[arg(long)]
    stay: bool,
    /// Keep the USIMs' sequence numbers in this file between runs.
    #[arg(long, value_name = "FILE")]
    usim_state: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// No progress line.
    #[arg(long)]
    quiet: bool,
}

/// One entry of the mix.
#[derive(Debug, Clone, Copy)]
struct Share(Act, u32);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, weight) = text.split_once('=').unwrap_or((text, "1"));
        let act = match what {
            "service" => Act::Service,
            "tau" => Act::Update,
            "periodic" => Act::Periodic,
            "anew" => Act::Anew,
            "ping" => Act::Traffic,
            _ => return Err("service, tau, periodic, anew or ping, each with =WEIGHT".into()),
        };
        Ok(Self(act, weight.parse().map_err(|_| "a weight is a whole number".to_owned())?))
    }
}

/// The longest time of a run, seconds: a week. What is far longer is no time at all to a clock.
const LONGEST: f64 = 7.0 * 24.0 * 60.0 * 60.0;

fn seconds(value: f64, what: &str) -> anyhow::Result<Duration> {
    ensure!(value <= LONGEST, Failure::Usage(format!("--{what}: {LONGEST} s at most")));
    Duration::try_from_secs_f64(value).map_err(|error| Failure::Usage(format!("--{what}: {error}")).into())
}

/// Runs the crowd; fails if anything was not as it should be.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    ensure!(args.rate.is_finite() && args.rate > 0.0, Failure::Usage("--rate: more than 0".into()));
    let mut devices = devices::read(&args.credentials)?;
    if let Some(count) = args.count {
        let (file, there) = (args.credentials.display(), devices.len());
        ensure!(there >= count, Failure::Usage(format!("{file} has {there} devices, not {count}")));
        devices.truncate(count);
    }
    ensure!(
        devices.len() as f64 / args.rate <= LONGEST,
        Failure::Usage(format!("--rate: the last of {} UEs would begin after {LONGEST} s", devices.len()))
    );
    if let Some(file) = args.usim_state.as_deref().filter(|file| file.exists()) {
        let mut kept: BTreeMap<_, _> = devices::usims(file)?;
        devices = devices
            .into_iter()
            .map(|device| match kept.remove(&device.imsi) {
                Some(state) => device.with_state(&state),
                None => device,
            })
            .collect();
    }
    let pings = args.mix.iter().any(|Share(act, _)| *act == Act::Traffic);
    ensure!(!pings || args.ping.is_some(), Failure::Usage("--mix ping: needs --s1u and --ping".into()));
    let gtp = match args.s1u {
        Some(address) => Some(Gtp::bind(address).await.with_context(|| taken(address))?),
        None => None,
    };
    let (news, progress) = if args.quiet { (None, None) } else { watched(devices.len() as u64) };
    let config = CrowdConfig {
        rate: args.rate,
        ramp: seconds(args.ramp, "ramp")?,
        hold: seconds(args.hold, "hold")?,
        every: args.every.map(|every| seconds(every, "every")).transpose()?,
        mix: args.mix.iter().map(|Share(act, weight)| (*act, *weight)).collect(),
        detach: !args.stay,
        options: args.options.options()?,
        traffic: gtp.clone().zip(args.ping).map(|(gtp, to)| Arc::new(Echoes { gtp, to }) as Arc<dyn Traffic>),
        news,
    };
    let mut enb = args.enb.config();
    if let Some(address) = args.s1u {
        enb.user_plane = address;
    }
    let user_plane: Arc<dyn UserPlane> = match gtp {
        Some(gtp) => Arc::new(gtp),
        None => Arc::new(NoUserPlane::default()),
    };
    let enb = tokio::select! {
        () = stop.cancelled() => bail!("interrupted before the MME was reached"),
        enb = Enb::connect(enb, user_plane, Events::default()) => enb.map_err(unreached)?,
    };
    let (report, devices) = crowd::run(&enb, devices, config, stop.clone()).await;
    enb.shutdown().await;
    if let Some(progress) = progress {
        // It ends with its sender.
        let _ = progress.await;
    }
    if let Some(file) = &args.usim_state {
        state::save(file, devices.iter().map(|device| (device.imsi, &device.usim)))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", Shown(&report));
    }
    if !report.is_clean() {
        bail!("not every UE came to what was asked for; see the report");
    }
    ensure!(!stop.is_cancelled(), "interrupted; the report is of what came before");
    Ok(())
}

/// A line that says how far it is.
fn watched(ues: u64) -> (Option<mpsc::UnboundedSender<News>>, Option<tokio::task::JoinHandle<()>>) {
    let (sender, mut news) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let bar = ProgressBar::new(ues);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} ended  {msg}") {
            bar.set_style(style);
        }
        let (mut begun, mut attached) = (0_u64, 0_u64);
        while let Some(news) = news.recv().await {
            match news {
                News::Begun => begun += 1,
                News::Attached => attached += 1,
                News::Ended => bar.inc(1),
            }
            bar.set_message(format!("{begun} begun, {attached} attaches"));
        }
        bar.finish_and_clear();
    });
    (Some(sender), Some(task))
}

/// For people.
struct Shown<'a>(&'a CrowdReport);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        writeln!(
            f,
            "{} UEs in {:.1} s: {:.1} attaches a second, {} attached at once at most, {} resynchronised",
            report.ues,
            report.seconds,
            report.attaches_per_second,
            report.attached_at_once,
            report.resynchronised
        )?;
        writeln!(f)?;
        let heads = ["begun", "done", "p50", "p90", "p99", "max"];
        writeln!(f, "{:<22}{}", "ms", heads.map(|head| format!("{head:>9}")).concat())?;
        let late = &report.late;
        let rows =
            report.procedures.iter().map(|one| (one.procedure.words(), one.begun, one.done, &one.took));
        for (title, begun, done, took) in rows.chain([("behind schedule", late.count, late.count, late)]) {
            let times = [took.p50, took.p90, took.p99, took.max].map(|time| format!("{time:>9.1}")).concat();
            writeln!(f, "{title:<22}{begun:>9}{done:>9}{times}")?;
        }
        if let Some(traffic) = &report.traffic {
            let took = &traffic.took;
            let times = [took.p50, took.p90, took.p99, took.max].map(|time| format!("{time:>9.1}")).concat();
            let begun = traffic.done + traffic.otherwise.values().sum::<u64>();
            writeln!(f, "{:<22}{begun:>9}{:>9}{times}", "echo by the bearer", traffic.done)?;
            for (what, count) in &traffic.otherwise {
                writeln!(f, "{count} through the bearer: {what}")?;
            }
        }
        for one in &report.procedures {
            for (what, count) in &one.otherwise {
                writeln!(f, "{count} of {}: {what}", one.procedure.words())?;
            }
        }
        for (why, count) in &report.broken {
            writeln!(f, "{count} UEs could not go on: {why}")?;
        }
        if report.detached_by_network > 0 {
            writeln!(f, "{} detached by the network", report.detached_by_network)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_as_long_as_a_clock_goes() {
        assert_eq!(seconds(604_800.0, "hold").unwrap(), Duration::from_secs(604_800));
        for wrong in [604_801.0, 1e19, f64::MAX, f64::INFINITY, f64::NAN, -1.0] {
            let error = seconds(wrong, "hold").unwrap_err();
            assert!(error.to_string().contains("--hold"), "{wrong}: {error}");
        }
    }
}
