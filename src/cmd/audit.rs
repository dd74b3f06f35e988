//! `callhome audit`: who changed what, newest first.

use schemas::rest::AuditEntry;

use super::client::{Range, Server, Shown, day};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    range: Range,
}

/// Lists it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    args.server.client()?.list::<AuditEntry>(&["audit"], &[], &args.range).await
}

impl Shown for AuditEntry {
    const HEADERS: &'static [&'static str] = &["id", "at", "who", "action", "target", "outcome"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            day(self.at),
            self.who.clone(),
            self.action.clone(),
            self.target.clone(),
            self.outcome.clone(),
        ]
    }
}
