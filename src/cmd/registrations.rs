//! `callhome registrations`: which serving nodes subscribers are registered with.

use clap::Subcommand;
use reqwest::Method;
use schemas::identity::Imsi;
use schemas::rest::{NodeKind, Outgoing, Page, Registration};

use super::client::{Range, Server, Shown, Table, day, or_dash};

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
    List(Range),
    /// Show a subscriber's.
    Show {
        /// Its IMSI.
        imsi: Imsi,
    },
    /// List what serving nodes were to be told and have not answered: CLR, IDR, DSR, with why and when they are tried next.
    Undelivered(Range),
    /// Cancel a subscriber's: its serving node gets a Cancel-Location.
    Cancel {
        /// Its IMSI.
        imsi: Imsi,
        /// Tell the device to attach again at once.
        #[arg(long)]
        reattach: bool,
    },
}

/// Does it.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    match args.what {
        What::List(range) => client.list::<Registration>(&["registrations"], &[], &range).await,
        What::Undelivered(range) => client.list::<Outgoing>(&["outgoing"], &[], &range).await,
        What::Show { imsi } => {
            let page: Page<Registration> = client.get(&["registrations", &imsi.to_string()]).await?;
            let mut table = Table::new(Registration::HEADERS, client.json);
            page.items.iter().try_for_each(|one| table.add(one))?;
            table.end()
        }
        What::Cancel { imsi, reattach } => {
            let query: &[(&str, &str)] = if reattach { &[("reattach", "true")] } else { &[] };
            let imsi = imsi.to_string();
            client.send(client.request_with(Method::DELETE, &["registrations", &imsi], query)?).await?;
            Ok(())
        }
    }
}

impl Shown for Registration {
    const HEADERS: &'static [&'static str] =
        &["imsi", "kind", "host", "network", "address", "since", "lapses", "purged"];

    fn row(&self) -> Vec<String> {
        vec![
            self.imsi.to_string(),
            match self.kind {
                NodeKind::Mme => "mme",
                NodeKind::Sgsn => "sgsn",
            }
            .to_owned(),
            self.host.clone(),
            self.visited_plmn.to_string(),
            or_dash(self.address),
            day(self.registered_at),
            day(self.expires_at),
            if self.purged { "yes" } else { "no" }.to_owned(),
        ]
    }
}

impl Shown for Outgoing {
    const HEADERS: &'static [&'static str] = &["id", "imsi", "command", "host", "tries", "next try", "why"];

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.imsi.to_string(),
            self.command.clone(),
            self.host.clone(),
            self.attempts.to_string(),
            day(self.next_try),
            or_dash(self.why.as_ref()),
        ]
    }
}
