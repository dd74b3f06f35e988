//! How long a device tries, and how often.

use std::{net::SocketAddr, time::Duration};

use tokio::time::Instant;

/// What a device does when it does not get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Without any progress for this long it stops, and goes on when it is asked to.
    pub give_up_after: Duration,
    /// It waits this long before the second try, then twice as long each time,
    pub first_wait: Duration,
    /// up to this, unless the other side asks for more.
    pub longest_wait: Duration,
    /// The DPF may hold the answer to "where is my session" back for this long.
    pub poll: Duration,
    /// Through this HTTP CONNECT proxy: a [`Gate`](crate::user_plane::Gate) into the device's bearer. `None`: by this
    /// machine's own network.
    pub through: Option<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            give_up_after: Duration::from_secs(120),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            poll: Duration::from_secs(20),
            through: None,
        }
    }
}

/// What is left of it.
#[derive(Debug)]
pub(super) struct Patience {
    options: Options,
    since: Instant,
    next: Duration,
}

impl Patience {
    pub(super) fn new(options: Options) -> Self {
        Self { options, since: Instant::now(), next: options.first_wait }
    }

    /// Something worked.
    pub(super) fn progress(&mut self) {
        self.since = Instant::now();
        self.next = self.options.first_wait;
    }

    /// Waits before the next try, at least `asked`; false if it is no use any more.
    pub(super) async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let wait = self.next.max(asked.unwrap_or_default());
        if self.since.elapsed() + wait > self.options.give_up_after {
            return false;
        }
        // A tenth more or less: a thousand devices do not come back at once.
        let mut random = [0; 2];
        let jitter = match getrandom::fill(&mut random) {
            Ok(()) => 0.9 + f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX) * 0.2,
            Err(_) => 1.0,
        };
        tokio::time::sleep(wait.mul_f64(jitter)).await;
        self.next = (self.next * 2).min(self.options.longest_wait);
        true
    }
}
