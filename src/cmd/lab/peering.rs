//! The MME of a real core has to be connected before a device attaches there: else it is refused with EMM cause 15.

use std::time::{Duration, Instant};

use anyhow::bail;
use reqwest::Method;
use serde_json::Value;
use service::client::RoleClient;

use super::story::Story;

/// freeDiameter tries every 30 s (its Tc, RFC 6733 §2.1, §12), and a try may just have failed.
const PATIENCE: Duration = Duration::from_secs(45);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(200);

/// Waits until any node is connected to the HSS behind `rest`, called `name`; says that it waits.
///
/// # Errors
/// If none is after 45 s, with what to look at; or the HSS does not answer.
pub async fn any(rest: &RoleClient, name: &str, story: &Story) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut said = false;
    loop {
        let peers: Value = rest.json::<(), Value>(Method::GET, "/v1/peers", None).await?;
        let open = |peer: &Value| peer["state"] == "open";
        if peers["items"].as_array().is_some_and(|all| all.iter().any(open)) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!(
                "no MME has connected to {name} within {} s: is it running, has its mme.conf a ConnectPeer for {name}, and is \
                 its Identity among the peers? `callhome open5gs check` looks",
                PATIENCE.as_secs()
            );
        }
        if !std::mem::replace(&mut said, true) {
            story.line(&format!("waiting for the MME to connect to {name}: freeDiameter tries every 30 s"));
        }
        tokio::time::sleep(AGAIN).await;
    }
}
