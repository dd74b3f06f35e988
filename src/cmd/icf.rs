//! `callhome icf`: the Initial Connectivity Function.

use std::path::PathBuf;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration.
    #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
    config: PathBuf,
}

/// Runs until it is told to stop.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let config = super::config::load(&args.config)?;
    service::telemetry::init(&config.log).context("logging cannot be set up")?;
    let running = icf_auc::start::start(config, stop).await?;
    for line in running.banner() {
        eprintln!("{line}");
    }
    running.wait().await
}
