//! `Range` (RFC 9110 §14): one range of octets; anything else is passed over, as §14.2 allows.

use axum::http::{HeaderMap, header};

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// From the first to the last octet, both included.
    Part(u64, u64),
    /// Nothing of what was asked for is there: 416.
    Nothing,
}

/// What a request for something of `size` octets wants; `etag` is the strong validator, with its quotes.
pub(super) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    // §13.1.5: with another validator, or a weak one or a date, which we do not have, all of it is sent.
    if headers.get(header::IF_RANGE).is_some_and(|validator| validator.as_bytes() != etag.as_bytes()) {
        return Wanted::Whole;
    }
    range.to_str().ok().and_then(|range| parse(range, size)).unwrap_or(Wanted::Whole)
}

/// §14.1.2; `None`: another unit, several ranges, or not one.
fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (unit, set) = range.split_once('=')?;
    // §14.1: range units are case-insensitive.
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        // A number beyond u64 is beyond any size.
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (first, last) {
        ("", suffix) => {
            let suffix = number(suffix)?;
            if suffix == 0 || size == 0 {
                return Some(Wanted::Nothing);
            }
            (size.saturating_sub(suffix), size - 1)
        }
        (first, "") => (number(first)?, size.saturating_sub(1)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.min(size.saturating_sub(1)))
        }
    };
    Some(if first >= size { Wanted::Nothing } else { Wanted::Part(first, last) })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        wanted(&headers, 1000, "\"etag\"")
    }

    /// The examples of RFC 9110 §14.1.2, with 1,000 octets in the place of 10,000, and what is not one range of octets.
    #[test]
    fn ranges_are_those_of_rfc_9110() {
        for (range, expected) in [
            ("bytes=0-499", Wanted::Part(0, 499)),
            ("bytes=500-999", Wanted::Part(500, 999)),
            ("bytes=500-", Wanted::Part(500, 999)),
            ("bytes=-500", Wanted::Part(500, 999)),
            ("BYTES=-5000", Wanted::Part(0, 999)),
            ("bytes=990-5000", Wanted::Part(990, 999)),
            ("bytes=999-999", Wanted::Part(999, 999)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=1000-1001", Wanted::Nothing),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-0,-1", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ] {
            assert_eq!(of(range), expected, "{range}");
        }
    }

    #[test]
    fn if_range_with_another_validator_gets_all_of_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=1-2"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"etag\""));
        assert_eq!(wanted(&headers, 10, "\"etag\""), Wanted::Part(1, 2));
        for other in ["W/\"etag\"", "\"other\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            headers.insert(header::IF_RANGE, HeaderValue::from_static(other));
            assert_eq!(wanted(&headers, 10, "\"etag\""), Wanted::Whole, "{other}");
        }
    }

    #[test]
    fn nothing_can_be_cut_out_of_nothing() {
        let mut headers = HeaderMap::new();
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            assert_eq!(wanted(&headers, 0, "\"e\""), Wanted::Nothing, "{range}");
        }
    }
}
