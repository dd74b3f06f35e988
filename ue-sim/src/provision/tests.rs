//! The device against a DRF and a DPF over real HTTPS and UDP that sign real objects.

mod coap;
mod conversation;
mod crash;
mod fleet;

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{Events, Options, Outcome, ProvisionEvent, Provisioner, Step, Taken};
use crate::{
    test_dpf::Server,
    tre::{Tre, now},
};

/// Quick to come back, and quick to give up.
const OPTIONS: Options = Options {
    through: None,
    give_up_after: Duration::from_secs(20),
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(20),
    poll: Duration::from_secs(1),
};

/// A device and its other side.
struct Bench {
    folder: TempDir,
    server: Server,
    tre: Tre,
    sequence: u64,
}

impl Bench {
    async fn new() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let tre = Tre::manufacture(folder.path().join("device"), server.world.manufacture(1)).unwrap();
        Self { folder, server, tre, sequence: 0 }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("device")
    }

    /// Takes a new RNCT, for `operator`.
    fn trigger(&mut self, operator: &str) {
        self.sequence += 1;
        let (mut rnct, _) = self.server.rnct(1, self.sequence);
        rnct.operator = operator.parse().unwrap();
        let taken = self.tre.take_rnct(&self.server.world.sign_rnct(&rnct), now()).unwrap();
        assert!(matches!(taken, Taken::New(_)));
    }

    async fn run(&self) -> Outcome {
        Provisioner::new(self.tre.clone(), Events::none(), OPTIONS).run().await.unwrap()
    }

    async fn run_telling(&self) -> (Outcome, Vec<ProvisionEvent>) {
        let (sender, mut told) = mpsc::unbounded_channel();
        let provisioner = Provisioner::new(self.tre.clone(), Events::to(sender), OPTIONS);
        let outcome = provisioner.run().await.unwrap();
        drop(provisioner);
        let mut events = Vec::new();
        while let Some(event) = told.recv().await {
            events.push(event);
        }
        (outcome, events)
    }

    /// Whether there is nothing to go on with.
    async fn run_nothing(&self) -> bool {
        super::resume(&self.tre, &Events::none()).await.is_none()
    }

    /// A provisioning from the RNCT to the report.
    async fn provision(&mut self, operator: &str) -> Outcome {
        self.trigger(operator);
        self.run().await
    }

    /// The files of the device, without the state, its lock and what never changes.
    fn files(&self) -> Vec<String> {
        files(&self.path())
    }
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.retain(|name| !["state", "lock", "identity", "storage.key"].contains(&name.as_str()));
    found.sort();
    found
}

fn has(events: &[ProvisionEvent], step: Step) -> bool {
    events.iter().any(|event| event.step == step)
}
