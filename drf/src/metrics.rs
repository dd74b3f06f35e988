//! What the DRF counts (Prometheus). No label holds a device or a secret.

use prometheus::{IntCounterVec, Opts, Registry};

/// All metrics of the DRF.
#[derive(Debug)]
pub struct Metrics {
    /// Notices by outcome: resolved, waiting, repeated.
    pub notices: IntCounterVec,
    /// Triggers by what became of them: issued, delivered, acknowledged, rejected, expired, retried.
    pub triggers: IntCounterVec,
    /// Claims by outcome: done, refused.
    pub claims: IntCounterVec,
    /// Ends of provisioning by result.
    pub provisioned: IntCounterVec,
    /// Requests of devices over HTTPS and CoAP by outcome: answered, refused, nothing, later.
    pub devices: IntCounterVec,
    /// Calls to the ICF by outcome: done, retried, refused.
    pub icf: IntCounterVec,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// If one is registered there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        Ok(Self {
            notices: counters(
                "callhome_drf_notices_total",
                "Notices of attached devices by outcome.",
                "outcome",
            )?,
            triggers: counters("callhome_drf_triggers_total", "Triggers by what became of them.", "outcome")?,
            claims: counters("callhome_drf_claims_total", "Claims by outcome.", "outcome")?,
            provisioned: counters(
                "callhome_drf_provisioned_total",
                "Ends of provisioning by result.",
                "result",
            )?,
            devices: counters(
                "callhome_drf_device_requests_total",
                "Requests of devices by outcome.",
                "outcome",
            )?,
            icf: counters(
                "callhome_drf_icf_total",
                "Changes of credentials at the ICF by outcome.",
                "outcome",
            )?,
        })
    }
}
