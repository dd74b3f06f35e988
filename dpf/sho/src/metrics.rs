//! What an SHO counts.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry, histogram_opts, opts};

/// Counters of an SHO; they name no device and no number.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Sessions, by the state that they came to.
    pub states: IntCounterVec,
    /// Refusals, by code.
    pub refusals: IntCounterVec,
    /// Calls to the HSSs that failed, by connector.
    pub connector_failures: IntCounterVec,
    /// Seconds that a step took, by the state that it began in.
    pub steps: HistogramVec,
    /// Numbers that can be handed out, by kind.
    pub free_numbers: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// If one of them is there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counter = IntCounterVec::new(opts!(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let steps = HistogramVec::new(
            histogram_opts!(
                "callhome_sho_step_seconds",
                "Time that a step of a session took, by its state before."
            ),
            &["state"],
        )?;
        registry.register(Box::new(steps.clone()))?;
        let free = opts!("callhome_sho_free_numbers", "Numbers that can be handed out, by kind.");
        let free_numbers = IntGaugeVec::new(free, &["kind"])?;
        registry.register(Box::new(free_numbers.clone()))?;
        Ok(Self {
            states: counter(
                "callhome_sho_sessions_total",
                "Sessions, by the state that they came to.",
                "state",
            )?,
            refusals: counter("callhome_sho_refusals_total", "Refusals, by their code.", "code")?,
            connector_failures: counter(
                "callhome_sho_connector_failures_total",
                "Calls to an HSS that failed, by connector.",
                "connector",
            )?,
            steps,
            free_numbers,
        })
    }
}
