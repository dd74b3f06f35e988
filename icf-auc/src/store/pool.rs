//! Which addresses of a pool can be assigned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::model::Profile;

/// First and last address to assign. Not the network's and broadcast address of IPv4 (RFC 1812 §4.2.2.11,
/// §5.3.5.2) nor the subnet-router anycast address of IPv6 (RFC 4291 §2.6.1), unless there is nothing else
/// (RFC 3021, RFC 6164).
#[must_use]
pub fn usable(net: IpNet) -> (IpAddr, IpAddr) {
    let (first, last) = (net.network(), net.broadcast());
    if net.prefix_len() + 1 >= net.max_prefix_len() {
        return (first, last);
    }
    let last = match last {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() - 1)),
        IpAddr::V6(_) => last,
    };
    (plus(first, 1).unwrap_or(first), last)
}

/// Why a person may not give a credential of this profile the address: it lies outside the profile's pool. `None` if it
/// may be given, also where the profile has no pool.
#[must_use]
pub fn refusal(profile: &Profile, address: IpAddr) -> Option<String> {
    let net = profile.address_pool?;
    let (first, last) = usable(net);
    (!(first..=last).contains(&address)).then(|| {
        format!(
            "{address} is not an address of the pool {net} of profile {}; choose one of it, or allow it \
             (--allow-other-addresses, allow_other_addresses=true)",
            profile.name
        )
    })
}

/// The address so many further, if there is one.
#[must_use]
pub fn plus(address: IpAddr, offset: u32) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits().checked_add(offset)?)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits().checked_add(u128::from(offset))?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_and_broadcast_are_not_assigned() {
        for (net, first, last) in [
            ("10.45.128.0/17", "10.45.128.1", "10.45.255.254"),
            ("10.0.0.0/30", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7"),
            ("255.255.255.0/24", "255.255.255.1", "255.255.255.254"),
            ("2001:db8::/64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ] {
            let range = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!(usable(net.parse().unwrap()), range, "{net}");
        }
        assert_eq!(plus("255.255.255.255".parse().unwrap(), 1), None);
    }
}
