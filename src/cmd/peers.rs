//! `callhome peers`: the Diameter peers and how they are.

use schemas::rest::{Page, Peer, PeerState};

use super::client::{Server, Shown, Table, day, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
}

/// Lists them.
///
/// # Errors
/// Why not, and what to do.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.server.client()?;
    let page: Page<Peer> = client.get(&["peers"]).await?;
    let mut table = Table::new(Peer::HEADERS, client.json);
    page.items.iter().try_for_each(|peer| table.add(peer))?;
    table.end()
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
