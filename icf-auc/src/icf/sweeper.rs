//! What ends by itself: registrations that lapse, credentials that expire (R9). And what others did: changes
//! that another process made in the same database.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::{
    sync::{Notify, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    memory::{Memory, RESYNCHRONISED, Unavailable},
    wake::Wake,
};
use crate::{
    model::{CredentialState, Registration, Timestamp},
    procedure::clr,
    store::{Event, Op, StoreError},
};

/// How soon a change made by another process takes effect.
const LISTEN: Duration = Duration::from_millis(500);
/// Between two looks for what has ended.
const SWEEP: Duration = Duration::from_secs(5);
/// Taken at once.
const AT_ONCE: u32 = 1000;
/// Done at once: their writes make few transactions.
const SIDE_BY_SIDE: usize = 128;

/// Looks after what ends.
#[derive(Debug)]
pub struct Sweeper {
    /// Cache and store.
    pub memory: Arc<Memory>,
    /// Wakes the outbox.
    pub wake: Arc<Wake>,
    /// A credential was changed: it may have ended.
    pub changed: Notify,
    /// Id of the newest event, for those who listen.
    pub newest: watch::Sender<i64>,
}

impl Sweeper {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let work = async { tokio::join!(self.listen_always(), self.sweep_always()) };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work => {}
        }
    }

    async fn listen_always(&self) {
        let mut tick = tokio::time::interval(LISTEN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.memory.store().last_event().await.unwrap_or_default();
        self.newest.send_replace(seen);
        loop {
            tick.tick().await;
            seen = self.listen(seen).await;
            self.memory.observe();
        }
    }

    async fn sweep_always(&self) {
        let mut tick = tokio::time::interval(SWEEP);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.changed.notified() => {}
            }
            self.sweep(Timestamp::now()).await;
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
            let (Some(first), Some(last)) = (events.first(), events.last()) else { return seen };
            if first.id > seen + 1 {
                // Some were dropped before they were read here: whom they concern is not known.
                self.memory.subscribers().invalidate_all();
            }
            seen = last.id;
            for event in &events {
                self.note(&event.event);
            }
            self.newest.send_replace(seen);
            self.wake.queued();
            if events.len() < AT_ONCE as usize {
                return seen;
            }
        }
    }

    fn note(&self, event: &Event) {
        let subscribers = self.memory.subscribers();
        match (event.kind.as_str(), event.imsi) {
            ("profile-changed" | "profile-deleted", _) => subscribers.invalidate_all(),
            ("registered", Some(imsi)) => {
                // Of our own doing memory knows; another instance's is read anew.
                let host = event.detail.get("node").and_then(|node| node.as_str()).unwrap_or_default();
                if subscribers.get(imsi).is_some_and(|s| s.snapshot().registered_with(host).next().is_none())
                {
                    subscribers.invalidate(imsi);
                }
            }
            (kind, Some(imsi))
                if kind.starts_with("credential") || kind == "cancelled" || kind == RESYNCHRONISED =>
            {
                subscribers.invalidate(imsi);
                self.changed.notify_one();
            }
            _ => {}
        }
    }

    async fn sweep(&self, now: Timestamp) {
        let store = self.memory.store();
        // A registration that lapsed is forgotten; the node has long lost the UE, or will ask again.
        all("lapsed registrations", |limit| store.lapsed(now, limit), |it| self.lapsed(it, now)).await;
        all("ended credentials", |limit| store.revocable(now, limit), |it| self.revoke(it, now)).await;
        self.wake.queued();
    }

    /// In the subscriber's turn, on what holds then: the UE may have been heard of since `seen` was read.
    async fn lapsed(&self, seen: Registration, now: Timestamp) -> Result<(), Unavailable> {
        let Registration { imsi, kind, .. } = seen;
        let _turn = self.memory.turn(imsi).await;
        let registered = self.memory.store().registration(imsi).await?;
        if let Some(it) = registered.into_iter().find(|it| it.kind == kind && it.expires_at <= now) {
            tracing::info!(%imsi, node = it.node.host, "registration lapsed");
            self.memory.commit(Op::Deregister { imsi, kind, host: it.node.host }).await?;
            self.memory.subscribers().invalidate(imsi);
        }
        Ok(())
    }

    /// As [`Sweeper::lapsed`]; all nodes that serve the subscriber are told.
    async fn revoke(&self, seen: Registration, now: Timestamp) -> Result<(), Unavailable> {
        let imsi = seen.imsi;
        let _turn = self.memory.turn(imsi).await;
        let registered = self.memory.store().registration(imsi).await?;
        let credential = self.memory.store().credential(imsi).await?;
        let ended = credential.is_none_or(|it| {
            it.state != CredentialState::Active || it.expires_at.is_some_and(|end| end <= now)
        });
        if registered.is_empty() || !ended {
            return Ok(());
        }
        tracing::info!(%imsi, node = seen.node.host, "credential has ended: cancelling");
        let told = registered.iter().filter(|it| !it.purged).map(|it| clr::withdrawn(it, false)).collect();
        self.memory.store().cancel(imsi, told).await?;
        self.memory.subscribers().invalidate(imsi);
        Ok(())
    }
}

/// Does something to all that `read` gives, page by page, while that brings anything forward.
async fn all<Read, Reading, Do, Doing>(what: &'static str, read: Read, act: Do)
where
    Read: Fn(u32) -> Reading,
    Reading: Future<Output = Result<Vec<Registration>, StoreError>>,
    Do: Fn(Registration) -> Doing,
    Doing: Future<Output = Result<(), Unavailable>>,
{
    loop {
        let found = match read(AT_ONCE).await {
            Ok(found) => found,
            Err(error) => return tracing::error!(%error, "{what} cannot be read"),
        };
        let count = found.len();
        let done = stream::iter(found)
            .map(|registration| {
                let imsi = registration.imsi;
                act(registration).map(move |done| (imsi, done))
            })
            .buffer_unordered(SIDE_BY_SIDE);
        let failed = done
            .filter_map(async |(imsi, done)| {
                done.err().map(|error| tracing::error!(%imsi, %error, "{what}: not swept"))
            })
            .count()
            .await;
        if count < AT_ONCE as usize || failed > 0 {
            return;
        }
    }
}
