//! `callhome profiles`: what credentials are good for.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use schemas::rest::{AccessRule, Profile};

use super::client::{self, Failure, Range, Server, Shown, if_version, or_dash, with_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them by name.
    List(Range),
    /// Show one, as JSON: what `put` takes.
    Show {
        /// Its name.
        name: String,
    },
    /// Create one, or replace it; serving nodes are told what changes for them.
    Put {
        /// Its name.
        name: String,
        /// File that holds it, - for standard input; `profiles show` gives one to begin with.
        file: PathBuf,
    },
    /// Delete one that no credential has.
    Delete {
        /// Its name.
        name: String,
        /// Only if it is still of this version.
        #[arg(long)]
        if_version: Option<i64>,
    },
}

/// Does it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    match args.what {
        What::List(range) => client.list::<Profile>(&["profiles"], &[], &range).await,
        What::Show { name } => {
            let profile: Profile = client.get(&["profiles", &name]).await?;
            println!(
                "{}",
                if client.json {
                    serde_json::to_string(&profile)
                } else {
                    serde_json::to_string_pretty(&profile)
                }?
            );
            Ok(())
        }
        What::Put { name, file } => {
            let text = client::read(&file)?;
            let mut profile: Profile = serde_json::from_slice(&text)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
            // Made from another one: it is a new profile, whatever version that has.
            if !profile.name.is_empty() && profile.name != name {
                profile.version = 0;
            }
            profile.name.clone_from(&name);
            let stored: Profile =
                client.json(with_json(client.request(Method::PUT, &["profiles", &name])?, &profile)?).await?;
            for limit in stored.limits_of_open5gs() {
                eprintln!("note: {limit}");
            }
            client.show(&stored)
        }
        What::Delete { name, if_version: version } => {
            let request = client.request(Method::DELETE, &["profiles", &name])?;
            client.send(if_version(request, version)).await?;
            Ok(())
        }
    }
}

impl Shown for Profile {
    const HEADERS: &'static [&'static str] =
        &["name", "apns", "up bit/s", "down bit/s", "lifetime", "budget", "networks", "pool", "version"];

    fn row(&self) -> Vec<String> {
        let apns: Vec<&str> = self.apns.iter().map(|apn| apn.name.as_str()).collect();
        vec![
            self.name.clone(),
            apns.join(","),
            self.ambr.uplink.to_string(),
            self.ambr.downlink.to_string(),
            or_dash(self.lifetime.map(|seconds| format!("{seconds}s"))),
            or_dash(self.attach_budget),
            match &self.allowed_plmns {
                AccessRule::Any => "any".to_owned(),
                AccessRule::Only(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            },
            or_dash(self.address_pool),
            self.version.to_string(),
        ]
    }
}
