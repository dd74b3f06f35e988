//! Where to listen or to connect to, as it is written in a configuration.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A transport with its address: `tcp://127.0.0.1:3868`, `tls://[::1]:5868`,
/// `sctp://10.0.0.1:3868,10.0.1.1:3868` (several addresses of one association).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP (RFC 6733 §2.1).
    Tcp(SocketAddr),
    /// TLS over TCP from the first octet (RFC 6733 §2.1, port 5868).
    Tls(SocketAddr),
    /// SCTP (RFC 6733 §2.1), multihomed with several addresses. They share one port (RFC 9260 §1.3, Transport Address).
    Sctp(Vec<SocketAddr>),
}

/// Diameter's port, RFC 6733 §2.1.
const PORT: u16 = 3868;
/// Diameter's port over TLS, RFC 6733 §2.1.
const PORT_TLS: u16 = 5868;

/// Text that is no [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no Diameter endpoint: write tcp://ADDRESS:PORT, tls://ADDRESS:PORT or sctp://ADDRESS:PORT,ADDRESS:PORT (one port for all) with IP addresses"
)]
pub struct BadEndpoint {
    text: String,
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint { text: text.to_owned() };
        let address = |text: &str, port| {
            text.parse::<SocketAddr>()
                .or_else(|_| text.trim_matches(['[', ']']).parse().map(|ip| SocketAddr::new(ip, port)))
                .map_err(|_| bad())
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        match scheme {
            "tcp" => Ok(Self::Tcp(address(rest, PORT)?)),
            "tls" => Ok(Self::Tls(address(rest, PORT_TLS)?)),
            "sctp" => {
                let addresses = rest.split(',').map(|part| address(part, PORT));
                let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
                if addresses.iter().any(|other| other.port() != addresses[0].port()) {
                    return Err(bad());
                }
                Ok(Self::Sctp(addresses))
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls(address) => write!(f, "tls://{address}"),
            Self::Sctp(addresses) => {
                f.write_str("sctp://")?;
                for (i, address) in addresses.iter().enumerate() {
                    write!(f, "{}{address}", if i > 0 { "," } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        for text in
            ["tcp://127.0.0.1:3868", "tls://[::1]:5868", "sctp://10.0.0.1:3868,10.0.1.1:3868", "tcp://[::]:0"]
        {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://127.0.0.1".parse::<Endpoint>().unwrap().to_string(), "tcp://127.0.0.1:3868");
        assert_eq!("tls://::1".parse::<Endpoint>().unwrap().to_string(), "tls://[::1]:5868");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_to_write() {
        for text in [
            "",
            "127.0.0.1:3868",
            "udp://127.0.0.1:1",
            "tcp://localhost:3868",
            "sctp://",
            "sctp://10.0.0.1:3868,10.0.1.1:3869",
            "tcp://1.2.3.4:99999",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains("tcp://ADDRESS:PORT"), "{error}");
        }
    }
}
