//! The Host header field of a request, RFC 9112 §3.2.

use axum::http::{HeaderMap, Version, header, uri::Authority};

/// What is wrong with the Host of a request: HTTP/1.1 has it exactly once, and none may be invalid (RFC 9112 §3.2).
pub(super) fn fault(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) if version == Version::HTTP_11 => {
            Some("send a Host header field: HTTP/1.1 asks for it (RFC 9112 §3.2)")
        }
        (None, _) => None,
        (Some(_), Some(_)) => Some("send one Host header field, not several (RFC 9112 §3.2)"),
        (Some(value), None) => {
            // Empty where the target has no authority.
            let valid = value.is_empty() || value.to_str().is_ok_and(is_host);
            (!valid).then_some("the Host header field is no host, with or without a port (RFC 9112 §3.2)")
        }
    }
}

/// `uri-host [ ":" port ]`, RFC 9110 §7.2; the port may be empty (RFC 3986 §3.2.3).
fn is_host(text: &str) -> bool {
    !text.contains('@')
        && text.parse::<Authority>().is_ok_and(|authority| {
            authority.port().is_some() || text.strip_suffix(':').unwrap_or(text) == authority.host()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_1_1_has_one_valid_host() {
        let hosts = |hosts: &[&str]| -> HeaderMap {
            hosts.iter().map(|host| (header::HOST, host.parse().unwrap())).collect()
        };
        for good in ["localhost", "localhost:8080", "[::1]:443", "192.0.2.1", ""] {
            assert_eq!(fault(Version::HTTP_11, &hosts(&[good])), None, "{good}");
        }
        for bad in [&[][..], &["a", "a"], &["a b"], &["user@a"], &["a/b"], &["a:x"]] {
            assert!(fault(Version::HTTP_11, &hosts(bad)).is_some(), "{bad:?}");
        }
        assert_eq!(fault(Version::HTTP_10, &hosts(&[])), None);
        assert_eq!(fault(Version::HTTP_2, &hosts(&[])), None);
        assert!(fault(Version::HTTP_2, &hosts(&["a b"])).is_some());
    }
}
