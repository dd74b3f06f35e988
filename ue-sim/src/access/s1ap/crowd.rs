//! Thousands of UEs at one eNB: they attach at a rate, do this and that for a while, and detach.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemas::identity::Imsi;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Asked, Enb, End, Patience, Report, S1Error, S1Ue};
use crate::device::Device;
use crate::latency::{Latency, Times};
use crate::nas::{Bearer, Procedure, UeOptions};

/// How long an eNB waits for the release that it has asked for.
const RELEASE: Patience = Patience(Duration::from_secs(15));

/// What a UE does while it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Idle, and back by a service request.
    Service,
    /// A tracking area update.
    Update,
    /// Idle, and a periodic tracking area update.
    Periodic,
    /// Detach and attach again.
    Anew,
    /// An exchange through the bearer.
    Traffic,
}

/// What UEs do with their bearers, other than to have them.
#[async_trait]
pub trait Traffic: std::fmt::Debug + Send + Sync {
    /// One exchange of a UE that is attached and connected, through its default bearer; how long it took.
    ///
    /// # Errors
    /// What became of it, in words that are the same for all UEs.
    async fn exchange(&self, imsi: Imsi, bearer: &Bearer) -> Result<Duration, String>;
}

/// How the crowd behaves.
#[derive(Debug, Clone)]
pub struct CrowdConfig {
    /// UEs that begin to attach, a second.
    pub rate: f64,
    /// So long the rate rises, evenly from nothing.
    pub ramp: Duration,
    /// How long each UE stays attached.
    pub hold: Duration,
    /// A UE does something so often while it is attached; `None`: nothing.
    pub every: Option<Duration>,
    /// What it does, with weights.
    pub mix: Vec<(Act, u32)>,
    /// Whether UEs detach at the end.
    pub detach: bool,
    /// How each UE is.
    pub options: UeOptions,
    /// What each UE does with its bearer as soon as it has one, and as [`Act::Traffic`].
    pub traffic: Option<Arc<dyn Traffic>>,
    /// Who wants to know how far it is.
    pub news: Option<mpsc::UnboundedSender<News>>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A UE has begun.
    Begun,
    /// A UE has attached.
    Attached,
    /// A UE has come to its end.
    Ended,
}

/// What all UEs together found out about a procedure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcedureReport {
    /// Which.
    pub procedure: Procedure,
    /// Begun.
    pub begun: u64,
    /// Came to what was asked for.
    pub done: u64,
    /// The others, by what became of them.
    pub otherwise: BTreeMap<String, u64>,
    /// How long those that were done took.
    pub took: Latency,
}

/// What all UEs together found out about their bearers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficReport {
    /// Exchanges that came to their end.
    pub done: u64,
    /// The others, by what became of them.
    pub otherwise: BTreeMap<String, u64>,
    /// How long those that were done took.
    pub took: Latency,
}

/// What a run found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrowdReport {
    /// UEs.
    pub ues: u64,
    /// From the first UE's begin to the last one's end, seconds.
    pub seconds: f64,
    /// Attaches done a second, from the first begin to the last attach.
    pub attaches_per_second: f64,
    /// UEs that were attached at the same time at most.
    pub attached_at_once: u64,
    /// UEs whose numbers had to be synchronised.
    pub resynchronised: u64,
    /// How late UEs began: by this the simulator was behind its own schedule.
    pub late: Latency,
    /// By procedure.
    pub procedures: Vec<ProcedureReport>,
    /// Through the bearers; `None` where nothing was sent.
    pub traffic: Option<TrafficReport>,
    /// Detached by the network.
    pub detached_by_network: u64,
    /// The simulator could not go on with a UE, by why.
    pub broken: BTreeMap<String, u64>,
}

impl CrowdReport {
    /// Whether every procedure of every UE came to what was asked for.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
            && self.procedures.iter().all(|one| one.otherwise.is_empty())
            && self.traffic.iter().all(|traffic| traffic.otherwise.is_empty())
    }
}

struct Tally {
    begun: u64,
    done: u64,
    otherwise: BTreeMap<String, u64>,
    took: Times,
}

impl Tally {
    fn new() -> Option<Self> {
        Some(Self { begun: 0, done: 0, otherwise: BTreeMap::new(), took: Times::new()? })
    }
}

#[derive(Default)]
struct Sums {
    tallies: BTreeMap<Procedure, Tally>,
    late: Option<Times>,
    attached: u64,
    attached_at_once: u64,
    resynchronised: u64,
    detached_by_network: u64,
    broken: BTreeMap<String, u64>,
    traffic: Option<Tally>,
    last_attach: Option<Instant>,
}

/// What a UE tells.
enum Word {
    Late(Duration),
    Report(Box<Report>),
    Exchanged(Result<Duration, String>),
    Left,
    DetachedByNetwork,
    Broken(String),
    Ended,
}

impl Sums {
    fn take(&mut self, word: Word) {
        match word {
            Word::Late(late) => {
                if self.late.is_none() {
                    self.late = Times::new();
                }
                if let Some(times) = &mut self.late {
                    times.add(late);
                }
            }
            Word::Report(report) => self.report(&report),
            Word::Exchanged(what) => self.exchanged(what),
            Word::Left => self.attached = self.attached.saturating_sub(1),
            Word::DetachedByNetwork => self.detached_by_network += 1,
            Word::Broken(why) => *self.broken.entry(why).or_default() += 1,
            Word::Ended => {}
        }
    }

    fn exchanged(&mut self, what: Result<Duration, String>) {
        let Some(tally) = self.traffic.take().or_else(Tally::new) else { return };
        let tally = self.traffic.insert(tally);
        tally.begun += 1;
        match what {
            Ok(took) => {
                tally.done += 1;
                tally.took.add(took);
            }
            Err(why) => *tally.otherwise.entry(why).or_default() += 1,
        }
    }

    fn report(&mut self, report: &Report) {
        if report.procedure == Procedure::Attach && report.is_success() {
            self.attached += 1;
            self.attached_at_once = self.attached_at_once.max(self.attached);
            self.last_attach = Some(Instant::now());
        }
        self.resynchronised += u64::from(report.resynchronised);
        // A tally has a histogram of 180 kB: one a procedure, and not one a report.
        let tally = match self.tallies.entry(report.procedure) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(none) => match Tally::new() {
                Some(new) => none.insert(new),
                None => return,
            },
        };
        tally.begun += 1;
        if report.is_success() {
            tally.done += 1;
            tally.took.add(report.took);
        } else {
            *tally.otherwise.entry(words(&report.end)).or_default() += 1;
        }
    }
}

/// A failure in words that are the same for all UEs that have it.
fn words(end: &End) -> String {
    match end {
        End::Attached { .. } | End::Done => "done".into(),
        End::Refused { emm_cause, name, .. } => format!("EMM cause #{emm_cause}, {name}"),
        End::BearerRefused { esm_cause: Some(cause), .. } => {
            format!("default bearer refused, ESM cause #{cause}")
        }
        End::BearerRefused { esm_cause: None, .. } => "no default bearer".into(),
        End::AuthenticationRejected => "AUTHENTICATION REJECT".into(),
        End::NetworkNotGenuine => "the network is not genuine".into(),
        End::Detached { .. } => "detached by the network".into(),
        End::Unanswered => "the MME does not answer".into(),
        End::Released { cause, .. } => format!("released: {cause}"),
        End::KeysDiffer => "KeNB differs".into(),
    }
}

/// When UE number `n` begins: at `rate` a second, the rate rising evenly during `ramp`.
fn due(n: usize, rate: f64, ramp: Duration) -> Duration {
    let (n, ramp) = (n as f64, ramp.as_secs_f64());
    // During the ramp rate·t²/(2·ramp) UEs have begun after t, so half as many as without it at its end.
    let in_ramp = rate * ramp / 2.0;
    Duration::from_secs_f64(if n < in_ramp {
        (2.0 * n * ramp / rate).sqrt()
    } else {
        ramp + (n - in_ramp) / rate
    })
}

/// Runs the crowd at this eNB. Gives the devices back with what their cards remember.
pub async fn run(
    enb: &Enb,
    devices: Vec<Device>,
    config: CrowdConfig,
    stop: CancellationToken,
) -> (CrowdReport, Vec<Device>) {
    let begun = Instant::now();
    let ues = devices.len() as u64;
    let config = Arc::new(config);
    let (sender, mut words) = mpsc::unbounded_channel();
    let mut crowd = JoinSet::new();
    for (n, device) in devices.into_iter().enumerate() {
        let begins = begun + due(n, config.rate, config.ramp);
        let one =
            One { enb: enb.clone(), config: config.clone(), say: sender.clone(), n: n as u64, bearer: None };
        crowd.spawn(one.live(device, begins, stop.clone()));
    }
    drop(sender);
    let mut sums = Sums::default();
    while let Some(word) = words.recv().await {
        if let Some(news) = &config.news {
            let said = match &word {
                Word::Late(_) => Some(News::Begun),
                Word::Report(report) if report.procedure == Procedure::Attach && report.is_success() => {
                    Some(News::Attached)
                }
                Word::Ended => Some(News::Ended),
                _ => None,
            };
            // Whoever does not listen any more does not want to know.
            let _ = said.map(|said| news.send(said));
        }
        sums.take(word);
    }
    let mut devices = Vec::new();
    while let Some(ended) = crowd.join_next().await {
        match ended {
            Ok(device) => devices.push(device),
            // It has told nothing any more: without this the report would be clean.
            Err(error) => sums.take(Word::Broken(format!("a fault of the simulator: {error}"))),
        }
    }
    (report(sums, ues, begun), devices)
}

fn report(sums: Sums, ues: u64, begun: Instant) -> CrowdReport {
    let nothing = || Latency { count: 0, mean: 0.0, p50: 0.0, p90: 0.0, p99: 0.0, max: 0.0 };
    let attaches = sums.tallies.get(&Procedure::Attach).map_or(0, |tally| tally.done);
    let attaching = sums.last_attach.map_or(0.0, |last| last.duration_since(begun).as_secs_f64());
    CrowdReport {
        ues,
        seconds: begun.elapsed().as_secs_f64(),
        attaches_per_second: if attaching > 0.0 { attaches as f64 / attaching } else { 0.0 },
        attached_at_once: sums.attached_at_once,
        resynchronised: sums.resynchronised,
        late: sums.late.as_ref().map_or_else(nothing, Times::latency),
        procedures: sums
            .tallies
            .into_iter()
            .map(|(procedure, tally)| ProcedureReport {
                procedure,
                begun: tally.begun,
                done: tally.done,
                otherwise: tally.otherwise,
                took: tally.took.latency(),
            })
            .collect(),
        traffic: sums.traffic.map(|tally| TrafficReport {
            done: tally.done,
            otherwise: tally.otherwise,
            took: tally.took.latency(),
        }),
        detached_by_network: sums.detached_by_network,
        broken: sums.broken,
    }
}

/// One UE of the crowd.
struct One {
    enb: Enb,
    config: Arc<CrowdConfig>,
    say: mpsc::UnboundedSender<Word>,
    n: u64,
    bearer: Option<Bearer>,
}

impl One {
    /// Its whole life.
    async fn live(mut self, device: Device, begins: Instant, stop: CancellationToken) -> Device {
        let kept = device.clone();
        tokio::select! {
            () = tokio::time::sleep_until(begins.into()) => {}
            () = stop.cancelled() => return kept,
        }
        self.say(Word::Late(begins.elapsed()));
        let mut ue = S1Ue::new(&self.enb, device, self.config.options.clone());
        match self.days(&mut ue, &stop).await {
            Ok(()) => {}
            Err(error) => self.say(Word::Broken(error.to_string())),
        }
        self.say(Word::Ended);
        ue.device().clone()
    }

    async fn days(&mut self, ue: &mut S1Ue, stop: &CancellationToken) -> Result<(), S1Error> {
        if !self.attach(ue).await? {
            return Ok(());
        }
        let until = Instant::now() + self.config.hold;
        while Instant::now() < until && !stop.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            let wait = self.pause().map_or(left, |pause| pause.min(left));
            let asked = tokio::select! {
                asked = ue.wait(Patience(wait)) => asked?,
                () = stop.cancelled() => break,
            };
            let goes_on = match asked {
                Some(asked) => self.answer(ue, asked).await?,
                None if self.config.every.is_some() && Instant::now() < until => self.act(ue).await?,
                None => true,
            };
            if !goes_on {
                return Ok(());
            }
        }
        if self.config.detach {
            let report = ue.detach(false).await?;
            self.tell(report);
            self.say(Word::Left);
        }
        Ok(())
    }

    /// Attaches, and does with the bearer what is to be done with it; whether it is attached.
    async fn attach(&mut self, ue: &mut S1Ue) -> Result<bool, S1Error> {
        let report = ue.attach().await?;
        if let End::Attached { bearer } = &report.end {
            self.bearer = Some(bearer.clone());
        }
        let attached = self.tell(report);
        if attached {
            self.exchange(ue).await;
        }
        Ok(attached)
    }

    async fn exchange(&self, ue: &S1Ue) {
        if let (Some(traffic), Some(bearer)) = (&self.config.traffic, &self.bearer) {
            self.say(Word::Exchanged(traffic.exchange(ue.nas().imsi(), bearer).await));
        }
    }

    /// What the network has begun.
    async fn answer(&mut self, ue: &mut S1Ue, asked: Asked) -> Result<bool, S1Error> {
        match asked {
            Asked::Paged => Ok(self.tell(ue.service_request(true).await?)),
            Asked::DataWaits => Ok(self.tell(ue.service_request(false).await?)),
            Asked::Released { .. } => Ok(true),
            Asked::Detached { reattach, .. } => {
                self.say(Word::DetachedByNetwork);
                self.say(Word::Left);
                if reattach { self.attach(ue).await } else { Ok(false) }
            }
        }
    }

    /// Something of the mix.
    async fn act(&mut self, ue: &mut S1Ue) -> Result<bool, S1Error> {
        match self.chosen() {
            None => Ok(true),
            Some(Act::Service) => {
                ue.idle(RELEASE).await?;
                Ok(self.tell(ue.service_request(false).await?))
            }
            Some(Act::Traffic) => {
                if !ue.is_connected() && !self.tell(ue.service_request(false).await?) {
                    return Ok(false);
                }
                self.exchange(ue).await;
                Ok(true)
            }
            Some(Act::Update) => Ok(self.tell(ue.tracking_area_update(false, false).await?)),
            Some(Act::Periodic) => {
                ue.idle(RELEASE).await?;
                Ok(self.tell(ue.tracking_area_update(true, false).await?))
            }
            Some(Act::Anew) => {
                let left = self.tell(ue.detach(false).await?);
                self.say(Word::Left);
                if !left {
                    return Ok(false);
                }
                self.attach(ue).await
            }
        }
    }

    fn chosen(&mut self) -> Option<Act> {
        let all: u64 = self.config.mix.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut ticket = self.draw().checked_rem(all)?;
        for (act, weight) in &self.config.mix {
            match ticket.checked_sub(u64::from(*weight)) {
                Some(rest) => ticket = rest,
                None => return Some(*act),
            }
        }
        None
    }

    /// Half to one and a half times the pause, so that UEs do not march.
    fn pause(&mut self) -> Option<Duration> {
        let every = self.config.every?;
        Some(every.mul_f64(0.5 + (self.draw() % 1024) as f64 / 1024.0))
    }

    /// Numbers that look random and are the same in every run (xorshift): a run can be repeated.
    fn draw(&mut self) -> u64 {
        let mut x = self.n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.n = x;
        x >> 16
    }

    /// Whether it came to what was asked for.
    fn tell(&self, report: Report) -> bool {
        let success = report.is_success();
        self.say(Word::Report(Box::new(report)));
        success
    }

    fn say(&self, word: Word) {
        // Nobody listens when the run was given up.
        let _ = self.say.send(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_during_the_ramp_and_then_stays() {
        let at = |n| due(n, 100.0, Duration::from_secs(2)).as_secs_f64();
        assert!(at(0).abs() < 1e-9);
        // 100 in the ramp of two seconds, 100 a second after it.
        assert!((at(100) - 2.0).abs() < 1e-6 && (at(200) - 3.0).abs() < 1e-6, "{} {}", at(100), at(200));
        assert!(at(50) > 1.0 && at(50) < 2.0);
        assert!((due(10, 10.0, Duration::ZERO).as_secs_f64() - 1.0).abs() < 1e-9);
    }
}
