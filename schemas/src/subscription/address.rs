//! An address that a UE always has.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A static address of a UE in an APN: an IPv4 address, an IPv6 address, or an IPv6 prefix, whose lower 64 bits are zero
/// (Served-Party-IP-Address as TS 29.272 §7.3.35 uses it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StaticAddress(pub IpAddr);

/// Says what an address may be.
const EXPECTED: &str =
    "an IPv4 address, an IPv6 address, or an IPv6 prefix of 64 bits as 2001:db8:0:1::/64 (TS 29.272 §7.3.35)";

impl FromStr for StaticAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        match (address, length) {
            (_, None) | (IpAddr::V4(_), Some("32")) => Ok(Self(address)),
            (IpAddr::V6(prefix), Some("64")) if prefix.octets()[8..] == [0; 8] => Ok(Self(address)),
            _ => Err(EXPECTED),
        }
    }
}

impl fmt::Display for StaticAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(address) if address.octets()[8..] == [0; 8] => write!(f, "{address}/64"),
            address => write!(f, "{address}"),
        }
    }
}

impl Serialize for StaticAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StaticAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for StaticAddress {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("IPv4 address, IPv6 address, or IPv6 prefix of 64 bits"))
            .pattern(Some("^[0-9A-Fa-f.:]{2,45}(/32|/64)?$"))
            .examples(["10.45.0.7", "2001:db8:0:1::/64"])
            .into()
    }
}

impl ToSchema for StaticAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_prefix_has_64_bits_and_the_rest_zero() {
        for (text, shown) in [
            ("10.45.0.7", "10.45.0.7"),
            ("10.45.0.7/32", "10.45.0.7"),
            ("2001:db8:0:1::/64", "2001:db8:0:1::/64"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("2001:db8::7", "2001:db8::7"),
        ] {
            assert_eq!(text.parse::<StaticAddress>().unwrap().to_string(), shown);
        }
        for wrong in ["10.45.0.0/16", "2001:db8::/56", "2001:db8::7/64", "2001:db8::7/128", "host", ""] {
            assert!(wrong.parse::<StaticAddress>().is_err(), "{wrong}");
        }
    }
}
