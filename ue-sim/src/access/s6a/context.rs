//! The devices that are registered with this MME.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::identity::Imsi;

use super::Subscription;

/// One device (TS 23.401 §5.7.2: MM context, as far as S6a needs it).
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) subscription: Subscription,
    /// Whether the home network is sure to know of the registration; not after its reset (TS 29.272
    /// §5.2.4.1.2).
    pub(super) confirmed_in_hss: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Contexts(Mutex<HashMap<Imsi, Context>>);

impl Contexts {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Imsi, Context>> {
        // What a panicking thread left is whole: entries are put in and taken out as one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
