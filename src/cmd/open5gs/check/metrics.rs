//! Is the MME alive? Its Prometheus endpoint says so without being disturbed.

use std::time::Duration;

use super::super::finding::Findings;
use super::Core;

/// How long it may take: it is beside the core.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks it.
pub async fn check(core: &Core, findings: &mut Findings) {
    let Some(mme) = &core.mme else {
        return findings.unseen("metrics", "mme.yaml", "say --mme-yaml");
    };
    let Some(url) = &mme.content.metrics else {
        return findings.unseen("metrics", &mme.name, "there is no section metrics with a server");
    };
    let remedy = "is the MME running, and is its metrics server reached from here?";
    match ask(url).await {
        Ok(text) => {
            let gauge = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
                    .unwrap_or("?")
                    .to_owned()
            };
            let found = format!("the MME answers: {} eNB, {} sessions", gauge("enb"), gauge("mme_session"));
            findings.good("metrics", url, found);
        }
        Err(error) => findings.wrong("metrics", url, error, remedy),
    }
}

async fn ask(url: &str) -> Result<String, String> {
    let client =
        reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.map_err(|error| {
        if error.is_timeout() { "gives no answer in time".to_owned() } else { "gives no answer".to_owned() }
    })?;
    if !answer.status().is_success() {
        return Err(format!("answers {}", answer.status()));
    }
    let text = answer.text().await.map_err(|_| "stops in the middle of its answer".to_owned())?;
    if text.contains("# TYPE") { Ok(text) } else { Err("answers something else than metrics".to_owned()) }
}
