//! Requests of ours to serving nodes: CLR and IDR, sent until they are answered (TS 29.272 §5.2.1.2,
//! §5.2.2.1). They are queued in the transaction that made them necessary, so a crash loses none. Each node is
//! served by itself: one that does not answer keeps nobody else waiting.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use s6a::{
    app::{
        Answer, CancelLocationRequest, DeleteSubscriberDataRequest, DsrFlags, InsertSubscriberDataRequest,
        RatType, power::EdrxRelatedRat,
    },
    base::Outcome,
    codec::{HEADER_LEN, ResultCode},
    net::{Destination, Node, RequestError},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{delivery_log::DeliveryLog, memory::Memory, metrics::Metrics, wake::Wake};
use crate::{
    model::Timestamp,
    procedure::{
        clr,
        dsr::{self, Withdrawal},
        idr,
    },
    store::{Event, Op, Outgoing, OutgoingMessage, Queued, StoreError},
};

/// Between two looks at the queue without being woken.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sent to one node at once.
const AT_ONCE: u32 = 64;
/// Nodes looked at in one round.
const NODES: u32 = 1000;
/// How long a node that is not connected here is left to other instances of the same database: to put off what is
/// due for it would keep it from the one that the node is connected to, which looks every [`INTERVAL`].
const LEFT_TO_OTHERS: Duration = Duration::from_secs(3);
/// Between two looks at what is left to others.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Between two counts of what waits.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait between two tries, seconds.
const LONGEST_WAIT: i64 = 300;
/// After so many tries without the node ever taking it, it is given up: the registration has lapsed by then.
const MOST_TRIES: u32 = 500;

/// Sends what is due until `stop`.
pub struct Outbox {
    /// Cache and store.
    pub memory: Arc<Memory>,
    /// Our node.
    pub node: Arc<Node>,
    /// Our Origin-Host.
    pub origin_host: String,
    /// Our Origin-Realm.
    pub origin_realm: String,
    /// Counts what is sent.
    pub metrics: Arc<Metrics>,
    /// Wakes it when something was queued.
    pub wake: Arc<Wake>,
    /// Which nodes the log has told of.
    pub log: DeliveryLog,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbox of {}", self.origin_host)
    }
}

impl Outbox {
    /// Runs until `stop`, and until what is on its way then has been answered or given up.
    pub async fn run(self, stop: CancellationToken) {
        let outbox = Arc::new(self);
        let served = Arc::new(Served::default());
        let mut workers = JoinSet::new();
        let mut up = HashSet::new();
        let mut measured: Option<Instant> = None;
        while !stop.is_cancelled() {
            let now = Timestamp::now();
            up.extend(outbox.wake.take_up());
            let due = outbox.memory.store().due_nodes(now, NODES).await.unwrap_or_else(|error| {
                tracing::error!(%error, "the queue of outgoing requests cannot be read");
                Vec::new()
            });
            // A peer that has just come gets what waits for its next try, too.
            let later = now.plus(LONGEST_WAIT);
            if measured.is_none_or(|at| at.elapsed() > MEASURE_INTERVAL) {
                measured = Some(Instant::now());
                outbox.measure().await;
            }
            let come = up.iter().map(|host| (host.clone(), later));
            let due = due.into_iter().map(|host| (host.to_ascii_lowercase(), now));
            for (host, until) in come.chain(due).collect::<Vec<_>>() {
                if let Some(place) = Served::place(&served, &host) {
                    up.remove(&host);
                    let (outbox, stop) = (outbox.clone(), stop.clone());
                    workers.spawn(async move { outbox.serve(place, until, &stop).await });
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = outbox.wake.rung() => {}
                Some(_) = workers.join_next() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
        while workers.join_next().await.is_some() {}
    }

    /// Shows how much waits.
    async fn measure(&self) {
        if let Ok((waiting, failed)) = self.memory.store().waiting_level().await {
            self.metrics.outgoing.with_label_values(&["new"]).set((waiting - failed).cast_signed());
            self.metrics.outgoing.with_label_values(&["tried in vain"]).set(failed.cast_signed());
        }
    }

    /// Sends one node what is due for it until nothing is, or until it does not answer.
    async fn serve(&self, place: Place, until: Timestamp, stop: &CancellationToken) {
        let begun = Instant::now();
        loop {
            let due = match self.memory.store().due_for(&place.host, until, AT_ONCE).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "the queue of outgoing requests cannot be read");
                    return;
                }
            };
            if due.is_empty() {
                return;
            }
            let leave = begun.elapsed() < LEFT_TO_OTHERS;
            let sent = join_all(due.into_iter().map(|queued| self.deliver(queued, leave))).await;
            if sent.contains(&Delivery::Left) {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK_AGAIN) => continue,
                }
            }
            if sent.iter().any(|sent| *sent != Delivery::Done) {
                return;
            }
        }
    }

    /// Sends one; with `leave` it stays due if the node cannot be reached from here.
    async fn deliver(&self, queued: Queued, leave: bool) -> Delivery {
        let Queued { id, attempts, outgoing } = queued;
        let (command, imsi) = (outgoing.message.command(), outgoing.imsi);
        let node = outgoing.node.host.clone();
        let counted = |outcome: &str| self.metrics.sent.with_label_values(&[command, outcome]).inc();
        let failure = match self.send(&outgoing, id).await {
            // RFC 6733 §6.1.4: a peer of the node's realm was asked to forward it, and does not reach it either.
            Ok(outcome) if leave && outcome == ResultCode::UNABLE_TO_DELIVER.into() => {
                return Delivery::Left;
            }
            Ok(outcome) => {
                counted(class(outcome));
                tracing::info!(command, %imsi, node, %outcome, "answered");
                match outcome.is_success() {
                    true => None,
                    false => Some((format!("the node answered {outcome}"), retryable(outcome))),
                }
            }
            Err(SendError::Obsolete) => {
                tracing::info!(command, %imsi, node, "not sent: it is no longer so");
                None
            }
            Err(SendError::Request(RequestError::NoPeer)) if leave => return Delivery::Left,
            Err(error) => {
                counted(if attempts >= MOST_TRIES { "given up" } else { "not delivered" });
                Some((error.to_string(), true))
            }
        };
        let Some((why, again)) = failure else { return self.settle(Op::Sent(id), Delivery::Done).await };
        let again = again && attempts < MOST_TRIES;
        let next = again.then(|| Timestamp::now().plus(wait(attempts)));
        self.tell(&outgoing, &why, attempts, next).await;
        match next {
            Some(at) => self.settle(Op::SendLater { id, at, why }, Delivery::Failed).await,
            None => self.settle(Op::Sent(id), Delivery::Done).await,
        }
    }

    /// Writes down what became of one.
    async fn settle(&self, op: Op, delivery: Delivery) -> Delivery {
        match self.memory.commit(op).await {
            Ok(_) => delivery,
            Err(error) => {
                // It is due still, and will be sent once more: all commands are idempotent.
                tracing::error!(%error, "the queue of outgoing requests cannot be written");
                Delivery::Failed
            }
        }
    }

    /// Says that one was not delivered, why, and what comes next: in the log once a node and minute, and as an event the
    /// first time and when it is given up (`next` is `None`).
    async fn tell(&self, outgoing: &Outgoing, why: &str, attempts: u32, next: Option<Timestamp>) {
        let (command, imsi, node) = (outgoing.message.command(), outgoing.imsi, outgoing.node.host.as_str());
        if let Some(left_out) = self.log.due(node, Instant::now()) {
            match next {
                Some(next) => tracing::warn!(command, %imsi, node, why, attempts, %next, left_out,
                    "not delivered, will be tried again; callhome registrations undelivered shows what waits"),
                None => tracing::warn!(command, %imsi, node, why, attempts, left_out,
                    "not delivered, and given up: the node may go on serving the UE with what it has"),
            }
        }
        let kind = match next {
            Some(_) if attempts > 0 => return,
            Some(_) => "not-delivered",
            None => "given-up",
        };
        let detail = serde_json::json!({
            "command": command, "node": node, "why": why, "attempts": attempts + 1,
            "next_try": next.map(|at| at.to_string()),
        });
        let event = Event { kind: kind.to_owned(), imsi: Some(imsi), detail };
        if let Err(error) = self.memory.commit(Op::Tell(event)).await {
            tracing::error!(%error, "an event cannot be written");
        }
    }

    async fn send(&self, outgoing: &Outgoing, id: i64) -> Result<Outcome, SendError> {
        let session_id = format!("{};{};{id};icf", self.origin_host, Timestamp::now().0);
        let to = Destination { host: Some(&outgoing.node.host), realm: &outgoing.node.realm };
        let imsi = outgoing.imsi.to_string();
        let (ours, realm) = (self.origin_host.as_str(), self.origin_realm.as_str());
        let answer = match &outgoing.message {
            OutgoingMessage::Cancel { cancellation_type, clr_flags } => {
                if self.is_back(outgoing).await? {
                    return Err(SendError::Obsolete);
                }
                let request = CancelLocationRequest {
                    session_id: &session_id,
                    origin_host: ours,
                    origin_realm: realm,
                    destination_host: &outgoing.node.host,
                    destination_realm: &outgoing.node.realm,
                    user_name: &imsi,
                    ..clr::request(*cancellation_type, *clr_flags)
                };
                self.node.request(to, |out, hbh, ete| request.encode(out, hbh, ete)).await?
            }
            OutgoingMessage::Delete { dsr_flags, edrx_rats, external_identifiers } => {
                // From the store: what the subscriber has by now stays with it.
                let found = self.memory.store().snapshots(&[outgoing.imsi]).await?;
                let Some(snapshot) = found.first() else { return Err(SendError::Obsolete) };
                let withdrawal = Withdrawal {
                    flags: DsrFlags(*dsr_flags),
                    edrx_rats: edrx_rats.clone(),
                    external_identifiers: external_identifiers.clone(),
                };
                let msisdn = snapshot.credential.msisdn.as_deref();
                let Some(Withdrawal { flags, edrx_rats, external_identifiers }) =
                    withdrawal.without(msisdn, &snapshot.profile)
                else {
                    return Err(SendError::Obsolete);
                };
                let rats: Vec<_> = edrx_rats.iter().copied().map(RatType).collect();
                let identifiers: Vec<&str> = external_identifiers.iter().map(String::as_str).collect();
                let request = DeleteSubscriberDataRequest {
                    session_id: &session_id,
                    origin_host: ours,
                    origin_realm: realm,
                    destination_host: &outgoing.node.host,
                    destination_realm: &outgoing.node.realm,
                    user_name: &imsi,
                    edrx_related_rat: Some(EdrxRelatedRat { rat_type: (&rats[..]).into() })
                        .filter(|_| !rats.is_empty()),
                    external_identifier: (&identifiers[..]).into(),
                    ..dsr::request(flags)
                };
                self.node.request(to, |out, hbh, ete| request.encode(out, hbh, ete)).await?
            }
            OutgoingMessage::Insert => {
                // From the store: memory may not have heard yet of the change that is to be told.
                let found = self.memory.store().snapshots(&[outgoing.imsi]).await?;
                // Deleted meanwhile: a CLR is queued behind this.
                let Some(snapshot) = found.first() else { return Ok(Outcome::SUCCESS) };
                let mut encoded = Vec::with_capacity(1024);
                idr::with_request(snapshot, &outgoing.node.host, |request| {
                    InsertSubscriberDataRequest {
                        session_id: &session_id,
                        origin_host: ours,
                        origin_realm: realm,
                        destination_host: &outgoing.node.host,
                        destination_realm: &outgoing.node.realm,
                        user_name: &imsi,
                        ..*request
                    }
                    .encode(&mut encoded, 0, 0);
                });
                let write = |out: &mut Vec<u8>, hop_by_hop: u32, end_to_end: u32| {
                    out.extend_from_slice(&encoded[..12]);
                    out.extend_from_slice(&hop_by_hop.to_be_bytes());
                    out.extend_from_slice(&end_to_end.to_be_bytes());
                    out.extend_from_slice(&encoded[HEADER_LEN..]);
                };
                self.node.request(to, write).await?
            }
        };
        Ok(Answer::decode(&answer.message())
            .map_or_else(|error| error.code.into(), |answer| answer.outcome()))
    }

    /// Whether the UE is registered again with the node that was to be told that it is not: the CLR would take
    /// it from where it is. What queues a CLR ends the registration in the same transaction, so this one is newer;
    /// and who was withdrawn for good could not register again.
    async fn is_back(&self, outgoing: &Outgoing) -> Result<bool, SendError> {
        let registered = self.memory.store().registration(outgoing.imsi).await?;
        Ok(registered.iter().any(|it| it.node.is(&outgoing.node.host)))
    }
}

/// What became of one that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// It need not be sent again.
    Done,
    /// It will be tried again later.
    Failed,
    /// It is due still: the node cannot be reached from here.
    Left,
}

/// Nodes that are being served, each by one worker.
#[derive(Debug, Default)]
struct Served(Mutex<HashSet<String>>);

impl Served {
    fn place(served: &Arc<Self>, host: &str) -> Option<Place> {
        let new = served.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
        new.then(|| Place { served: served.clone(), host: host.to_owned() })
    }
}

struct Place {
    served: Arc<Served>,
    host: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.served.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.host);
    }
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nothing is left to be told")]
    Obsolete,
}

/// The outcome as a label: codes are the peer's to choose, and it could choose very many.
fn class(outcome: Outcome) -> &'static str {
    match outcome {
        success if success.is_success() => "success",
        transient if retryable(transient) => "try again",
        _ => "refused",
    }
}

/// Whether the node may answer better later (RFC 6733 §7.1.3, §7.1.4: 3002, 3004, 4xxx).
fn retryable(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Result(code) => matches!(code.0, 3002 | 3004 | 4000..=4999),
        Outcome::Experimental { .. } => false,
    }
}

/// Seconds until the next try: 1, 2, 4 …, at most [`LONGEST_WAIT`].
fn wait(attempts: u32) -> i64 {
    1i64.checked_shl(attempts.min(20)).map_or(LONGEST_WAIT, |s| s.min(LONGEST_WAIT))
}
