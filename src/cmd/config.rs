//! `callhome config`: print a commented default, or check one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use icf_auc::config::IcfConfig;
use serde::de::DeserializeOwned;
use service::preflight::Preflight;

/// The default configurations, as a person would write them. A test loads them.
pub(super) const DEFAULTS: [&str; 5] = [
    include_str!("config/icf.toml"),
    include_str!("config/drf.toml"),
    include_str!("config/dpf.toml"),
    include_str!("config/sho.toml"),
    include_str!("config/pva.toml"),
];

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Initial Connectivity Function.
    Icf,
    /// Discovery and Registration Function.
    Drf,
    /// Download and Provisioning Function.
    Dpf,
    /// Selected Home Operator.
    Sho,
    /// Platform Validation Authority.
    Pva,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a commented configuration to begin with.
    Default {
        /// Of which role.
        #[arg(value_enum, default_value = "icf")]
        role: Role,
    },
    /// Say whether a configuration is right, environment variables included.
    Check {
        /// Of which role.
        #[arg(value_enum, default_value = "icf")]
        role: Role,
        /// The file.
        #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
        config: PathBuf,
    },
}

/// Prints or checks.
pub async fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Default { role } => print!("{}", DEFAULTS[*role as usize]),
        What::Check { role, config } => {
            let (what, preflight) = check(*role, config).await?;
            for warning in preflight.finish()? {
                eprintln!("warning: {warning}");
            }
            println!("{} is right: {what}", config.display());
        }
    }
    Ok(())
}

/// What the configuration is of, in words, and what its role finds of this machine.
async fn check(role: Role, path: &Path) -> anyhow::Result<(String, Preflight)> {
    Ok(match role {
        Role::Icf => {
            let loaded = load(path)?;
            let what = format!(
                "{} in {}, {} peers, {} tokens",
                loaded.diameter.origin_host,
                loaded.diameter.origin_realm,
                loaded.diameter.peers.len(),
                loaded.rest.tokens.len()
            );
            (what, icf_auc::start::preflight(&loaded).await)
        }
        Role::Drf => {
            let loaded: drf::config::DrfConfig = read(path)?;
            let what = format!("DRF of {}, {} tokens", loaded.drf.operator, loaded.rest.tokens.len());
            (what, drf::start::preflight(&loaded).await)
        }
        Role::Dpf => {
            let loaded: dpf::config::DpfConfig = read(path)?;
            let what =
                format!("DPF of {} operators, {} tokens", loaded.operators.len(), loaded.rest.tokens.len());
            (what, dpf::start::preflight(&loaded).await)
        }
        Role::Sho => {
            let loaded: sho::config::ShoConfig = read(path)?;
            let (operator, plmn) = (&loaded.sho.operator, loaded.sho.plmn);
            let what = format!("SHO {operator} ({plmn}), {} connectors", loaded.connectors.len());
            (what, sho::start::preflight(&loaded).await)
        }
        Role::Pva => {
            let loaded: pva::config::PvaConfig = read(path)?;
            let what = format!("PVA {}, {} tokens", loaded.pva.name, loaded.rest.tokens.len());
            (what, pva::start::preflight(&loaded).await)
        }
    })
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
pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    service::config::load(path).context("the configuration cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default<T: DeserializeOwned>(role: Role) -> T {
        service::config::Loader::text("default.toml", DEFAULTS[role as usize]).load().unwrap()
    }

    #[test]
    fn the_default_configurations_load() {
        let icf: IcfConfig = default(Role::Icf);
        assert_eq!(icf.diameter.origin_realm, "epc.mnc071.mcc999.3gppnetwork.org");
        assert_eq!(default::<drf::config::DrfConfig>(Role::Drf).drf.operator.as_str(), "registry");
        assert_eq!(default::<dpf::config::DpfConfig>(Role::Dpf).operators.len(), 1);
        assert_eq!(default::<sho::config::ShoConfig>(Role::Sho).connectors.len(), 1);
        assert_eq!(default::<pva::config::PvaConfig>(Role::Pva).pva.name, "pva");
    }
}
