//! The eNB: its association with the MME, and the procedures that concern no single UE (TS 36.413 §8.7).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oxirush_s1ap::s1ap::{Cause, CauseMisc, CauseProtocol, CauseRadioNetwork};
use schemas::identity::Imsi;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::messages::{self, Answer, FromMme, Ids, Read, Unreadable};
use super::registry::{Handed, Registry, ToUe};
use super::{Association, EnbConfig, Event, EventKind, Events, S1Error, Sctp};

/// The longest delay before the association is made anew.
const RECONNECT_MAX: Duration = Duration::from_secs(60);

/// Makes associations with the MME.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// One.
    async fn connect(&self, config: &EnbConfig) -> Result<Arc<dyn Association>, S1Error>;
}

/// Over SCTP of the kernel, which tells of the paths of an association.
struct Kernel(Events);

#[async_trait]
impl Connect for Kernel {
    async fn connect(&self, config: &EnbConfig) -> Result<Arc<dyn Association>, S1Error> {
        Ok(Arc::new(Sctp::connect(config, self.0.clone()).await?))
    }
}

/// Where user packets of bearers go (S1-U).
pub trait UserPlane: Send + Sync + 'static {
    /// A bearer is there: packets of the UE go to `remote` (address and TEID of the serving gateway). Gives the TEID
    /// that the eNB takes the bearer's packets on.
    fn install(&self, imsi: Imsi, enb_ue: u32, erab: u8, remote: (IpAddr, u32)) -> u32;
    /// A bearer is gone.
    fn remove(&self, enb_ue: u32, erab: u8);
    /// All bearers of a connection are.
    fn remove_all(&self, enb_ue: u32);
    /// A UE is switched on. Gives what is told when it has packets to send and no bearer: a service request is due
    /// (TS 24.301 §5.6.1.1 b). [`gone`](Self::gone) follows.
    fn wanted(&self, imsi: Imsi) -> Option<Arc<Notify>>;
    /// The UE is not there any more, and whatever was kept for it can go.
    fn gone(&self, imsi: Imsi);
}

/// Bearers without packets: identifiers are given, nothing is carried.
#[derive(Debug, Default)]
pub struct NoUserPlane(AtomicU32);

impl UserPlane for NoUserPlane {
    fn install(&self, _: Imsi, _: u32, _: u8, _: (IpAddr, u32)) -> u32 {
        // TEID 0 is not for tunnels (TS 29.281 §5.1).
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    fn remove(&self, _: u32, _: u8) {}

    fn remove_all(&self, _: u32) {}

    fn wanted(&self, _: Imsi) -> Option<Arc<Notify>> {
        None
    }

    fn gone(&self, _: Imsi) {}
}

#[derive(Clone)]
enum Link {
    Up(Arc<dyn Association>),
    Down,
}

struct Shared {
    config: EnbConfig,
    events: Events,
    registry: Registry,
    link: watch::Sender<Link>,
    overloaded: AtomicBool,
    user_plane: Arc<dyn UserPlane>,
    stop: CancellationToken,
}

/// A running eNB; a clone is another handle to the same. It stops with the last.
#[derive(Clone)]
pub struct Enb {
    shared: Arc<Shared>,
    _handles: Arc<DropGuard>,
    task: Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Enb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enb").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Enb {
    /// Connects to the MME by the kernel's SCTP and sets S1 up (§8.7.3). When the association is lost it is made
    /// anew.
    ///
    /// # Errors
    /// No association, or the MME refuses.
    pub async fn connect(
        config: EnbConfig,
        user_plane: Arc<dyn UserPlane>,
        events: Events,
    ) -> Result<Self, S1Error> {
        Self::connect_by(Arc::new(Kernel(events.clone())), config, user_plane, events).await
    }

    /// As [`connect`](Self::connect), by other means than the kernel's.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_by(
        connect: Arc<dyn Connect>,
        config: EnbConfig,
        user_plane: Arc<dyn UserPlane>,
        events: Events,
    ) -> Result<Self, S1Error> {
        let association = set_up(&*connect, &config, &events).await?;
        let shared = Arc::new(Shared {
            config,
            events,
            registry: Registry::default(),
            link: watch::channel(Link::Up(association.clone())).0,
            overloaded: AtomicBool::new(false),
            user_plane,
            stop: CancellationToken::new(),
        });
        let task = tokio::spawn(serve(shared.clone(), association, connect));
        let handles = Arc::new(shared.stop.clone().drop_guard());
        Ok(Self { shared, _handles: handles, task: Arc::new(tokio::sync::Mutex::new(Some(task))) })
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &EnbConfig {
        &self.shared.config
    }

    /// Whether the MME has asked for fewer UEs (§8.7.6).
    #[must_use]
    pub fn overloaded(&self) -> bool {
        self.shared.overloaded.load(Ordering::Relaxed)
    }

    /// Whether there is an association.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(*self.shared.link.borrow(), Link::Up(_))
    }

    /// Waits for the association to be there; after a loss it is made anew.
    pub async fn up(&self) {
        // The sender lives as long as this handle.
        let _ = self.shared.link.subscribe().wait_for(|link| matches!(link, Link::Up(_))).await;
    }

    /// RESET: all UE connections are forgotten on both sides (§8.7.1.2.2).
    ///
    /// # Errors
    /// If there is no association.
    pub async fn reset(&self) -> Result<(), S1Error> {
        self.shared.registry.all_gone("RESET of the eNB");
        self.send(0, &messages::reset(CauseMisc::om_intervention)?).await
    }

    /// Ends the association and everything that hangs on it.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        if let Some(task) = self.task.lock().await.take() {
            // It ends by the token.
            let _ = task.await;
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    pub(super) fn events(&self) -> &Events {
        &self.shared.events
    }

    pub(super) fn user_plane(&self) -> &dyn UserPlane {
        &*self.shared.user_plane
    }

    /// Sends on the stream of a UE: TS 36.412 §7 keeps stream 0 for what concerns none.
    pub(super) async fn send_for(&self, enb_ue: u32, message: &[u8]) -> Result<(), S1Error> {
        let stream = match &*self.shared.link.borrow() {
            Link::Up(association) => stream_of(&**association, enb_ue),
            Link::Down => return Err(S1Error::Lost),
        };
        self.send(stream, message).await
    }

    pub(super) async fn send(&self, stream: u16, message: &[u8]) -> Result<(), S1Error> {
        let link = self.shared.link.borrow().clone();
        match link {
            Link::Up(association) => association.send(stream, message).await.map_err(|_| S1Error::Lost),
            Link::Down => Err(S1Error::Lost),
        }
    }
}

/// The stream of a UE's connection: always the same, where its messages stay in order; 0 only if there is no other.
fn stream_of(association: &dyn Association, enb_ue: u32) -> u16 {
    match association.streams() {
        0 | 1 => 0,
        streams => {
            let others = u32::from(streams) - 1;
            u16::try_from(1 + enb_ue % others).unwrap_or(0)
        }
    }
}

/// Association and S1 SETUP; a TimeToWait of the MME is kept once (§8.7.3.4).
async fn set_up(
    connect: &dyn Connect,
    config: &EnbConfig,
    events: &Events,
) -> Result<Arc<dyn Association>, S1Error> {
    // The kernel alone would try for minutes.
    let silent = |what| S1Error::Silent { what, seconds: config.setup.as_secs() };
    let association = tokio::time::timeout(config.setup, connect.connect(config))
        .await
        .map_err(|_| silent("SCTP's INIT"))??;
    let request = messages::setup(config)?;
    for attempt in 0.. {
        association.send(0, &request).await?;
        let answer = tokio::time::timeout(config.setup, setup_answer(&*association))
            .await
            .map_err(|_| silent("S1 SETUP REQUEST"))??;
        match answer {
            FromMme::SetupResponse { name, gummeis } => {
                events.tell(None, EventKind::Connected { mme: name, gummeis });
                return Ok(association);
            }
            FromMme::SetupFailure { cause: _, wait: Some(wait) } if attempt == 0 => {
                tokio::time::sleep(wait).await;
            }
            FromMme::SetupFailure { cause, .. } => return Err(S1Error::Refused(cause)),
            _ => {}
        }
    }
    Err(S1Error::Lost)
}

async fn setup_answer(association: &dyn Association) -> Result<FromMme, S1Error> {
    loop {
        let message = association.recv().await?.ok_or(S1Error::Lost)?;
        let answer = messages::read(&message)?.message;
        if matches!(answer, FromMme::SetupResponse { .. } | FromMme::SetupFailure { .. }) {
            return Ok(answer);
        }
    }
}

/// Takes what the MME sends, until it is told to stop.
async fn serve(shared: Arc<Shared>, mut association: Arc<dyn Association>, connect: Arc<dyn Connect>) {
    loop {
        let why = tokio::select! {
            () = shared.stop.cancelled() => break,
            why = receive(&shared, &*association) => why,
        };
        shared.link.send_replace(Link::Down);
        shared.overloaded.store(false, Ordering::Relaxed);
        shared.registry.all_gone("the association with the MME is lost");
        shared.events.tell(None, EventKind::Lost(why));
        let mut delay = shared.config.reconnect;
        association = loop {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep(delay) => {}
            }
            // An MME that does not answer takes its time: whoever stops the eNB does not wait for it.
            let again = tokio::select! {
                () = shared.stop.cancelled() => return,
                again = set_up(&*connect, &shared.config, &shared.events) => again,
            };
            match again {
                Ok(association) => break association,
                Err(error) => {
                    delay = (delay * 2).min(RECONNECT_MAX);
                    shared.events.tell(None, EventKind::Lost(error.to_string()));
                }
            }
        };
        shared.link.send_replace(Link::Up(association.clone()));
    }
    shared.registry.all_gone("the eNB stops");
    association.shutdown().await;
}

/// Until the association ends: why.
async fn receive(shared: &Shared, association: &dyn Association) -> String {
    loop {
        let message = match association.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => return "the MME has ended it".to_owned(),
            Err(error) => return error.to_string(),
        };
        let tell = |why: &str| {
            shared.events.tell(None, EventKind::Error(format!("a message of the MME: {why}")));
        };
        let mut answers = Vec::new();
        match messages::read(&message) {
            Ok(Read { message, passed_over }) => {
                if let Some((why, answer)) = passed_over {
                    tell(&why);
                    answers.extend(answer);
                }
                answers.extend(take(shared, message));
            }
            Err(Unreadable::Abstract(why, answer)) => {
                tell(&why);
                answers.extend(answer);
            }
            Err(error @ Unreadable::Transfer(_)) => {
                tell(&error.to_string());
                let cause = Cause::protocol(CauseProtocol::transfer_syntax_error);
                let octets = messages::error_indication((None, None), cause, None).ok();
                answers.extend(octets.map(|octets| Answer { enb: None, octets }));
            }
        }
        for Answer { enb, octets } in answers {
            let stream = enb.map_or(0, |enb| stream_of(association, enb));
            if let Err(error) = association.send(stream, &octets).await {
                return error.to_string();
            }
        }
    }
}

/// Takes one message; gives what is to be answered.
fn take(shared: &Shared, message: FromMme) -> Option<Answer> {
    let message = match message {
        FromMme::Other { name, answer } => {
            let what = format!("{name} is not something that this eNB does");
            shared.events.tell(None, EventKind::Error(what));
            return answer;
        }
        // The UE is lost (§8.3.2), and the MME does not know it yet or is about to release the connection.
        FromMme::DownlinkNas { ids, nas } if shared.registry.is_lost(ids.enb) => {
            let what = "NAS of the MME cannot be delivered: the radio connection is lost".to_owned();
            shared.events.tell(None, EventKind::Error(what));
            let lost = CauseRadioNetwork::radio_connection_with_ue_lost;
            let octets = messages::non_delivery(ids, nas, lost).ok()?;
            return Some(Answer { enb: Some(ids.enb), octets });
        }
        FromMme::ContextRelease { mme, enb: Some(enb), .. } if shared.registry.is_lost(enb) => {
            shared.registry.forget_lost(enb);
            return Some(Answer {
                enb: Some(enb),
                octets: messages::release_complete(Ids { mme, enb }).ok()?,
            });
        }
        message => message,
    };
    take_ours(shared, message).map(|octets| Answer { enb: None, octets })
}

/// Of what this eNB does; gives what is to be answered on stream 0.
fn take_ours(shared: &Shared, message: FromMme) -> Option<Vec<u8>> {
    let tell = |kind| shared.events.tell(None, kind);
    let hand = |ids: Ids, what: ToUe| {
        match shared.registry.to(ids.enb, what) {
            Handed::Over => return None,
            Handed::NoRoom => {
                let what = "a message is dropped: its UE is busy, and too many wait for it";
                tell(EventKind::Error(format!("{what}, eNB UE S1AP ID {}", ids.enb)));
                return None;
            }
            Handed::Nobody => {}
        }
        // §10.6: an identifier that this eNB has not given.
        tell(EventKind::Error(format!("a message for eNB UE S1AP ID {}, which there is not", ids.enb)));
        let cause = Cause::radioNetwork(CauseRadioNetwork::unknown_enb_ue_s1ap_id);
        messages::error_about(ids, cause).ok()
    };
    match message {
        FromMme::DownlinkNas { ids, nas } => hand(ids, ToUe::Nas(ids, nas)),
        FromMme::ContextSetup { ids, erabs, not, key, ambr } => {
            hand(ids, ToUe::ContextSetup { ids, erabs, not, key, ambr })
        }
        FromMme::ContextModification { ids } => hand(ids, ToUe::ContextModification(ids)),
        FromMme::ErabSetup { ids, erabs, not } => hand(ids, ToUe::ErabSetup(ids, erabs, not)),
        FromMme::ErabModify { ids, erabs } => hand(ids, ToUe::ErabModify(ids, erabs)),
        FromMme::ErabRelease { ids, erabs, nas } => hand(ids, ToUe::ErabRelease(ids, erabs, nas)),
        FromMme::ContextRelease { mme, enb, cause } => {
            // By the MME's identifier alone (§8.3.3.2) a connection is known that the MME has answered before; if it
            // has not, the UE asks no more.
            let enb = enb.or_else(|| shared.registry.of_mme(mme))?;
            let ids = Ids { mme, enb };
            if shared.registry.to(ids.enb, ToUe::Release(ids, cause)) != Handed::Nobody {
                return None;
            }
            // It is released already: the answer was lost with an association, or crossed with a RESET.
            messages::release_complete(ids).ok()
        }
        FromMme::PagingByTmsi { mmec, m_tmsi } => {
            shared.registry.page_tmsi((mmec, m_tmsi));
            None
        }
        FromMme::PagingByImsi(imsi) => {
            shared.registry.page_imsi(&imsi);
            None
        }
        FromMme::Reset { part, cause } => {
            tell(EventKind::Reset(cause.clone()));
            match &part {
                None => shared.registry.all_gone(&format!("RESET of the MME, {cause}")),
                Some(part) => {
                    // §8.7.1.2.1: by either identifier.
                    let named = part.iter().filter_map(|(mme, enb)| {
                        enb.or_else(|| mme.and_then(|mme| shared.registry.of_mme(mme)))
                    });
                    for enb in named {
                        shared.registry.gone(enb, &format!("RESET of the MME, {cause}"));
                    }
                }
            }
            messages::reset_acknowledge(part.as_deref()).ok()
        }
        FromMme::OverloadStart => {
            shared.overloaded.store(true, Ordering::Relaxed);
            tell(EventKind::Overload(true));
            None
        }
        FromMme::OverloadStop => {
            shared.overloaded.store(false, Ordering::Relaxed);
            tell(EventKind::Overload(false));
            None
        }
        FromMme::ErrorIndication { mme, enb, cause } => {
            let enb = enb.or_else(|| mme.and_then(|mme| shared.registry.of_mme(mme)));
            let about = enb.map_or_else(String::new, |enb| format!(" about eNB UE S1AP ID {enb}"));
            tell(EventKind::Error(format!("ERROR INDICATION of the MME{about}: {cause}")));
            if let Some(enb) = enb {
                shared.registry.gone(enb, &format!("ERROR INDICATION, {cause}"));
            }
            None
        }
        FromMme::MmeConfigurationUpdate => messages::configuration_acknowledge().ok(),
        FromMme::SetupResponse { .. }
        | FromMme::SetupFailure { .. }
        | FromMme::ResetAcknowledged
        | FromMme::Other { .. } => None,
    }
}

/// For people: an event in one line.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.imsi {
            Some(imsi) => write!(f, "{imsi}  {}", self.kind),
            None => write!(f, "eNB  {}", self.kind),
        }
    }
}
