//! Requests of the home network: CLR, IDR, DSR and RSR.

use std::sync::Arc;

use ::s6a::app::{self, CancellationType, ClrFlags, Request};
use ::s6a::base::{AuthSessionState, Outcome};
use ::s6a::codec::{Experimental, Message, ResultCode};
use ::s6a::net::{Answer, Application, Down, PeerInfo};
use schemas::identity::Imsi;
use tokio::sync::watch;

use super::Step;
use super::context::Contexts;
use super::event::Events;
use super::wire::{Direction, WireSummary};

/// Whether the home network is connected, and if not, why it went.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    pub(super) up: bool,
    pub(super) why: Option<Down>,
}

/// The server side of the MME.
pub(super) struct Inbound {
    pub(super) origin_host: String,
    pub(super) origin_realm: String,
    pub(super) contexts: Arc<Contexts>,
    pub(super) events: Events,
    pub(super) link: watch::Sender<Link>,
}

/// An answer with what all four have in common.
macro_rules! answer {
    ($type:ident, $self:ident, $request:ident, $outcome:expr) => {
        app::$type {
            session_id: $request.session_id,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            outcome: $outcome,
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: &$self.origin_host,
            origin_realm: &$self.origin_realm,
            proxy_info: $request.proxy_info,
            ..Default::default()
        }
    };
}

impl Application for Inbound {
    fn request(&self, _: &Arc<PeerInfo>, message: &Message<'_>, answer: Answer<'_>) {
        let request = match Request::decode(message) {
            Ok(request) => request,
            Err(error) => return answer.refuse(&error),
        };
        let header = &message.header;
        let wire = Some(WireSummary::of(Direction::Received, message));
        match request {
            Request::CancelLocation(clr) => {
                let outcome = self.cancel(&clr, wire);
                let cla = answer!(CancelLocationAnswer, self, clr, outcome);
                answer.now(|out| cla.encode(out, header));
            }
            Request::InsertSubscriberData(idr) => {
                let outcome = self.insert(&idr, wire);
                let ida = answer!(InsertSubscriberDataAnswer, self, idr, outcome);
                answer.now(|out| ida.encode(out, header));
            }
            Request::DeleteSubscriberData(dsr) => {
                let outcome = self.delete(&dsr, wire);
                let dsa = answer!(DeleteSubscriberDataAnswer, self, dsr, outcome);
                answer.now(|out| dsa.encode(out, header));
            }
            Request::Reset(rsr) => {
                let outcome = self.reset(&rsr, wire);
                let rsa = answer!(ResetAnswer, self, rsr, outcome);
                answer.now(|out| rsa.encode(out, header));
            }
            // What an MME sends and never gets.
            Request::AuthenticationInformation(_)
            | Request::UpdateLocation(_)
            | Request::PurgeUe(_)
            | Request::Notify(_) => answer.refuse(ResultCode::COMMAND_UNSUPPORTED),
        }
    }

    fn peer_up(&self, peer: &Arc<PeerInfo>) {
        let detail = format!("{} of {} over {}", peer.identity, peer.realm, peer.transport);
        self.events.tell(Step::Connected, None, detail, None);
        self.link.send_replace(Link { up: true, why: None });
    }

    fn peer_down(&self, peer: &Arc<PeerInfo>, why: &Down) {
        self.events.tell(Step::Disconnected, None, format!("{}: {why}", peer.identity), None);
        self.link.send_replace(Link { up: false, why: Some(why.clone()) });
    }
}

/// User-Name has to be an IMSI (TS 29.272 §5.2.2.1.1).
fn imsi(user_name: &str) -> Option<Imsi> {
    user_name.parse().ok()
}

impl Inbound {
    /// TS 29.272 §5.2.1.2.2: a device that is not known here is success, too.
    fn cancel(&self, clr: &app::CancelLocationRequest<'_>, wire: Option<WireSummary>) -> Outcome {
        let Some(imsi) = imsi(clr.user_name) else { return ResultCode::INVALID_AVP_VALUE.into() };
        let known = self.contexts.lock().remove(&imsi).is_some();
        let why = match clr.cancellation_type {
            CancellationType::MmeUpdateProcedure => "another MME serves the device now",
            CancellationType::SubscriptionWithdrawal => {
                "the subscription is withdrawn; the device is detached"
            }
            CancellationType::InitialAttachProcedure => "the device has attached elsewhere",
            CancellationType::SgsnUpdateProcedure | CancellationType::UpdateProcedureIwf => {
                "another node serves the device now"
            }
        };
        let detail = if known { why.to_owned() } else { format!("{why}; it was not known here") };
        self.events.tell(Step::LocationCancelled, Some(imsi), detail, wire);
        if clr.clr_flags.is_some_and(|flags| flags.has(ClrFlags::REATTACH_REQUIRED)) {
            self.events.tell(Step::ReattachRequired, Some(imsi), "CLR-Flags has Reattach-Required", None);
        }
        Outcome::SUCCESS
    }

    /// TS 29.272 §5.2.2.1.2: a device that is not known here is DIAMETER_ERROR_USER_UNKNOWN.
    fn insert(&self, idr: &app::InsertSubscriberDataRequest<'_>, wire: Option<WireSummary>) -> Outcome {
        let Some(imsi) = imsi(idr.user_name) else { return ResultCode::INVALID_AVP_VALUE.into() };
        let (outcome, detail) = match self.contexts.lock().get_mut(&imsi) {
            Some(context) => {
                context.subscription.insert(&idr.subscription_data);
                (Outcome::SUCCESS, format!("now {}", context.subscription))
            }
            None => (Experimental::USER_UNKNOWN.into(), "the device is not known here".to_owned()),
        };
        self.events.tell(Step::SubscriberDataInserted, Some(imsi), detail, wire);
        outcome
    }

    /// TS 29.272 §5.2.2.2.2.
    fn delete(&self, dsr: &app::DeleteSubscriberDataRequest<'_>, wire: Option<WireSummary>) -> Outcome {
        let Some(imsi) = imsi(dsr.user_name) else { return ResultCode::INVALID_AVP_VALUE.into() };
        let (outcome, detail) = match self.contexts.lock().get_mut(&imsi) {
            Some(context) => {
                context.subscription.delete(dsr.dsr_flags, dsr.context_identifier.iter());
                (Outcome::SUCCESS, format!("now {}", context.subscription))
            }
            None => (Experimental::USER_UNKNOWN.into(), "the device is not known here".to_owned()),
        };
        self.events.tell(Step::SubscriberDataDeleted, Some(imsi), detail, wire);
        outcome
    }

    /// TS 29.272 §5.2.4.1.2: the home network is to be told again, at the next contact with each device
    /// whose IMSI begins with one of the User-Ids; without User-Id, all.
    fn reset(&self, rsr: &app::ResetRequest<'_>, wire: Option<WireSummary>) -> Outcome {
        let mut affected = 0;
        for (imsi, context) in self.contexts.lock().iter_mut() {
            if rsr.user_id.is_empty() || rsr.user_id.iter().any(|prefix| imsi.has_prefix(prefix)) {
                context.confirmed_in_hss = false;
                affected += 1;
            }
        }
        let detail = format!("{affected} registrations will be confirmed at the next contact");
        self.events.tell(Step::Reset, None, detail, wire);
        Outcome::SUCCESS
    }
}
