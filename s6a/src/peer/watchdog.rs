//! Transport failure detection, RFC 3539 §3.4.1, as RFC 6733 §5.5.3 uses it.

use std::time::{Duration, Instant};

use super::Jitter;

#[cfg(test)]
mod tests;

/// States of RFC 3539 §3.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchdogState {
    /// Not connected yet.
    Initial,
    /// The connection is up and working.
    Okay,
    /// A DWR is overdue: send nothing here that can go elsewhere.
    Suspect,
    /// Not connected any more.
    Down,
    /// Connected again after a failure, proving itself with three DWAs.
    Reopen,
}

/// What the driver has to do; SetWatchdog is kept inside ([`Watchdog::deadline`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WatchdogAction {
    /// SendWatchdog: send a DWR.
    SendWatchdog,
    /// Failover: prefer other connections.
    Failover,
    /// Failback: this connection is as good as others again.
    Failback,
    /// CloseConnection.
    CloseConnection,
    /// AttemptOpen: try to connect.
    AttemptOpen,
}

/// The watchdog of one peer.
///
/// One thing is milder than the RFC: what a peer sends while its connection is in REOPEN is not thrown away
/// by the driver, since a request that is not answered costs its user the attach; only requests of our own
/// prefer other connections.
#[derive(Debug, Clone)]
pub struct Watchdog {
    state: WatchdogState,
    pending: bool,
    /// A probe has not been answered by anything yet.
    probing: bool,
    dwas: i8,
    tw: Duration,
    deadline: Instant,
    jitter: Jitter,
}

/// RFC 3539 §3.4.1: the jitter is up to two seconds to either side.
const JITTER: Duration = Duration::from_secs(2);

impl Watchdog {
    /// With the interval `tw` (RFC 6733 §5.5.3: Tw, at least 6 s in operation, 30 s by default), in `state`, which is Initial, or
    /// Down for a peer that was connected before.
    #[must_use]
    pub fn new(tw: Duration, state: WatchdogState, jitter: Jitter, now: Instant) -> Self {
        let mut watchdog = Self { state, pending: false, probing: false, dwas: 0, tw, deadline: now, jitter };
        watchdog.set(now);
        watchdog
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> WatchdogState {
        self.state
    }

    /// When [`Self::expired`] wants to be called. It moves later with every message heard, so a driver may
    /// keep its timer and look again when that fires.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// SetWatchdog: Tw with jitter from now on.
    fn set(&mut self, now: Instant) {
        self.deadline = now + self.jitter.spread(self.tw, JITTER.min(self.tw / 3));
    }

    /// Connection up.
    pub fn up(&mut self, now: Instant) -> Option<WatchdogAction> {
        match self.state {
            // INITIAL | Connection up | SetWatchdog() | OKAY
            WatchdogState::Initial => {
                self.state = WatchdogState::Okay;
                self.pending = false;
                self.set(now);
                None
            }
            // DOWN | Connection up | NumDWA = 0, SendWatchdog(), SetWatchdog(), Pending = TRUE | REOPEN
            WatchdogState::Down => {
                self.state = WatchdogState::Reopen;
                self.dwas = 0;
                self.pending = true;
                self.set(now);
                Some(WatchdogAction::SendWatchdog)
            }
            WatchdogState::Okay | WatchdogState::Suspect | WatchdogState::Reopen => None,
        }
    }

    /// Connection down.
    pub fn down(&mut self, now: Instant) -> Option<WatchdogAction> {
        let before = self.state;
        if matches!(before, WatchdogState::Okay | WatchdogState::Suspect | WatchdogState::Reopen) {
            self.state = WatchdogState::Down;
            self.set(now);
        }
        // OKAY | Connection down | CloseConnection(), Failover(), SetWatchdog() | DOWN
        // SUSPECT, REOPEN | Connection down | CloseConnection(), SetWatchdog() | DOWN
        (before == WatchdogState::Okay).then_some(WatchdogAction::Failover)
    }

    /// Receive non-DWA: any other message.
    pub fn heard(&mut self, now: Instant) -> Option<WatchdogAction> {
        self.probing = false;
        match self.state {
            // OKAY | Receive non-DWA | SetWatchdog() | OKAY
            WatchdogState::Okay => {
                self.set(now);
                None
            }
            // SUSPECT | Receive non-DWA | Failback(), SetWatchdog() | OKAY
            WatchdogState::Suspect => {
                self.state = WatchdogState::Okay;
                self.set(now);
                Some(WatchdogAction::Failback)
            }
            // INITIAL, DOWN, REOPEN | Receive non-DWA | Throwaway() | same
            WatchdogState::Initial | WatchdogState::Down | WatchdogState::Reopen => None,
        }
    }

    /// Receive DWA.
    pub fn dwa(&mut self, now: Instant) -> Option<WatchdogAction> {
        self.probing = false;
        match self.state {
            // OKAY | Receive DWA | Pending = FALSE, SetWatchdog() | OKAY
            WatchdogState::Okay => {
                self.pending = false;
                self.set(now);
                None
            }
            // SUSPECT | Receive DWA | Pending = FALSE, Failback(), SetWatchdog() | OKAY
            WatchdogState::Suspect => {
                self.state = WatchdogState::Okay;
                self.pending = false;
                self.set(now);
                Some(WatchdogAction::Failback)
            }
            // REOPEN | Receive DWA & NumDWA == 2 | Pending = FALSE, NumDWA++, Failback() | OKAY
            // REOPEN | Receive DWA & NumDWA < 2 | Pending = FALSE, NumDWA++ | REOPEN
            WatchdogState::Reopen => {
                self.pending = false;
                self.dwas += 1;
                (self.dwas > 2).then(|| {
                    self.state = WatchdogState::Okay;
                    WatchdogAction::Failback
                })
            }
            // INITIAL, DOWN | Receive DWA | Pending = FALSE, Throwaway() | same
            WatchdogState::Initial | WatchdogState::Down => {
                self.pending = false;
                None
            }
        }
    }

    /// Timer expires, if it is time: nothing happens before [`Self::deadline`].
    pub fn expired(&mut self, now: Instant) -> Option<WatchdogAction> {
        if now < self.deadline {
            return None;
        }
        self.set(now);
        match (self.state, self.pending) {
            // OKAY | Timer expires & !Pending | SendWatchdog(), SetWatchdog(), Pending = TRUE | OKAY
            // REOPEN | Timer expires & !Pending | SendWatchdog(), SetWatchdog(), Pending = TRUE | REOPEN
            (WatchdogState::Okay | WatchdogState::Reopen, false) => {
                self.pending = true;
                Some(WatchdogAction::SendWatchdog)
            }
            // OKAY | Timer expires & Pending | Failover(), SetWatchdog() | SUSPECT
            (WatchdogState::Okay, true) => {
                self.state = WatchdogState::Suspect;
                Some(WatchdogAction::Failover)
            }
            // SUSPECT | Timer expires | CloseConnection(), SetWatchdog() | DOWN
            (WatchdogState::Suspect, _) => {
                self.state = WatchdogState::Down;
                Some(WatchdogAction::CloseConnection)
            }
            // Not of the RFC: a probe was answered by nothing at all.
            (WatchdogState::Reopen, true) if self.probing => {
                self.state = WatchdogState::Down;
                Some(WatchdogAction::CloseConnection)
            }
            // REOPEN | Timer expires & Pending & NumDWA >= 0 | NumDWA = -1, SetWatchdog() | REOPEN
            (WatchdogState::Reopen, true) if self.dwas >= 0 => {
                self.dwas = -1;
                None
            }
            // REOPEN | Timer expires & Pending & NumDWA < 0 | CloseConnection(), SetWatchdog() | DOWN
            (WatchdogState::Reopen, true) => {
                self.state = WatchdogState::Down;
                Some(WatchdogAction::CloseConnection)
            }
            // INITIAL, DOWN | Timer expires | AttemptOpen(), SetWatchdog() | same
            (WatchdogState::Initial | WatchdogState::Down, _) => Some(WatchdogAction::AttemptOpen),
        }
    }

    /// Not of the RFC: there is reason to doubt the connection (the peer has come a second time). Sends a DWR now, unless
    /// one is unanswered, and gives the peer `within` to say anything before a connection in OKAY is suspect, and one in
    /// REOPEN closed: that state has no way to SUSPECT, and takes two to three Tw to find out by itself.
    pub fn probe(&mut self, now: Instant, within: Duration) -> Option<WatchdogAction> {
        match self.state {
            WatchdogState::Okay | WatchdogState::Reopen => {}
            // SUSPECT gives way to the new connection without being asked; the others have none.
            WatchdogState::Initial | WatchdogState::Suspect | WatchdogState::Down => return None,
        }
        // Who asks again and again must not put the end off.
        if !self.probing {
            self.probing = true;
            self.deadline = self.deadline.min(now + within);
        }
        if self.pending {
            return None;
        }
        self.pending = true;
        Some(WatchdogAction::SendWatchdog)
    }
}
