//! Ranges of IMSIs (TS 23.003 §2.2) and MSISDNs (ITU-T E.164).

use schemas::identity::Plmn;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NumberKind {
    /// IMSI, 6 to 15 digits.
    Imsi,
    /// MSISDN, 5 to 15 digits, country code first.
    Msisdn,
}

impl NumberKind {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imsi => "imsi",
            Self::Msisdn => "msisdn",
        }
    }
}

/// A range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRange {
    /// Its name.
    pub id: String,
    /// Of what.
    pub kind: NumberKind,
    /// The first number, digits.
    pub first: String,
    /// How many.
    pub count: u64,
    /// How many were handed out at least once; counted from the first.
    pub next: u64,
    /// The DPF allots them by our rules (R17); we do not.
    pub delegated: bool,
    /// None is handed out any more.
    pub closed: bool,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
}

/// Why a range cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Wrong digits.
    #[error("first: {0}")]
    First(&'static str),
    /// Not in our numbering plan.
    #[error("first: an IMSI of ours begins with {0}, our MCC and MNC")]
    Plmn(String),
    /// Runs out of digits or out of the network's numbers.
    #[error("count: the range does not fit behind its first number")]
    Count,
}

impl NumberRange {
    /// Sees that the range is possible in the network `plmn`.
    ///
    /// # Errors
    /// Which field is wrong.
    pub fn check(&self, plmn: Plmn) -> Result<(), NumberError> {
        let digits = self.first.len();
        if !self.first.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(NumberError::First("decimal digits only"));
        }
        match self.kind {
            NumberKind::Imsi if !(6..=15).contains(&digits) => {
                return Err(NumberError::First("an IMSI has 6 to 15 digits (TS 23.003 §2.2)"));
            }
            NumberKind::Msisdn if !(5..=15).contains(&digits) => {
                return Err(NumberError::First("an MSISDN has 5 to 15 digits (ITU-T E.164)"));
            }
            NumberKind::Imsi | NumberKind::Msisdn => {}
        }
        let last = self.count.checked_sub(1).and_then(|last| nth(&self.first, last));
        let last = last.filter(|_| i64::try_from(self.count).is_ok()).ok_or(NumberError::Count)?;
        if self.kind == NumberKind::Imsi {
            let network = format!("{}{}", plmn.mcc(), plmn.mnc());
            if !self.first.starts_with(&network) {
                return Err(NumberError::Plmn(network));
            }
            if !last.starts_with(&network) {
                return Err(NumberError::Count);
            }
        }
        Ok(())
    }

    /// Whether the number is one of its.
    #[must_use]
    pub fn contains(&self, number: &str) -> bool {
        let (Ok(first), Ok(number_value)) = (self.first.parse::<u64>(), number.parse::<u64>()) else {
            return false;
        };
        number.len() == self.first.len()
            && number_value.checked_sub(first).is_some_and(|offset| offset < self.count)
    }

    /// Whether a number can be in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.contains(&other.first) || other.contains(&self.first))
    }
}

/// The number `offset` behind `first`, with as many digits; `None` if it needs more.
#[must_use]
pub fn nth(first: &str, offset: u64) -> Option<String> {
    let value = first.parse::<u64>().ok()?.checked_add(offset)?;
    let text = format!("{value:0width$}", width = first.len());
    (text.len() == first.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(kind: NumberKind, first: &str, count: u64) -> NumberRange {
        let (id, first) = ("r".to_owned(), first.to_owned());
        NumberRange { id, kind, first, count, next: 0, delegated: false, closed: false, created_at: 0 }
    }

    #[test]
    fn a_range_stays_inside_the_network_and_its_digits() {
        let plmn = "999-01".parse().unwrap();
        let check = |kind, first, count| range(kind, first, count).check(plmn);
        assert_eq!(check(NumberKind::Imsi, "999010000000001", 1000), Ok(()));
        assert_eq!(check(NumberKind::Imsi, "999019999999999", 1), Ok(()));
        assert_eq!(check(NumberKind::Imsi, "999019999999999", 2), Err(NumberError::Count), "999-02 follows");
        assert_eq!(check(NumberKind::Imsi, "999020000000001", 1), Err(NumberError::Plmn("99901".into())));
        assert_eq!(check(NumberKind::Msisdn, "99999", 2), Err(NumberError::Count));
        assert_eq!(check(NumberKind::Msisdn, "88210000001", 0), Err(NumberError::Count));
        assert_eq!(check(NumberKind::Msisdn, "88210000001", u64::MAX), Err(NumberError::Count));
        assert!(matches!(check(NumberKind::Msisdn, "+8821", 2), Err(NumberError::First(_))));
        assert!(matches!(check(NumberKind::Imsi, "9990100000000001", 2), Err(NumberError::First(_))));
    }

    #[test]
    fn ranges_overlap_where_a_number_is_in_both() {
        let one = range(NumberKind::Imsi, "999010000000010", 10);
        for (first, count, overlaps) in [
            ("999010000000000", 10, false),
            ("999010000000000", 11, true),
            ("999010000000019", 5, true),
            ("999010000000020", 5, false),
        ] {
            assert_eq!(one.overlaps(&range(NumberKind::Imsi, first, count)), overlaps, "{first}");
            assert!(!one.overlaps(&range(NumberKind::Msisdn, first, count)));
        }
        assert!(
            one.contains("999010000000019")
                && !one.contains("999010000000020")
                && !one.contains("99901000000001")
        );
    }

    #[test]
    fn leading_zeros_stay() {
        assert_eq!(nth("001010000000009", 1).as_deref(), Some("001010000000010"));
        assert_eq!(nth("999", 1), None);
    }
}
