//! One at a time for each key: steps of one session, calls about one IMSI.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Locks that exist while somebody holds or wants them.
#[derive(Debug)]
pub(super) struct Turns<K>(Mutex<HashMap<K, Weak<Turn<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

/// The map is looked through for locks that nobody holds whenever it has grown to a multiple of this.
const TIDY: usize = 1024;

impl<K: Eq + Hash> Turns<K> {
    /// Waits until it is one's turn; it ends when the guard is dropped.
    pub(super) async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= TIDY && turns.len().is_multiple_of(TIDY) {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            let slot = turns.entry(key).or_default();
            match slot.upgrade() {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(Turn::new(()));
                    *slot = Arc::downgrade(&turn);
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_is_one_turn_and_another_key_another() {
        let turns = Turns::default();
        let first = turns.take(1).await;
        let _other = turns.take(2).await;
        let mut second = Box::pin(turns.take(1));
        assert!(futures_poll(&mut second).await.is_none());
        drop(first);
        drop(second.await);
    }

    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn locks_that_nobody_holds_are_forgotten() {
        let turns = Turns::default();
        for key in 0..3 * TIDY {
            drop(turns.take(key).await);
        }
        assert!(turns.0.lock().unwrap().len() <= 2 * TIDY);
    }
}
