//! `callhome batches`: credentials that were issued or imported together.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use indicatif::ProgressBar;
use reqwest::Method;
use schemas::identity::Imsi;
use schemas::rest::{Batch, IssueRequest, IssuingMode};

use super::client::{Client, Range, Server, Shown, day, or_dash, with_json};

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
    /// File to write; it appears when it is whole.
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

async fn issue(client: &Client, what: Issue) -> anyhow::Result<()> {
    let Issue { id, first, count, profile, party, triple_url, recipient, out } = what;
    let request = IssueRequest { id: id.clone(), first, count, profile, party, triple_url, recipient };
    let request = with_json(client.request(Method::POST, &["batches"])?, &request)?;
    let mut answer = client.send(request).await?;
    let part = out.with_extension("part");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .with_context(|| format!("{} cannot be written", part.display()))?;
    let bar = ProgressBar::new_spinner();
    let advice = "what was issued is stored: the same command completes the batch";
    while let Some(piece) = answer.chunk().await.context(advice)? {
        file.write_all(&piece).with_context(|| part.display().to_string())?;
        bar.set_position(bar.position() + piece.len() as u64);
        bar.set_message(format!("{} octets", bar.position()));
    }
    bar.finish_and_clear();
    finish(&file, &part, &out)?;
    eprintln!("batch {id}: {count} credentials, encrypted, in {}", out.display());
    Ok(())
}

fn finish(file: &std::fs::File, part: &Path, out: &Path) -> anyhow::Result<()> {
    file.sync_all()
        .and_then(|()| std::fs::rename(part, out))
        .with_context(|| format!("{} cannot be written", out.display()))
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
