//! What one connection counts; added up at the end.

use hdrhistogram::Histogram;

use super::verify::Counts;
use super::wire::Outcome;

/// Latencies in nanoseconds, to three significant digits.
pub(super) type Nanoseconds = Histogram<u64>;

/// An hour: the longest latency that is told apart.
const LONGEST: u64 = 3_600_000_000_000;

#[allow(clippy::expect_used, reason = "the bounds and the digits are constants that the crate allows")]
fn nanoseconds() -> Nanoseconds {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("1 ≤ low, 2 × low ≤ high, digits ≤ 5")
}

/// Records a time between two moments; nothing is lost, the longest are cut to [`LONGEST`].
#[inline]
pub(super) fn record(into: &mut Nanoseconds, from: std::time::Instant, to: std::time::Instant) {
    let time = to.saturating_duration_since(from).as_nanos();
    into.saturating_record(u64::try_from(time).unwrap_or(u64::MAX));
}

/// One command.
#[derive(Debug, Clone)]
pub(super) struct CommandTally {
    pub(super) requests: u64,
    /// Few different ones occur: a list is faster than a map.
    pub(super) answers: Vec<(Outcome, u64)>,
    pub(super) latency: Nanoseconds,
}

impl Default for CommandTally {
    fn default() -> Self {
        Self { requests: 0, answers: Vec::new(), latency: nanoseconds() }
    }
}

impl CommandTally {
    /// Counts one answer.
    #[inline]
    pub(super) fn answer(&mut self, outcome: Outcome) {
        self.answers_of(outcome, 1);
    }

    fn answers_of(&mut self, outcome: Outcome, count: u64) {
        match self.answers.iter_mut().find(|(seen, _)| *seen == outcome) {
            Some((_, so_far)) => *so_far += count,
            None => self.answers.push((outcome, count)),
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        for (outcome, count) in &other.answers {
            self.answers_of(*outcome, *count);
        }
        // Same bounds, so that it cannot fail.
        let _ = self.latency.add(&other.latency);
    }
}

/// One connection, or all.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) air: CommandTally,
    pub(super) ulr: CommandTally,
    /// Procedures that were begun.
    pub(super) begun: u64,
    /// Procedures that ended as they should.
    pub(super) completed: u64,
    /// Procedures that ended otherwise.
    pub(super) failed: u64,
    /// AIRs sent with Re-Synchronization-Info.
    pub(super) resynchronisations: u64,
    /// From due to the end of the procedure.
    pub(super) procedure: Nanoseconds,
    /// From due to sent.
    pub(super) lag: Nanoseconds,
    /// Requests that got no answer in time.
    pub(super) lost: u64,
    /// Requests that were on their way when the connection ended.
    pub(super) cut_off: u64,
    /// Answers to nothing that waits.
    pub(super) unmatched: u64,
    /// Answers that cannot be read.
    pub(super) unreadable: u64,
    /// Requests of the server, watchdogs included.
    pub(super) server_requests: u64,
    pub(super) verify: Counts,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            air: CommandTally::default(),
            ulr: CommandTally::default(),
            begun: 0,
            completed: 0,
            failed: 0,
            resynchronisations: 0,
            procedure: nanoseconds(),
            lag: nanoseconds(),
            lost: 0,
            cut_off: 0,
            unmatched: 0,
            unreadable: 0,
            server_requests: 0,
            verify: Counts::default(),
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.air.add(&other.air);
        self.ulr.add(&other.ulr);
        self.begun += other.begun;
        self.completed += other.completed;
        self.failed += other.failed;
        self.resynchronisations += other.resynchronisations;
        let _ = self.procedure.add(&other.procedure);
        let _ = self.lag.add(&other.lag);
        self.lost += other.lost;
        self.cut_off += other.cut_off;
        self.unmatched += other.unmatched;
        self.unreadable += other.unreadable;
        self.server_requests += other.server_requests;
        self.verify.add(&other.verify);
    }
}
