//! Devices that wait for a session to change (`?wait=`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use uuid::Uuid;

/// Who waits for which session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<HashMap<Uuid, Arc<Notify>>>>);

/// Somebody who waits; what changes from now on is not missed.
#[derive(Debug)]
pub(crate) struct Waiter {
    id: Uuid,
    all: Waiting,
    changed: Arc<Notify>,
}

impl Waiting {
    /// Begins to wait for a session. Look at the session after this, and wait then.
    pub(crate) fn on(&self, id: Uuid) -> Waiter {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = Arc::clone(all.entry(id).or_default());
        Waiter { id, all: self.clone(), changed }
    }

    /// Wakes those who wait for a session.
    pub(crate) fn wake(&self, id: Uuid) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = all.get(&id) {
            changed.notify_waiters();
        }
    }
}

impl Waiter {
    /// Until the session changes. What has changed before this is called is missed: make it before looking.
    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's, and this one.
        if Arc::strong_count(&self.changed) <= 2 {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_and_forgotten() {
        let waiting = Waiting::default();
        let (one, two) = (waiting.on(Uuid::nil()), waiting.on(Uuid::nil()));
        let (first, second) = (one.changed(), two.changed());
        waiting.wake(Uuid::from_u128(1));
        waiting.wake(Uuid::nil());
        first.await;
        second.await;
        drop(one);
        assert_eq!(waiting.0.lock().unwrap().len(), 1);
        drop(two);
        assert!(waiting.0.lock().unwrap().is_empty());
    }
}
