//! One at a time for each subscriber: what is decided about a registration is carried out before the next
//! request about it is judged, so that no attach is counted against a budget that is used up, and of two
//! nodes that register at once the first gets its CLR.

use std::hash::{BuildHasher, RandomState};

use schemas::identity::Imsi;
use tokio::sync::{Mutex, MutexGuard};

/// Subscribers that share a turn by chance wait for one another; with so many few do.
const PLACES: usize = 1 << 14;

/// Turns of all subscribers.
pub struct Turns {
    places: Box<[Mutex<()>]>,
    hash: RandomState,
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turns")
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect(), hash: RandomState::new() }
    }
}

impl Turns {
    /// Waits for the subscriber's turn, which lasts until the guard is dropped. Nobody may wait for two.
    pub async fn of(&self, imsi: Imsi) -> MutexGuard<'_, ()> {
        self.places[self.hash.hash_one(imsi) as usize % PLACES].lock().await
    }
}
