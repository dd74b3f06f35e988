//! Requests of ours to serving nodes: CLR and IDR, sent until they are answered (TS 29.272 §5.2.1.2,
//! §5.2.2.1). They are queued in the transaction that made them necessary, so a crash loses none.

use std::{sync::Arc, time::Duration};

use s6a::{
    app::{Answer, CancelLocationRequest, InsertSubscriberDataRequest},
    base::Outcome,
    codec::HEADER_LEN,
    net::{Destination, Node, RequestError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{memory::Memory, metrics::Metrics};
use crate::{
    model::Timestamp,
    procedure::{clr, idr},
    store::{Op, OutgoingMessage, Queued},
};

/// Between two looks at the queue without being woken.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sent at once.
const AT_ONCE: u32 = 256;
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
    pub wake: Arc<Notify>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbox of {}", self.origin_host)
    }
}

impl Outbox {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let busy = self.round().await;
            if busy {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Sends what is due; whether there may be more.
    async fn round(&self) -> bool {
        let due = match self.memory.store().due(Timestamp::now(), AT_ONCE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the queue of outgoing requests cannot be read");
                return false;
            }
        };
        let more = due.len() == AT_ONCE as usize;
        futures_util::future::join_all(due.into_iter().map(|queued| self.deliver(queued))).await;
        more
    }

    async fn deliver(&self, queued: Queued) {
        let Queued { id, attempts, outgoing } = queued;
        let (command, imsi) = (label(&outgoing.message), outgoing.imsi);
        let node = outgoing.node.host.clone();
        let op = match self.send(&outgoing, id).await {
            Ok(outcome) => {
                self.metrics.sent.with_label_values(&[command, &outcome.to_string()]).inc();
                tracing::info!(command, %imsi, node, %outcome, "answered");
                if retryable(outcome) && attempts < MOST_TRIES { later(id, attempts) } else { Op::Sent(id) }
            }
            Err(error) if attempts >= MOST_TRIES => {
                self.metrics.sent.with_label_values(&[command, "given up"]).inc();
                tracing::error!(command, %imsi, node, %error, "given up");
                Op::Sent(id)
            }
            Err(error) => {
                self.metrics.sent.with_label_values(&[command, "not delivered"]).inc();
                tracing::warn!(command, %imsi, node, %error, attempts, "not delivered, will be tried again");
                later(id, attempts)
            }
        };
        if let Err(error) = self.memory.commit(op).await {
            // It is due still, and will be sent once more: both commands are idempotent.
            tracing::error!(%error, "the queue of outgoing requests cannot be written");
        }
    }

    async fn send(&self, outgoing: &crate::store::Outgoing, id: i64) -> Result<Outcome, SendError> {
        let session_id = format!("{};{};{id};icf", self.origin_host, Timestamp::now().0);
        let to = Destination { host: Some(&outgoing.node.host), realm: &outgoing.node.realm };
        let imsi = outgoing.imsi.to_string();
        let (ours, realm) = (self.origin_host.as_str(), self.origin_realm.as_str());
        let answer = match &outgoing.message {
            OutgoingMessage::Cancel { cancellation_type, clr_flags } => {
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
            OutgoingMessage::Insert => {
                let subscriber = self
                    .memory
                    .subscriber(outgoing.imsi)
                    .await
                    .map_err(|e| SendError::Store(e.to_string()))?;
                // Deleted meanwhile: a CLR is queued behind this.
                let Some(subscriber) = subscriber else { return Ok(Outcome::SUCCESS) };
                let mut encoded = Vec::with_capacity(1024);
                idr::with_request(&subscriber.snapshot(), |request| {
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
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{0}")]
    Store(String),
}

/// Whether the node may answer better later (RFC 6733 §7.1.3, §7.1.4: 3002, 3004, 4xxx).
fn retryable(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Result(code) => matches!(code.0, 3002 | 3004 | 4000..=4999),
        Outcome::Experimental { .. } => false,
    }
}

/// The next try: after 1, 2, 4 … seconds, at most [`LONGEST_WAIT`].
fn later(id: i64, attempts: u32) -> Op {
    let wait = 1i64.checked_shl(attempts.min(20)).map_or(LONGEST_WAIT, |s| s.min(LONGEST_WAIT));
    Op::SendLater { id, at: Timestamp::now().plus(wait) }
}

fn label(message: &OutgoingMessage) -> &'static str {
    match message {
        OutgoingMessage::Cancel { .. } => "CLR",
        OutgoingMessage::Insert => "IDR",
    }
}
