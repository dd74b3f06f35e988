//! `callhome database`: a role's database as a file.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde::Deserialize;
use service::{
    database::backup,
    role::{DatabaseConfig, KeysConfig},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy a role's database to a new file, also while the role runs; the copy is checked.
    Backup {
        /// The role's configuration: of the ICF, DRF, DPF, SHO or PVA.
        #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
        config: PathBuf,
        /// The new file; only its owner may read it. Keep it apart from the key file.
        #[arg(long)]
        out: PathBuf,
    },
}

/// What a backup needs of a role's configuration, whichever role that is.
#[derive(Debug, Deserialize)]
struct RoleConfig {
    database: DatabaseConfig,
    #[serde(default)]
    keys: Option<KeysConfig>,
}

/// Does it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let What::Backup { config, out } = args.what;
    let role: RoleConfig = super::config::read(&config)?;
    let keyring = role.keys.as_ref().map(KeysConfig::keyring).transpose()?;
    let report = backup(&role.database.url, &out, keyring.as_ref())
        .await
        .with_context(|| config.display().to_string())?;
    let keys = match report.keys {
        0 => String::new(),
        1 => ", sealed with one at-rest key of the key file".to_owned(),
        some => format!(", sealed with {some} at-rest keys of the key file"),
    };
    eprintln!("{}: {} octets, complete{keys}; keep the key files elsewhere", out.display(), report.octets);
    Ok(())
}
