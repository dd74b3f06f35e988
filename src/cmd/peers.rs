//! `callhome peers`: the Diameter peers and how they are.

use clap::Subcommand;
use reqwest::Method;
use schemas::rest::{Page, Peer, PeerState, ResetRequest, ResetResult};

use super::client::{Client, Server, Shown, Table, day, or_dash, with_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them; the same as nothing.
    List,
    /// Ask those that are connected to send Update-Location again (RSR), after registrations were lost.
    Reset {
        /// Only for IMSIs that begin with these digits.
        #[arg(long = "user-id", value_delimiter = ',')]
        user_ids: Vec<String>,
    },
}

/// Lists or resets them.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    match args.what {
        None | Some(What::List) => show(&client, client.get::<Page<Peer>>(&["peers"]).await?),
        Some(What::Reset { user_ids }) => {
            let request = client.request(Method::POST, &["resets"])?;
            let request = with_json(request, &ResetRequest { user_ids })?;
            show(&client, client.json::<Page<ResetResult>>(request).await?)
        }
    }
}

fn show<T: Shown>(client: &Client, page: Page<T>) -> anyhow::Result<()> {
    let mut table = Table::new(T::HEADERS, client.json);
    page.items.iter().try_for_each(|item| table.add(item))?;
    table.end()
}

impl Shown for ResetResult {
    const HEADERS: &'static [&'static str] = &["peer", "outcome"];

    fn row(&self) -> Vec<String> {
        vec![self.peer.clone(), self.outcome.clone()]
    }
}

impl Shown for Peer {
    const HEADERS: &'static [&'static str] = &["identity", "realm", "state", "address", "since"];

    fn row(&self) -> Vec<String> {
        vec![
            self.identity.clone(),
            or_dash(self.realm.as_ref()),
            match self.state {
                PeerState::Down => "down",
                PeerState::Connecting => "connecting",
                PeerState::Open => "open",
                PeerState::Suspect => "suspect",
                PeerState::Closing => "closing",
            }
            .to_owned(),
            or_dash(self.address.as_ref()),
            or_dash(self.since.map(day)),
        ]
    }
}
