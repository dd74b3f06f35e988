//! `callhome drf`, `dpf`, `sho`, `pva`: each runs one role until it is told to stop.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `callhome config default ROLE` prints one to begin with.
    #[arg(long, short)]
    pub config: PathBuf,
}

/// Loads a role's configuration, starts it, says where it listens, and waits.
macro_rules! role {
    ($(#[$doc:meta])* $name:ident, $config:ty) => {
        $(#[$doc])*
        pub async fn $name(args: Args, stop: tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
            use anyhow::Context;
            let config: $config = super::config::read(&args.config)?;
            service::telemetry::init(&config.log).context("logging cannot be set up")?;
            let running = $name::start::start(config, stop).await?;
            for line in running.banner() {
                eprintln!("{line}");
            }
            running.wait().await;
            Ok(())
        }
    };
}

role! {
    /// Discovery and Registration Function.
    drf, drf::config::DrfConfig
}
role! {
    /// Download and Provisioning Function.
    dpf, dpf::config::DpfConfig
}
role! {
    /// Selected Home Operator.
    sho, sho::config::ShoConfig
}
role! {
    /// Platform Validation Authority.
    pva, pva::config::PvaConfig
}
