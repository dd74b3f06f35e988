//! What ends by itself: registrations that lapse, credentials that expire (R9). And what others did: changes
//! that another process made in the same database.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use crate::{
    model::{Registration, Timestamp},
    procedure::clr,
    store::Op,
};

/// How soon a change made by another process takes effect.
const LISTEN: Duration = Duration::from_millis(500);
/// Between two looks for what has ended.
const SWEEP: Duration = Duration::from_secs(5);
/// Taken at once.
const AT_ONCE: u32 = 1000;

/// Looks after what ends.
#[derive(Debug)]
pub struct Sweeper {
    /// Cache and store.
    pub memory: Arc<Memory>,
    /// Wakes the outbox.
    pub wake: Arc<Notify>,
    /// Id of the newest event, for those who listen.
    pub newest: watch::Sender<i64>,
}

impl Sweeper {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut listen, mut sweep) = (tokio::time::interval(LISTEN), tokio::time::interval(SWEEP));
        listen.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = self.memory.store().last_event().await.unwrap_or_default();
        self.newest.send_replace(seen);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = listen.tick() => seen = self.listen(seen).await,
                _ = sweep.tick() => self.sweep(Timestamp::now()).await,
            }
        }
    }

    /// Takes note of what has happened since event `seen`; gives the newest.
    async fn listen(&self, mut seen: i64) -> i64 {
        loop {
            let events = match self.memory.store().events(seen, AT_ONCE).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, "events cannot be read");
                    return seen;
                }
            };
            let Some(last) = events.last() else { return seen };
            seen = last.id;
            for event in &events {
                match (event.event.kind.as_str(), event.event.imsi) {
                    ("profile-changed" | "profile-deleted", _) => self.memory.subscribers().invalidate_all(),
                    (kind, Some(imsi)) if kind.starts_with("credential") || kind == "cancelled" => {
                        self.memory.subscribers().invalidate(imsi);
                    }
                    _ => {}
                }
            }
            self.newest.send_replace(seen);
            self.wake.notify_one();
            if events.len() < AT_ONCE as usize {
                return seen;
            }
        }
    }

    async fn sweep(&self, now: Timestamp) {
        let store = self.memory.store();
        // A registration that lapsed is forgotten; the node has long lost the UE, or will ask again.
        match store.lapsed(now, AT_ONCE).await {
            Ok(lapsed) => {
                for registration in lapsed {
                    let Registration { imsi, kind, node, .. } = registration;
                    tracing::info!(%imsi, node = node.host, "registration lapsed");
                    if let Err(error) =
                        self.memory.commit(Op::Deregister { imsi, kind, host: node.host }).await
                    {
                        tracing::error!(%imsi, %error, "a lapsed registration stays");
                    }
                    self.memory.subscribers().invalidate(imsi);
                }
            }
            Err(error) => tracing::error!(%error, "lapsed registrations cannot be read"),
        }
        match store.revocable(now, AT_ONCE).await {
            Ok(revocable) => {
                for registration in revocable {
                    let imsi = registration.imsi;
                    tracing::info!(%imsi, node = registration.node.host, "credential has ended: cancelling");
                    if let Err(error) = store.cancel(imsi, vec![clr::withdrawn(&registration, false)]).await {
                        tracing::error!(%imsi, %error, "the registration of an ended credential stays");
                    }
                    self.memory.subscribers().invalidate(imsi);
                }
            }
            Err(error) => tracing::error!(%error, "ended credentials cannot be read"),
        }
        self.wake.notify_one();
    }
}
