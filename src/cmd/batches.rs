//! `callhome batches`: credentials that were issued or imported together.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use reqwest::Method;
use schemas::identity::Imsi;
use schemas::rest::{Batch, IssueRequest, IssuingMode};

use super::client::{Client, Range, Server, Shown, day, or_dash, with_json};
use super::files::NewFile;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them by id.
    List(Range),
    /// Show one.
    Show {
        /// Its id.
        id: String,
    },
    /// Issue one: credentials, encrypted to their recipient. Run again, it is completed.
    Issue(Issue),
}

#[derive(Debug, clap::Args)]
struct Issue {
    /// Its id.
    id: String,
    /// First IMSI.
    #[arg(long)]
    first: Imsi,
    /// How many.
    #[arg(long)]
    count: u64,
    /// Profile of them all.
    #[arg(long, default_value = "default")]
    profile: String,
    /// Supplier that embeds them.
    #[arg(long)]
    party: Option<String>,
    /// Call-home URL (https): every credential gets a triple of URL, user name and password beside it.
    #[arg(long)]
    triple_url: Option<String>,
    /// age public key of the recipient (age1…); `age-keygen` makes one, `age --decrypt` opens the file.
    #[arg(long)]
    recipient: String,
    /// Issue IMSIs of networks that the ICF does not serve ([icf] networks), or of more than one.
    #[arg(long)]
    allow_other_networks: bool,
    /// New file to write; it appears when it is whole.
    #[arg(long)]
    out: PathBuf,
}

/// Does it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    match args.what {
        What::List(range) => client.list::<Batch>(&["batches"], &[], &range).await,
        What::Show { id } => client.show(&client.get::<Batch>(&["batches", &id]).await?),
        What::Issue(what) => issue(&client, what).await,
    }
}

/// What to do about a batch that is issued, but not written.
const ADVICE: &str =
    "what was issued is stored: the same command, with an --out that can be written, gives the batch whole";

async fn issue(client: &Client, what: Issue) -> anyhow::Result<()> {
    let Issue { id, first, count, profile, party, triple_url, recipient, allow_other_networks, out } = what;
    let request = IssueRequest { id: id.clone(), first, count, profile, party, triple_url, recipient };
    // First the file: IMSIs are not to be used up for a batch that cannot be written down.
    let mut file = NewFile::begin(&out, "nothing was issued")?;
    let allow: &[_] = if allow_other_networks { &[("allow_other_networks", "true")] } else { &[] };
    let request = with_json(client.request_with(Method::POST, &["batches"], allow)?, &request)?;
    let mut answer = client.send(request).await?;
    let bar = ProgressBar::new_spinner();
    while let Some(piece) = answer.chunk().await.context(ADVICE)? {
        file.write(&piece, ADVICE)?;
        bar.set_position(bar.position() + piece.len() as u64);
        bar.set_message(format!("{} octets", bar.position()));
    }
    bar.finish_and_clear();
    file.finish(ADVICE)?;
    eprintln!("batch {id}: {count} credentials, encrypted, in {}", out.display());
    Ok(())
}

impl Shown for Batch {
    const HEADERS: &'static [&'static str] =
        &["id", "mode", "first", "count", "done", "profile", "party", "created"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            match self.mode {
                IssuingMode::Generated => "generated",
                IssuingMode::Supplier => "supplier",
                IssuingMode::Subscriber => "subscriber",
            }
            .to_owned(),
            or_dash(self.first),
            self.count.to_string(),
            self.done.to_string(),
            self.profile.clone(),
            or_dash(self.party.as_ref()),
            day(self.created_at),
        ]
    }
}
