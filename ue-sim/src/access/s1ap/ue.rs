//! One UE at an eNB: NAS over the UE-associated S1AP procedures (TS 36.413 §8.2, §8.3, §8.6), with its timers.

mod take;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxirush_s1ap::s1ap::{CauseRadioNetwork, RRCEstablishmentCause};
use tokio::sync::Notify;

use super::messages::{self, Erab, Ids, Temporary};
use super::registry::{Inbox, Mail, inbox};
use super::{Enb, End, EventKind, Report, S1Error};
use crate::device::Device;
use crate::nas::{EmmState, Output, Procedure, Tai, Timer, Told, Ue, UeOptions, Way};

/// How long one waits for what the network begins.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

/// The S1 connection of a UE.
#[derive(Debug, Clone, Copy)]
struct Connection {
    enb: u32,
    mme: Option<u32>,
    /// INITIAL CONTEXT SETUP is done.
    bearers: bool,
}

/// What happened to the connection besides NAS.
#[derive(Debug, Clone, PartialEq)]
enum Happened {
    Told(Told),
    BearersSetUp,
    KeysDiffer,
    Released(String),
    Paged,
    DataWaits,
}

/// Keeps what a device's USIM remembers where it outlives the process; in words why it cannot.
pub type Keeper = Box<dyn FnMut(&Device) -> Result<(), String> + Send + Sync>;

/// A UE at an eNB.
pub struct S1Ue {
    enb: Enb,
    nas: Ue,
    inbox: Inbox,
    mail: Mail,
    connection: Option<Connection>,
    timers: BTreeMap<Timer, Instant>,
    known_as: Option<(u8, u32)>,
    erabs: BTreeMap<u8, Erab>,
    /// Packets wait for a bearer.
    wanted: Option<Arc<Notify>>,
    /// What has happened while nobody listened.
    unheard: Vec<Happened>,
    keeper: Option<Keeper>,
}

impl std::fmt::Debug for S1Ue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S1Ue")
            .field("nas", &self.nas)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Drop for S1Ue {
    fn drop(&mut self) {
        self.enb.registry().unknown(self.nas.imsi(), self.known_as, &self.inbox);
        if let Some(connection) = self.connection {
            self.enb.registry().close(connection.enb);
            self.enb.user_plane().remove_all(connection.enb);
        }
        self.enb.user_plane().gone(self.nas.imsi());
    }
}

impl S1Ue {
    /// Switches a device on at this eNB.
    #[must_use]
    pub fn new(enb: &Enb, device: Device, options: UeOptions) -> Self {
        let (inbox, mail) = inbox();
        let serving = Tai { plmn: enb.config().plmn, tac: enb.config().tac };
        let nas = Ue::new(device, serving, options);
        enb.registry().known(nas.imsi(), None, &inbox);
        let wanted = enb.user_plane().wanted(nas.imsi());
        Self {
            enb: enb.clone(),
            nas,
            inbox,
            mail,
            connection: None,
            timers: BTreeMap::new(),
            known_as: None,
            erabs: BTreeMap::new(),
            wanted,
            unheard: Vec::new(),
            keeper: None,
        }
    }

    /// Has `keeper` called whenever the USIM remembers something new, before the UE acts upon it: whenever the process
    /// ends, what was kept is not behind what the network has seen. If it fails, the procedure ends with
    /// [`S1Error::Keep`].
    #[must_use]
    pub fn keeping(mut self, keeper: Keeper) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Its NAS: state and bearers.
    #[must_use]
    pub fn nas(&self) -> &Ue {
        &self.nas
    }

    /// Its card, and what the card remembers: to be kept.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.nas.device()
    }

    /// Whether there is an S1 connection: ECM-CONNECTED (TS 23.401 §4.6.3).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The eNB UE S1AP ID of its connection, which its user plane goes by.
    #[must_use]
    pub fn connection_id(&self) -> Option<u32> {
        self.connection.map(|connection| connection.enb)
    }

    /// Attaches: up to the default bearer on both sides.
    ///
    /// # Errors
    /// If there is no MME. What the network refuses is an [`End`].
    pub async fn attach(&mut self) -> Result<Report, S1Error> {
        if self.enb.overloaded() {
            return Err(S1Error::Overloaded);
        }
        let outputs = self.nas.attach()?;
        self.run(Procedure::Attach, outputs, RRCEstablishmentCause::mo_Signalling).await
    }

    /// Asks for its user plane again; `paged`: as the answer to paging.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub async fn service_request(&mut self, paged: bool) -> Result<Report, S1Error> {
        let outputs = self.nas.service_request()?;
        let cause = if paged { RRCEstablishmentCause::mt_Access } else { RRCEstablishmentCause::mo_Data };
        self.run(Procedure::Service, outputs, cause).await
    }

    /// Updates its tracking area; `active`: it wants its user plane too.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub async fn tracking_area_update(&mut self, periodic: bool, active: bool) -> Result<Report, S1Error> {
        let outputs = self.nas.tracking_area_update(periodic, active)?;
        self.run(Procedure::TrackingAreaUpdate, outputs, RRCEstablishmentCause::mo_Signalling).await
    }

    /// Detaches; switched off, without waiting for an answer.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub async fn detach(&mut self, switch_off: bool) -> Result<Report, S1Error> {
        let outputs = self.nas.detach(switch_off)?;
        self.run(Procedure::Detach, outputs, RRCEstablishmentCause::mo_Signalling).await
    }

    /// The eNB has seen nothing of the UE for long and asks the MME to release its connection (TS 36.413 §8.3.2);
    /// then the UE is idle.
    ///
    /// # Errors
    /// If there is no MME.
    pub async fn idle(&mut self, patience: Patience) -> Result<(), S1Error> {
        let deadline = Instant::now() + patience.0;
        // A connection whose MME has not answered yet cannot be released by its identifiers.
        if let Some(Connection { enb, mme: Some(mme), .. }) = self.connection {
            let ids = Ids { mme, enb };
            let request = messages::release_request(ids, CauseRadioNetwork::user_inactivity)?;
            self.enb.send_for(enb, &request).await?;
        }
        while self.connection.is_some() {
            let mut happened = self.step(deadline).await?;
            let nothing = happened.is_empty();
            // The release is what was asked for; all else is for whoever listens next.
            happened.retain(|what| !matches!(what, Happened::Released(_)));
            self.unheard.extend(happened);
            if nothing && Instant::now() >= deadline {
                let seconds = patience.0.as_secs();
                return Err(S1Error::Silent { what: "UE CONTEXT RELEASE REQUEST", seconds });
            }
        }
        Ok(())
    }

    /// Waits until the UE is asked for: paged, detached, released. `None`: nothing happened so long.
    ///
    /// # Errors
    /// If a message cannot be sent.
    pub async fn wait(&mut self, patience: Patience) -> Result<Option<Asked>, S1Error> {
        let deadline = Instant::now() + patience.0;
        loop {
            let happened = match std::mem::take(&mut self.unheard) {
                unheard if unheard.is_empty() => self.step(deadline).await?,
                unheard => unheard,
            };
            for what in &happened {
                match what {
                    Happened::Told(Told::Detached { by_network: true, reattach, cause }) => {
                        return Ok(Some(Asked::Detached { reattach: *reattach, cause: *cause }));
                    }
                    Happened::Paged => return Ok(Some(Asked::Paged)),
                    Happened::DataWaits => return Ok(Some(Asked::DataWaits)),
                    Happened::Released(cause) => return Ok(Some(Asked::Released { cause: cause.clone() })),
                    _ => {}
                }
            }
            if happened.is_empty() && Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Runs a procedure to its end.
    async fn run(
        &mut self,
        procedure: Procedure,
        outputs: Vec<Output>,
        cause: RRCEstablishmentCause,
    ) -> Result<Report, S1Error> {
        let begun = Instant::now();
        let mut report = Report {
            procedure,
            imsi: self.nas.imsi(),
            end: End::Unanswered,
            resynchronised: false,
            network_refused: None,
            algorithms: None,
            took: Duration::ZERO,
        };
        let was_idle = self.connection.is_none();
        let mut happened = self.act(outputs, cause).await?;
        let mut last_discarded = None;
        // A timer ends the wait: that of the procedure, or one for which it stands still (TS 24.301 §5.4.2.7). This is for
        // a connection that comes to nothing without one.
        let deadline = begun + procedure.timer().length() * 2;
        report.end = loop {
            let mut end = None;
            for what in happened.drain(..) {
                match &what {
                    Happened::Told(Told::SynchronisationFailure { .. }) => report.resynchronised = true,
                    Happened::Told(Told::NetworkRefused { cause }) => report.network_refused = Some(*cause),
                    Happened::Told(Told::Secured { ciphering, integrity }) => {
                        report.algorithms = Some((*ciphering, *integrity));
                    }
                    Happened::Told(Told::Discarded(why)) => last_discarded = Some(why.clone()),
                    _ => {}
                }
                end = end.or_else(|| self.end(procedure, what));
            }
            if let Some(end) = end {
                break end;
            }
            let supervised = [procedure.timer(), Timer::T3418, Timer::T3420]
                .iter()
                .filter_map(|timer| self.timers.get(timer))
                .max();
            let until = supervised.map_or(deadline, |at| deadline.max(*at));
            if Instant::now() >= until && supervised.is_none() {
                break End::Unanswered;
            }
            happened = self.step(until).await?;
        };
        if let End::Released { discarded, .. } = &mut report.end {
            *discarded = last_discarded;
        }
        report.took = begun.elapsed();
        if let Some(longest) = await_release(procedure, &report.end, was_idle) {
            match self.settle(longest).await {
                // What was done is done, whatever becomes of the association afterwards.
                Ok(()) | Err(S1Error::Lost) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }

    /// Waits for the network to release the signalling connection, as a UE does before it begins anything else
    /// (TS 24.301 §5.3.1.2.1); if it does not, the UE lets go by itself.
    async fn settle(&mut self, longest: Duration) -> Result<(), S1Error> {
        let deadline = Instant::now() + longest;
        let had = self.connection.is_some_and(|connection| connection.bearers);
        while let Some(connection) = self.connection {
            if connection.bearers && !had {
                // It was asked for with the update: the connection stays.
                return Ok(());
            }
            let mut happened = if Instant::now() < deadline {
                self.step(deadline).await?
            } else if longest < T3440 {
                return Ok(());
            } else {
                self.let_go("T3440 has expired").await?
            };
            happened.retain(|what| !matches!(what, Happened::Released(_)));
            self.unheard.extend(happened);
        }
        Ok(())
    }

    /// Whether this ends the procedure.
    fn end(&self, procedure: Procedure, what: Happened) -> Option<End> {
        Some(match what {
            Happened::Told(Told::Attached { bearer, .. }) => End::Attached { bearer },
            Happened::Told(Told::Updated) if procedure == Procedure::TrackingAreaUpdate => End::Done,
            Happened::BearersSetUp if procedure == Procedure::Service => End::Done,
            Happened::Told(Told::Detached { by_network: false, .. }) if procedure == Procedure::Detach => {
                End::Done
            }
            Happened::Told(Told::Detached { by_network: true, reattach, .. })
                if procedure != Procedure::Detach =>
            {
                End::Detached { reattach }
            }
            Happened::Told(Told::Refused { cause, esm_cause, back_off, .. }) => End::Refused {
                emm_cause: cause,
                name: crate::nas::cause::emm(cause),
                consequence: crate::nas::cause::consequence(cause).words(),
                esm_cause,
                back_off: back_off.map(|time| time.as_secs()),
            },
            Happened::Told(Told::BearerRefused { cause, why }) => {
                End::BearerRefused { esm_cause: cause, why }
            }
            Happened::Told(Told::AuthenticationRejected) => End::AuthenticationRejected,
            Happened::Told(Told::NetworkNotGenuine { .. }) => End::NetworkNotGenuine,
            Happened::Told(Told::Unanswered(which)) if which == procedure => End::Unanswered,
            Happened::KeysDiffer => End::KeysDiffer,
            Happened::Released(cause) => End::Released { cause, discarded: None },
            _ => return None,
        })
    }

    /// Waits for the next message or timer, at most until `deadline`, and deals with it.
    async fn step(&mut self, deadline: Instant) -> Result<Vec<Happened>, S1Error> {
        let next = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
        let wake = next.map_or(deadline, |(_, at)| at.min(deadline));
        let idle = self.connection.is_none() && self.nas.state() == EmmState::Registered;
        tokio::select! {
            mail = self.mail.recv() => match mail {
                Some(mail) => self.take(mail).await,
                None => Err(S1Error::Lost),
            },
            () = packets(self.wanted.as_deref(), idle) => Ok(vec![Happened::DataWaits]),
            () = tokio::time::sleep_until(wake.into()) => match next {
                Some((timer, at)) if at <= Instant::now() => {
                    self.timers.remove(&timer);
                    self.expired(timer).await
                }
                _ => Ok(Vec::new()),
            },
        }
    }

    async fn expired(&mut self, timer: Timer) -> Result<Vec<Happened>, S1Error> {
        if timer == Timer::T3412 {
            // TS 24.301 §5.5.3.2.2 b: periodic updating, in idle mode.
            if self.connection.is_some() || self.nas.state() != EmmState::Registered || self.nas.is_barred() {
                return Ok(Vec::new());
            }
            let outputs = self.nas.tracking_area_update(true, false)?;
            return self.act(outputs, RRCEstablishmentCause::mo_Signalling).await;
        }
        let outputs = self.nas.expired(timer);
        self.act(outputs, RRCEstablishmentCause::mo_Signalling).await
    }

    /// Does what the NAS wants done.
    async fn act(
        &mut self,
        outputs: Vec<Output>,
        cause: RRCEstablishmentCause,
    ) -> Result<Vec<Happened>, S1Error> {
        let mut happened = Vec::new();
        let mut unsent = None;
        for output in outputs {
            match output {
                Output::Keep => {
                    if let Some(keeper) = &mut self.keeper {
                        keeper(self.nas.device()).map_err(S1Error::Keep)?;
                    }
                }
                // After one that was not sent none is: they would be out of order.
                Output::Send(_) if unsent.is_some() => {}
                Output::Send(nas) => unsent = self.send_nas(&nas, cause).await.err(),
                Output::Release => happened.extend(Box::pin(self.let_go("the UE has let go")).await?),
                Output::Start(timer, length) => {
                    self.timers.insert(timer, Instant::now() + length);
                }
                Output::Stop(timer) => {
                    self.timers.remove(&timer);
                }
                Output::Told(told) => {
                    self.tell(|| EventKind::Nas(told.clone()));
                    happened.push(Happened::Told(told));
                }
            }
        }
        // By its newest GUTI it is paged.
        let s_tmsi = self.nas.s_tmsi();
        if s_tmsi != self.known_as {
            self.enb.registry().unknown(self.nas.imsi(), self.known_as, &self.inbox);
            self.enb.registry().known(self.nas.imsi(), s_tmsi, &self.inbox);
            self.known_as = s_tmsi;
        }
        let Some(error) = unsent else { return Ok(happened) };
        // There is no connection, or none any more: what was under way is given up (TS 24.301 §5.5.1.2.6 b and the
        // like), so that it can be asked for again.
        Box::pin(self.released(error.to_string())).await?;
        Err(error)
    }

    async fn send_nas(&mut self, nas: &[u8], cause: RRCEstablishmentCause) -> Result<(), S1Error> {
        let config = self.enb.config();
        match self.connection {
            Some(Connection { enb, mme: Some(mme), .. }) => {
                let ids = Ids { mme, enb };
                let message = messages::uplink(config, ids, nas)?;
                self.tell(|| EventKind::S1(Way::Up, "UPLINK NAS TRANSPORT", of(ids)));
                self.enb.send_for(enb, &message).await
            }
            Some(Connection { enb, mme: None, .. }) => {
                // The MME has not answered the first message, and the UE begins anew: a new connection.
                self.enb.registry().close(enb);
                self.connection = None;
                self.open(nas, cause).await
            }
            None => self.open(nas, cause).await,
        }
    }

    /// INITIAL UE MESSAGE, TS 36.413 §8.6.2.1.
    async fn open(&mut self, nas: &[u8], cause: RRCEstablishmentCause) -> Result<(), S1Error> {
        let Some(enb) = self.enb.registry().open(&self.inbox) else {
            return Err(S1Error::Codec("all eNB UE S1AP IDs are taken".into()));
        };
        self.connection = Some(Connection { enb, mme: None, bearers: false });
        let temporary =
            self.nas.s_tmsi().zip(self.nas.gummei()).map(|(s_tmsi, gummei)| Temporary { s_tmsi, gummei });
        let message = messages::initial(self.enb.config(), enb, nas, cause, temporary)?;
        self.tell(|| EventKind::S1(Way::Up, "INITIAL UE MESSAGE", format!("  eNB UE S1AP ID {enb}")));
        self.enb.send_for(enb, &message).await
    }

    async fn reply(&self, ids: Ids, message: Vec<u8>) -> Result<(), S1Error> {
        self.enb.send_for(ids.enb, &message).await
    }

    fn answered(&mut self, ids: Ids) {
        if let Some(connection) = self.connection.as_mut().filter(|connection| connection.enb == ids.enb)
            && connection.mme.replace(ids.mme) != Some(ids.mme)
        {
            self.enb.registry().answered(ids.enb, ids.mme);
        }
    }

    async fn released(&mut self, cause: String) -> Result<Vec<Happened>, S1Error> {
        if let Some(connection) = self.connection.take() {
            self.enb.registry().close(connection.enb);
            self.enb.user_plane().remove_all(connection.enb);
        }
        self.erabs.clear();
        self.tell(|| EventKind::Released(cause.clone()));
        let outputs = self.nas.connection_released();
        // It sends nothing: there is no connection.
        let mut happened = self.act(outputs, RRCEstablishmentCause::mo_Signalling).await?;
        happened.push(Happened::Released(cause));
        Ok(happened)
    }

    /// The UE releases its radio connection by itself. The eNB does not hear it any more, and asks the MME for the release
    /// (TS 36.413 §8.3.2); until that comes, what is sent to the UE is not delivered (§8.6.2.4).
    async fn let_go(&mut self, why: &str) -> Result<Vec<Happened>, S1Error> {
        if let Some(Connection { enb, mme: Some(mme), .. }) = self.connection {
            self.enb.registry().lose(enb);
            let lost = CauseRadioNetwork::radio_connection_with_ue_lost;
            let request = messages::release_request(Ids { mme, enb }, lost)?;
            // Without an association there is nothing to release at the other end.
            if let Err(error) = self.enb.send_for(enb, &request).await
                && !matches!(error, S1Error::Lost)
            {
                return Err(error);
            }
        }
        self.released(why.to_owned()).await
    }

    /// The eNB gives up a dedicated bearer: it tells the MME (TS 36.413 §8.2.3.2.2), and the UE drops it without a word
    /// (TS 24.301 §6.4.4.6).
    ///
    /// # Errors
    /// If the UE is not connected, or has no such dedicated bearer: a default bearer goes with the connection alone
    /// ([`idle`](Self::idle)).
    pub async fn release_bearer(&mut self, ebi: u8) -> Result<(), S1Error> {
        let Some(Connection { enb, mme: Some(mme), .. }) = self.connection else {
            return Err(S1Error::NoBearer(ebi));
        };
        let outputs = self.nas.bearer_lost(ebi).ok_or(S1Error::NoBearer(ebi))?;
        self.erabs.remove(&ebi);
        self.enb.user_plane().remove(enb, ebi);
        let inactive = CauseRadioNetwork::user_inactivity;
        let message = messages::erab_release_indication(Ids { mme, enb }, ebi, inactive)?;
        self.tell(|| EventKind::S1(Way::Up, "E-RAB RELEASE INDICATION", of(Ids { mme, enb })));
        self.enb.send_for(enb, &message).await?;
        let happened = self.act(outputs, RRCEstablishmentCause::mo_Signalling).await?;
        self.unheard.extend(happened);
        Ok(())
    }

    fn tell(&self, kind: impl FnOnce() -> EventKind) {
        if self.enb.events().heard() {
            self.enb.events().tell(Some(self.nas.imsi()), kind());
        }
    }
}

/// What the network has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Paged by its S-TMSI: a service request is due.
    Paged,
    /// It has packets to send and no bearer: a service request is due.
    DataWaits,
    /// Detached by the network.
    Detached {
        /// It shall attach again.
        reattach: bool,
        /// EMM cause.
        cause: Option<u8>,
    },
    /// Its connection is released: it is idle.
    Released {
        /// S1AP cause.
        cause: String,
    },
}

/// How long the UE waits after a procedure for the network to release the signalling connection; `None`: it stays
/// connected.
fn await_release(procedure: Procedure, end: &End, was_idle: bool) -> Option<Duration> {
    match (procedure, end) {
        // T3440, TS 24.301 table 10.2.1.
        (Procedure::Detach, End::Done) | (_, End::Refused { .. } | End::BearerRefused { .. }) => Some(T3440),
        (Procedure::TrackingAreaUpdate, End::Done) if was_idle => Some(T3440),
        // Begun in connected mode nothing says that the connection ends, but some MMEs end it: Open5GS's.
        (Procedure::TrackingAreaUpdate, End::Done) => Some(Duration::from_secs(1)),
        _ => None,
    }
}

/// TS 24.301 table 10.2.1.
const T3440: Duration = Duration::from_secs(10);

/// When an idle UE has packets to send.
async fn packets(wanted: Option<&Notify>, idle: bool) {
    match wanted {
        Some(wanted) if idle => wanted.notified().await,
        _ => std::future::pending().await,
    }
}

fn of(ids: Ids) -> String {
    format!("  MME UE S1AP ID {}, eNB UE S1AP ID {}", ids.mme, ids.enb)
}
