//! `callhome credentials import`: straight into the database that a configuration names, or over REST.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures_util::TryStreamExt;
use icf_auc::import::{Format, OnExisting, Options, SubscriptionFrom};
use icf_auc::networks::ServedNetworks;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use schemas::rest::{ImportReport, Problem};
use tokio::io::{AsyncRead, BufReader};

use crate::cmd::client::{Client, Failure, Server};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, - for standard input.
    file: PathBuf,
    /// Open the database of this ICF's configuration instead of asking a server; the ICF may be running.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// How the file is written; by default seen from its first line, and of JSON from each object.
    #[arg(long, value_enum)]
    format: Option<Written>,
    /// Profile of lines that name none.
    #[arg(long, default_value = "default")]
    profile: String,
    /// What decides on APNs, rates and restrictions where the file says something of them, as Open5GS's documents do: the
    /// file, as overrides of the credential, or the profile.
    #[arg(long, value_enum, default_value = "file")]
    subscription: Deciding,
    /// Batch that they are to belong to.
    #[arg(long)]
    batch: Option<String>,
    /// Pass over credentials that are stored already and the same, to go on with an import that was cut short.
    #[arg(long)]
    skip_existing: bool,
    /// Check everything and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take IMSIs of networks that the ICF does not serve ([icf] networks).
    #[arg(long)]
    allow_other_networks: bool,
    /// Take addresses outside the pool of the line's profile.
    #[arg(long)]
    allow_other_addresses: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Written {
    Ndjson,
    Csv,
    Open5gs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Deciding {
    File,
    Profile,
}

/// Does it.
pub async fn run(args: Args, server: &Server) -> anyhow::Result<()> {
    let (reader, length) = open(&args.file).await?;
    let bar = bar(length);
    let report = match &args.config {
        Some(config) => into_database(config, &args, reader, &bar).await,
        None => over_rest(&server.client()?, &args, reader, &bar).await,
    };
    bar.finish_and_clear();
    show(&report?, server.json)
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// The file, and how long it is where that is known.
async fn open(file: &Path) -> anyhow::Result<(Reader, Option<u64>)> {
    if file == Path::new("-") {
        let input = std::io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be read")?;
        return Ok((Box::new(tokio::fs::File::from_std(input.into())), None));
    }
    let place = || format!("{} cannot be read", file.display());
    let opened = tokio::fs::File::open(file).await.with_context(place)?;
    let length = opened.metadata().await.with_context(place)?.len();
    Ok((Box::new(opened), Some(length)))
}

/// Seen on a terminal only.
fn bar(length: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let style = "{elapsed_precise} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {msg}";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn into_database(
    config: &Path,
    args: &Args,
    reader: Reader,
    bar: &ProgressBar,
) -> anyhow::Result<ImportReport> {
    let config = crate::cmd::config::load(config)?;
    let networks = match args.allow_other_networks {
        true => ServedNetworks::any(),
        false => ServedNetworks::configured(&config).map_err(anyhow::Error::msg)?,
    };
    let store = icf_auc::start::open_store(&config).await?;
    let options = Options {
        profile: args.profile.clone(),
        subscription: match args.subscription {
            Deciding::File => SubscriptionFrom::File,
            Deciding::Profile => SubscriptionFrom::Profile,
        },
        batch: args.batch.clone(),
        on_existing: if args.skip_existing { OnExisting::Skip } else { OnExisting::Refuse },
        networks,
        allow_other_addresses: args.allow_other_addresses,
        dry_run: args.dry_run,
        ..Options::default()
    };
    let format = match args.format {
        None => Format::Auto,
        Some(Written::Ndjson) => Format::Ndjson,
        Some(Written::Csv) => Format::Csv,
        Some(Written::Open5gs) => Format::Open5gs,
    };
    let report = icf_auc::import::run(BufReader::new(reader), format, &options, &*store, |progress| {
        bar.set_position(progress.octets);
        bar.set_message(format!("{} stored", progress.stored));
    })
    .await;
    let who = format!("cli:{}", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
    let outcome =
        if report.is_complete() { "done".to_owned() } else { format!("{} refused", report.refused) };
    let target = format!("{} ({} stored)", args.batch.as_deref().unwrap_or("-"), report.stored);
    if !args.dry_run {
        store.audit(&who, "credentials.import", &target, &outcome).await?;
    }
    store.close().await;
    Ok(report.into())
}

async fn over_rest(
    client: &Client,
    args: &Args,
    reader: Reader,
    bar: &ProgressBar,
) -> anyhow::Result<ImportReport> {
    // Without --format the server looks at the beginning, as for application/json.
    let kind = match args.format {
        None => "application/json",
        Some(Written::Ndjson) => "application/x-ndjson",
        Some(Written::Csv) => "text/csv",
        Some(Written::Open5gs) => "application/json",
    };
    let mut query = vec![("profile", args.profile.as_str())];
    if matches!(args.format, Some(Written::Open5gs)) {
        query.push(("format", "open5gs"));
    }
    if matches!(args.subscription, Deciding::Profile) {
        query.push(("subscription", "profile"));
    }
    if let Some(batch) = &args.batch {
        query.push(("batch", batch));
    }
    if args.skip_existing {
        query.push(("skip_existing", "true"));
    }
    if args.dry_run {
        query.push(("dry_run", "true"));
    }
    query.extend(super::allowed(args.allow_other_networks, args.allow_other_addresses));
    let moving = bar.clone();
    let pieces = tokio_util::io::ReaderStream::with_capacity(reader, 64 << 10)
        .inspect_ok(move |piece| moving.inc(piece.len() as u64));
    let request = client.request_with(Method::POST, &["credentials", "import"], &query)?;
    let request = request.header("content-type", kind).body(reqwest::Body::wrap_stream(pieces));
    match client.send(request).await {
        Ok(answer) => Ok(answer.json().await?),
        // What was refused has a report too.
        Err(Failure::Refused { problem: Some(problem), status, text }) => report_of(&problem)
            .ok_or_else(|| Failure::Refused { problem: Some(problem), status, text }.into()),
        Err(failure) => Err(failure.into()),
    }
}

fn report_of(problem: &Problem) -> Option<ImportReport> {
    serde_json::from_value(problem.report.clone()?).ok()
}

/// Problems shown to a person.
const LISTED: usize = 20;

/// The report; what was refused is a failure.
fn show(report: &ImportReport, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        for problem in report.problems.iter().take(LISTED) {
            match problem.column {
                Some(column) => eprintln!("line {}, column {column}: {}", problem.line, problem.reason),
                None => eprintln!("line {}: {}", problem.line, problem.reason),
            }
        }
        let more = report.problem_count.saturating_sub(LISTED as u64);
        if more > 0 {
            eprintln!("… and {more} more; --json lists the first hundred");
        }
        for note in &report.notes {
            eprintln!("note: {note}");
        }
        println!(
            "{} read, {} {}, {} unchanged, {} passed over, {} refused",
            report.records,
            report.stored,
            if report.dry_run { "would be stored" } else { "stored" },
            report.skipped,
            report.passed_over,
            report.refused
        );
    }
    if let Some(failed) = &report.failed {
        anyhow::bail!("the import stopped: {failed}; what is stored stays, --skip-existing goes on");
    }
    if report.refused > 0 || report.problem_count > 0 {
        anyhow::bail!(
            "{} of {} are refused for the {} above; the others {}. Put them right and run it again with --skip-existing",
            report.refused,
            report.records,
            if report.problem_count == 1 { "reason" } else { "reasons" },
            if report.dry_run { "would be stored" } else { "are stored" },
        );
    }
    Ok(())
}
