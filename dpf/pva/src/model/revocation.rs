//! Revocation, RFC 5280 §5.3.1 and §5.3.2.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a certificate is revoked: CRLReason, RFC 5280 §5.3.1, by its names there. 7 is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    /// 0.
    Unspecified,
    /// 1: the private key is, or may be, known to others.
    KeyCompromise,
    /// 2.
    #[serde(rename = "cACompromise")]
    CaCompromise,
    /// 3: the subject's name or affiliation has changed.
    AffiliationChanged,
    /// 4: another certificate takes its place.
    Superseded,
    /// 5: the device is out of use.
    CessationOfOperation,
    /// 6: on hold; may be released again.
    CertificateHold,
    /// 9.
    PrivilegeWithdrawn,
    /// 10.
    #[serde(rename = "aACompromise")]
    AaCompromise,
}

impl RevocationReason {
    const ALL: [Self; 9] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason with that number.
    #[must_use]
    pub fn of(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| i64::from(reason.code()) == code)
    }

    /// Its name in RFC 5280.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

/// That something is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Since when, seconds since 1970 UTC.
    pub at: i64,
    /// Why.
    pub reason: RevocationReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_rfc_5280_and_names_are_what_json_has() {
        let known: Vec<i64> = (0..256).filter(|code| RevocationReason::of(*code).is_some()).collect();
        assert_eq!(known, [0, 1, 2, 3, 4, 5, 6, 9, 10]);
        for reason in RevocationReason::ALL {
            assert_eq!(RevocationReason::of(reason.code().into()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
