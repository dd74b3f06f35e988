//! Subnets of `smf.yaml` and `upf.yaml`: `session` since Open5GS 2.7.0, `subnet` before (lib/pfcp/context.c).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::super::fault::Fault;
use super::super::yaml::{self, Node};
use super::Listed;
use super::generation::Written;

/// PDN connections that Open5GS counts for each UE (OGS_MAX_NUM_OF_SESS).
const SESSIONS_PER_UE: u32 = 4;
/// `global: max: ue` where it is not set.
const USUAL_UES: u32 = 1024;

/// An entry of `session` of SMF or UPF (lib/pfcp/context.c).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its line.
    pub line: usize,
    /// The subnet, if it is one of IPv4.
    pub subnet: Option<Ipv4Net>,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// The one APN it is for; `None`: every.
    pub dnn: Option<String>,
    /// What is given out dynamically, both ends in it.
    pub dynamic: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// Subnets of SMF or UPF, in their order.
pub type Subnets = Listed<Subnet>;

/// Reads a `smf.yaml` or `upf.yaml`.
///
/// # Errors
/// Line, and what is wrong there.
pub fn subnets(text: &[u8], role: &'static str) -> Result<Subnets, Fault> {
    let root = yaml::root(text)?;
    let ues = root.at(&["global", "max", "ue"]).or_else(|| root.at(&["max", "ue"]));
    let ues = ues.and_then(Node::text).and_then(|text| text.parse().ok()).unwrap_or(USUAL_UES);
    let sessions: u32 = SESSIONS_PER_UE.saturating_mul(ues);
    let written = Written::of(&root, role);
    let (key, prefix) = if written.is_old() { ("subnet", "addr") } else { ("session", "subnet") };
    let listed =
        Listed::of_first(&root, role, key, |one| subnet(one, prefix, sessions).map(|one| vec![one]))?;
    Ok(Listed { written, ..listed })
}

/// An entry; `key` is that of its subnet. Up to 2.6 it is the gateway's address with the length of the prefix.
fn subnet(entry: &Node, key: &'static str, sessions: u32) -> Result<Subnet, Fault> {
    let wrong = |what: &str, node: &Node| {
        let found = format!("{what}: {:?} is none", node.text().unwrap_or_default());
        Fault::at(
            node.line,
            found,
            "write it as ADDRESS/LENGTH, an address, or FIRST-LAST: the daemon does not start",
        )
    };
    let mut own_gateway = None;
    let net = match entry.get(key) {
        Some(node) => {
            let net = node.text().and_then(|text| text.parse::<ipnet::IpNet>().ok());
            match net.ok_or_else(|| wrong(key, node))? {
                ipnet::IpNet::V4(net) => {
                    own_gateway = Some(IpAddr::V4(net.addr())).filter(|_| key == "addr");
                    Some(net.trunc())
                }
                ipnet::IpNet::V6(_) => None,
            }
        }
        None => None,
    };
    let gateway = match entry.get("gateway").filter(|_| key != "addr") {
        Some(node) => {
            Some(node.text().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("gateway", node))?)
        }
        None => own_gateway,
    };
    let dynamic = net.map(|net| dynamic(entry, net, sessions, wrong)).transpose()?.unwrap_or_default();
    let dnn = entry.text_of("dnn").or_else(|| entry.text_of("apn")).filter(|dnn| !dnn.is_empty());
    Ok(Subnet { line: entry.line, subnet: net, gateway, dnn: dnn.map(str::to_owned), dynamic })
}

/// What the daemon gives out by itself.
fn dynamic(
    entry: &Node,
    net: Ipv4Net,
    sessions: u32,
    wrong: impl Fn(&str, &Node) -> Fault,
) -> Result<Vec<(Ipv4Addr, Ipv4Addr)>, Fault> {
    let ranges = entry.get("range");
    let first = u32::from(net.network()).saturating_add(1);
    let last = u32::from(net.broadcast()).saturating_sub(1);
    let bound = |text: &str, open: u32| match text.trim() {
        "" => Some(open),
        text => text.parse::<Ipv4Addr>().ok().map(u32::from),
    };
    let mut left = sessions;
    let mut dynamic = Vec::new();
    let written = ranges.map(Node::texts).filter(|texts| !texts.is_empty()).unwrap_or_else(|| vec!["-"]);
    for text in written {
        let (low, high) = text.split_once('-').unwrap_or((text, ""));
        let (Some(low), Some(high)) = (bound(low, first), bound(high, last)) else {
            return Err(wrong(&format!("range: {text}"), ranges.unwrap_or(entry)));
        };
        // The pool holds one address for each session that may be, and is filled from below.
        let high = high.min(low.saturating_add(left.saturating_sub(1)));
        if left > 0 && low <= high {
            left -= (high - low + 1).min(left);
            dynamic.push((Ipv4Addr::from(low), Ipv4Addr::from(high)));
        }
    }
    Ok(dynamic)
}

/// The subnet that serves an APN over IPv4: the first that names it or none (ogs_pfcp_find_subnet_by_dnn).
pub fn serving<'a>(subnets: &'a [Subnet], apn: &str) -> Option<&'a Subnet> {
    subnets
        .iter()
        .filter(|one| one.subnet.is_some())
        .find(|one| one.dnn.as_deref().is_none_or(|dnn| dnn.eq_ignore_ascii_case(apn)))
}
