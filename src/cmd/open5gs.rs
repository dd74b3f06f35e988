//! `callhome open5gs`: what an Open5GS needs to be told so that provisional devices come to us, and whether it was.

mod check;
mod fault;
mod finding;
mod fragments;
mod free_diameter;
mod likeness;
mod ours;
mod srsran;
mod theirs;
mod yaml;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use schemas::identity::Imsi;

use super::client::{Client, Failure, Server, Shown, Table};
use fragments::Fragment;

/// What stands below the options.
const MORE: &str = "\
Both read icf.toml. With a token (--token-file, or CALLHOME_TOKEN) the running ICF is asked too, at --url: its profiles,
its peers, what it has issued.

Examples:
  callhome open5gs config --config icf.toml --mme mme.localdomain --mme-address 192.0.2.20
  callhome open5gs config --config icf.toml --out fragments --ue devices.ndjson
  callhome open5gs check --config icf.toml --folder /etc/open5gs --token-file icf.token

Exit codes:
  0  done; nothing is wrong
  1  check: something is wrong; config: a file cannot be written
  2  wrong usage, or a file that is not there
  3  the ICF was not reached, or refuses to tell: a token that it does not know, or without the scopes";

#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// The ICF's configuration.
    #[arg(long, short, default_value = "icf.toml", env = "CALLHOME_CONFIG", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print, or write into a folder, what to put into the files of Open5GS and of the ICF.
    #[command(after_help = MORE)]
    Config {
        #[command(flatten)]
        told: ours::Told,
        #[command(flatten)]
        core: fragments::Core,
        /// Write a file each into this folder instead of printing them.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Also srsUE's ue.conf, for a device of this file: NDJSON lines of imsi, k, opc, as a decrypted batch has them.
        #[arg(long, value_name = "CREDENTIALS", requires = "out")]
        ue: Option<PathBuf>,
        /// Which device of that file; without, the first.
        #[arg(long, requires = "ue")]
        imsi: Option<Imsi>,
    },
    /// Compare the files of a core with what the ICF is and gives out, and say what is wrong.
    #[command(after_help = MORE)]
    Check {
        #[command(flatten)]
        told: ours::Told,
        #[command(flatten)]
        place: check::Where,
    },
}

/// Does it.
///
/// # Errors
/// What is wrong, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = client(&args.server)?;
    match args.what {
        What::Config { told, core, out, ue, imsi } => {
            let ours = gather(&args.config, &told, client.as_ref()).await?;
            let fragments = fragments::all(&ours, &core)?;
            let Some(folder) = out else { return print(&fragments, args.server.json) };
            let mut written = write(&folder, &fragments)?;
            if let Some(credentials) = ue {
                let apn = ours.profiles.iter().find_map(|profile| profile.value.apns.first());
                let apn = apn.map_or("provisioning", |apn| apn.name.as_str());
                written.push(srsran::write(&folder, &credentials, imsi, apn)?);
            }
            for path in written {
                if args.server.json {
                    println!("{}", serde_json::json!({ "file": path }));
                } else {
                    println!("{}", path.display());
                }
            }
            Ok(())
        }
        What::Check { told, place } => {
            place.some()?;
            let ours = gather(&args.config, &told, client.as_ref()).await?;
            let core = place.read(ours.config.relay.is_some())?;
            let findings = check::run(&ours, &core, place.metrics).await;
            let mut table = Table::new(finding::Finding::HEADERS, args.server.json);
            findings.0.iter().try_for_each(|one| table.add(one))?;
            table.end()?;
            let verdict = check::verdict(&findings)?;
            if !args.server.json {
                println!("{verdict}");
            }
            Ok(())
        }
    }
}

/// Somebody to ask, if there is a token to ask with.
fn client(server: &Server) -> Result<Option<Client>, Failure> {
    if server.has_token() { server.client().map(Some) } else { Ok(None) }
}

/// What the ICF is. A refusal of the running one is no verdict on a core, whose exit code is 1: nothing was compared.
async fn gather(config: &Path, told: &ours::Told, client: Option<&Client>) -> anyhow::Result<ours::Ours> {
    ours::gather(config, told, client).await.map_err(|error| match error.downcast::<Failure>() {
        Ok(Failure::Refused { text, .. }) => Failure::Unreachable(text).into(),
        Ok(other) => other.into(),
        Err(other) => other,
    })
}

fn print(fragments: &[Fragment], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(fragments)?);
        return Ok(());
    }
    for (at, fragment) in fragments.iter().enumerate() {
        println!(
            "{}# ---- {} ----\n{}",
            if at > 0 { "\n" } else { "" },
            fragment.file,
            fragment.text.trim_end()
        );
    }
    Ok(())
}

fn write(folder: &Path, fragments: &[Fragment]) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let one = |fragment: &Fragment| {
        let path = folder.join(fragment.file);
        std::fs::write(&path, &fragment.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    };
    fragments.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
