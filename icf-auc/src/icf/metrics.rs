//! What the ICF counts (Prometheus). No label ever holds a subscriber or a secret; the number of peers that
//! get a label of their own is bounded.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use s6a::net::Retransmission;

use super::relay::metrics::RelayMetrics;

/// The S6a commands that an HSS answers, in the order of [`Metrics`]' tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Authentication-Information.
    Air,
    /// Update-Location.
    Ulr,
    /// Purge-UE.
    Pur,
    /// Notify.
    Nor,
}

impl Command {
    const ALL: [Self; 4] = [Self::Air, Self::Ulr, Self::Pur, Self::Nor];

    /// As engineers write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Air => "AIR",
            Self::Ulr => "ULR",
            Self::Pur => "PUR",
            Self::Nor => "NOR",
        }
    }
}

/// All metrics of the ICF.
pub struct Metrics {
    requests: IntCounterVec,
    answers: IntCounterVec,
    latency: HistogramVec,
    /// Vectors given out.
    pub vectors: IntCounter,
    /// Leases taken from the store, and SEQs in them.
    pub leases: IntCounter,
    /// SEQs in the leases taken.
    pub leased_seqs: IntCounter,
    /// Resynchronisations by outcome.
    pub resyncs: IntCounterVec,
    /// Requests whose subscriber was in memory.
    pub cache_hits: IntCounter,
    /// Requests whose subscriber was not.
    pub cache_misses: IntCounter,
    /// Subscribers in memory.
    pub cache_size: IntGauge,
    /// Operations in one transaction.
    pub commit_size: Histogram,
    /// Seconds that a transaction took.
    pub commit_time: Histogram,
    /// Transactions that failed.
    pub store_errors: IntCounter,
    /// Requests refused because the store or the node was not keeping up.
    pub overloaded: IntCounter,
    /// Peers whose connection is open.
    pub peers_open: IntGauge,
    /// Requests of ours by command and outcome.
    pub sent: IntCounterVec,
    /// Requests of ours that are not answered yet, new or tried in vain.
    pub outgoing: IntGaugeVec,
    /// Answers that nobody waited for any more.
    pub late: IntCounter,
    /// Requests with the T bit, by what they turned out to be.
    retransmissions: IntCounterVec,
    /// What `[relay]` passes on.
    pub relay: RelayMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// If one is registered there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| -> Result<Histogram, prometheus::Error> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let latency = HistogramVec::new(
            HistogramOpts::new("callhome_s6a_latency_seconds", "From a request's arrival to its answer.")
                .buckets(prometheus::exponential_buckets(1e-6, 4.0, 11)?),
            &["command"],
        )?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self {
            requests: counters(
                "callhome_s6a_requests_total",
                "S6a requests by command and peer.",
                &["command", "peer"],
            )?,
            answers: counters(
                "callhome_s6a_answers_total",
                "S6a answers by command, peer and result.",
                &["command", "peer", "result"],
            )?,
            latency,
            vectors: counter("callhome_vectors_total", "Authentication vectors given out.")?,
            leases: counter("callhome_leases_total", "Leases of sequence numbers.")?,
            leased_seqs: counter("callhome_leased_seqs_total", "Sequence numbers in those leases.")?,
            resyncs: counters("callhome_resyncs_total", "Resynchronisations by outcome.", &["outcome"])?,
            cache_hits: counter("callhome_cache_hits_total", "Requests whose subscriber was in memory.")?,
            cache_misses: counter("callhome_cache_misses_total", "Requests whose subscriber was not.")?,
            cache_size: gauge("callhome_cache_subscribers", "Subscribers in memory.")?,
            commit_size: histogram(
                "callhome_commit_operations",
                "Operations in one transaction.",
                prometheus::exponential_buckets(1.0, 4.0, 7)?,
            )?,
            commit_time: histogram(
                "callhome_commit_seconds",
                "Duration of one transaction.",
                prometheus::exponential_buckets(1e-4, 4.0, 8)?,
            )?,
            store_errors: counter("callhome_store_errors_total", "Transactions that failed.")?,
            overloaded: counter("callhome_overloaded_total", "Requests refused for overload.")?,
            peers_open: gauge("callhome_peers_open", "Peers whose connection is open.")?,
            sent: counters(
                "callhome_s6a_sent_total",
                "Requests of ours by command and outcome.",
                &["command", "outcome"],
            )?,
            outgoing: {
                let gauges = IntGaugeVec::new(
                    Opts::new("callhome_s6a_outgoing", "Requests of ours that are not answered yet."),
                    &["state"],
                )?;
                registry.register(Box::new(gauges.clone()))?;
                gauges
            },
            late: counter(
                "callhome_s6a_late_answers_total",
                "Answers dropped because nobody waited for them any more.",
            )?,
            retransmissions: counters(
                "callhome_s6a_retransmissions_total",
                "Requests with the T bit: known (answered as before), new, changed or of another peer (executed).",
                &["as"],
            )?,
            relay: RelayMetrics::register(registry)?,
        })
    }

    /// A request with the T bit has come.
    pub fn retransmitted(&self, what: Retransmission) {
        let label = match what {
            Retransmission::Known => "known",
            Retransmission::New => "new",
            Retransmission::Changed => "changed",
            Retransmission::OfAnotherPeer => "of another peer",
        };
        self.retransmissions.with_label_values(&[label]).inc();
    }

    /// The counters of one peer, looked up once.
    #[must_use]
    pub fn peer(&self, peer: &str) -> PeerMetrics {
        PeerMetrics {
            commands: Command::ALL.map(|command| {
                let command = command.label();
                CommandMetrics {
                    requests: self.requests.with_label_values(&[command, peer]),
                    success: self.answers.with_label_values(&[command, peer, "2001"]),
                    latency: self.latency.with_label_values(&[command]),
                }
            }),
            answers: self.answers.clone(),
            peer: peer.into(),
        }
    }
}

/// The counters of one peer, each found without a lookup.
#[derive(Clone)]
pub struct PeerMetrics {
    commands: [CommandMetrics; 4],
    answers: IntCounterVec,
    peer: Arc<str>,
}

impl fmt::Debug for PeerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerMetrics({})", self.peer)
    }
}

#[derive(Clone)]
struct CommandMetrics {
    requests: IntCounter,
    success: IntCounter,
    latency: Histogram,
}

impl PeerMetrics {
    /// A request has come.
    pub fn request(&self, command: Command) {
        self.commands[command as usize].requests.inc();
    }

    /// Its answer goes out, with this Result-Code or Experimental-Result-Code.
    pub fn answer(&self, command: Command, result: u32, since: Instant) {
        let metrics = &self.commands[command as usize];
        metrics.latency.observe(seconds(since.elapsed()));
        if result == 2001 {
            metrics.success.inc();
        } else {
            self.answers.with_label_values(&[command.label(), &self.peer, &result.to_string()]).inc();
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
