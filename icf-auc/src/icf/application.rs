//! S6a requests as they come from the connections.

use std::{
    borrow::Cow,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use s6a::{
    app::{AuthenticationInformationRequest, NotifyRequest, PurgeUeRequest, UpdateLocationRequest},
    base::{Outcome, Refusal},
    codec::{Message, ResultCode, dictionary::base::SESSION_ID},
    net::{Answer, Application, Down, Later, PeerInfo, Retransmission},
};
use service::outbox::Outbox;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::{
    batch::Overloaded,
    memory::{Memory, Unavailable},
    metrics::{Command, Metrics},
    nodes::{Nodes, RequestingNode},
    wake::Wake,
};
use crate::{
    chtif::fetch::FetchError,
    procedure::{Cause, Causes, Refused},
    store::StoreError,
};

/// Requests that may wait for the store at once; above, the node is busy.
pub const PLACES: usize = 65_536;
/// A request that waits longer than this for the store is answered that we are too busy: its sender has given it
/// up soon after.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What serves S6a.
#[derive(Debug)]
pub struct Icf {
    /// Cache and store.
    pub memory: Arc<Memory>,
    /// Requesting nodes.
    pub nodes: Arc<Nodes>,
    /// What refusals are answered with.
    pub causes: Causes,
    /// Our Origin-Host.
    pub origin_host: String,
    /// Our Origin-Realm.
    pub origin_realm: String,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Wakes the outbox.
    pub wake: Arc<Wake>,
    /// Places for requests that wait for the store.
    pub places: Arc<Semaphore>,
    /// Wakes the sending of notices; `None` where there is no DRF to be told.
    pub notices: Option<Outbox>,
}

/// [`Icf`] as the application of a Diameter node.
#[derive(Debug, Clone)]
pub struct S6a(pub Arc<Icf>);

impl Application for S6a {
    fn request(&self, from: &Arc<PeerInfo>, message: &Message<'_>, answer: Answer<'_>) {
        let begun = Instant::now();
        match message.header.command {
            AuthenticationInformationRequest::CODE => self.air(from, message, answer, begun),
            UpdateLocationRequest::CODE => self.later(from, Command::Ulr, answer, begun),
            PurgeUeRequest::CODE => self.later(from, Command::Pur, answer, begun),
            NotifyRequest::CODE => self.later(from, Command::Nor, answer, begun),
            // CLR, IDR, DSR and RSR go from the HSS to the MME (TS 29.272 §5.2); here they are unsupported.
            _ => answer.refuse(ResultCode::COMMAND_UNSUPPORTED),
        }
    }

    fn answer_unmatched(&self, _from: &Arc<PeerInfo>, _answer: &Message<'_>) {
        self.0.metrics.late.inc();
    }

    /// An AIA holds keys, and a vector made anew is as good: no answer to an AIR is kept.
    fn keeps_answers_to(&self, command: u32) -> bool {
        command != AuthenticationInformationRequest::CODE
    }

    fn retransmitted(&self, _from: &Arc<PeerInfo>, _command: u32, what: Retransmission) {
        self.0.metrics.retransmitted(what);
    }

    fn peer_up(&self, peer: &Arc<PeerInfo>) {
        self.0.metrics.peers_open.inc();
        tracing::info!(peer = peer.identity, realm = peer.realm, transport = %peer.transport, "peer open");
        self.0.wake.peer_up(&peer.identity);
    }

    fn peer_down(&self, peer: &Arc<PeerInfo>, why: &Down) {
        self.0.metrics.peers_open.dec();
        tracing::info!(peer = peer.identity, %why, "peer gone");
    }
}

impl S6a {
    /// Decides on a task of its own: the store has to be asked, or written.
    pub(super) fn later(&self, from: &Arc<PeerInfo>, command: Command, answer: Answer<'_>, begun: Instant) {
        let Ok(place) = self.0.places.clone().try_acquire_owned() else {
            return answer.refuse(Refusal::from(&self.0.unavailable(Overloaded.into())));
        };
        let (icf, from, later) = (self.0.clone(), from.clone(), answer.later());
        let span = thread_of(command, &later.request());
        let work = async move {
            icf.serve(&from, command, later, begun).await;
            drop(place);
        };
        tokio::spawn(work.instrument(span));
    }
}

/// What every line of the log about a request is threaded on: its Session-Id (RFC 6733 §8.8).
fn thread_of(command: Command, request: &Message<'_>) -> tracing::Span {
    let span = tracing::info_span!("s6a", command = command.label(), session = tracing::field::Empty);
    if !span.is_disabled()
        && let Some(session) = request.find(&SESSION_ID)
    {
        span.record("session", shown(session.data).as_ref());
    }
    span
}

/// A Session-Id for the log: it has no longest length (RFC 6733 §8.8), and is in every line about the request.
fn shown(session: &[u8]) -> Cow<'_, str> {
    const MOST: usize = 200;
    match session.get(..MOST) {
        Some(begin) if session.len() > MOST => format!("{}…", String::from_utf8_lossy(begin)).into(),
        _ => String::from_utf8_lossy(session),
    }
}

/// Says in the log why a request is refused, on the thread of its session.
pub(super) fn refused(command: Command, request: &Message<'_>, refused: &Refused) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    thread_of(command, request).in_scope(|| {
        let cause = refused.cause.map(|cause| cause.name());
        tracing::debug!(outcome = %refused.outcome, cause, why = refused.what, "refused");
    });
}

/// An answer, and the result that it is counted under.
pub(super) struct Answered {
    pub bytes: Vec<u8>,
    pub result: u32,
}

impl Icf {
    async fn serve(&self, from: &PeerInfo, command: Command, later: Later, begun: Instant) {
        let octets: Box<[u8]> = later.request().octets().into();
        let Ok(message) = Message::parse(&octets) else { return };
        let mut work = pin!(self.work(from, command, &message));
        let Ok((answered, node)) = tokio::time::timeout(ANSWER_WITHIN, &mut work).await else {
            later.refuse(Refusal::from(&self.unavailable(Overloaded.into())));
            // It is brought to its end all the same: what the store does, the memory has to follow.
            let _ = work.await;
            return;
        };
        let result = match &answered {
            Ok(answered) => answered.result,
            Err(refused) => {
                self::refused(command, &message, refused);
                number(refused.outcome)
            }
        };
        if let Some(node) = node {
            node.metrics.request(command);
            node.metrics.answer(command, result, begun);
        }
        match answered {
            Ok(answered) => later.send(answered.bytes),
            Err(refused) => later.refuse(Refusal::from(&refused)),
        }
    }

    async fn work(
        &self,
        from: &PeerInfo,
        command: Command,
        message: &Message<'_>,
    ) -> (Result<Answered, Refused>, Option<Arc<RequestingNode>>) {
        match command {
            Command::Air => self.air_from_store(from, message).await,
            Command::Ulr => self.update_location(from, message).await,
            Command::Pur => self.purge(from, message).await,
            Command::Nor => self.notify(from, message).await,
        }
    }

    /// The requesting node of a request that has come from this peer, new or known.
    pub(super) async fn meet(
        &self,
        from: &PeerInfo,
        origin_host: &str,
    ) -> Result<Arc<RequestingNode>, Refused> {
        self.nodes.meet(&from.identity, origin_host).await.map_err(|error| self.unavailable(error))
    }

    /// What the store's failure is answered with.
    pub(super) fn unavailable(&self, error: Unavailable) -> Refused {
        let cause = match &error {
            Unavailable::Overloaded(_) | Unavailable::Chtif(FetchError::Busy) => {
                self.metrics.overloaded.inc();
                Cause::Overloaded
            }
            Unavailable::Store(StoreError::SequenceExhausted(_)) => Cause::SequenceExhausted,
            Unavailable::Resync(_) => Cause::ResyncImpossible,
            Unavailable::Instance(error) => {
                // Its keeper says so, and not each request.
                tracing::debug!(%error, "no numbers");
                Cause::Unavailable
            }
            // It was deleted while the request was under way.
            Unavailable::Store(StoreError::NotFound(_)) => Cause::Unknown,
            Unavailable::Store(StoreError::PoolExhausted(pool)) => {
                tracing::error!(%pool, "the address pool is used up: widen it, or delete expired credentials");
                Cause::Unavailable
            }
            Unavailable::Store(error) => {
                tracing::error!(%error, "the store failed");
                Cause::Unavailable
            }
            Unavailable::Chtif(error) => {
                tracing::warn!(%error, "the CHTIF failed");
                Cause::Unavailable
            }
        };
        self.causes.refuse(cause)
    }
}

/// The code of an outcome, for counters.
pub(super) fn number(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Result(code) => code.0,
        Outcome::Experimental { code, .. } => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_shown_whole_unless_it_is_absurd() {
        assert_eq!(shown(b"mme.localdomain;1;2"), "mme.localdomain;1;2");
        assert_eq!(shown(&[b';'; 200]).len(), 200);
        assert_eq!(shown(&[b';'; 60_000]).chars().count(), 201);
        assert!(shown(&[0xff; 60_000]).chars().count() <= 201);
    }
}
