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
    loop {
        let overdue = dpf.store.overdue(now(), AT_ONCE).await?;
        for id in &overdue {
            dpf.put(*id, &Input::Time).await?;
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
