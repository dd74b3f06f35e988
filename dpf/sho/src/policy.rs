//! What an operator accepts: the decision on a verdict (seed, section 5 steps 13 and 14). No clock, no database.

use schemas::{
    identity::SupplierId,
    rest::provisioning::{Refusal, Requirements},
    verdict::{Reason, Verdict},
};
use serde::{Deserialize, Serialize};
use service::config::Span;

/// What an update (seed, section 4.3) does with K.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateKeys {
    /// K stays, as long as it is still here.
    #[default]
    Keep,
    /// A new K each time.
    New,
}

/// `[policy]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Suppliers whose devices are accepted; all, if empty.
    pub suppliers: Vec<SupplierId>,
    /// Names of reference values that are accepted; all that the PVA accepts, if empty.
    pub states: Vec<String>,
    /// Evidence may be this old.
    pub max_age: Span,
    /// The DPF has to ask the PVA again before the download (seed, section 4.3).
    pub validate_before_download: bool,
    /// How long after it was made an RNCP may be installed.
    pub package_lifetime: Span,
    /// A session that the DPF has left without an answer for so long is given up.
    pub session_lifetime: Span,
    /// A session that no report has come for so long after its answer is withdrawn.
    pub report_within: Span,
    /// Numbers of a session that failed are handed out again after this.
    pub quarantine: Span,
    /// K is deleted here so long after the HSS has it and the device has reported. An update then gives a new IMSI.
    pub key_retention: Span,
    /// What an update does with K.
    pub update_keys: UpdateKeys,
    /// The new IMSI may attach before the device's report has come; else the HSS bars it until then.
    pub attach_before_report: bool,
}

impl Default for Policy {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            suppliers: Vec::new(),
            states: Vec::new(),
            max_age: Span::seconds(300),
            validate_before_download: true,
            package_lifetime: Span::seconds(3600),
            session_lifetime: Span::seconds(DAY),
            report_within: Span::seconds(7 * DAY),
            quarantine: Span::seconds(30 * DAY),
            key_retention: Span::seconds(7 * DAY),
            update_keys: UpdateKeys::Keep,
            attach_before_report: true,
        }
    }
}

impl Policy {
    /// What the PVA is asked to require.
    #[must_use]
    pub fn requirements(&self) -> Requirements {
        Requirements {
            max_age: Some(u32::try_from(self.max_age.0.as_secs()).unwrap_or(u32::MAX)),
            states: self.states.clone(),
            suppliers: self.suppliers.clone(),
        }
    }

    /// Whether a platform with this verdict is provisioned. The verdict has been verified.
    ///
    /// # Errors
    /// Why not, for DPF and device.
    pub fn decide(&self, verdict: &Verdict) -> Result<(), Refusal> {
        if !verdict.good {
            let reason = verdict.reasons.first().copied();
            let (code, retry) = reason.map_or(("platform-not-good", false), code);
            let detail = match verdict.detail.as_str() {
                "" => "the PVA does not find the platform good".to_owned(),
                detail => format!("the PVA does not find the platform good: {}", cut(detail)),
            };
            return Err(refusal(code, detail, retry));
        }
        if !self.suppliers.is_empty() {
            let supplier = verdict.supplier.as_ref();
            if !supplier.is_some_and(|supplier| self.suppliers.contains(supplier)) {
                let named =
                    supplier.map_or("an unnamed supplier".to_owned(), |name| format!("supplier {name}"));
                return Err(refusal(
                    "supplier-not-accepted",
                    format!("the operator does not take devices of {named}"),
                    false,
                ));
            }
        }
        if !self.states.is_empty() {
            let state = verdict.state.as_deref();
            if !state.is_some_and(|state| self.states.iter().any(|accepted| accepted == state)) {
                let named =
                    state.map_or("an unnamed state".to_owned(), |name| format!("state {:?}", cut(name)));
                return Err(refusal(
                    "state-not-accepted",
                    format!(
                        "the operator does not accept platforms in {named}; update the device's software"
                    ),
                    true,
                ));
            }
        }
        Ok(())
    }
}

/// A word for programs for each reason, and whether it may be tried again.
fn code(reason: Reason) -> (&'static str, bool) {
    match reason {
        Reason::Malformed => ("evidence-malformed", false),
        Reason::WrongSignature => ("evidence-wrong-signature", false),
        Reason::UnknownPlatform => ("platform-unknown", false),
        Reason::Revoked => ("platform-revoked", false),
        Reason::CertificateNotGood => ("platform-certificate-not-good", true),
        Reason::Replayed => ("evidence-replayed", true),
        Reason::Stale => ("evidence-stale", true),
        Reason::StateNotAccepted => ("state-not-accepted", true),
        Reason::NotSecure => ("platform-not-secure", true),
        Reason::IdentityMismatch => ("identity-mismatch", false),
    }
}

/// A refusal.
#[must_use]
pub fn refusal(code: &str, detail: impl Into<String>, retry: bool) -> Refusal {
    Refusal { code: code.to_owned(), detail: detail.into(), retry }
}

/// No text of others is repeated at any length.
fn cut(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        Verdict {
            version: schemas::verdict::VERSION,
            good: true,
            reasons: vec![],
            detail: String::new(),
            nonce: vec![].into(),
            evidence: vec![].into(),
            device_id: None,
            tre_id: None,
            supplier: Some("acme".parse().unwrap()),
            model: None,
            state: Some("fw-1".into()),
            platform_certificate: None,
            issued: 0,
            expires: 0,
        }
    }

    #[test]
    fn every_reason_of_the_pva_has_a_code_of_its_own() {
        let reasons = [
            Reason::Malformed,
            Reason::WrongSignature,
            Reason::UnknownPlatform,
            Reason::Revoked,
            Reason::CertificateNotGood,
            Reason::Replayed,
            Reason::Stale,
            Reason::StateNotAccepted,
            Reason::NotSecure,
            Reason::IdentityMismatch,
        ];
        let mut codes = std::collections::HashSet::new();
        for reason in reasons {
            let bad = Verdict { good: false, reasons: vec![reason], ..verdict() };
            assert!(codes.insert(Policy::default().decide(&bad).unwrap_err().code));
        }
        // A verdict that gives no reason is no better.
        assert!(Policy::default().decide(&Verdict { good: false, ..verdict() }).is_err());
    }

    #[test]
    fn suppliers_and_states_are_all_unless_some_are_named() {
        assert_eq!(Policy::default().decide(&verdict()), Ok(()));
        let only = |suppliers: &[&str], states: &[&str]| Policy {
            suppliers: suppliers.iter().map(|name| name.parse().unwrap()).collect(),
            states: states.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::default()
        };
        assert_eq!(only(&["acme"], &["fw-1"]).decide(&verdict()), Ok(()));
        assert_eq!(only(&["other"], &[]).decide(&verdict()).unwrap_err().code, "supplier-not-accepted");
        assert_eq!(only(&[], &["fw-2"]).decide(&verdict()).unwrap_err().code, "state-not-accepted");
        let nameless = Verdict { supplier: None, state: None, ..verdict() };
        assert!(
            only(&["acme"], &[]).decide(&nameless).is_err()
                && only(&[], &["fw-1"]).decide(&nameless).is_err()
        );
    }
}
