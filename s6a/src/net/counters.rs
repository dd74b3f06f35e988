//! Numbers of messages on one connection.

use std::sync::atomic::{AtomicU64, Ordering};

/// Messages since the connection was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests received, of the base protocol too.
    pub requests_received: u64,
    /// Answers sent.
    pub answers_sent: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// Answers received that had a request.
    pub answers_received: u64,
    /// Answers received whose hop-by-hop id is of no request of ours: dropped (RFC 6733 §3).
    pub answers_unmatched: u64,
    /// Requests with the T bit that were answered as the first time.
    pub duplicates: u64,
}

/// The same, written by the connection's task alone and read by anybody.
#[derive(Debug, Default)]
pub(super) struct Published {
    cells: [AtomicU64; 6],
}

impl Published {
    pub(super) fn set(&self, c: &Counters) {
        let values = [
            c.requests_received,
            c.answers_sent,
            c.requests_sent,
            c.answers_received,
            c.answers_unmatched,
            c.duplicates,
        ];
        for (cell, value) in self.cells.iter().zip(values) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Counters {
        let [a, b, c, d, e, f] = &self.cells;
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counters {
            requests_received: get(a),
            answers_sent: get(b),
            requests_sent: get(c),
            answers_received: get(d),
            answers_unmatched: get(e),
            duplicates: get(f),
        }
    }
}
