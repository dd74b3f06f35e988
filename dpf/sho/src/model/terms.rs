//! What is agreed with a subscriber for a device.

use schemas::identity::{DeviceId, SupplierId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Aggregate maximum bit rate (TS 29.272 §7.3.41), bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ambr {
    /// From the device, bit/s.
    pub uplink: u32,
    /// To the device, bit/s.
    pub downlink: u32,
}

impl Default for Ambr {
    /// What an IoT device can do with: 1 Mbit/s.
    fn default() -> Self {
        Self { uplink: 1_000_000, downlink: 1_000_000 }
    }
}

/// PDN-Type (TS 29.272 §7.3.62).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PdnType {
    /// 0.
    #[default]
    Ipv4,
    /// 1.
    Ipv6,
    /// 2.
    Ipv4v6,
}

impl PdnType {
    /// Its code.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Ipv4 => 0,
            Self::Ipv6 => 1,
            Self::Ipv4v6 => 2,
        }
    }
}

/// Terms of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Name of the plan, for people: 1 to 64 octets of text.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub plan: String,
    /// APN of the service; the operator's, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 63,
        pattern = "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
    )]
    pub apn: Option<String>,
    /// Bit rates.
    #[serde(default)]
    pub ambr: Ambr,
    /// Which addresses.
    #[serde(default)]
    pub pdn_type: PdnType,
    /// Whether the device gets an MSISDN.
    #[serde(default)]
    pub msisdn: bool,
    /// Names of parts that its RNCP has besides credentials and profile.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub parts: Vec<String>,
    /// The DPF makes the RNCP by this rule (R17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z0-9.-]{1,64}$")]
    pub rule: Option<String>,
}

/// A field of terms is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct TermsError {
    /// Which.
    pub field: &'static str,
    /// What it has to be.
    pub rule: &'static str,
}

impl Terms {
    /// Sees that they can be kept.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), TermsError> {
        let wrong = |field, rule| Err(TermsError { field, rule });
        if self.plan.is_empty() || self.plan.len() > 64 || self.plan.chars().any(char::is_control) {
            return wrong("plan", "1 to 64 octets of text");
        }
        if self.apn.as_deref().is_some_and(|apn| !is_apn(apn)) {
            return wrong(
                "apn",
                "labels of a-z A-Z 0-9 and -, joined by dots, 63 characters at most (TS 23.003 §9.1)",
            );
        }
        if self.parts.len() > 32 {
            return wrong("parts", "at most 32");
        }
        for (at, part) in self.parts.iter().enumerate() {
            if !is_part_name(part) {
                return wrong("parts", "names of 1 to 64 of a-z 0-9 . - other than credentials and profile");
            }
            if self.parts.iter().take(at).any(|other| other == part) {
                return wrong("parts", "each name once");
            }
        }
        if self.rule.as_deref().is_some_and(|rule| !is_name(rule)) {
            return wrong("rule", "1 to 64 of a-z 0-9 . -");
        }
        Ok(())
    }
}

/// Network identifier of an APN, TS 23.003 §9.1.1.
#[must_use]
pub fn is_apn(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 63 && text.split('.').all(label)
}

/// As `schemas::rncp::Manifest` takes names.
fn is_name(text: &str) -> bool {
    let letter = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b".-".contains(&octet);
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}

/// Whether a part may have this name: that of an RNCP's part, and none that every RNCP has.
#[must_use]
pub fn is_part_name(text: &str) -> bool {
    is_name(text) && text != schemas::rncp::CREDENTIALS && text != crate::compose::PROFILE
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// For which device.
    pub device_id: DeviceId,
    /// Who made the device; `None` until the first good verdict has said it.
    pub supplier: Option<SupplierId>,
    /// What is agreed.
    pub terms: Terms,
    /// Nothing is provisioned for now.
    pub suspended: bool,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cannot_be_kept_are_refused_by_field() {
        let good: Terms = serde_json::from_str(r#"{"plan":"meter"}"#).unwrap();
        assert_eq!(good.check(), Ok(()));
        type Change = fn(&mut Terms);
        let changes: [(&str, Change); 6] = [
            ("plan", |t| t.plan = String::new()),
            ("apn", |t| t.apn = Some("a..b".into())),
            ("parts", |t| t.parts = vec!["credentials".into()]),
            ("parts", |t| t.parts = vec!["a".into(), "a".into()]),
            ("parts", |t| t.parts = vec!["../a".into()]),
            ("rule", |t| t.rule = Some(String::new())),
        ];
        for (field, change) in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(bad.check().unwrap_err().field, field);
        }
    }
}
