//! Many devices at once in non-3GPP access, and where the time goes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use schemas::identity::{DeviceId, Imsi, Pcid};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::{
    access::ip::Drf,
    latency::{Latency, Times},
    provision::{Events, Options, Outcome, ProvisionEvent, Provisioner, Step, on_disk},
    tre::{Manufacture, Tre},
};

/// A device of the fleet: made when its turn comes, in a folder of its own.
#[derive(Debug)]
pub struct FleetDevice {
    /// Its folder, which must not hold a device yet.
    pub folder: PathBuf,
    /// What is embedded.
    pub device: Manufacture,
}

/// How a fleet is provisioned.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// The DRF's device side, `https://…`.
    pub drf: String,
    /// Devices under way at a time.
    pub concurrency: usize,
    /// What a device does when it does not get on.
    pub options: Options,
    /// Who wants to know how far it is.
    pub news: Option<mpsc::UnboundedSender<FleetNews>>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetNews {
    /// A device is made.
    Made,
    /// A device has come to an end.
    Ended(FleetEnd),
}

/// What became of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetEnd {
    /// Which.
    pub device: DeviceId,
    /// Its PCID.
    pub pcid: Pcid,
    /// Its IMSI, or why it has none that it could attach with.
    pub how: Result<Imsi, String>,
}

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetReport {
    /// Devices that were to be provisioned.
    pub devices: u64,
    /// Devices that have their RNCP, and whose report was accepted.
    pub provisioned: u64,
    /// The others, by what became of them.
    pub otherwise: BTreeMap<String, u64>,
    /// The whole run, seconds; the making of the devices is not in it.
    pub seconds: f64,
    /// Devices provisioned a second.
    pub devices_per_second: f64,
    /// Where the time goes, in the order that it happens.
    pub steps: Vec<StepReport>,
    /// From "where am I" to "reported".
    pub whole: Latency,
}

/// One step of all devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which.
    pub step: Step,
    /// Its number among the nineteen.
    pub seed: Option<u8>,
    /// How long it took.
    pub took: Latency,
}

/// Devices that are made at a time: they wait for the disk.
const MADE_AT_ONCE: usize = 8;

impl FleetConfig {
    fn tell(&self, news: FleetNews) {
        if let Some(listener) = &self.news {
            // Whoever does not listen any more does not want to know.
            let _ = listener.send(news);
        }
    }
}

/// What became of one device, and how long it took.
struct Done {
    how: Result<Imsi, String>,
    took: Duration,
    steps: Vec<(Step, Duration)>,
}

/// Makes the devices, then provisions them all, `concurrency` at a time. A device that fails does not stop the others.
pub async fn provision_many(devices: Vec<FleetDevice>, config: FleetConfig) -> FleetReport {
    let count = devices.len() as u64;
    let room = Arc::new(Semaphore::new(config.concurrency.max(1)));
    let config = Arc::new(config);
    let mut otherwise = BTreeMap::new();
    let made = make(devices, &config, &mut otherwise).await;
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for tre in made {
        let (config, room) = (Arc::clone(&config), Arc::clone(&room));
        running.spawn(async move {
            // Never closed.
            let _permit = room.acquire_owned().await;
            one(tre, &config).await
        });
    }
    let mut tally = Tally::default();
    while let Some(done) = running.join_next().await {
        match done {
            Ok(done) => tally.add(done),
            Err(error) => tally.otherwise(format!("the simulator failed: {error}")),
        }
    }
    for (what, more) in otherwise {
        *tally.otherwise.entry(what).or_default() += more;
    }
    tally.report(count, begun.elapsed())
}

/// Making a device is the factory's work, and not timed.
async fn make(
    devices: Vec<FleetDevice>,
    config: &FleetConfig,
    otherwise: &mut BTreeMap<String, u64>,
) -> Vec<Tre> {
    let room = Arc::new(Semaphore::new(MADE_AT_ONCE));
    let mut running = JoinSet::new();
    for FleetDevice { folder, device } in devices {
        let room = Arc::clone(&room);
        running.spawn(async move {
            // Never closed.
            let _permit = room.acquire_owned().await;
            let (name, pcid) = (device.device_id.clone(), device.pcid);
            let made = tokio::task::spawn_blocking(move || Tre::manufacture(folder, device)).await;
            (name, pcid, made)
        });
    }
    let mut made = Vec::new();
    while let Some(done) = running.join_next().await {
        // The runtime is being shut down, otherwise.
        let Ok((device, pcid, done)) = done else { continue };
        let why = match done {
            Ok(Ok(tre)) => {
                made.push(tre);
                config.tell(FleetNews::Made);
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => continue,
            },
        };
        *otherwise.entry(why.clone()).or_default() += 1;
        config.tell(FleetNews::Ended(FleetEnd { device, pcid, how: Err(why) }));
    }
    made
}

async fn one(tre: Tre, config: &FleetConfig) -> Done {
    let (sender, mut told) = mpsc::unbounded_channel::<ProvisionEvent>();
    let events = Events::to(sender);
    let begun = Instant::now();
    let how = follow(&tre, config, events).await;
    let took = begun.elapsed();
    let mut steps = Vec::new();
    while let Ok(event) = told.try_recv() {
        steps.push((event.step, event.took));
    }
    let (device, pcid) = (tre.device_id().clone(), tre.pcid());
    config.tell(FleetNews::Ended(FleetEnd { device, pcid, how: how.clone() }));
    Done { how, took, steps }
}

async fn follow(tre: &Tre, config: &FleetConfig, events: Events) -> Result<Imsi, String> {
    let drf = Drf::new(tre, &config.drf, events.clone()).await.map_err(|error| error.to_string())?;
    drf.hello(None).await.map_err(|error| error.to_string())?;
    let provisioner = Provisioner::new(tre.clone(), events, config.options);
    let imsi = match provisioner.run().await {
        Some(Outcome::Installed { reported: true, imsi, .. }) => imsi,
        Some(Outcome::Installed { .. }) => return Err("installed, and its report was refused".to_owned()),
        Some(Outcome::Failed { reason, .. }) => return Err(format!("failed: {reason}")),
        Some(Outcome::Refused(refusal)) => {
            return Err(format!("refused: {}: {}", refusal.code, refusal.detail));
        }
        Some(Outcome::Unfinished { why }) => return Err(format!("unfinished: {why}")),
        Some(Outcome::NotTaken) | None => return Err("there was no RNCT".to_owned()),
    };
    // That it can be attached with is part of being provisioned.
    let usim = on_disk(tre, Tre::begin_session).await.map_err(|error| error.to_string())?;
    if usim.imsi == imsi {
        Ok(imsi)
    } else {
        Err(format!("IMSI {imsi} was installed, and {} is used", usim.imsi))
    }
}

#[derive(Default)]
struct Tally {
    provisioned: u64,
    otherwise: BTreeMap<String, u64>,
    steps: BTreeMap<Step, Times>,
    whole: Option<Times>,
}

impl Tally {
    fn otherwise(&mut self, what: String) {
        *self.otherwise.entry(what).or_default() += 1;
    }

    fn add(&mut self, done: Done) {
        match done.how {
            Ok(_) => {
                self.provisioned += 1;
                self.whole = self.whole.take().or_else(Times::new);
                if let Some(times) = &mut self.whole {
                    times.add(done.took);
                }
            }
            Err(what) => self.otherwise(what),
        }
        for (step, took) in done.steps {
            let times = match self.steps.entry(step) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => match Times::new() {
                    Some(times) => entry.insert(times),
                    None => continue,
                },
            };
            times.add(took);
        }
    }

    fn report(self, devices: u64, took: Duration) -> FleetReport {
        let seconds = took.as_secs_f64();
        let none = Latency { count: 0, mean: 0.0, p50: 0.0, p90: 0.0, p99: 0.0, max: 0.0 };
        FleetReport {
            devices,
            provisioned: self.provisioned,
            otherwise: self.otherwise,
            seconds,
            devices_per_second: if seconds > 0.0 { self.provisioned as f64 / seconds } else { 0.0 },
            steps: self
                .steps
                .iter()
                .map(|(step, times)| StepReport { step: *step, seed: step.seed(), took: times.latency() })
                .collect(),
            whole: self.whole.as_ref().map_or(none, Times::latency),
        }
    }
}
