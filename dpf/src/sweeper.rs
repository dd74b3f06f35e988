//! Ends sessions whose time is over, and forgets those that ended long ago.

use std::{sync::Arc, time::Duration};

use crate::{
    model::{Input, now},
    procedure::{Dpf, span},
    store::StoreError,
};

/// Sessions that are ended without a pause.
const AT_ONCE: u32 = 256;
/// How often what is old is looked for.
const FORGET: Duration = Duration::from_secs(3600);

/// Until the DPF is told to stop.
pub async fn run(dpf: Arc<Dpf>, every: Duration, keep: Duration) {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(10)));
    let mut forgets = tokio::time::interval(FORGET);
    loop {
        let done = tokio::select! {
            () = dpf.stop.cancelled() => return,
            _ = ticks.tick() => expire(&dpf).await,
            _ = forgets.tick() => forget(&dpf, keep).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "sessions cannot be looked through");
        }
    }
}

async fn expire(dpf: &Arc<Dpf>) -> Result<(), StoreError> {
    // Sessions that cannot be read stay where they are, before the others.
    let mut damaged = 0;
    loop {
        let overdue = dpf.store.overdue(now(), damaged, AT_ONCE).await?;
        for id in &overdue {
            match dpf.put(*id, &Input::Time).await {
                Err(error @ StoreError::Damaged(_)) => {
                    tracing::error!(session = %id, %error, "a session whose time is over cannot be ended");
                    damaged = damaged.saturating_add(1);
                }
                ended => drop(ended?),
            }
        }
        if overdue.len() < AT_ONCE as usize {
            return Ok(());
        }
    }
}

async fn forget(dpf: &Arc<Dpf>, keep: Duration) -> Result<(), StoreError> {
    let gone = dpf.store.forget(now().saturating_sub(span(keep))).await?;
    if gone > 0 {
        tracing::debug!(sessions = gone, "forgotten");
        dpf.metrics.set(&dpf.store.counts().await?);
    }
    Ok(())
}
