//! `callhome lab`: every role on loopback, and a simulated device that goes through the steps.

pub mod setup;
mod story;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, bail};
use icf_auc::{
    chtif::issue::{BatchRequest, Issuing},
    start::{self, Started},
};
use schemas::identity::Plmn;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ue_sim::{
    access::s6a::{AttachEnd, Mme, MmeConfig},
    device,
    usim::state,
};

use setup::Lab;
use story::Story;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where keys, tokens, database, credentials and configuration are kept; made if it is not there.
    #[arg(long, default_value = "callhome-data", env = "CALLHOME_DATA")]
    data: PathBuf,
    /// End when the device is through; exit code 0 if it is attached.
    #[arg(long)]
    once: bool,
    /// Where the ICF listens for Diameter.
    #[arg(long, default_value = "127.0.0.1:3868")]
    diameter: SocketAddr,
    /// Where the ICF's REST listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    rest: SocketAddr,
    /// Provisional credentials in the batch.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    devices: u64,
    /// Show every AVP of every message.
    #[arg(long, short)]
    verbose: bool,
    /// Print each step as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// Name of the lab's batch.
const BATCH: &str = "lab";
/// First PCID: test network 999, MNC 71 for the ICF's range.
const FIRST: &str = "999710000000001";
/// The network that is visited.
const VISITED: &str = "999-70";

/// Runs the lab.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let story = Story::new(args.json, args.verbose);
    let lab = Lab::prepare(&args.data, args.diameter, args.rest)?;
    let config = super::config::load(&lab.config)?;
    service::telemetry::init(&config.log).context("logging cannot be set up")?;
    let ours = config.diameter.origin_host.clone();
    let icf = start::start(config, stop.child_token()).await?;
    story.started(&icf.banner(), &lab);

    issue_batch(&icf, &lab, args.devices, &story).await?;
    let attached = attach(&icf, &lab, &ours, &story).await;
    match attached {
        Ok(()) if args.once => {}
        Ok(()) => {
            story.stays(&lab, &icf);
            stop.cancelled().await;
        }
        Err(error) => {
            end(icf, &stop).await;
            return Err(error);
        }
    }
    end(icf, &stop).await;
    Ok(())
}

async fn end(icf: Started, stop: &CancellationToken) {
    stop.cancel();
    icf.wait().await;
}

/// R1 mode a: the CHTIF issues, the supplier embeds. Here the supplier is a file.
async fn issue_batch(icf: &Started, lab: &Lab, count: u64, story: &Story) -> anyhow::Result<()> {
    // The batch that is there is used as it is.
    let there = icf.store.batch(BATCH).await?;
    let count = there.as_ref().map_or(count, |batch| batch.count);
    let first = match there.and_then(|batch| batch.first) {
        Some(first) => first,
        None => FIRST.parse()?,
    };
    let request = BatchRequest {
        id: BATCH.into(),
        first,
        count,
        profile: "default".into(),
        party: Some("lab supplier".into()),
        op: None,
        amf: [0x80, 0],
        triple_url: Some("https://callhome.example/".into()),
    };
    let mut lines = zeroize::Zeroizing::new(Vec::new());
    let mut issuing = Issuing::begin(&*icf.store, request).await?;
    while let Some(credentials) = issuing.next().await? {
        for credential in &credentials {
            credential.write_line(&mut lines)?;
        }
    }
    setup::write_private(&lab.credentials, &lines)?;
    story.issued(first, count, issuing.progress().resumed, lab);
    Ok(())
}

/// Steps 1 to 5 of the initial attach, by a real Diameter connection.
async fn attach(icf: &Started, lab: &Lab, peer: &str, story: &Story) -> anyhow::Result<()> {
    let mut devices = device::read(&lab.credentials)?;
    let mut device = devices.swap_remove(0);
    let kept = state::load(&lab.usim)?;
    if let Some(sqn) = kept.get(&device.imsi) {
        device = device.with_sqn(sqn.clone());
    }
    let endpoint = icf.node.local_endpoints().into_iter().next().context("the ICF listens nowhere")?;
    let visited: Plmn = VISITED.parse()?;
    let mut config = MmeConfig::new(peer, endpoint, visited);
    config.origin_host = setup::MME.into();
    config.origin_realm = setup::MME_REALM.into();
    let (events, mut told) = mpsc::unbounded_channel();
    let teller = {
        let story = story.clone();
        tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                story.step(&event);
            }
        })
    };
    let mme = Mme::connect(config, Some(events)).await?;
    let report = mme.attach(&mut device).await?;
    state::save(&lab.usim, [(device.imsi, &device.usim)])?;
    mme.shutdown().await;
    teller.await.context("the steps could not be told")?;
    match &report.end {
        AttachEnd::Attached { subscription } => {
            story.attached(&report, subscription);
            Ok(())
        }
        other => bail!("the device is not attached: {}", serde_json::to_string(other)?),
    }
}
