//! `callhome database`: a role's database as a file.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use icf_auc::store::{Store, sqlite};
use serde::Deserialize;
use service::{
    config::{ConfigError, Loader},
    database::{self, BackupReport, Schema, backup},
    role::KeysConfig,
    sealed::Keyring,
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
    /// Put a backup in the place of a role's database, while the role does not run. The backup is checked first, and stays;
    /// the database that was there is kept under another name.
    Restore {
        /// The role's configuration: of the ICF, DRF, DPF, SHO or PVA.
        #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG")]
        config: PathBuf,
        /// The backup: a file that `database backup` has made.
        #[arg(long)]
        from: PathBuf,
    },
}

/// What is needed of a role's configuration, whichever role that is.
#[derive(Debug, Deserialize)]
struct RoleConfig {
    database: DatabaseUrl,
    #[serde(default)]
    keys: Option<KeysConfig>,
}

#[derive(Debug, Deserialize)]
struct DatabaseUrl {
    url: String,
}

impl RoleConfig {
    fn load(path: &Path) -> anyhow::Result<Self> {
        let read = || Self::read(Loader::file(path).environment()?);
        read().context("the configuration cannot be used")
    }

    fn read(loader: Loader) -> Result<Self, ConfigError> {
        loader.load_part(&["database.url", "keys.at_rest"])
    }

    fn keyring(&self) -> anyhow::Result<Option<Keyring>> {
        Ok(self.keys.as_ref().map(KeysConfig::keyring).transpose()?)
    }
}

/// The roles that have a database, and what whoever restores an older one has to know (docs/ROLES.md).
const ROLES: [(&str, &Schema, &str); 5] = [
    (
        "ICF",
        &sqlite::SCHEMA,
        "Registrations since then come again with each MME's next ULR; `callhome peers reset` asks for them.",
    ),
    ("DRF", &drf::store::SCHEMA, "Bindings and claims since then are forgotten."),
    (
        "DPF",
        &dpf::store::SCHEMA,
        "Numbers that rules gave away since then could be given again: begin another rule before it starts.",
    ),
    (
        "SHO",
        &sho::store::SCHEMA,
        "Numbers given away since then could be given again: close the range in use and open another one.",
    ),
    ("PVA", &pva::store::SCHEMA, "Platforms revoked since then are trusted again: revoke them once more."),
];

/// Does it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Backup { config, out } => make_backup(&config, &out).await,
        What::Restore { config, from } => restore(&config, &from).await,
    }
}

async fn make_backup(config: &Path, out: &Path) -> anyhow::Result<()> {
    let role = RoleConfig::load(config)?;
    let keyring = role.keyring()?;
    let report = backup(&role.database.url, out, keyring.as_ref())
        .await
        .with_context(|| config.display().to_string())?;
    eprintln!("{}: {}; keep the key files elsewhere", out.display(), contents(report));
    Ok(())
}

async fn restore(config: &Path, from: &Path) -> anyhow::Result<()> {
    let role = RoleConfig::load(config)?;
    let keyring = role.keyring()?;
    let schemas = ROLES.map(|(_, schema, _)| schema);
    let found = database::schema_of(from, &schemas).await?;
    let (name, schema, advice) = ROLES
        .into_iter()
        .find(|(_, schema, _)| found.is_some_and(|found| found.application_id == schema.application_id))
        .with_context(|| format!("{}: not a database of one of callhome's roles", from.display()))?;
    // Before anything is replaced: a configuration of another role has other fields, and an ICF's database is opened below.
    let icf = match name {
        "ICF" => {
            Some(super::config::load(config).context("the backup is an ICF's, the configuration is not")?)
        }
        _ => None,
    };
    let present = database::present_schema(&role.database.url, &schemas).await?;
    if let Some((other, ..)) = ROLES
        .into_iter()
        .find(|(_, schema, _)| present.is_some_and(|present| present.application_id == schema.application_id))
        .filter(|(other, ..)| *other != name)
    {
        anyhow::bail!(
            "{} is a {name}'s, and {} says database.url {:?}, which is a {other}'s: name the {name}'s configuration",
            from.display(),
            config.display(),
            role.database.url
        );
    }
    let restored = database::restore(&role.database.url, schema, from, keyring.as_ref()).await?;
    eprintln!("{name}: {} is restored: {}", from.display(), contents(restored.report));
    if let Some(replaced) = restored.replaced {
        eprintln!("the database that was there: {}", replaced.display());
    }
    if let Some(icf) = icf {
        let store = icf_auc::start::open_database(&icf).await?;
        let who = format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
        let told = match store.settle_numbers().await {
            Ok(notice) => notice.unwrap_or_else(|| "sequence numbers go on where they were".to_owned()),
            // The ICF says so at its start, and does not start.
            Err(error) => error.to_string(),
        };
        store.audit(&who, "database.restore", &from.display().to_string(), &told).await?;
        store.close().await;
        eprintln!("{told}");
    }
    eprintln!("{advice}");
    Ok(())
}

/// What a copy holds, in words.
fn contents(report: BackupReport) -> String {
    let keys = match report.keys {
        0 => String::new(),
        1 => ", sealed with one at-rest key of the key file".to_owned(),
        some => format!(", sealed with {some} at-rest keys of the key file"),
    };
    format!("{} octets, complete{keys}", report.octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_roles_configuration_says_where_its_database_is() {
        for (text, (name, schema, _)) in crate::cmd::config::DEFAULTS.into_iter().zip(ROLES) {
            let role = RoleConfig::read(Loader::text("default.toml", text)).unwrap();
            let file = |url: &str| url.rsplit('/').next().map(str::to_owned);
            assert_eq!(file(&role.database.url), file(schema.example), "{name}");
            assert_eq!(role.keys.is_some(), name != "PVA", "{name}");
        }
    }
}
