//! Who is tried when.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Deliver, Delivery, Outbox, Outgoing, milliseconds, table};
use crate::database::{count_unreadable, explain, is_temporary};

/// How long it is not looked for messages at most.
const LOOK: Duration = Duration::from_secs(5);
/// Between two tries to store what the database could not take.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// What attempts under way get when it is to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked for what can be forgotten, milliseconds.
const TIDY: i64 = 60 * 1000;

pub(super) struct Runner {
    outbox: Outbox,
    deliver: Arc<dyn Deliver>,
    attempts: JoinSet<(String, i64)>,
    /// By topic, the messages that an attempt is under way of.
    under_way: HashMap<String, HashSet<i64>>,
    tidied: Option<i64>,
    /// What the clock said at the last look.
    looked: Option<i64>,
}

impl Runner {
    pub(super) fn new(outbox: Outbox, deliver: Arc<dyn Deliver>) -> Self {
        Self {
            outbox,
            deliver,
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            tidied: None,
            looked: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.look().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = explain(&error), "outgoing messages cannot be read");
                    STORE_AGAIN
                }
            };
            let woken = Arc::clone(&self.outbox.woken);
            tokio::select! {
                () = stop.cancelled() => break,
                () = woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(ended) = self.attempts.join_next() => self.ended(ended),
            }
        }
        if tokio::time::timeout(GRACE, self.drain()).await.is_err() {
            tracing::warn!("attempts to deliver are cut; they are repeated at the next start");
        }
    }

    /// Waits until no attempt is under way.
    pub(super) async fn drain(&mut self) {
        while let Some(ended) = self.attempts.join_next().await {
            self.ended(ended);
        }
    }

    /// Begins what is due and has room; gives how long nothing will be due.
    pub(super) async fn look(&mut self) -> Result<Duration, sqlx::Error> {
        let now = (self.outbox.clock)();
        if self.looked.is_none_or(|last| now < last) {
            // Written while the clock was ahead, by this process or the one before: it would wait until then.
            let longest = self.outbox.policy.delay(u32::MAX, 1.0);
            let recalled = table::recall(&self.outbox.db, now.saturating_add(milliseconds(longest))).await?;
            if recalled > 0 {
                tracing::warn!(recalled, "the clock went back: messages that were to wait for it go before");
            }
        }
        self.looked = Some(now);
        if self.tidied.is_none_or(|last| now < last || now.saturating_sub(last) >= TIDY) {
            table::forget(&self.outbox.db, now).await?;
            self.tidied = Some(now);
        }
        let places = self.outbox.policy.parallel.max(1);
        let mut pause = LOOK;
        for topic in table::topics(&self.outbox.db).await? {
            let busy = self.under_way.entry(topic.clone()).or_default();
            if busy.len() >= places {
                continue;
            }
            // Those under way may be among them.
            for (id, at) in table::next(&self.outbox.db, &topic, places + 1).await? {
                if busy.contains(&id) {
                    continue;
                }
                if at > now {
                    pause = pause.min(Duration::from_millis(at.abs_diff(now)));
                    break;
                }
                if busy.len() >= places {
                    break;
                }
                busy.insert(id);
                let (outbox, deliver) = (self.outbox.clone(), Arc::clone(&self.deliver));
                let topic = topic.clone();
                self.attempts.spawn(async move {
                    attempt(&outbox, deliver.as_ref(), id).await;
                    (topic, id)
                });
            }
        }
        self.under_way.retain(|_, busy| !busy.is_empty());
        Ok(pause)
    }

    fn ended(&mut self, ended: Result<(String, i64), tokio::task::JoinError>) {
        match ended {
            Ok((topic, id)) => {
                if let Some(busy) = self.under_way.get_mut(&topic) {
                    busy.remove(&id);
                }
            }
            // An attempt catches what its sender does; nothing else in it panics.
            Err(error) => tracing::error!(%error, "an attempt to deliver ended in a strange way"),
        }
    }
}

/// One attempt with its consequences.
async fn attempt(outbox: &Outbox, deliver: &dyn Deliver, id: i64) {
    match table::read(&outbox.db, id).await {
        Ok(Some((message, give_up_at))) => settle(outbox, deliver, &message, give_up_at).await,
        Ok(None) => {}
        Err(error) => {
            tracing::error!(message = id, error = explain(&error), "a message cannot be read");
            if is_temporary(&error) {
                tokio::time::sleep(STORE_AGAIN).await;
                return;
            }
            // It is damaged. The others of its topic go before; somebody may repair it.
            count_unreadable();
            let later = (outbox.clock)().saturating_add(milliseconds(outbox.policy.max));
            if let Err(error) = table::postpone(&outbox.db, id, later).await {
                tracing::error!(message = id, error = explain(&error), "it cannot be postponed");
                tokio::time::sleep(STORE_AGAIN).await;
            }
        }
    }
}

/// Stores what became of an attempt, again and again until that succeeds: the message must not be sent over and over while
/// the disk is full, and is to be ended as soon as there is room.
async fn store<Storing>(message: &Outgoing, mut write: impl FnMut() -> Storing)
where
    Storing: Future<Output = Result<(), sqlx::Error>>,
{
    let mut said = false;
    while let Err(error) = write().await {
        if !said {
            let (topic, key) = (&message.topic, &message.key);
            tracing::error!(%topic, %key, error = explain(&error), "what became of a message cannot be stored yet");
            said = true;
        }
        tokio::time::sleep(STORE_AGAIN).await;
    }
}

async fn settle(outbox: &Outbox, deliver: &dyn Deliver, message: &Outgoing, give_up_at: i64) {
    let delivery = AssertUnwindSafe(deliver.deliver(message)).catch_unwind().await;
    let delivery = delivery.unwrap_or_else(|_| Delivery::Retry("the sender has failed; see the log".into()));
    let now = (outbox.clock)();
    let (topic, key, tries) = (&message.topic, &message.key, message.attempts.saturating_add(1));
    let why = match delivery {
        Delivery::Done => return store(message, || table::end(&outbox.db, message.id, "done", now)).await,
        Delivery::Retry(why) if now < give_up_at => {
            let delay = outbox.policy.delay(tries, random());
            // One more try at the very end.
            let until = now.saturating_add(milliseconds(delay)).min(give_up_at);
            tracing::warn!(%topic, %key, tries, why, again_in_ms = until.saturating_sub(now), "not delivered");
            return store(message, || table::postpone(&outbox.db, message.id, until)).await;
        }
        Delivery::Retry(why) => format!("its time has passed; the last attempt: {why}"),
        Delivery::GiveUp(why) => why,
    };
    tracing::error!(%topic, %key, tries, why, "given up");
    if AssertUnwindSafe(deliver.gave_up(message, &why)).catch_unwind().await.is_err() {
        tracing::error!(%topic, %key, "what is to be done about it has failed");
    }
    store(message, || table::end(&outbox.db, message.id, &why, now)).await;
}

/// From 0 to 1; without a random source, a half.
fn random() -> f64 {
    let mut octets = [0; 4];
    match getrandom::fill(&mut octets) {
        Ok(()) => f64::from(u32::from_ne_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
