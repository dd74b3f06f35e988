//! A bearer, as the network's messages describe it.

use std::fmt;
use std::net::Ipv4Addr;

use oxirush_nas::nas_eps::*;
use serde::Serialize;

/// One EPS bearer of a UE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bearer {
    /// EPS bearer identity, 5 to 15.
    pub ebi: u8,
    /// The default bearer that a dedicated one belongs to.
    pub linked: Option<u8>,
    /// Access point name.
    pub apn: String,
    /// The address that the UE was given.
    pub address: Option<Ipv4Addr>,
    /// Interface identifier of an IPv6 address (its last 8 octets).
    pub interface_id: Option<[u8; 8]>,
    /// QoS class identifier, TS 23.203 table 6.1.7.
    pub qci: Option<u8>,
    /// APN-AMBR down and up, kbit/s.
    pub ambr_kbps: Option<(u64, u64)>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// IPv4 link MTU, octets.
    pub mtu: Option<u16>,
}

impl fmt::Display for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bearer {}, APN {}", self.ebi, self.apn)?;
        if let Some(address) = self.address {
            write!(f, ", address {address}")?;
        }
        if let Some(qci) = self.qci {
            write!(f, ", QCI {qci}")?;
        }
        if let Some((down, up)) = self.ambr_kbps {
            write!(f, ", AMBR {down}/{up} kbit/s")?;
        }
        Ok(())
    }
}

impl Bearer {
    /// The default bearer that this request activates (TS 24.301 §8.3.6).
    pub(super) fn activated(ebi: u8, request: &NasActivateDefaultEpsBearerContextRequest) -> Self {
        let options = request.protocol_configuration_options.as_ref();
        let options = options.map_or(&[][..], |options| &options.value[..]);
        Self {
            ebi,
            linked: None,
            apn: name(&request.access_point_name),
            address: request.pdn_address.ipv4().map(Ipv4Addr::from).filter(of_a_host),
            interface_id: request.pdn_address.ipv6_interface_id(),
            qci: request.eps_qos.qos().map(|qos| qos.qci),
            ambr_kbps: request.apn_ambr.as_ref().and_then(ambr_kbps),
            dns: dns(options),
            mtu: mtu(options),
        }
    }
}

/// APN-AMBR down and up, kbit/s; `None` where a value is reserved (§9.9.4.2).
pub(super) fn ambr_kbps(ambr: &NasApnAggregateMaximumBitRate) -> Option<(u64, u64)> {
    ambr.downlink_kbps().zip(ambr.uplink_kbps())
}

/// An access point name with dots between its labels. Which characters a label has is a rule for who makes one
/// (TS 23.003 §9.1): what is not printable is escaped.
fn name(apn: &NasAccessPointName) -> String {
    let labels = apn.labels().unwrap_or_else(|| vec![&apn.value[..]]);
    let labels = labels.iter().filter(|label| !label.is_empty());
    labels.map(|label| label.escape_ascii().to_string()).collect::<Vec<_>>().join(".")
}

/// The units of protocol configuration options: identifier and contents (TS 24.008 §10.5.6.3). Where one is cut short,
/// those before it count.
struct Units<'a>(&'a [u8]);

impl<'a> Units<'a> {
    fn of(options: &'a [u8]) -> Self {
        // The first octet is the configuration protocol; whatever it says is PPP.
        Self(options.get(1..).unwrap_or_default())
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [high, low, length, rest @ ..] = self.0 else { return None };
        let (contents, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some((u16::from_be_bytes([*high, *low]), contents))
    }
}

/// Container 000DH, once for each server.
fn dns(options: &[u8]) -> Vec<Ipv4Addr> {
    let servers = Units::of(options).filter(|(identifier, _)| *identifier == 0x000d);
    servers.filter_map(|(_, contents)| <[u8; 4]>::try_from(contents).ok()).map(Ipv4Addr::from).collect()
}

/// Container 0010H. Less than every link has is no answer: there is no IP over such a link.
fn mtu(options: &[u8]) -> Option<u16> {
    let mut answers = Units::of(options).filter(|(identifier, _)| *identifier == 0x0010);
    answers
        .find_map(|(_, contents)| <[u8; 2]>::try_from(contents).ok())
        .map(u16::from_be_bytes)
        .filter(|mtu| *mtu >= LEAST_MTU)
}

/// Octets that go over every link at least, RFC 791 §3.2.
const LEAST_MTU: u16 = 68;

/// Whether a host can have this address on a link (RFC 1122 §3.2.1.3): an IP stack takes no other, and what is sent from
/// one of this machine's own would go to the network.
fn of_a_host(address: &Ipv4Addr) -> bool {
    let other =
        address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast();
    !other
}
