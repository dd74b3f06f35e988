//! What the PVA counts (Prometheus). No label holds a device.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use schemas::verdict::Reason;

/// All metrics of the PVA.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Platforms in enrolments that were taken.
    pub enrolled: IntCounter,
    /// Certificates issued on request.
    pub certificates: IntCounter,
    /// Nonces given.
    pub nonces: IntCounter,
    /// Verdicts by outcome: `good`, or each reason.
    verdicts: IntCounterVec,
    /// OCSP responses by status.
    pub ocsp: IntCounterVec,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// If one is registered there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        Ok(Self {
            enrolled: counter("callhome_pva_enrolled_total", "Platforms in enrolments that were taken.")?,
            certificates: counter("callhome_pva_certificates_total", "Certificates issued on request.")?,
            nonces: counter("callhome_pva_nonces_total", "Nonces given.")?,
            verdicts: counters(
                "callhome_pva_verdicts_total",
                "Verdicts by outcome: good, or each reason why not.",
                "outcome",
            )?,
            ocsp: counters("callhome_pva_ocsp_responses_total", "OCSP responses by status.", "status")?,
        })
    }

    /// A verdict was given.
    pub fn verdict(&self, reasons: &[Reason]) {
        if reasons.is_empty() {
            self.verdicts.with_label_values(&["good"]).inc();
        }
        for reason in reasons {
            self.verdicts.with_label_values(&[word(*reason)]).inc();
        }
    }
}

/// A reason as JSON has it.
#[must_use]
pub fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "malformed",
        Reason::WrongSignature => "wrong-signature",
        Reason::UnknownPlatform => "unknown-platform",
        Reason::Revoked => "revoked",
        Reason::CertificateNotGood => "certificate-not-good",
        Reason::Replayed => "replayed",
        Reason::Stale => "stale",
        Reason::StateNotAccepted => "state-not-accepted",
        Reason::NotSecure => "not-secure",
        Reason::IdentityMismatch => "identity-mismatch",
    }
}
