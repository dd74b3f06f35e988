//! An MME, an eNB at it, and UEs that live by themselves: they do what the network wants of them while a test goes on.

use std::{
    future::Future,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use harness::{
    aka::Subscriber,
    mme::{Core, Mme},
};
use schemas::secret::Key128;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use ue_sim::{
    access::s1ap::{
        Asked, Enb, EnbConfig, End, Event, Events, NoUserPlane, Patience, Report, S1Error, S1Ue, UserPlane,
    },
    device::Device,
    nas::{Bearer, EmmState, UeOptions},
};

const LIMIT: Duration = Duration::from_secs(20);

/// Runs a test.
pub fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    // A test may have several rigs, one after another: what they share stays as long as it runs.
    let _shared = Core::shared()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test)
}

/// One MME and one eNB.
pub struct Rig {
    pub mme: Mme,
    pub enb: Enb,
    told: mpsc::UnboundedReceiver<Event>,
    /// What eNB and UEs have told so far.
    history: Vec<String>,
}

impl Rig {
    /// With the shared ICF.
    pub async fn new(policy: Value) -> Result<Self> {
        Self::with(&Core::shared()?, policy).await
    }

    /// With an ICF of its own.
    pub async fn with(core: &Arc<Core>, policy: Value) -> Result<Self> {
        Self::made(core, policy, None, Arc::new(NoUserPlane::default())).await
    }

    /// With a user plane, at this address of the eNB's.
    pub async fn through(policy: Value, s1u: Ipv4Addr, user_plane: Arc<dyn UserPlane>) -> Result<Self> {
        Self::made(&Core::shared()?, policy, Some(s1u), user_plane).await
    }

    async fn made(
        core: &Arc<Core>,
        policy: Value,
        s1u: Option<Ipv4Addr>,
        user_plane: Arc<dyn UserPlane>,
    ) -> Result<Self> {
        let mme = Mme::listen(core, policy).await?;
        let (sender, told) = mpsc::unbounded_channel();
        let plmn = "999-70".parse().map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut config = EnbConfig {
            mme: mme.addresses.clone(),
            // An eNB of a core on another host is reached by both cables to it.
            local: core.icf.network().map_or_else(|_| Vec::new(), |host| host.mme().to_vec()),
            reconnect: Duration::from_millis(200),
            ..EnbConfig::new(mme.at, plmn)
        };
        if let Some(s1u) = s1u {
            config.user_plane = s1u.into();
        }
        let enb = Enb::connect(config, user_plane, Events::to(sender)).await?;
        Ok(Self { mme, enb, told, history: Vec::new() })
    }

    /// A UE whose subscription the ICF has.
    pub fn phone(&self) -> Result<Phone> {
        self.phone_of(&self.mme.core.subscriber()?, UeOptions::default())
    }

    /// A UE of this subscriber.
    pub fn phone_of(&self, subscriber: &Subscriber, options: UeOptions) -> Result<Phone> {
        Ok(Phone::switch_on(S1Ue::new(&self.enb, device(subscriber)?, options)))
    }

    /// Waits until eNB or UE have told something with these words; gives it. The same is never given twice.
    pub async fn told(&mut self, words: &str) -> Result<String> {
        if let Some(at) = self.history.iter().position(|line| line.contains(words)) {
            return Ok(self.history.drain(..=at).next_back().unwrap_or_default());
        }
        loop {
            let event = tokio::time::timeout(LIMIT, self.told.recv()).await;
            let event = match event {
                Ok(event) => event.context("the eNB is gone")?.to_string(),
                Err(_) => bail!("not told: {words:?}; but {:#?}", self.history),
            };
            if event.contains(words) {
                self.history.clear();
                return Ok(event);
            }
            self.history.push(event);
        }
    }
}

/// The device of a subscriber.
pub fn device(subscriber: &Subscriber) -> Result<Device> {
    let imsi = subscriber.imsi.parse().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(Device::new(imsi, &Key128::new(subscriber.k), &Key128::new(subscriber.opc)))
}

#[derive(Debug, Clone, Copy)]
enum Do {
    Attach,
    Service { paged: bool },
    Update { periodic: bool, active: bool },
    Detach { switch_off: bool },
    Idle,
    ReleaseBearer(u8),
}

type Reply = oneshot::Sender<Result<Option<Report>, S1Error>>;

/// What a UE looks like from outside.
#[derive(Debug, Clone)]
pub struct State {
    pub emm: EmmState,
    pub connected: bool,
    pub bearers: Vec<Bearer>,
    pub s_tmsi: Option<(u8, u32)>,
}

/// A UE that lives in a task of its own.
pub struct Phone {
    pub imsi: String,
    orders: mpsc::UnboundedSender<(Do, Reply)>,
    asked: mpsc::UnboundedReceiver<Asked>,
    state: Arc<Mutex<State>>,
}

fn state(ue: &S1Ue) -> State {
    State {
        emm: ue.nas().state(),
        connected: ue.is_connected(),
        bearers: ue.nas().bearers().cloned().collect(),
        s_tmsi: ue.nas().s_tmsi(),
    }
}

impl Phone {
    /// Switches it on.
    pub fn switch_on(ue: S1Ue) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(state(&ue)));
        let imsi = ue.nas().imsi().to_string();
        tokio::spawn(live(ue, taken, asks, seen.clone()));
        Self { imsi, orders, asked, state: seen }
    }

    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn act(&self, what: Do) -> Result<Option<Report>> {
        let (reply, replied) = oneshot::channel();
        self.orders.send((what, reply)).map_err(|_| anyhow::anyhow!("{} is off", self.imsi))?;
        Ok(replied.await.with_context(|| format!("{} is off", self.imsi))??)
    }

    async fn report(&self, what: Do) -> Result<Report> {
        self.act(what).await?.context("no report")
    }

    pub async fn attach(&self) -> Result<Report> {
        self.report(Do::Attach).await
    }

    /// Attaches, which has to succeed.
    pub async fn attached(&self) -> Result<Report> {
        let report = self.attach().await?;
        ensure!(report.is_success(), "{report:?}");
        Ok(report)
    }

    pub async fn service(&self, paged: bool) -> Result<Report> {
        self.report(Do::Service { paged }).await
    }

    pub async fn update(&self, periodic: bool, active: bool) -> Result<Report> {
        self.report(Do::Update { periodic, active }).await
    }

    pub async fn detach(&self, switch_off: bool) -> Result<Report> {
        self.report(Do::Detach { switch_off }).await
    }

    pub async fn idle(&self) -> Result<()> {
        self.act(Do::Idle).await.map(drop)
    }

    /// The eNB gives a dedicated bearer up.
    pub async fn release_bearer(&self, ebi: u8) -> Result<()> {
        self.act(Do::ReleaseBearer(ebi)).await.map(drop)
    }

    /// What the network wants of it next.
    pub async fn asked(&mut self) -> Result<Asked> {
        let asked = tokio::time::timeout(LIMIT, self.asked.recv()).await;
        asked.with_context(|| format!("nobody asks for {}", self.imsi))?.context("it is off")
    }

    /// Waits until its state is as the test wants it.
    pub async fn until(&self, what: &str, test: impl Fn(&State) -> bool) -> Result<State> {
        for _ in 0..400 {
            let state = self.state();
            if test(&state) {
                return Ok(state);
            }
            tokio::time::sleep(LIMIT / 400).await;
        }
        bail!("never {what}: {:?}", self.state())
    }
}

/// Short enough that an order is not waited for, long enough to cost nothing.
const BREATH: Patience = Patience(Duration::from_millis(10));

async fn live(
    mut ue: S1Ue,
    mut orders: mpsc::UnboundedReceiver<(Do, Reply)>,
    asks: mpsc::UnboundedSender<Asked>,
    seen: Arc<Mutex<State>>,
) {
    let mut replies = None;
    loop {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = state(&ue);
        if let Some((reply, done)) = replies.take() {
            let reply: Reply = reply;
            // A test that does not wait has what it wants from elsewhere.
            let _ = reply.send(done);
        }
        match orders.try_recv() {
            Ok((what, reply)) => {
                let done = match what {
                    Do::Attach => ue.attach().await.map(Some),
                    Do::Service { paged } => ue.service_request(paged).await.map(Some),
                    Do::Update { periodic, active } => {
                        ue.tracking_area_update(periodic, active).await.map(Some)
                    }
                    Do::Detach { switch_off } => ue.detach(switch_off).await.map(Some),
                    Do::ReleaseBearer(ebi) => ue.release_bearer(ebi).await.map(|()| None),
                    Do::Idle => ue.idle(Patience(LIMIT)).await.map(|()| None),
                };
                replies = Some((reply, done));
            }
            Err(mpsc::error::TryRecvError::Disconnected) => return,
            Err(mpsc::error::TryRecvError::Empty) => {
                // An error is of an association that is lost; it comes again.
                if let Ok(Some(asked)) = ue.wait(BREATH).await {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = state(&ue);
                    let _ = asks.send(asked);
                }
            }
        }
    }
}

/// The EMM cause that a procedure was refused with, and what the device makes of it.
pub fn refusal(report: &Report) -> Result<(u8, &'static str)> {
    match &report.end {
        End::Refused { emm_cause, consequence, .. } => Ok((*emm_cause, consequence)),
        other => bail!("not refused: {other:?}"),
    }
}
