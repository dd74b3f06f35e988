//! `callhome credentials`: provisional credentials, over REST or straight into the database.

mod import;
mod set;

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use schemas::identity::Imsi;
use schemas::rest::{Credential, CredentialPatch, CredentialState, NewCredential};

use super::client::{self, Client, Failure, Range, Server, Shown, day, if_version, or_dash, with_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them by IMSI.
    List {
        #[command(flatten)]
        range: Range,
        /// IMSIs that start with these digits.
        #[arg(long)]
        prefix: Option<String>,
        /// In this state: active, blocked or disabled.
        #[arg(long)]
        state: Option<String>,
        /// Of this profile.
        #[arg(long)]
        profile: Option<String>,
        /// Of this batch.
        #[arg(long)]
        batch: Option<String>,
    },
    /// Show one.
    Show {
        /// Its IMSI.
        imsi: Imsi,
    },
    /// Store one: a JSON object as a line of an import, such as {"imsi":"…","k":"…","opc":"…","profile":"default"}.
    Create {
        /// File that holds it, - for standard input: keys on a command line are seen by everybody on the machine.
        file: PathBuf,
        /// Sent twice with the same key, it is stored once.
        #[arg(long)]
        idempotency_key: Option<String>,
        /// Take an IMSI of a network that the ICF does not serve ([icf] networks).
        #[arg(long)]
        allow_other_networks: bool,
        /// Take an address outside the profile's pool.
        #[arg(long)]
        allow_other_addresses: bool,
    },
    /// Store many: NDJSON, CSV, what mongoexport, PyHSS, free5GC, srsEPC and card vendors write.
    Import(import::Args),
    /// Set some aside: they get no vectors, and their serving node is told to drop them.
    Block(Chosen),
    /// Take blocked ones back into use.
    Unblock(Chosen),
    /// Take some out of use for good.
    Disable(Chosen),
    /// Delete some, keys and all.
    Delete(Chosen),
    /// Change one.
    Set(set::Args),
}

/// Some credentials.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// Their IMSIs.
    #[arg(required = true)]
    imsis: Vec<Imsi>,
    /// Only if it is still of this version (of one IMSI).
    #[arg(long)]
    if_version: Option<i64>,
}

/// Does it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let server = args.server;
    let state = |state| CredentialPatch { state: Some(state), ..CredentialPatch::default() };
    match args.what {
        What::List { range, prefix, state, profile, batch } => {
            let query = [("prefix", prefix), ("state", state), ("profile", profile), ("batch", batch)];
            server.client()?.list::<Credential>(&["credentials"], &query, &range).await
        }
        What::Show { imsi } => {
            let client = server.client()?;
            let credential: Credential = client.get(&["credentials", &imsi.to_string()]).await?;
            client.show(&credential)
        }
        What::Create { file, idempotency_key, allow_other_networks, allow_other_addresses } => {
            let allow = allowed(allow_other_networks, allow_other_addresses);
            create(&server.client()?, &file, idempotency_key, &allow).await
        }
        What::Import(args) => import::run(args, &server).await,
        What::Block(some) => change(&server.client()?, &some, &state(CredentialState::Blocked)).await,
        What::Unblock(some) => change(&server.client()?, &some, &state(CredentialState::Active)).await,
        What::Disable(some) => change(&server.client()?, &some, &state(CredentialState::Disabled)).await,
        What::Delete(some) => delete(&server.client()?, &some).await,
        What::Set(args) => set::run(args, &server.client()?).await,
    }
}

/// As a query has it.
fn allowed(other_networks: bool, other_addresses: bool) -> Vec<(&'static str, &'static str)> {
    let all = [("allow_other_networks", other_networks), ("allow_other_addresses", other_addresses)];
    all.into_iter().filter(|(_, allowed)| *allowed).map(|(name, _)| (name, "true")).collect()
}

async fn create(
    client: &Client,
    file: &std::path::Path,
    key: Option<String>,
    allow: &[(&str, &str)],
) -> anyhow::Result<()> {
    let text = zeroize::Zeroizing::new(client::read(file)?);
    let new: NewCredential = serde_json::from_slice(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let mut request = with_json(client.request_with(Method::POST, &["credentials"], allow)?, &new)?;
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let stored: Credential = client.json(request).await?;
    client.show(&stored)
}

async fn change(client: &Client, some: &Chosen, patch: &CredentialPatch) -> anyhow::Result<()> {
    some.check()?;
    for imsi in &some.imsis {
        let changed = patched(client, *imsi, some.if_version, patch, false).await;
        let changed = changed.map_err(|error| anyhow::Error::new(error).context(imsi.to_string()))?;
        if client.json {
            client.show(&changed)?;
        } else {
            println!("{imsi} {}", word(changed.state));
        }
    }
    Ok(())
}

/// Sends a patch.
async fn patched(
    client: &Client,
    imsi: Imsi,
    version: Option<i64>,
    patch: &CredentialPatch,
    allow_other_addresses: bool,
) -> Result<Credential, Failure> {
    let allow = allowed(false, allow_other_addresses);
    let request = client.request_with(Method::PATCH, &["credentials", &imsi.to_string()], &allow)?;
    client.json(with_json(if_version(request, version), patch)?).await
}

async fn delete(client: &Client, some: &Chosen) -> anyhow::Result<()> {
    some.check()?;
    for imsi in &some.imsis {
        let request = client.request(Method::DELETE, &["credentials", &imsi.to_string()])?;
        client
            .send(if_version(request, some.if_version))
            .await
            .map_err(|error| anyhow::Error::new(error).context(imsi.to_string()))?;
        if !client.json {
            println!("{imsi} deleted");
        }
    }
    Ok(())
}

impl Chosen {
    fn check(&self) -> Result<(), Failure> {
        if self.if_version.is_some() && self.imsis.len() > 1 {
            return Err(Failure::Usage("--if-version is for one IMSI: versions differ".to_owned()));
        }
        Ok(())
    }
}

fn word(state: CredentialState) -> &'static str {
    match state {
        CredentialState::Active => "active",
        CredentialState::Blocked => "blocked",
        CredentialState::Disabled => "disabled",
    }
}

impl Shown for Credential {
    const HEADERS: &'static [&'static str] =
        &["imsi", "state", "profile", "keys", "attaches", "address", "expires", "batch", "version"];

    fn row(&self) -> Vec<String> {
        vec![
            self.imsi.to_string(),
            word(self.state).to_owned(),
            self.profile.clone(),
            if self.pool { "pool" } else { "here" }.to_owned(),
            match self.attach_budget {
                Some(budget) => format!("{}/{budget}", self.attaches),
                None => self.attaches.to_string(),
            },
            or_dash(self.address),
            self.expires_at.map_or_else(|| "-".to_owned(), day),
            or_dash(self.batch.as_ref()),
            self.version.to_string(),
        ]
    }
}
