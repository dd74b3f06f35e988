//! What time brings: sessions that were left behind end, keys that are not needed any more are forgotten.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    clock::milliseconds,
    machine::{Sho, ShoError},
    model::{NumberKind, State},
    policy::refusal,
    store::{numbers, sessions},
};

/// How often.
const EVERY: Duration = Duration::from_secs(30);

/// What a sweep has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Sessions ended.
    pub ended: usize,
    /// Sessions whose keys and package were forgotten.
    pub forgotten: usize,
}

impl Sho {
    /// Does what is due.
    ///
    /// # Errors
    /// If we fail.
    pub async fn sweep(self: &Arc<Self>) -> Result<Swept, ShoError> {
        let now = self.clock.now();
        let before = |span: service::config::Span| now.saturating_sub(milliseconds(span.0));
        let mut swept = Swept::default();
        let left = {
            let mut reader = self.store.db.readers.acquire().await?;
            let (idle, unreported) =
                (before(self.policy.session_lifetime), before(self.policy.report_within));
            sessions::left_behind(&mut reader, idle, unreported).await?
        };
        for session in left {
            let answered = session.state == State::Answered;
            let refusal = if answered {
                refusal("no-report", "no report came in time; the device has to be provisioned anew", true)
            } else {
                refusal("abandoned", "the DPF did not ask for the answer in time", true)
            };
            match self.abandon(&session, refusal, answered).await {
                Ok(ended) => swept.ended += usize::from(ended),
                // One that cannot be ended keeps none of the others.
                Err(error) => {
                    tracing::error!(session = %session.id, %error, "a session cannot be ended; it is tried again")
                }
            }
        }
        let mut tx = self.store.db.write().await?;
        for session in sessions::keys_due(&mut tx, before(self.policy.key_retention)).await? {
            sessions::forget(&mut tx, session.id).await?;
            swept.forgotten += 1;
        }
        tx.commit().await?;
        let mut reader = self.store.db.readers.acquire().await?;
        for kind in [NumberKind::Imsi, NumberKind::Msisdn] {
            let free = numbers::free(&mut reader, kind, now).await?;
            let free = i64::try_from(free).unwrap_or(i64::MAX);
            self.metrics.free_numbers.with_label_values(&[kind.as_str()]).set(free);
        }
        Ok(swept)
    }
}

/// Sweeps until `stop`.
pub async fn run(sho: Arc<Sho>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = sho.sweep().await {
            tracing::error!(%error, "a sweep failed; it is tried again");
        }
    }
}
