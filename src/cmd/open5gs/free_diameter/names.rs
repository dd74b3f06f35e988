//! Names and addresses, as freeDiameter and the C library under it take them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a text is a DiameterIdentity for freeDiameter: letters, digits, `-` and `.`; where IDNA is tried, letters of
/// other scripts too.
pub fn is_identity(text: &str, idna: bool) -> bool {
    text.chars().all(|one| match one {
        _ if one.is_ascii() => one.is_ascii_alphanumeric() || one == '-' || one == '.',
        _ => idna,
    })
}

/// An address in digits, in all forms that `getaddrinfo` with AI_NUMERICHOST takes: `127.1` and `0x7f000001` too.
pub fn numeric_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let part = |text: &str| -> Option<u64> {
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => (hex, 16),
            None if text.len() > 1 && text.starts_with('0') => (text, 8),
            None => (text, 10),
        };
        let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        all.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
    };
    let parts: Vec<u64> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|one| *one > 255) {
        return None;
    }
    let room = 8 * (4 - first.len());
    if *last >> room != 0 {
        return None;
    }
    let high = first.iter().fold(0_u64, |sum, one| sum << 8 | one);
    u32::try_from(high.checked_shl(u32::try_from(room).ok()?).unwrap_or(0) | last)
        .ok()
        .map(|whole| IpAddr::V4(Ipv4Addr::from(whole)))
}

/// Whether a text might be the name of a host; one whose last label is a number never is.
pub fn may_be_a_name(text: &str) -> bool {
    let plain = text.trim_end_matches('.');
    let last = plain.rsplit('.').next().unwrap_or_default();
    !plain.is_empty()
        && text.len() <= 254
        && plain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && text.chars().all(|one| !one.is_ascii() || one.is_ascii_alphanumeric() || "-_.".contains(one))
        && !last.chars().all(|one| one.is_ascii_digit())
}
