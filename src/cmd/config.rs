//! `callhome config`: print a commented default, or check one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use icf_auc::config::IcfConfig;

/// The default configuration, as a person would write it. A test loads it.
pub const DEFAULT: &str = include_str!("config/icf.toml");

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a commented configuration to begin with.
    Default,
    /// Say whether a configuration is right, environment variables included.
    Check {
        /// The file.
        #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
        config: PathBuf,
    },
}

/// Prints or checks.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Default => print!("{DEFAULT}"),
        What::Check { config } => {
            let loaded = load(config)?;
            icf_auc::start::check(&loaded)?;
            println!(
                "{} is right: {} in {}, {} peers, {} tokens",
                config.display(),
                loaded.diameter.origin_host,
                loaded.diameter.origin_realm,
                loaded.diameter.peers.len(),
                loaded.rest.tokens.len()
            );
        }
    }
    Ok(())
}

/// Loads the ICF's configuration with the environment laid over it.
///
/// # Errors
/// Which key is wrong where, and what to do.
pub fn load(path: &Path) -> anyhow::Result<IcfConfig> {
    read(path)
}

/// Loads any role's configuration with the environment laid over it.
///
/// # Errors
/// Which key is wrong where, and what to do.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    service::config::load(path).context("the configuration cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_loads() {
        let config: IcfConfig = service::config::Loader::text("icf.toml", DEFAULT).load().unwrap();
        assert_eq!(config.diameter.origin_realm, "epc.mnc071.mcc999.3gppnetwork.org");
    }
}
