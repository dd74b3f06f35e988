//! A connection as other tasks see it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::OwnedMessage;
use super::counters::Published;
use super::mailbox::Mailbox;
use crate::peer::Side;

/// A connection as other tasks see it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) side: Side,
    pub(super) mailbox: Mailbox,
    /// Own requests by hop-by-hop id (RFC 6733 §3).
    pub(super) waiting: Mutex<HashMap<u32, oneshot::Sender<OwnedMessage>>>,
    hop_by_hop: AtomicU32,
    /// RFC 3539 SUSPECT or REOPEN: others are preferred.
    pub(super) doubtful: AtomicBool,
    /// RFC 3539 SUSPECT: a new connection of the peer takes its place.
    pub(super) suspect: AtomicBool,
    pub(super) counters: Published,
}

impl Link {
    /// A connection that nobody else knows yet; own Hop-by-Hop ids count from `first_hop_by_hop` (RFC 6733 §3).
    pub(super) fn new(id: u64, side: Side, first_hop_by_hop: u32) -> Self {
        Self {
            id,
            side,
            mailbox: Mailbox::default(),
            waiting: Mutex::default(),
            hop_by_hop: AtomicU32::new(first_hop_by_hop),
            doubtful: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
            counters: Published::default(),
        }
    }

    pub(super) fn next_hop_by_hop(&self) -> u32 {
        self.hop_by_hop.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<OwnedMessage>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
