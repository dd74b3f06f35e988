//! `callhome events`: what happened, and with --follow what happens.

use std::time::Duration;

use reqwest::{Method, header};
use schemas::rest::Event;

use super::client::{Client, Failure, Range, Server, Shown, day, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    range: Range,
    /// Go on with what happens next, through lost connections too, until stopped.
    #[arg(long, short)]
    follow: bool,
}

/// Characters of an event's detail in a table; --json has all of it.
const DETAIL: usize = 80;

/// Lists or follows them.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    if !args.follow {
        return client.list::<Event>(&["events"], &[], &args.range).await;
    }
    let mut last = args.range.after().map(str::to_owned);
    loop {
        match follow(&client, &mut last).await {
            Err(failure @ Failure::Unreachable(_)) if last.is_some() => eprintln!("{failure}; trying again"),
            Err(failure) => return Err(failure.into()),
            Ok(()) => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Follows one connection to its end; `last` is the id to go on after.
async fn follow(client: &Client, last: &mut Option<String>) -> Result<(), Failure> {
    let mut request = client.request(Method::GET, &["events"])?.header(header::ACCEPT, "text/event-stream");
    if let Some(last) = last.as_ref() {
        request = request.header("Last-Event-ID", last);
    }
    let mut answer = client.send(request).await?;
    let mut read = Vec::new();
    // A stream that breaks is taken up again.
    while let Ok(Some(piece)) = answer.chunk().await {
        read.extend_from_slice(&piece);
        while let Some(at) = read.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = read.drain(..=at).collect();
            // The data holds all of the event, its id too.
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            if let Ok(event) = serde_json::from_slice::<Event>(data.trim_ascii()) {
                show(&event, client.json);
                *last = Some(event.id.to_string());
            }
        }
    }
    Ok(())
}

fn show(event: &Event, json: bool) {
    match serde_json::to_string(event) {
        Ok(line) if json => println!("{line}"),
        _ => println!("{}", event.row().join("  ")),
    }
}

impl Shown for Event {
    const HEADERS: &'static [&'static str] = &["id", "at", "kind", "imsi", "detail"];

    fn row(&self) -> Vec<String> {
        let mut detail = if self.detail.is_null() { "-".to_owned() } else { self.detail.to_string() };
        if let Some((cut, _)) = detail.char_indices().nth(DETAIL) {
            detail.truncate(cut);
            detail.push('…');
        }
        vec![self.id.to_string(), day(self.at), self.kind.clone(), or_dash(self.imsi), detail]
    }
}
