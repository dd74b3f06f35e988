//! What the roles have of a fleet: each device once, and none of it left behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use reqwest::Method;
use schemas::{
    identity::{DeviceId, Imsi, Pcid},
    rest::{
        Page,
        provisioning::{ProvisioningResult, SessionState},
    },
};
use serde::{Deserialize, Serialize};
use service::client::RoleClient;
use ue_sim::fleet::FleetEnd;
use uuid::Uuid;

use crate::cmd::lab::clients::Clients;

/// Items of a page.
const PAGE: usize = 500;
/// How often it is looked whether the outboxes are empty.
const TICK: Duration = Duration::from_millis(100);
/// If nothing is closed for that long, nothing will be.
const PATIENCE: Duration = Duration::from_secs(60);
/// Faults that are listed.
const LISTED: usize = 50;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Checks {
    /// From the last device's end until the SHO had every report (step 19), seconds.
    pub closing_seconds: f64,
    /// Sessions of the fleet at the DPF,
    pub sessions: u64,
    /// of these, closed.
    pub closed: u64,
    /// Subscriptions of the fleet that are in use at the SHO,
    pub subscriptions: u64,
    /// and how many IMSIs these are.
    pub imsis: u64,
    /// What is not as it should be.
    pub faults: u64,
    /// The first of them.
    pub listed: Vec<String>,
}

impl Checks {
    fn fault(&mut self, what: String) {
        self.faults += 1;
        if self.listed.len() < LISTED {
            self.listed.push(what);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Session {
    id: Uuid,
    pcid: Pcid,
    device_id: DeviceId,
    state: SessionState,
    #[serde(default)]
    result: Option<ProvisioningResult>,
}

#[derive(Debug, Deserialize)]
struct Subscription {
    imsi: Imsi,
    device_id: DeviceId,
    pcid: Pcid,
}

/// Waits until what was reported is closed, then counts.
///
/// # Errors
/// If a role does not answer, or takes no report any more.
pub async fn check(clients: &Clients, fleet: &str, ends: &[FleetEnd]) -> anyhow::Result<Checks> {
    let since = Instant::now();
    closed(&clients.dpf).await?;
    let mut checks = Checks {
        closing_seconds: since.elapsed().as_secs_f64(),
        sessions: 0,
        closed: 0,
        subscriptions: 0,
        imsis: 0,
        faults: 0,
        listed: Vec::new(),
    };
    let installed: BTreeMap<&DeviceId, (Pcid, Imsi)> = ends
        .iter()
        .filter_map(|end| end.how.as_ref().ok().map(|imsi| (&end.device, (end.pcid, *imsi))))
        .collect();
    let prefix = format!("{fleet}-");
    sessions(&clients.dpf, &prefix, &installed, &mut checks).await.context("DPF")?;
    subscriptions(&clients.sho, &prefix, &installed, &mut checks).await.context("SHO")?;
    Ok(checks)
}

/// Waits until the DPF has told the operator of every report.
async fn closed(dpf: &RoleClient) -> anyhow::Result<()> {
    let path = format!("/v1/sessions?state=reported&limit={PAGE}");
    let (mut before, mut since) = (usize::MAX, Instant::now());
    loop {
        let page: Page<Session> = dpf.json::<(), _>(Method::GET, &path, None).await.context("DPF")?;
        let left = page.items.len();
        if left == 0 {
            return Ok(());
        }
        if left != before {
            (before, since) = (left, Instant::now());
        } else if left < PAGE && since.elapsed() > PATIENCE {
            bail!("{left} sessions are reported, and the SHO does not take their reports from the DPF");
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn sessions(
    dpf: &RoleClient,
    prefix: &str,
    installed: &BTreeMap<&DeviceId, (Pcid, Imsi)>,
    checks: &mut Checks,
) -> anyhow::Result<()> {
    let mut of: BTreeMap<DeviceId, u64> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/sessions?limit={PAGE}{after}");
        let page: Page<Session> = dpf.json::<(), _>(Method::GET, &path, None).await?;
        for session in page.items.iter().filter(|session| session.device_id.as_str().starts_with(prefix)) {
            checks.sessions += 1;
            *of.entry(session.device_id.clone()).or_default() += 1;
            let Session { id, pcid, device_id, state, result } = session;
            if *state != SessionState::Closed {
                checks.fault(format!("session {id} of {device_id} is not closed: {state:?}"));
                continue;
            }
            checks.closed += 1;
            if *result != Some(ProvisioningResult::Installed) {
                checks.fault(format!("session {id} of {device_id} ended otherwise: {result:?}"));
            }
            if installed.get(device_id).is_some_and(|(theirs, _)| theirs != pcid) {
                checks.fault(format!("session {id} of {device_id} is of another PCID, {pcid}"));
            }
        }
        match page.items.last() {
            Some(last) if page.items.len() == PAGE => after = format!("&after={}", last.id),
            _ => break,
        }
    }
    for device in installed.keys() {
        match of.get(*device).copied().unwrap_or_default() {
            1 => {}
            count => checks.fault(format!("{device} has {count} sessions at the DPF")),
        }
    }
    Ok(())
}

async fn subscriptions(
    sho: &RoleClient,
    prefix: &str,
    installed: &BTreeMap<&DeviceId, (Pcid, Imsi)>,
    checks: &mut Checks,
) -> anyhow::Result<()> {
    let (mut of, mut imsis) = (BTreeMap::<DeviceId, u64>::new(), BTreeSet::new());
    let mut after = String::new();
    loop {
        let path = format!("/v1/subscriptions?state=active&limit={PAGE}{after}");
        let page: Page<Subscription> = sho.json::<(), _>(Method::GET, &path, None).await?;
        for one in page.items.iter().filter(|one| one.device_id.as_str().starts_with(prefix)) {
            let Subscription { imsi, device_id, pcid } = one;
            checks.subscriptions += 1;
            *of.entry(device_id.clone()).or_default() += 1;
            if !imsis.insert(*imsi) {
                checks.fault(format!("IMSI {imsi} of {device_id} is another device's, too"));
            }
            match installed.get(device_id) {
                Some(theirs) if *theirs == (*pcid, *imsi) => {}
                Some((_, theirs)) => {
                    checks.fault(format!("{device_id} has IMSI {theirs}, and at the SHO {imsi}"));
                }
                None => checks.fault(format!("{device_id} has a subscription, and nothing installed")),
            }
        }
        match page.items.last() {
            Some(last) if page.items.len() == PAGE => after = format!("&after={}", last.imsi),
            _ => break,
        }
    }
    checks.imsis = imsis.len() as u64;
    for device in installed.keys() {
        match of.get(*device).copied().unwrap_or_default() {
            1 => {}
            count => checks.fault(format!("{device} has {count} subscriptions at the SHO")),
        }
    }
    Ok(())
}
