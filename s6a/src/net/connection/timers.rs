//! One timer for everything that may take too long.

use std::future::Future;
use std::task::Context;

use tokio::time::Instant;

use super::{Connection, Down, Phase};

impl Connection {
    /// Does what is due; whether anything was, or the clock has to be read again. Deadlines that have moved later
    /// are found out when the timer fires: arming it anew for each message would cost more than all else here.
    pub(super) fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(next) = self.next_deadline() else { return false };
        if next <= now {
            self.expired(now);
            return true;
        }
        if next < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    fn message_deadline(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + self.shared.config.timers.idle_message)
    }

    fn write_deadline(&self) -> Option<Instant> {
        self.stalled.map(|stalled| stalled + self.shared.config.timers.write_stall)
    }

    fn watchdog_deadline(&self) -> Option<Instant> {
        let watchdog = self.watchdog.as_ref().filter(|_| self.phase.is_up())?;
        Some(Instant::from_std(watchdog.deadline()))
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.phase_deadline, self.message_deadline(), self.write_deadline(), self.watchdog_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn expired(&mut self, now: Instant) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.phase_deadline) {
            self.phase_expired(now);
        } else if due(self.message_deadline()) {
            self.end(Down::TimedOut("a message was begun and not finished"), now);
        } else if due(self.write_deadline()) {
            self.cut(Down::TimedOut("the peer takes nothing of what is written to it"), now);
        } else if due(self.watchdog_deadline()) {
            let action = self.watchdog.as_mut().and_then(|watchdog| watchdog.expired(now.into_std()));
            self.watchdog_action(action, now);
        }
    }

    fn phase_expired(&mut self, now: Instant) {
        self.phase_deadline = None;
        match self.phase {
            Phase::AwaitCer => self.end(Down::TimedOut("no CER came"), now),
            Phase::AwaitDecision => self.end(Down::TimedOut("the election was not decided"), now),
            Phase::AwaitCea => {
                if let Some(slot) = self.slot.clone() {
                    self.timeout(&slot);
                }
                self.end(Down::TimedOut("no CEA came"), now);
            }
            Phase::Closing => {
                if let Some(slot) = self.slot.clone() {
                    self.timeout(&slot);
                }
                // Keeps the DPR as the reason.
                self.end(Down::Closed, now);
            }
            Phase::Flush => self.cut(Down::Closed, now),
            Phase::Drain => self.drained = true,
            Phase::Open => {}
        }
    }
}
