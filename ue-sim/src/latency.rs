//! How long things took, as percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as statistics names them; all in milliseconds")]
pub struct Latency {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// Durations in microseconds.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// Up to an hour with three digits: those bounds are always good.
    pub(crate) fn new() -> Option<Self> {
        Histogram::new_with_max(3_600_000_000, 3).ok().map(Self)
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.0.saturating_record(took.as_micros().try_into().unwrap_or(u64::MAX));
    }

    pub(crate) fn latency(&self) -> Latency {
        let ms = |us: f64| (us / 10.0).round() / 100.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile) as f64);
        Latency {
            count: self.0.len(),
            mean: ms(self.0.mean()),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: ms(self.0.max() as f64),
        }
    }
}
