//! The MME itself: its connection, and the procedures it starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::s6a::app::{self, AlertReason, Answer, NorFlags, PurFlags};
use ::s6a::base::{AuthSessionState, Outcome};
use ::s6a::codec::Message;
use ::s6a::net::{
    Destination, DisconnectCause, Endpoint, Node, NodeConfig, OwnedMessage, PeerConfig, RequestError,
    StartError, TlsConfigs,
};
use schemas::identity::{Imsi, Plmn};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::context::{Context, Contexts};
use super::event::Events;
use super::inbound::{Inbound, Link};
use super::wire::{Direction, WireSummary};
use super::{Step, StepEvent, Subscription};

/// An MME and the home network that it asks.
#[derive(Debug, Clone)]
pub struct MmeConfig {
    /// Our Origin-Host.
    pub origin_host: String,
    /// Our Origin-Realm.
    pub origin_realm: String,
    /// Identity of the peer we connect to: the ICF, or an agent in front of it.
    pub peer: String,
    /// Where it is.
    pub connect: Endpoint,
    /// Destination-Realm of requests.
    pub destination_realm: String,
    /// Destination-Host of requests, if it has to be a certain one.
    pub destination_host: Option<String>,
    /// The network that devices attach to here: Visited-PLMN-Id, which KASME is bound to.
    pub visited_plmn: Plmn,
    /// Number-Of-Requested-Vectors, 1 to 5; the first vector is used.
    pub vectors: u32,
    /// Certificates, where [`MmeConfig::connect`] is `tls://`.
    pub tls: Option<Arc<TlsConfigs>>,
    /// How long to wait for the connection.
    pub connect_timeout: Duration,
    /// How long to wait for an answer.
    pub answer_timeout: Duration,
}

impl MmeConfig {
    /// An MME `mme.localdomain` of the network `visited_plmn` that connects to `peer`, which is in the realm
    /// after its first dot.
    #[must_use]
    pub fn new(peer: impl Into<String>, connect: Endpoint, visited_plmn: Plmn) -> Self {
        let peer = peer.into();
        Self {
            origin_host: "mme.localdomain".into(),
            origin_realm: "localdomain".into(),
            destination_realm: peer
                .split_once('.')
                .map_or_else(|| peer.clone(), |(_, realm)| realm.to_owned()),
            peer,
            connect,
            destination_host: None,
            visited_plmn,
            vectors: 1,
            tls: None,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
        }
    }
}

/// Why the MME cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum MmeError {
    /// Our own configuration.
    #[error("the simulated MME cannot start: {0}")]
    Start(#[from] StartError),
    /// No connection in time.
    #[error(
        "no Diameter connection to {peer} at {endpoint} within {seconds} s{why}; is it running and listening there, \
         and does it list {origin_host} as a peer?"
    )]
    NotConnected {
        /// Who.
        peer: String,
        /// Where.
        endpoint: Box<Endpoint>,
        /// How long it was waited for.
        seconds: u64,
        /// Why the last attempt failed, in parentheses; empty if it did not get that far.
        why: String,
        /// Who we said we are.
        origin_host: String,
    },
    /// A request without an answer.
    #[error("{command}: {source}")]
    Request {
        /// Which.
        command: &'static str,
        /// Why.
        source: RequestError,
    },
    /// The answer is not one.
    #[error("the answer to {command} cannot be used: {what}")]
    Answer {
        /// To which request.
        command: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// What an MME tells of its own accord (TS 29.272 §5.2.5.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notification {
    /// The device can be reached: Alert-Reason UE_PRESENT.
    UePresent,
    /// The device can be reached: NOR-Flags "UE Reachable from MME".
    UeReachable,
    /// The device has another IMEI.
    Imei(String),
    /// The device's PDN gateway has been chosen for an APN.
    Apn {
        /// Context-Identifier.
        context: u32,
        /// Service-Selection.
        name: String,
    },
}

/// A running MME.
#[derive(Debug)]
pub struct Mme {
    pub(super) config: MmeConfig,
    pub(super) events: Events,
    node: Node,
    contexts: Arc<Contexts>,
    link: watch::Receiver<Link>,
    started: u32,
    sessions: AtomicU32,
}

impl Mme {
    /// Connects, exchanges capabilities and is ready. `events` hears of every step from then on.
    ///
    /// # Errors
    /// If it cannot start or there is no connection in time.
    pub async fn connect(
        config: MmeConfig,
        events: Option<mpsc::UnboundedSender<StepEvent>>,
    ) -> Result<Self, MmeError> {
        let events = Events::to(events);
        let contexts = Arc::new(Contexts::default());
        let (link, mut watched) = watch::channel(Link::default());
        let mut node_config = NodeConfig::new(&config.origin_host, &config.origin_realm);
        node_config.product_name = "Callhome UE simulator";
        node_config.peers = vec![PeerConfig::connecting(&config.peer, config.connect.clone())];
        node_config.tls.clone_from(&config.tls);
        node_config.timers.request = config.answer_timeout;
        let inbound = Inbound {
            origin_host: config.origin_host.clone(),
            origin_realm: config.origin_realm.clone(),
            contexts: Arc::clone(&contexts),
            events: events.clone(),
            link,
        };
        let node = Node::start(node_config, Arc::new(inbound)).await?;
        let up = tokio::time::timeout(config.connect_timeout, watched.wait_for(|link| link.up));
        if !matches!(up.await, Ok(Ok(_))) {
            let why = watched.borrow().why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            node.shutdown(DisconnectCause::DoNotWantToTalkToYou).await;
            return Err(MmeError::NotConnected {
                seconds: config.connect_timeout.as_secs(),
                peer: config.peer,
                endpoint: Box::new(config.connect),
                why,
                origin_host: config.origin_host,
            });
        }
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        Ok(Self { config, events, node, contexts, link: watched, started, sessions: AtomicU32::new(0) })
    }

    /// Whether the home network is connected now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.borrow().up
    }

    /// The profile of a device that is registered here.
    #[must_use]
    pub fn subscription(&self, imsi: Imsi) -> Option<Subscription> {
        self.contexts.lock().get(&imsi).map(|context| context.subscription.clone())
    }

    /// Whether a device is registered here and the home network is sure to know it: `None` if it is not
    /// registered, `Some(false)` after a reset of the home network (TS 29.272 §5.2.4.1.2).
    #[must_use]
    pub fn registered(&self, imsi: Imsi) -> Option<bool> {
        self.contexts.lock().get(&imsi).map(|context| context.confirmed_in_hss)
    }

    /// Forgets a device and tells the home network (PUR, TS 29.272 §5.2.1.3.1).
    ///
    /// # Errors
    /// If there is no answer. A refusal is an outcome.
    pub async fn purge(&self, imsi: Imsi) -> Result<Outcome, MmeError> {
        self.contexts.lock().remove(&imsi);
        let (session, user) = (self.session_id(), imsi.to_string());
        let encode = |out: &mut Vec<u8>, hop_by_hop, end_to_end| {
            app::PurgeUeRequest {
                session_id: &session,
                vendor_specific_application_id: Some(app::APPLICATION_ID),
                auth_session_state: AuthSessionState::NoStateMaintained,
                origin_host: &self.config.origin_host,
                origin_realm: &self.config.origin_realm,
                destination_host: self.config.destination_host.as_deref(),
                destination_realm: &self.config.destination_realm,
                user_name: &user,
                pur_flags: Some(PurFlags::PURGED_IN_MME),
                ..Default::default()
            }
            .encode(out, hop_by_hop, end_to_end);
        };
        let answer = self.ask("PUR", encode, drop).await?;
        let outcome = self.outcome("PUR", &answer, &session)?;
        self.events.tell(Step::Purged, Some(imsi), outcome.to_string(), Some(received(&answer)));
        Ok(outcome)
    }

    /// Tells the home network something about a device (NOR, TS 29.272 §5.2.5.1.1).
    ///
    /// # Errors
    /// If there is no answer. A refusal is an outcome.
    pub async fn notify(&self, imsi: Imsi, what: &Notification) -> Result<Outcome, MmeError> {
        let (session, user) = (self.session_id(), imsi.to_string());
        let mut nor = app::NotifyRequest {
            session_id: &session,
            vendor_specific_application_id: Some(app::APPLICATION_ID),
            auth_session_state: AuthSessionState::NoStateMaintained,
            origin_host: &self.config.origin_host,
            origin_realm: &self.config.origin_realm,
            destination_host: self.config.destination_host.as_deref(),
            destination_realm: &self.config.destination_realm,
            user_name: &user,
            nor_flags: Some(NorFlags::S6A),
            ..Default::default()
        };
        match what {
            Notification::UePresent => nor.alert_reason = Some(AlertReason::UePresent),
            Notification::UeReachable => {
                nor.nor_flags = Some(NorFlags::S6A.with(NorFlags::UE_REACHABLE_FROM_MME));
            }
            Notification::Imei(imei) => {
                nor.terminal_information =
                    Some(app::TerminalInformation { imei: Some(imei), ..Default::default() });
            }
            Notification::Apn { context, name } => {
                nor.context_identifier = Some(*context);
                nor.service_selection = Some(name);
            }
        }
        let encode = |out: &mut Vec<u8>, hop_by_hop, end_to_end| nor.encode(out, hop_by_hop, end_to_end);
        let answer = self.ask("NOR", encode, drop).await?;
        let outcome = self.outcome("NOR", &answer, &session)?;
        self.events.tell(Step::Notified, Some(imsi), outcome.to_string(), Some(received(&answer)));
        Ok(outcome)
    }

    /// Says goodbye (DPR) and closes the connection.
    pub async fn shutdown(self) {
        self.node.shutdown(DisconnectCause::Rebooting).await;
    }

    /// RFC 6733 §8.8: identity, and 64 bits that are new for each session.
    pub(super) fn session_id(&self) -> String {
        let session = self.sessions.fetch_add(1, Ordering::Relaxed);
        format!("{};{};{session}", self.config.origin_host, self.started)
    }

    /// Sends a request and waits for its answer; `leaves` hears what leaves.
    pub(super) async fn ask(
        &self,
        command: &'static str,
        encode: impl FnOnce(&mut Vec<u8>, u32, u32),
        leaves: impl FnOnce(Option<WireSummary>),
    ) -> Result<OwnedMessage, MmeError> {
        let to = Destination {
            host: self.config.destination_host.as_deref(),
            realm: &self.config.destination_realm,
        };
        let answer = self.node.request(to, |out, hop_by_hop, end_to_end| {
            let start = out.len();
            encode(out, hop_by_hop, end_to_end);
            let message = Message::parse(&out[start..]).ok();
            leaves(message.map(|message| WireSummary::of(Direction::Sent, &message)));
        });
        answer.await.map_err(|source| MmeError::Request { command, source })
    }

    /// The outcome of an answer whose Session-Id is that of the request.
    fn outcome(
        &self,
        command: &'static str,
        answer: &OwnedMessage,
        session: &str,
    ) -> Result<Outcome, MmeError> {
        let message = answer.message();
        let decoded = decode(command, &message)?;
        check_session(command, &message, session)?;
        Ok(decoded.outcome())
    }

    pub(super) fn register(&self, imsi: Imsi, subscription: Subscription) {
        self.contexts.lock().insert(imsi, Context { subscription, confirmed_in_hss: true });
    }
}

/// Reads an answer.
pub(super) fn decode<'a>(command: &'static str, message: &Message<'a>) -> Result<Answer<'a>, MmeError> {
    Answer::decode(message).map_err(|e| MmeError::Answer { command, what: e.to_string() })
}

/// An answer carries the Session-Id of its request (RFC 6733 §8.8, §6.2).
pub(super) fn check_session(
    command: &'static str,
    message: &Message<'_>,
    session: &str,
) -> Result<(), MmeError> {
    let found =
        message.avps().map_while(Result::ok).find(|a| a.is(&::s6a::codec::dictionary::base::SESSION_ID));
    match found {
        Some(avp) if avp.data == session.as_bytes() => Ok(()),
        Some(_) => Err(MmeError::Answer { command, what: "it has another Session-Id".into() }),
        // An answer with a protocol error may be without (RFC 6733 §7.2).
        None if message.header.flags.has(::s6a::codec::CommandFlags::ERROR) => Ok(()),
        None => Err(MmeError::Answer { command, what: "it has no Session-Id".into() }),
    }
}

pub(super) fn received(answer: &OwnedMessage) -> WireSummary {
    WireSummary::of(Direction::Received, &answer.message())
}
