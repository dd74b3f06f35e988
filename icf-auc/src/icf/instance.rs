//! Keeps the lease of this process's instance, and ends the process when another has taken it over.

use std::sync::{Arc, OnceLock};

use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::store::{
    Store, StoreError,
    instance::{InstanceLease, RENEW_INTERVAL},
};

/// The instance that this process is, kept until [`end`](Self::end).
#[derive(Debug)]
pub struct Instance {
    lease: Arc<InstanceLease>,
    lost: Arc<OnceLock<StoreError>>,
    keeper: AbortOnDropHandle<()>,
}

impl Instance {
    /// Becomes the instance, and keeps its lease. When another process has taken over, `stop` is cancelled.
    ///
    /// # Errors
    /// Who is that instance, and what to do.
    pub async fn take(
        store: Arc<dyn Store>,
        name: &str,
        address: &str,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let lease = store.take_instance(name, address).await?;
        let lost = Arc::new(OnceLock::new());
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(store, lost.clone(), stop)));
        Ok(Self { lease, lost, keeper })
    }

    /// To be asked before a number is handed out.
    #[must_use]
    pub fn lease(&self) -> &Arc<InstanceLease> {
        &self.lease
    }

    /// Gives the instance back.
    ///
    /// # Errors
    /// If another process had taken it over.
    pub async fn end(self, store: &dyn Store) -> Result<(), StoreError> {
        drop(self.keeper);
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        if let Err(error) = store.release_instance().await {
            tracing::warn!(%error, "the instance is not given back; the next process finds that this one is gone");
        }
        Ok(())
    }
}

async fn keep(store: Arc<dyn Store>, lost: Arc<OnceLock<StoreError>>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(RENEW_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match store.renew_instance().await {
            Ok(()) => {}
            Err(error @ StoreError::LeaseLost(_)) => {
                tracing::error!(%error, "this process ends");
                let _ = lost.set(error);
                return stop.cancel();
            }
            Err(error) => tracing::error!(%error, "the lease of the instance cannot be renewed"),
        }
    }
}
