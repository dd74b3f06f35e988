//! What a load run found out, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::{CommandTally, Nanoseconds, Tally};
use super::verify::Counts;
use super::{LoadConfig, Pace, Procedure, Verify};

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "detail")]
pub enum End {
    /// As many procedures as were asked for.
    Completed,
    /// The time is over.
    Elapsed,
    /// Somebody ended it.
    Interrupted,
    /// The server sent DPR (RFC 6733 §5.4.1); its Disconnect-Cause.
    PeerDisconnected(String),
    /// A connection was lost.
    ConnectionLost(String),
    /// What came cannot be Diameter.
    ProtocolError(String),
}

impl End {
    /// Whether the run came to the end that it was given.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        matches!(self, Self::Completed | Self::Elapsed | Self::Interrupted)
    }
}

/// Percentiles of a latency in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as statistics names them; all in microseconds")]
pub struct Latency {
    pub count: u64,
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Latency {
    fn of(times: &Nanoseconds) -> Self {
        let us = |ns: u64| (ns as f64 / 10.0).round() / 100.0;
        Self {
            count: times.len(),
            min: us(times.min()),
            mean: us(times.mean() as u64),
            p50: us(times.value_at_quantile(0.5)),
            p90: us(times.value_at_quantile(0.9)),
            p99: us(times.value_at_quantile(0.99)),
            p999: us(times.value_at_quantile(0.999)),
            max: us(times.max()),
        }
    }
}

/// One command of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandReport {
    /// Requests sent.
    pub requests: u64,
    /// Answers by result, as `2001 DIAMETER_SUCCESS` or `experimental 5001 DIAMETER_ERROR_USER_UNKNOWN`.
    pub answers: BTreeMap<String, u64>,
    /// From due to answered.
    pub latency_us: Latency,
}

impl CommandReport {
    fn of(tally: &CommandTally) -> Self {
        Self {
            requests: tally.requests,
            answers: tally.answers.iter().map(|(outcome, count)| (outcome.to_string(), *count)).collect(),
            latency_us: Latency::of(&tally.latency),
        }
    }
}

/// What the USIMs thought of the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// How it was checked.
    pub mode: Verify,
    /// Vectors that are right in every respect.
    pub accepted: u64,
    /// MAC-A is not the one that K gives (TS 33.102 §6.3.3).
    pub mac_failures: u64,
    /// The AMF separation bit is 0 (TS 33.401 §6.1.1).
    pub non_eps: u64,
    /// The sequence number is not fresh (TS 33.102 annex C.2).
    pub sync_failures: u64,
    /// AIRs sent with Re-Synchronization-Info because of that.
    pub resynchronisations: u64,
    /// RES and XRES differ.
    pub xres_differs: u64,
    /// The two KASME differ.
    pub kasme_differs: u64,
    /// Successful answers without a vector.
    pub without_vector: u64,
    /// Sequence numbers that came more than once for an IMSI. `None` in the mode `usim`, where such a one
    /// is a sync failure.
    pub sqn_duplicates: Option<u64>,
}

impl VerifyReport {
    fn of(mode: Verify, counts: &Counts, resynchronisations: u64, sqn_duplicates: Option<u64>) -> Self {
        Self {
            mode,
            accepted: counts.accepted,
            mac_failures: counts.mac_failures,
            non_eps: counts.non_eps,
            sync_failures: counts.sync_failures,
            resynchronisations,
            xres_differs: counts.xres_differs,
            kasme_differs: counts.kasme_differs,
            without_vector: counts.without_vector,
            sqn_duplicates,
        }
    }

    /// Whether nothing at all is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mac_failures == 0
            && self.non_eps == 0
            && self.sync_failures == self.resynchronisations
            && self.xres_differs == 0
            && self.kasme_differs == 0
            && self.without_vector == 0
            && self.sqn_duplicates.unwrap_or_default() == 0
    }
}

/// A load run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// What every device did.
    pub procedure: Procedure,
    /// How it was paced.
    pub pace: Pace,
    /// Connections.
    pub connections: usize,
    /// Window of each connection.
    pub window: usize,
    /// Devices.
    pub devices: usize,
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Requests sent, of all commands.
    pub requests: u64,
    /// Answers that came, of all commands.
    pub answers: u64,
    /// Answers a second.
    pub rate: f64,
    /// Procedures begun.
    pub begun: u64,
    /// Procedures that ended as they should: success, and vectors in which nothing is wrong.
    pub completed: u64,
    /// Procedures that ended otherwise.
    pub failed: u64,
    /// Requests without an answer in time.
    pub lost: u64,
    /// Requests without an answer because the connection ended.
    pub cut_off: u64,
    /// Answers to nothing that waited: late, twice, or made up.
    pub unmatched: u64,
    /// Answers that could not be read.
    pub unreadable: u64,
    /// Requests that the server sent, watchdogs included.
    pub server_requests: u64,
    /// By command.
    pub commands: BTreeMap<String, CommandReport>,
    /// From the moment a procedure was due to its end.
    pub procedure_latency_us: Latency,
    /// From the moment a procedure was due to the moment its request was made: waiting for a place in the
    /// window, for an idle device, or for this program.
    pub lag_us: Latency,
    /// The vectors; `None` if they were not looked at.
    pub verify: Option<VerifyReport>,
    /// Why it ended.
    pub end: End,
}

impl LoadReport {
    pub(super) fn of(
        config: &LoadConfig,
        devices: usize,
        tally: &Tally,
        elapsed: Duration,
        sqn_duplicates: Option<u64>,
        end: End,
    ) -> Self {
        let answered = |command: &CommandTally| command.answers.iter().map(|(_, count)| count).sum::<u64>();
        let answers = answered(&tally.air) + answered(&tally.ulr);
        let mut commands = BTreeMap::from([("AIR".to_owned(), CommandReport::of(&tally.air))]);
        if config.procedure == Procedure::Attach {
            commands.insert("ULR".to_owned(), CommandReport::of(&tally.ulr));
        }
        let seconds = elapsed.as_micros() as f64 / 1e6;
        Self {
            procedure: config.procedure,
            pace: config.pace,
            connections: config.connections,
            window: config.window,
            devices,
            seconds,
            requests: tally.air.requests + tally.ulr.requests,
            answers,
            rate: if seconds > 0.0 { (answers as f64 / seconds).round() } else { 0.0 },
            begun: tally.begun,
            completed: tally.completed,
            failed: tally.failed,
            lost: tally.lost,
            cut_off: tally.cut_off,
            unmatched: tally.unmatched,
            unreadable: tally.unreadable,
            server_requests: tally.server_requests,
            commands,
            procedure_latency_us: Latency::of(&tally.procedure),
            lag_us: Latency::of(&tally.lag),
            verify: (config.verify != Verify::Off).then(|| {
                VerifyReport::of(config.verify, &tally.verify, tally.resynchronisations, sqn_duplicates)
            }),
            end,
        }
    }

    /// Whether the run came to its end and everything that was asked was answered well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.end.is_regular()
            && self.failed == 0
            && self.lost == 0
            && self.cut_off == 0
            && self.unmatched == 0
            && self.unreadable == 0
            && self.verify.as_ref().is_none_or(VerifyReport::is_clean)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.0} µs  p90 {:.0} µs  p99 {:.0} µs  p99.9 {:.0} µs  max {:.0} µs",
            self.p50, self.p90, self.p99, self.p999, self.max
        )
    }
}

impl fmt::Display for LoadReport {
    /// Several lines, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests, {} answers in {:.2} s: {:.0} a second",
            self.requests, self.answers, self.seconds, self.rate
        )?;
        for (name, command) in &self.commands {
            writeln!(f, "{name}  {}", command.latency_us)?;
            for (outcome, count) in &command.answers {
                writeln!(f, "     {count} × {outcome}")?;
            }
        }
        if let Some(verify) = &self.verify {
            write!(f, "vectors: {} accepted", verify.accepted)?;
            for (count, what) in [
                (verify.mac_failures, "MAC failures"),
                (verify.non_eps, "without separation bit"),
                (verify.sync_failures, "synchronisation failures"),
                (verify.xres_differs, "with another XRES"),
                (verify.kasme_differs, "with another KASME"),
                (verify.without_vector, "answers without vector"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {what}")?;
                }
            }
            match verify.sqn_duplicates {
                Some(duplicates) => writeln!(f, ", {duplicates} sequence numbers twice")?,
                None => writeln!(f)?,
            }
        }
        for (count, what) in [
            (self.failed, "procedures failed"),
            (self.lost, "requests without answer"),
            (self.cut_off, "requests cut off by the end of the connection"),
            (self.unmatched, "answers to nothing"),
            (self.unreadable, "answers that cannot be read"),
        ] {
            if count > 0 {
                writeln!(f, "{count} {what}")?;
            }
        }
        match &self.end {
            End::Completed => f.write_str("ended: all procedures done"),
            End::Elapsed => f.write_str("ended: the time is over"),
            End::Interrupted => f.write_str("ended: interrupted"),
            End::PeerDisconnected(cause) => write!(f, "ended: the server disconnected ({cause})"),
            End::ConnectionLost(what) => write!(f, "ended: the connection was lost ({what})"),
            End::ProtocolError(what) => write!(f, "ended: what came is not Diameter ({what})"),
        }
    }
}
