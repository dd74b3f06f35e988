//! Roles that run each by itself: the lab waits until they are ready.

use std::time::Duration;

use anyhow::bail;
use reqwest::Method;
use serde_json::Value;
use service::client::RoleClient;
use tokio::time::Instant;

use super::{clients::Clients, story::Story};

/// How long all of them may take together.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(100);
/// After this it is said whom the lab waits for.
const QUIET: Duration = Duration::from_secs(2);

/// Asks each role's `/readyz` until all are ready. The HSS is asked only where it is an ICF (`own_hss`).
///
/// # Errors
/// Which are not ready in time, and what each said last.
pub async fn wait_until_ready(clients: &Clients, own_hss: bool, story: &Story) -> anyhow::Result<()> {
    let mut waiting: Vec<(&str, &RoleClient)> = vec![
        ("pva", &clients.pva),
        ("sho", &clients.sho),
        ("dpf", &clients.dpf),
        ("drf", &clients.drf),
        ("icf", &clients.icf),
    ];
    if own_hss {
        waiting.push(("hss", &clients.hss));
    }
    let begun = Instant::now();
    let mut said = false;
    loop {
        let mut left = Vec::new();
        let mut problems = Vec::new();
        for (name, client) in waiting {
            if let Err(error) = client.json::<(), Value>(Method::GET, "/readyz", None).await {
                problems.push(format!("{name} at {}: {error}", client.url()));
                left.push((name, client));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > READY_TIMEOUT {
            bail!(
                "not ready after {} s: {}; start each role with its configuration (`callhome lab --write-only` lists \
                 them), or leave out --external to have them started here",
                READY_TIMEOUT.as_secs(),
                problems.join("; ")
            );
        }
        if !said && begun.elapsed() > QUIET {
            let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
            story.line(&format!("waiting until ready: {}", names.join(", ")));
            said = true;
        }
        waiting = left;
        tokio::time::sleep(INTERVAL).await;
    }
}
