//! Wakes the outbox.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// A bell, and which peers have come.
#[derive(Debug, Default)]
pub struct Wake {
    bell: Notify,
    up: Mutex<Vec<String>>,
}

impl Wake {
    /// Something was queued.
    pub fn queued(&self) {
        self.bell.notify_one();
    }

    /// A peer is open: what waits for it need not wait for its next try.
    pub fn peer_up(&self, identity: &str) {
        self.up.lock().unwrap_or_else(PoisonError::into_inner).push(identity.to_ascii_lowercase());
        self.bell.notify_one();
    }

    /// Until something has happened since the last time.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The peers that have come since this was asked last, in lower case.
    pub fn take_up(&self) -> Vec<String> {
        std::mem::take(&mut *self.up.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
