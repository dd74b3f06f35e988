//! `callhome lab`: every role on loopback, and simulated devices that go through all nineteen steps.

pub mod clients;
mod core;
mod device;
mod external;
pub mod factory;
mod follow;
mod peering;
pub mod roles;
pub mod running;
pub mod setup;
mod story;
mod subscriber;
pub mod supply;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use ipnet::Ipv4Net;
use tokio_util::sync::CancellationToken;

use roles::{Ports, Roles};
use running::Running;
use setup::Folder;
use story::{Access, Story};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where keys, tokens, databases, devices and configurations are kept; made if it is not there.
    #[arg(long, default_value = "callhome-data", env = "CALLHOME_DATA")]
    data: PathBuf,
    /// End when the devices are through; exit code 0 if each is attached as its operator's subscriber.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    ports: PortArgs,
    /// Provisional credentials in the batch.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    devices: u64,
    /// Write the configurations and end: the roles can then be run each by itself.
    #[arg(long, conflicts_with_all = ["once", "external"])]
    write_only: bool,
    /// The roles run already, each by itself, with the configurations of --write-only.
    #[arg(long)]
    external: bool,
    /// One device only, by this access; without, one by 3GPP access, then one without.
    #[arg(long, value_enum)]
    access: Option<AccessArg>,
    #[command(flatten)]
    core: core::CoreArgs,
    /// Whose network lends the first attach.
    #[arg(long, value_enum, default_value_t = Visited::Other)]
    visited: Visited,
    /// Write the operator's credential of the device there, keys in the clear, before it attaches with it: for srsUE, by
    /// `callhome open5gs config --ue FILE`.
    #[arg(long, value_name = "FILE", conflicts_with = "write_only")]
    subscriber: Option<PathBuf>,
    /// Show every AVP of every message.
    #[arg(long, short)]
    verbose: bool,
    /// Print each step as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// Where the lab's roles listen.
#[derive(Debug, Clone, clap::Args)]
pub struct PortArgs {
    /// Where the ICF listens for Diameter.
    #[arg(long, default_value = "127.0.0.1:3868")]
    diameter: SocketAddr,
    /// Where the ICF's REST listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    rest: SocketAddr,
    /// The first of nine ports on 127.0.0.1 for the other roles.
    #[arg(long, default_value_t = 9440, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    base_port: u16,
    /// Port where devices take triggers over CoAP, each at its own loopback address.
    #[arg(long, default_value_t = 5683, value_parser = clap::value_parser!(u16).range(1..))]
    coap_port: u16,
    /// Address where devices reach DRF and DPF. Through a real core: one that its gateway leads to, as that of its TUN
    /// device.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    device_address: IpAddr,
    /// Addresses of devices with a PCID. They are loopback addresses, so that a simulated device really has the one that
    /// its subscription assigns; through a real core they have to be in the pool of its gateway.
    #[arg(long, value_name = "NETWORK", default_value = "127.45.128.0/17")]
    pool: Ipv4Net,
    /// Addresses of devices that are the operator's subscribers, likewise.
    #[arg(long, value_name = "NETWORK", default_value = "127.46.0.0/17")]
    home_pool: Ipv4Net,
    /// The operator's HSS is Open5GS's: the SHO writes its subscribers into this MongoDB, as mongodb://127.0.0.1:27017,
    /// database open5gs. Without, it is an ICF of its own.
    #[arg(long, value_name = "URL")]
    pub open5gs_hss: Option<String>,
}

impl PortArgs {
    /// As the roles are configured with them.
    pub fn ports(&self) -> Ports {
        Ports {
            diameter: self.diameter,
            rest: self.rest,
            base: self.base_port,
            coap: self.coap_port,
            devices: self.device_address,
            pool: self.pool,
            home_pool: self.home_pool,
        }
    }
}

/// How a device gets online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AccessArg {
    /// By 3GPP access, with its PCID.
    #[value(name = "3gpp")]
    Eps,
    /// By WLAN or DSL.
    #[value(name = "non-3gpp")]
    Ip,
}

/// Whose network lends the first attach: "there may be only two operators physically present" (seed, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Visited {
    /// That of an operator who is nothing else to the device, 999-70.
    Other,
    /// The registry's own, 999-71.
    Registry,
    /// The selected home operator's, 999-01, who does not know the device yet.
    Home,
}

/// Runs the lab.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let story = Story::new(args.json, args.verbose);
    let folder = Folder::open(&args.data)?;
    let ports = args.ports.ports();
    let roles = Roles::write(&folder, ports, args.ports.open5gs_hss.as_deref())?;
    if args.write_only {
        for (role, config) in roles.all() {
            story.line(&format!("callhome {role:<4} --config {}", config.display()));
        }
        return Ok(());
    }
    let config = super::config::load(&roles.icf)?;
    service::telemetry::init(&config.log).context("logging cannot be set up")?;
    let running = if args.external { None } else { Some(Running::start(&roles, &stop).await?) };
    story.started(&running.as_ref().map(Running::banners).unwrap_or_default(), &roles);
    // Without its roles the story would only wait for what does not come any more. What fails by then fails for that.
    let interrupted = || anyhow::anyhow!("interrupted; the devices so far are in {}", args.data.display());
    let through = tokio::select! {
        biased;
        () = stop.cancelled() => Err(interrupted()),
        through = all(&args, &folder, &roles, ports, &story) => {
            through.map_err(|error| if stop.is_cancelled() { interrupted() } else { error })
        }
    };
    if through.is_ok() && !args.once {
        let urls = [
            ("ICF", format!("http://{}", ports.rest)),
            ("DRF", format!("https://{}", ports.drf())),
            ("DPF", format!("https://{}", ports.dpf())),
            ("SHO", format!("https://{}", ports.sho())),
            ("PVA", format!("https://{}", ports.pva())),
            ("HSS of the SHO", format!("https://{}", ports.hss())),
        ];
        story.stays(&roles, &urls, &ports.diameter.to_string(), device::provisioned(&folder));
        stop.cancelled().await;
    }
    stop.cancel();
    if let Some(running) = running {
        running.wait().await;
    }
    through
}

async fn all(args: &Args, folder: &Folder, roles: &Roles, ports: Ports, story: &Story) -> anyhow::Result<()> {
    if args.external {
        // A role that does not answer is asked again: one question must not take all the time.
        let clients = clients::Clients::new(roles, ports, Duration::from_secs(2))?;
        external::wait_until_ready(&clients, args.ports.open5gs_hss.is_none(), story).await?;
    }
    let lab = device::Lab::prepare(folder, roles, ports, args.devices, story).await?.in_network(args.visited);
    let lab = lab.through(args.core.core(), args.ports.open5gs_hss.is_some());
    let lab = lab.handing_out(args.subscriber.clone());
    lab.core_is_connected().await?;
    for (arg, access) in [(AccessArg::Eps, Access::Eps), (AccessArg::Ip, Access::Ip)] {
        if args.access.is_none_or(|wanted| wanted == arg) {
            lab.take_through(access).await?;
        }
    }
    Ok(())
}
