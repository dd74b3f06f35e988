//! What a fleet's run found out, for people and as JSON.

use std::{fmt, time::Duration};

use serde::Serialize;
use ue_sim::{
    fleet::{FleetEnd, FleetReport},
    latency::Latency,
    provision::Step,
};

use super::{check::Checks, factory::Took};

/// Failures that are shown to people; JSON has all.
const SHOWN: usize = 10;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Every device is installed, and the roles have each of them once.
    pub clean: bool,
    /// Devices under way at a time.
    pub concurrency: u16,
    /// Before the run, seconds.
    pub before: Before,
    /// The run.
    #[serde(flatten)]
    pub run: FleetReport,
    /// What the roles had afterwards.
    pub after: Checks,
    /// Devices that have no RNCP.
    pub failures: Vec<Lost>,
}

/// How long the factory took, seconds.
#[derive(Debug, Serialize)]
pub struct Before {
    #[serde(flatten)]
    took: Took,
    /// Devices manufactured.
    made: f64,
}

/// A device that has no RNCP.
#[derive(Debug, Serialize)]
pub struct Lost {
    device: String,
    pcid: String,
    why: String,
}

impl Report {
    /// Puts it together.
    pub fn new(
        concurrency: u16,
        run: FleetReport,
        (took, made): (Took, Duration),
        after: Checks,
        ends: Vec<FleetEnd>,
    ) -> Self {
        let heard_of = ends.len() as u64;
        let lost = |end: FleetEnd| {
            let why = end.how.err()?;
            Some(Lost { device: end.device.to_string(), pcid: end.pcid.to_string(), why })
        };
        let failures: Vec<Lost> = ends.into_iter().filter_map(lost).collect();
        let all = run.devices;
        let clean = run.provisioned == all
            && heard_of == all
            && after.faults == 0
            && [after.sessions, after.closed, after.subscriptions, after.imsis] == [all; 4];
        let before = Before { took, made: made.as_secs_f64() };
        Self { clean, concurrency, before, run, after, failures }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before: Before { took, made }, run, after, .. } = self;
        writeln!(
            f,
            "before: credentials {:.1} s, enrolment {:.1} s, contracts {:.1} s, registry {:.1} s, manufacture {made:.1} s",
            took.issued, took.enrolled, took.contracts, took.registered
        )?;
        writeln!(
            f,
            "{} of {} devices provisioned in {:.2} s, {} at a time: {:.1} a second\n",
            run.provisioned, run.devices, run.seconds, self.concurrency, run.devices_per_second
        )?;
        writeln!(
            f,
            "{:<62}{:>7}{:>8}{:>8}{:>8}{:>8}{:>7}",
            "", "count", "p50", "p90", "p99", "max", "share"
        )?;
        let whole = total(&run.whole);
        let mut told = 0.0;
        for step in &run.steps {
            let seed = match step.step {
                // In non-3GPP access there is no ICF to do it.
                Step::DrfAsked => Some(6),
                _ => step.seed,
            };
            let seed = seed.map_or("  ".to_owned(), |seed| format!("{seed:2}"));
            told += total(&step.took);
            row(f, &format!("{seed}  {}", step.step.title()), &step.took, total(&step.took) / whole)?;
        }
        row(f, "    all of it, ms", &run.whole, 1.0)?;
        if whole > 0.0 {
            let rest = (1.0 - told / whole).max(0.0) * 100.0;
            writeln!(f, "    {rest:.0} % is in none of them: TLS set up, the journal opened and closed")?;
        }
        writeln!(
            f,
            "\nafter: {} sessions, {} closed ({:.1} s later); {} subscriptions with {} different IMSIs",
            after.sessions, after.closed, after.closing_seconds, after.subscriptions, after.imsis
        )?;
        for Lost { device, pcid, why } in self.failures.iter().take(SHOWN) {
            writeln!(f, "lost: {device} ({pcid}): {why}")?;
        }
        for (why, count) in run.otherwise.iter().take(SHOWN) {
            writeln!(f, "{count} × {why}")?;
        }
        for fault in after.listed.iter().take(SHOWN) {
            writeln!(f, "fault: {fault}")?;
        }
        let verdict = if self.clean { "every device once" } else { "NOT every device once" };
        write!(f, "{verdict}")
    }
}

/// Of all devices together.
fn total(latency: &Latency) -> f64 {
    latency.mean * latency.count as f64
}

fn row(f: &mut fmt::Formatter<'_>, title: &str, took: &Latency, share: f64) -> fmt::Result {
    let Latency { count, p50, p90, p99, max, .. } = took;
    let share = if share.is_finite() { share * 100.0 } else { 0.0 };
    writeln!(f, "{title:<62}{count:>7}{p50:>8.0}{p90:>8.0}{p99:>8.0}{max:>8.0}{share:>5.0} %")
}
