//! What the DPF counts (Prometheus). No label holds a device or an operator.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::{machine::State, model::Applied};

/// All metrics of the DPF.
#[derive(Debug, Clone)]
pub struct Metrics {
    sessions: IntGaugeVec,
    steps: HistogramVec,
    ends: IntCounterVec,
    /// Requests of devices that were not let through or not taken, by why.
    pub turned_away: IntCounterVec,
    /// Answers of other roles that could not be used or did not come, by role.
    pub trouble: IntCounterVec,
    /// Reports that operators will never take: what their devices have, nobody stands by.
    pub reports_refused: prometheus::IntCounter,
    /// Octets of parts that devices were sent.
    pub octets: prometheus::IntCounter,
    /// From a session's opening to its end, seconds.
    whole: Histogram,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// If one is registered there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        // From what a fast operator takes to what a slow device does.
        let buckets = vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0];
        let sessions = IntGaugeVec::new(
            Opts::new("callhome_dpf_sessions", "Provisioning sessions by the state they are in."),
            &["state"],
        )?;
        registry.register(Box::new(sessions.clone()))?;
        let steps = HistogramVec::new(
            HistogramOpts::new(
                "callhome_dpf_state_seconds",
                "How long sessions were in a state that they have left, in seconds.",
            )
            .buckets(buckets.clone()),
            &["state"],
        )?;
        registry.register(Box::new(steps.clone()))?;
        let whole = Histogram::with_opts(
            HistogramOpts::new(
                "callhome_dpf_session_seconds",
                "From the opening of a session to the device's report, in seconds.",
            )
            .buckets(buckets),
        )?;
        registry.register(Box::new(whole.clone()))?;
        let octets = prometheus::IntCounter::new(
            "callhome_dpf_part_octets_total",
            "Octets of parts that devices were sent.",
        )?;
        registry.register(Box::new(octets.clone()))?;
        let reports_refused = prometheus::IntCounter::new(
            "callhome_dpf_reports_refused_total",
            "Reports of devices that their operators did not take for good.",
        )?;
        registry.register(Box::new(reports_refused.clone()))?;
        Ok(Self {
            sessions,
            reports_refused,
            steps,
            whole,
            octets,
            ends: counters("callhome_dpf_ends_total", "Sessions that ended, by how.", "state")?,
            turned_away: counters(
                "callhome_dpf_turned_away_total",
                "Requests of devices that were not taken, by why.",
                "why",
            )?,
            trouble: counters(
                "callhome_dpf_trouble_total",
                "Answers of other roles that did not come or could not be used, by role.",
                "role",
            )?,
        })
    }

    /// How many sessions there are.
    pub fn set(&self, counts: &[(State, i64)]) {
        for state in State::ALL {
            let count = counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
            self.sessions.with_label_values(&[state.as_str()]).set(count);
        }
    }

    /// A session was opened.
    pub fn opened(&self) {
        self.sessions.with_label_values(&[State::Opened.as_str()]).inc();
    }

    /// A session went on.
    pub fn moved(&self, applied: &Applied) {
        let (before, state) = (applied.before, applied.session.state);
        self.sessions.with_label_values(&[before.as_str()]).dec();
        self.sessions.with_label_values(&[state.as_str()]).inc();
        self.steps.with_label_values(&[before.as_str()]).observe(applied.spent as f64 / 1000.0);
        if !state.is_open() {
            self.ends.with_label_values(&[state.as_str()]).inc();
        }
        if state == State::Reported {
            let spent = applied.session.entered_at - applied.session.created_at;
            self.whole.observe(spent as f64 / 1000.0);
        }
    }
}
