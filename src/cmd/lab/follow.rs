//! What the roles do, as it happens, from what their REST APIs tell: steps 6, 7, 10 to 15 and 19.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use schemas::identity::Pcid;
use serde_json::Value;
use service::client::RoleClient;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::story::{Access, Story};

/// How often they are asked.
const TICK: Duration = Duration::from_millis(40);

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Asked {
    /// DRF.
    pub drf: RoleClient,
    /// DPF.
    pub dpf: RoleClient,
    /// SHO.
    pub sho: RoleClient,
}

/// Follows one device, until it is told to stop and nothing new is there.
pub struct Follower {
    stop: CancellationToken,
    task: JoinHandle<()>,
    told: watch::Receiver<u8>,
}

impl Follower {
    /// Begins.
    pub fn start(asked: Asked, pcid: Pcid, access: Access, story: Story) -> Self {
        let stop = CancellationToken::new();
        let (highest, told) = watch::channel(0);
        let work = Work { asked, pcid, access, story, told: BTreeSet::new(), highest, session: None };
        let task = tokio::spawn(work.run(stop.clone()));
        Self { stop, task, told }
    }

    /// The highest step that was told, as it rises.
    pub fn told(&self) -> watch::Receiver<u8> {
        self.told.clone()
    }

    /// Tells what is left to tell.
    pub async fn end(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

struct Work {
    asked: Asked,
    pcid: Pcid,
    access: Access,
    story: Story,
    /// Steps that were told.
    told: BTreeSet<u8>,
    highest: watch::Sender<u8>,
    session: Option<String>,
}

impl Work {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let last = stop.is_cancelled();
            self.triggers().await;
            self.sessions().await;
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    fn tell(&mut self, seed: u8, title: &str, detail: &str) {
        if self.told.insert(seed) {
            self.story.role(seed, title, detail);
            self.highest.send_if_modified(|highest| {
                seed > *highest && {
                    *highest = seed;
                    true
                }
            });
        }
    }

    async fn get(role: &RoleClient, path: &str) -> Option<Value> {
        role.json::<(), Value>(Method::GET, path, None).await.ok()
    }

    /// Steps 6 and 7.
    async fn triggers(&mut self) {
        if self.told.contains(&7) {
            return;
        }
        let path = format!("/v1/triggers?pcid={}&limit=1", self.pcid);
        let Some(page) = Self::get(&self.asked.drf, &path).await else { return };
        let Some(trigger) = page["items"].get(0) else { return };
        let address = trigger["address"].as_str().unwrap_or("the connection that it has made");
        match self.access {
            Access::Eps => {
                self.tell(6, "the ICF tells the DRF PCID and address of the device", address);
            }
            // The device has told that itself.
            Access::Ip => {}
        }
        let detail = format!(
            "operator {}, RNCT {} sequence {}, until {}",
            text(&trigger["operator"]),
            text(&trigger["id"]),
            trigger["sequence"],
            text(&trigger["expires_at"])
        );
        self.tell(7, "the DRF finds operator and DPF, and signs the RNCT", &detail);
    }

    /// Steps 10 to 15, and 19.
    async fn sessions(&mut self) {
        if self.session.is_none() {
            let path = format!("/v1/sessions?pcid={}&limit=1", self.pcid);
            let Some(found) = Self::get(&self.asked.dpf, &path).await else { return };
            let first = found["items"].get(0);
            self.session = first.and_then(|session| session["id"].as_str()).map(str::to_owned);
        }
        let Some(id) = self.session.clone() else { return };
        if !self.told.contains(&14)
            && let Some(session) = Self::get(&self.asked.sho, &format!("/v1/provisioning/{id}")).await
        {
            self.operator(&id, &session);
        }
        let Some(session) = Self::get(&self.asked.dpf, &format!("/v1/sessions/{id}")).await else { return };
        let state = text(&session["state"]);
        if ["authorised", "downloading", "reported", "closed"].contains(&state) {
            let detail = format!("RNCP {}", text(&session["rncp"]));
            self.tell(15, "the SHO delivers the RNCP to the DPF and authorises it", &detail);
        }
        if state == "closed" {
            let detail = format!("{} at the SHO and the DRF", text(&session["result"]));
            self.tell(19, "the DPF reports to the SHO", &detail);
        }
    }

    fn operator(&mut self, id: &str, session: &Value) {
        let state = text(&session["state"]);
        let reached = |states: &[&str]| states.contains(&state);
        self.tell(10, "the DPF relays device and TRE information to the SHO", &format!("session {id}"));
        const GOOD: [&str; 8] = [
            "validated",
            "delegated",
            "allocated",
            "composed",
            "published",
            "answered",
            "reported",
            "closed",
        ];
        if reached(&GOOD) {
            self.tell(
                11,
                "the SHO asks the PVA to validate the TRE",
                "evidence signed by the platform key, nonce of the PVA",
            );
            self.tell(
                12,
                "the PVA validates authenticity and integrity",
                "signature, certificate, nonce, freshness, reference values",
            );
            self.tell(13, "the PVA's signed verdict reaches the SHO", "good");
        }
        if reached(&GOOD[3..]) {
            let detail = format!("IMSI {}, keys encrypted to the platform key", text(&session["imsi"]));
            self.tell(14, "the SHO composes and encrypts the RNCP", &detail);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
