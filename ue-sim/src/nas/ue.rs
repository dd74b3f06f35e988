//! The UE's state, and what its user can ask of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use oxirush_nas::nas_eps::{
    Direction, Guti, KAsme, NasEpsMessage, NasEpsSecurityHeaderType as Header, NasSecurityContext,
};
use oxirush_security::nas_eps::{KEnb, derive_kenb};
use schemas::identity::{Imsi, Plmn};

use super::doubt::Doubt;
use super::forbidden_list::Forbidden;
use super::{Bearer, Capabilities, NasError, Output, Procedure, Tai, Timer, Told, Way, messages};
use crate::device::Device;

/// Main EMM states of a UE, TS 24.301 §5.1.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmmState {
    /// EMM-DEREGISTERED.
    Deregistered,
    /// EMM-REGISTERED-INITIATED: an attach is under way.
    RegisteredInitiated,
    /// EMM-REGISTERED.
    Registered,
    /// EMM-TRACKING-AREA-UPDATING-INITIATED.
    TrackingAreaUpdatingInitiated,
    /// EMM-SERVICE-REQUEST-INITIATED.
    ServiceRequestInitiated,
    /// EMM-DEREGISTERED-INITIATED: a detach is under way.
    DeregisteredInitiated,
}

impl EmmState {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Deregistered => "deregistered",
            Self::RegisteredInitiated => "attaching",
            Self::Registered => "registered",
            Self::TrackingAreaUpdatingInitiated => "updating its tracking area",
            Self::ServiceRequestInitiated => "requesting service",
            Self::DeregisteredInitiated => "detaching",
        }
    }

    /// The procedure that is under way.
    #[must_use]
    pub const fn procedure(self) -> Option<Procedure> {
        match self {
            Self::Deregistered | Self::Registered => None,
            Self::RegisteredInitiated => Some(Procedure::Attach),
            Self::TrackingAreaUpdatingInitiated => Some(Procedure::TrackingAreaUpdate),
            Self::ServiceRequestInitiated => Some(Procedure::Service),
            Self::DeregisteredInitiated => Some(Procedure::Detach),
        }
    }
}

/// How a UE behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UeOptions {
    /// The APN that it asks for; `None`: the network's default.
    pub apn: Option<String>,
    /// Its algorithms.
    pub capabilities: Capabilities,
    /// The network was chosen by hand: it is tried although it is in a list of forbidden ones (TS 23.122 §4.4.3.1.2).
    pub manual: bool,
}

/// How often DETACH REQUEST is sent again: at the first four expiries of T3421 (TS 24.301 §5.5.2.2.4 c).
const DETACH_REPETITIONS: u8 = 4;

/// An EPS security context (TS 24.301 §4.4.2.1): KASME under its key set identifier. It is never copied: a
/// copy would use the same NAS COUNTs again.
pub(super) struct Context {
    pub(super) ksi: u8,
    pub(super) kasme: KAsme,
    pub(super) nas: NasSecurityContext,
}

/// KASME of an authentication whose security mode has not come yet: a partial native context.
pub(super) struct Partial {
    pub(super) ksi: u8,
    pub(super) kasme: KAsme,
}

/// A challenge that was answered, and the answer (TS 24.301 §5.4.2.3).
pub(super) struct Challenged {
    pub(super) rand: [u8; 16],
    pub(super) res: [u8; 8],
}

/// One UE. Debug shows no key.
pub struct Ue {
    pub(super) device: Device,
    /// Its cell.
    pub(super) serving: Tai,
    pub(super) options: UeOptions,
    pub(super) state: EmmState,
    pub(super) context: Option<Context>,
    pub(super) partial: Option<Partial>,
    /// The last challenge, until its keys are in use or T3416 expires.
    pub(super) challenged: Option<Challenged>,
    /// A challenge was refused, and T3418 or T3420 runs.
    pub(super) doubt: Option<Doubt>,
    pub(super) forbidden: Forbidden,
    /// T3247 runs.
    pub(super) t3247: bool,
    /// The cell's network did not prove genuine.
    pub(super) barred: bool,
    /// Secure exchange of NAS messages is established in this signalling connection (TS 24.301 §4.4.2.3).
    pub(super) secured: bool,
    pub(super) guti: Option<Guti>,
    pub(super) bearers: BTreeMap<u8, Bearer>,
    /// The ATTACH or TAU REQUEST as it was before protection, for HASHMME (§5.4.3.3).
    pub(super) initial: Vec<u8>,
    pub(super) switch_off: bool,
    /// How often T3421 has expired in the detach under way.
    pub(super) detach_expiries: u8,
    pub(super) kenb: Option<KEnb>,
    /// The APN named in the attach under way goes out when the network asks for it.
    pub(super) pti: u8,
    /// T3412 as the network has it; `None`: no periodic update.
    pub(super) t3412: Option<Duration>,
    pub(super) out: Vec<Output>,
}

impl fmt::Debug for Ue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ue")
            .field("imsi", &self.device.imsi)
            .field("state", &self.state)
            .field("secured", &self.secured)
            .field("bearers", &self.bearers.keys())
            .finish_non_exhaustive()
    }
}

impl Ue {
    /// A UE that is switched on in a cell of the tracking area `serving`; its USIM goes on where it was.
    #[must_use]
    pub fn new(device: Device, serving: Tai, options: UeOptions) -> Self {
        Self {
            device,
            serving,
            options,
            state: EmmState::Deregistered,
            context: None,
            partial: None,
            challenged: None,
            doubt: None,
            barred: false,
            forbidden: Forbidden::default(),
            t3247: false,
            secured: false,
            guti: None,
            bearers: BTreeMap::new(),
            initial: Vec::new(),
            switch_off: false,
            detach_expiries: 0,
            kenb: None,
            pti: 1,
            t3412: None,
            out: Vec::new(),
        }
    }

    /// Its IMSI.
    #[must_use]
    pub fn imsi(&self) -> Imsi {
        self.device.imsi
    }

    /// Its card, and what the card remembers.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Main EMM state.
    #[must_use]
    pub fn state(&self) -> EmmState {
        self.state
    }

    /// Its bearers, by EPS bearer identity.
    pub fn bearers(&self) -> impl Iterator<Item = &Bearer> {
        self.bearers.values()
    }

    /// Whether it has a GUTI, by which it is asked for in idle mode.
    #[must_use]
    pub fn has_guti(&self) -> bool {
        self.guti.is_some()
    }

    /// MME code and M-TMSI of its GUTI: the S-TMSI (TS 23.003 §2.8.1), by which it is paged.
    #[must_use]
    pub fn s_tmsi(&self) -> Option<(u8, u32)> {
        self.guti.map(|guti| (guti.mme_code(), guti.m_tmsi()))
    }

    /// PLMN, MME group identity and MME code of its GUTI: the GUMMEI.
    #[must_use]
    pub fn gummei(&self) -> Option<(Plmn, u16, u8)> {
        let guti = self.guti?;
        let plmn = Plmn::from_octets(guti.plmn().to_nas_octets()).ok()?;
        Some((plmn, guti.mme_group_id(), guti.mme_code()))
    }

    /// KeNB, which the MME gives the eNB (TS 33.401 §7.2.8.1), from this side; `None` before NAS security.
    #[must_use]
    pub fn kenb(&self) -> Option<&[u8; 32]> {
        self.kenb.as_ref().map(KEnb::as_octets)
    }

    /// Begins to attach: with the GUTI if there is one, else with the IMSI (TS 24.301 §5.5.1.2.2).
    ///
    /// # Errors
    /// If it is not deregistered, network, area or USIM is forbidden or the cell barred, or the APN does not fit.
    pub fn attach(&mut self) -> Result<Vec<Output>, NasError> {
        self.expect(EmmState::Deregistered, "attach")?;
        self.may_attach()?;
        self.may_send()?;
        let esm = messages::pdn_connectivity(self.pti, self.options.apn.is_some())?;
        let identity = messages::mobile_identity(self.imsi(), self.guti)?;
        let request = messages::attach(self.ksi(), identity, self.options.capabilities, &esm)?;
        self.begin(Procedure::Attach, &request)
    }

    /// Begins a tracking area update, normal or periodic; `active`: user plane is wanted (TS 24.301 §5.5.3.2.2).
    ///
    /// # Errors
    /// If it is not registered, or the cell is barred.
    pub fn tracking_area_update(&mut self, periodic: bool, active: bool) -> Result<Vec<Output>, NasError> {
        self.expect(EmmState::Registered, "a tracking area update")?;
        self.may_send()?;
        let Some(guti) = self.guti else {
            return Err(NasError::State { state: "without a GUTI", what: "a tracking area update" });
        };
        let bearers: Vec<u8> = self.bearers.keys().copied().collect();
        let request = messages::tracking_area_update(
            self.ksi(),
            guti,
            periodic,
            active,
            self.options.capabilities,
            &bearers,
        )?;
        self.begin(Procedure::TrackingAreaUpdate, &request)
    }

    /// Asks for its user plane (TS 24.301 §5.6.1.2).
    ///
    /// # Errors
    /// If it is not registered, has no security context, or the cell is barred.
    pub fn service_request(&mut self) -> Result<Vec<Output>, NasError> {
        self.expect(EmmState::Registered, "a service request")?;
        self.may_send()?;
        let Some(context) = &mut self.context else {
            return Err(NasError::State { state: "without a security context", what: "a service request" });
        };
        let count = context.nas.nas_count(Direction::Uplink);
        let request = context.nas.protect_service_request(context.ksi)?;
        let message = NasEpsMessage::ServiceRequest(request);
        if let Some(count) = count {
            self.kenb = Some(derive_kenb(&context.kasme, count));
        }
        let octets = message.encode()?;
        self.told_message(Way::Up, Header::SecurityHeaderForTheServiceRequestMessage, &message);
        self.enter(Procedure::Service);
        self.out.push(Output::Send(octets));
        Ok(self.flush())
    }

    /// Detaches; switched off it waits for no answer (TS 24.301 §5.5.2.2). A UE can be switched off also where it is not
    /// registered: it forgets then what it knows only while it has power.
    ///
    /// # Errors
    /// If it is not registered, or the cell is barred; neither matters to one that is switched off.
    pub fn detach(&mut self, switch_off: bool) -> Result<Vec<Output>, NasError> {
        if switch_off && (self.barred || self.state == EmmState::Deregistered) {
            return Ok(self.switch_off_alone());
        }
        self.expect(EmmState::Registered, "a detach")?;
        self.may_send()?;
        self.switch_off = switch_off;
        self.detach_expiries = 0;
        let request = self.detach_request()?;
        let mut out = self.begin(Procedure::Detach, &request)?;
        if switch_off {
            self.switched_off();
            self.left(false, false, None);
            out.append(&mut self.flush());
        }
        Ok(out)
    }

    fn detach_request(&self) -> Result<NasEpsMessage, NasError> {
        let identity = messages::mobile_identity(self.imsi(), self.guti)?;
        messages::detach(self.ksi(), identity, self.switch_off)
    }

    /// T3421 has expired: four times the request is sent again, the fifth time the UE is detached whether the network
    /// has heard of it or not (TS 24.301 §5.5.2.2.4 c).
    fn detach_again(&mut self) -> Result<(), NasError> {
        self.detach_expiries += 1;
        if self.detach_expiries > DETACH_REPETITIONS {
            self.tell(Told::Unanswered(Procedure::Detach));
            self.left(false, false, None);
            return Ok(());
        }
        self.tell(Told::Again(Procedure::Detach));
        let request = self.detach_request()?;
        // With a NAS COUNT of its own, as every message (§4.4.3.1).
        self.begin_again(Procedure::Detach, &request)
    }

    /// The MME pages the UE by its IMSI: it has forgotten the GUTI. The UE gives up its registration and attaches
    /// anew (TS 24.301 §5.6.2.2.2).
    pub fn paged_by_imsi(&mut self) -> Vec<Output> {
        self.forget();
        self.left(true, true, None);
        self.flush()
    }

    /// A timer that [`Output::Start`] began has expired. An attach, an update or a service request that nobody has
    /// answered is given up, and its connection with it (TS 24.301 §5.5.1.2.6 c, §5.5.3.2.6 c, §5.6.1.6 c).
    pub fn expired(&mut self, timer: Timer) -> Vec<Output> {
        match timer {
            Timer::T3416 => self.challenged = None,
            Timer::T3418 | Timer::T3420 => {
                self.left_in_doubt(timer);
                return self.flush();
            }
            Timer::Barred => self.barred = false,
            Timer::T3247 => self.doubts_are_over(),
            _ => {}
        }
        let Some(procedure) = self.state.procedure().filter(|procedure| procedure.timer() == timer) else {
            return self.flush();
        };
        match procedure {
            Procedure::Detach => {
                if let Err(error) = self.detach_again() {
                    self.tell(Told::Discarded(error.to_string()));
                    self.left(false, false, None);
                }
            }
            Procedure::Attach => {
                self.tell(Told::Unanswered(procedure));
                self.state = EmmState::Deregistered;
                self.bearers.clear();
                self.out.push(Output::Release);
            }
            Procedure::TrackingAreaUpdate | Procedure::Service => {
                self.tell(Told::Unanswered(procedure));
                self.state = EmmState::Registered;
                self.out.push(Output::Release);
            }
        }
        self.flush()
    }

    /// The signalling connection is gone: what comes next is an initial message (TS 24.301 §4.4.2.3). A procedure that
    /// was under way is aborted (§5.5.1.2.6 b, §5.5.3.2.6 b, §5.6.1.6 b); a UE that was detaching is detached
    /// (§5.5.2.2.5 a).
    pub fn connection_released(&mut self) -> Vec<Output> {
        self.secured = false;
        self.kenb = None;
        match self.state {
            EmmState::Deregistered => {}
            EmmState::Registered => self.idle(),
            EmmState::DeregisteredInitiated => self.left(false, false, None),
            EmmState::RegisteredInitiated => {
                self.finish(EmmState::Deregistered);
                self.tell(Told::Aborted(Procedure::Attach));
            }
            EmmState::TrackingAreaUpdatingInitiated => {
                self.finish(EmmState::Registered);
                self.idle();
                self.tell(Told::Aborted(Procedure::TrackingAreaUpdate));
            }
            EmmState::ServiceRequestInitiated => {
                self.finish(EmmState::Registered);
                self.idle();
                self.tell(Told::Aborted(Procedure::Service));
            }
        }
        self.forget_challenge();
        self.flush()
    }

    /// From connected to idle: the time to the next periodic update runs (TS 24.301 §5.3.5).
    fn idle(&mut self) {
        if let Some(length) = self.t3412 {
            self.out.push(Output::Start(Timer::T3412, length));
        }
    }

    /// RAND and RES of the last challenge are not needed any more (§5.4.2.3), nor does another have to come.
    pub(super) fn forget_challenge(&mut self) {
        if self.challenged.take().is_some() {
            self.out.push(Output::Stop(Timer::T3416));
        }
        self.undoubted();
    }

    /// The user plane is there, which answers a service request (TS 24.301 §5.6.1.4) and shows that the network has
    /// the same keys: secure exchange is established (§4.4.2.5).
    pub fn bearers_established(&mut self) -> Vec<Output> {
        self.secured |= self.context.is_some();
        if self.state == EmmState::ServiceRequestInitiated {
            self.finish(EmmState::Registered);
        }
        self.flush()
    }

    /// Key set identifier of the context in use.
    pub(super) fn ksi(&self) -> Option<u8> {
        self.context.as_ref().map(|context| context.ksi)
    }

    /// Whether the UE may use this cell.
    fn may_send(&self) -> Result<(), NasError> {
        if self.barred { Err(NasError::Barred) } else { Ok(()) }
    }

    fn expect(&self, state: EmmState, what: &'static str) -> Result<(), NasError> {
        if self.state == state {
            return Ok(());
        }
        Err(NasError::State { state: self.state.words(), what })
    }

    /// Sends an initial message: integrity protected with the context if there is one (TS 24.301 §4.4.4.1). ATTACH and
    /// TRACKING AREA UPDATE REQUEST are never ciphered (§4.4.5): another MME has to be able to read them.
    fn begin(&mut self, procedure: Procedure, message: &NasEpsMessage) -> Result<Vec<Output>, NasError> {
        self.begin_again(procedure, message)?;
        Ok(self.flush())
    }

    fn begin_again(&mut self, procedure: Procedure, message: &NasEpsMessage) -> Result<(), NasError> {
        self.initial = message.encode()?;
        let read_by_any = matches!(procedure, Procedure::Attach | Procedure::TrackingAreaUpdate);
        let header = match &self.context {
            None => Header::PlainNasMessageNotSecurityProtected,
            Some(_) if self.secured && !read_by_any => Header::IntegrityProtectedAndCiphered,
            Some(_) => Header::IntegrityProtected,
        };
        if let Some(context) = &self.context
            && let Some(count) = context.nas.nas_count(Direction::Uplink)
        {
            self.kenb = Some(derive_kenb(&context.kasme, count));
        }
        self.enter(procedure);
        self.send_as(message, header)
    }

    fn enter(&mut self, procedure: Procedure) {
        self.state = match procedure {
            Procedure::Attach => EmmState::RegisteredInitiated,
            Procedure::Detach => EmmState::DeregisteredInitiated,
            Procedure::TrackingAreaUpdate => EmmState::TrackingAreaUpdatingInitiated,
            Procedure::Service => EmmState::ServiceRequestInitiated,
        };
        let timer = procedure.timer();
        // Connected, or about to be: T3412 stands still (§5.3.5).
        self.out.push(Output::Stop(Timer::T3412));
        self.out.push(Output::Start(timer, timer.length()));
    }

    /// The procedure under way is over.
    pub(super) fn finish(&mut self, state: EmmState) {
        if let Some(procedure) = self.state.procedure() {
            self.out.push(Output::Stop(procedure.timer()));
        }
        if state == EmmState::Deregistered {
            // Table 10.2.1: T3418, T3420.
            self.undoubted();
        }
        self.state = state;
    }

    /// The registration is over.
    pub(super) fn left(&mut self, by_network: bool, reattach: bool, cause: Option<u8>) {
        self.finish(EmmState::Deregistered);
        self.out.push(Output::Stop(Timer::T3412));
        for ebi in std::mem::take(&mut self.bearers).into_keys() {
            self.out.push(Output::Told(Told::BearerGone(ebi)));
        }
        self.out.push(Output::Told(Told::Detached { by_network, reattach, cause }));
    }

    /// GUTI and keys are deleted, as most rejects want it.
    pub(super) fn forget(&mut self) {
        self.guti = None;
        self.context = None;
        self.partial = None;
        self.forget_challenge();
        self.secured = false;
    }

    /// Sends a message as the state of the security wants it.
    pub(super) fn send(&mut self, message: &NasEpsMessage) -> Result<(), NasError> {
        let header = if self.secured && self.context.is_some() {
            Header::IntegrityProtectedAndCiphered
        } else {
            Header::PlainNasMessageNotSecurityProtected
        };
        self.send_as(message, header)
    }

    pub(super) fn send_as(&mut self, message: &NasEpsMessage, header: Header) -> Result<(), NasError> {
        let octets = match (&mut self.context, header) {
            (Some(context), header) if header != Header::PlainNasMessageNotSecurityProtected => {
                context.nas.protect(message, header, Direction::Uplink)?
            }
            _ => message.encode()?,
        };
        self.told_message(Way::Up, header, message);
        self.out.push(Output::Send(octets));
        Ok(())
    }

    pub(super) fn told_message(&mut self, way: Way, header: Header, message: &NasEpsMessage) {
        let protection = match header {
            Header::PlainNasMessageNotSecurityProtected => "plain",
            Header::IntegrityProtected => "integrity protected",
            Header::IntegrityProtectedAndCiphered => "integrity protected and ciphered",
            Header::IntegrityProtectedWithNewEpsSecurityContext => {
                "integrity protected with the new security context"
            }
            Header::IntegrityProtectedAndCipheredWithNewEpsSecurityContext => {
                "integrity protected and ciphered with the new security context"
            }
            Header::SecurityHeaderForTheServiceRequestMessage => "short message authentication code",
            _ => "protected otherwise",
        };
        self.tell(Told::Message { way, protection, text: message.to_string() });
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.out.push(Output::Told(told));
    }

    pub(super) fn flush(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }
}
