//! When the next procedure is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The schedule of one connection: `n` of `connections` that share a rate, evenly apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    start: Instant,
    /// Nanoseconds from one procedure of this connection to the next.
    interval: f64,
    offset: f64,
}

impl Schedule {
    /// `rate` is per second over all connections.
    pub(super) fn new(start: Instant, rate: f64, n: usize, connections: usize) -> Self {
        let apart = 1e9 / rate;
        Self { start, interval: apart * connections as f64, offset: apart * n as f64 }
    }

    /// When this connection's procedure number `k`, from 0, is due.
    #[inline]
    pub(super) fn due(&self, k: u64) -> Instant {
        self.start + Duration::from_nanos((self.offset + self.interval * k as f64) as u64)
    }
}

/// Wakes the connections when something is due.
///
/// The runtime's timers are good to a millisecond, which would be seen in the latencies; a sleeping thread
/// is good to some tens of microseconds.
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
}

/// No more often than this.
const FINEST: Duration = Duration::from_micros(100);
/// Sleeps no longer than this, so that the thread ends soon.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

impl Ticker {
    /// Wakes all of `connections` whenever something of the `rate` is due, until dropped.
    pub(super) fn start(start: Instant, rate: f64, connections: Vec<Arc<Notify>>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let interval = (1e9 / rate).max(FINEST.as_nanos() as f64);
        std::thread::Builder::new().name("pace".into()).spawn(move || {
            // The grid of the schedules, so that being late once does not make all that follows late.
            let mut tick = 0.0;
            while !stopped.load(Ordering::Relaxed) {
                let due = start + Duration::from_nanos((tick * interval) as u64);
                let now = Instant::now();
                if due > now {
                    std::thread::sleep((due - now).min(LONGEST_SLEEP));
                    continue;
                }
                connections.iter().for_each(|connection| connection.notify_one());
                tick = ((now - start).as_nanos() as f64 / interval).floor() + 1.0;
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_the_rate_evenly_apart() {
        let start = Instant::now();
        let of = |n, k| Schedule::new(start, 1000.0, n, 4).due(k) - start;
        assert_eq!(of(0, 0), Duration::ZERO);
        assert_eq!(of(3, 0), Duration::from_millis(3));
        assert_eq!(of(0, 1), Duration::from_millis(4));
        assert_eq!(of(2, 250), Duration::from_millis(1002));
    }
}
