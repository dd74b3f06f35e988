//! Open5GS's files as Open5GS reads them: what its parsers take, what they pass over, which of several matches.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::path::Path;

use anyhow::Context;
use ipnet::Ipv4Net;
use schemas::identity::Imsi;

use super::super::client::Failure;
use super::free_diameter::{self, FreeDiameter};
use super::yaml::{self, Node};

/// PDN connections that Open5GS counts for each UE (OGS_MAX_NUM_OF_SESS).
const SESSIONS_PER_UE: u32 = 4;
/// `global: max: ue` where it is not set.
const USUAL_UES: u32 = 1024;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct File<T> {
    /// Its name, without its folder.
    pub name: String,
    /// What is in it.
    pub content: T,
}

impl<T> File<T> {
    /// `mme.yaml:12`.
    pub fn line(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }
}

/// Reads a file and makes something of it.
///
/// # Errors
/// Which file and line, and what is wrong there.
pub fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T, String>) -> anyhow::Result<File<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()));
    let text = text.map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let content = parse(&text).map_err(|why| Failure::Usage(format!("{}: {why}", path.display())))?;
    Ok(File { name, content })
}

/// What a section lists under a key, in its order; and what looks as if it belonged to it, and is not read.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What is read.
    pub read: Vec<T>,
    /// The line where the same key stands at the top of the file, outside of its section.
    pub outside: Option<usize>,
    /// Lines of the first section of that name and of the next, where the daemon reads only the first.
    pub unread: Option<(usize, usize)>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { read: Vec::new(), outside: None, unread: None }
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.read
    }
}

impl<T> Listed<T> {
    /// Of sections that the daemon reads one after the other (mme-context.c and pcrf-context.c do).
    fn of_all(
        root: &Node,
        section: &str,
        key: &str,
        one: impl Fn(&Node) -> Result<Vec<T>, String>,
    ) -> Result<Self, String> {
        let sections: Vec<&Node> = root.all(section).collect();
        if sections.is_empty() {
            return Err(no_section(root, section, key));
        }
        Self::of(root, &sections, key, one)
    }

    /// Of the first section of a name: SMF and UPF count them, and each process reads one (`config_section_id`, 0 unless
    /// it is started with another).
    fn of_first(
        root: &Node,
        section: &str,
        key: &str,
        one: impl Fn(&Node) -> Result<Vec<T>, String>,
    ) -> Result<Self, String> {
        let mut sections = root.all(section);
        let Some(first) = sections.next() else { return Err(no_section(root, section, key)) };
        let unread = sections.next().map(|next| (first.key, next.key));
        Ok(Self { unread, ..Self::of(root, &[first], key, one)? })
    }

    fn of(
        root: &Node,
        sections: &[&Node],
        key: &str,
        one: impl Fn(&Node) -> Result<Vec<T>, String>,
    ) -> Result<Self, String> {
        let lists = sections.iter().flat_map(|section| section.all(key));
        let read: Vec<Vec<T>> = lists.flat_map(Node::each).map(one).collect::<Result<_, _>>()?;
        let outside = root.all(key).next().map(|node| node.key);
        Ok(Self { read: read.into_iter().flatten().collect(), outside, unread: None })
    }
}

fn no_section(root: &Node, section: &str, key: &str) -> String {
    match root.get(key) {
        Some(node) => format!("line {}: {key} stands outside of {section}:, which is not there", node.key),
        None => format!("there is no section {section}"),
    }
}

/// An entry of `hss_map` (mme-context.c).
#[derive(Debug, Clone)]
pub struct HssMap {
    /// Its line.
    pub line: usize,
    /// The digits that an IMSI has to begin with; `None`: mcc or mnc is missing, and the entry does not count.
    pub digits: Option<String>,
    /// As it is written.
    pub written: String,
    /// Destination-Realm; `None`: made from the PLMN.
    pub realm: Option<String>,
    /// Destination-Host; `None`: left to the realm.
    pub host: Option<String>,
    /// Keys beside `plmn_id`, where they mean nothing.
    pub outside: Vec<String>,
}

impl HssMap {
    /// Whether the MME takes this entry for an IMSI.
    pub fn matches(&self, imsi: Imsi) -> bool {
        self.digits.as_deref().is_some_and(|digits| imsi.has_prefix(digits))
    }
}

/// Where the file of a daemon says that freeDiameter's configuration is.
#[derive(Debug, Clone, Default)]
pub enum FreeDiameterTold {
    /// Nowhere.
    #[default]
    Nothing,
    /// In this section of the same file.
    Here(FreeDiameter),
    /// In a file of this name.
    In(String),
}

impl FreeDiameterTold {
    fn of<'a>(sections: impl Iterator<Item = &'a Node>) -> Self {
        match sections.filter_map(|section| section.get("freeDiameter")).last() {
            None => Self::Nothing,
            Some(node) => node
                .text()
                .map_or_else(|| Self::Here(free_diameter::section(node)), |path| Self::In(path.to_owned())),
        }
    }
}

/// Reads a `hss.yaml`: where its freeDiameter is.
///
/// # Errors
/// Line, and what is wrong there.
pub fn hss(text: &str) -> Result<FreeDiameterTold, String> {
    let root = yaml::read(text)?;
    root.get("hss").ok_or("there is no section hss")?;
    Ok(FreeDiameterTold::of(root.all("hss")))
}

/// What `mme.yaml` says.
#[derive(Debug, Clone, Default)]
pub struct Mme {
    /// Its entries, first match first.
    pub hss_map: Listed<HssMap>,
    /// Its freeDiameter.
    pub free_diameter: FreeDiameterTold,
    /// Where Prometheus asks it.
    pub metrics: Option<String>,
}

/// Reads a `mme.yaml`.
///
/// # Errors
/// Line, and what is wrong there.
pub fn mme(text: &str) -> Result<Mme, String> {
    let root = yaml::read(text)?;
    let hss_map = Listed::of_all(&root, "mme", "hss_map", |entry| Ok(hss_map(entry)))?;
    // Of several sections, metrics are those of the first (lib/metrics/context.c).
    let metrics = root.all("mme").next().and_then(|mme| mme.at(&["metrics", "server"]));
    let metrics = metrics.and_then(|server| server.each().first());
    Ok(Mme {
        hss_map,
        free_diameter: FreeDiameterTold::of(root.all("mme")),
        metrics: metrics.and_then(|one| {
            let address = one.text_of("address")?;
            let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            Some(format!("http://{address}:{}/metrics", one.text_of("port").unwrap_or("9090")))
        }),
    })
}

/// An entry is one for each plmn_id in it.
fn hss_map(entry: &Node) -> Vec<HssMap> {
    let outside: Vec<String> =
        entry.pairs().iter().map(|(key, _)| key.clone()).filter(|key| key != "plmn_id").collect();
    let one = |plmn: Option<&Node>| {
        let text = |key: &str| plmn.and_then(|plmn| plmn.text_of(key)).map(str::to_owned);
        let (mcc, mnc) = (text("mcc"), text("mnc"));
        HssMap {
            line: plmn.map_or(entry.line, |plmn| plmn.key),
            digits: mcc.as_deref().zip(mnc.as_deref()).and_then(|(mcc, mnc)| prefix(mcc, mnc)),
            written: format!("{}-{}", mcc.unwrap_or_default(), mnc.unwrap_or_default()),
            realm: text("realm"),
            host: text("host"),
            outside: outside.clone(),
        }
    };
    let mut all: Vec<HssMap> = entry.all("plmn_id").map(|plmn| one(Some(plmn))).collect();
    if all.is_empty() {
        all.push(one(None));
    }
    all
}

/// What IMSIs of a PLMN begin with, as Open5GS takes it: two digits of MNC if it is written with two, else three
/// (ogs_plmn_id_build).
fn prefix(mcc: &str, mnc: &str) -> Option<String> {
    let (m, n) = (mcc.trim().parse::<u16>().ok()?, mnc.trim().parse::<u16>().ok()?);
    Some(if mnc.len() == 2 { format!("{m:03}{n:02}") } else { format!("{m:03}{n:03}") })
}

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
pub fn subnets(text: &str, role: &'static str) -> Result<Subnets, String> {
    let root = yaml::read(text)?;
    let ues = root.at(&["global", "max", "ue"]).and_then(Node::text).and_then(|text| text.parse().ok());
    let sessions = ues.unwrap_or(USUAL_UES).saturating_mul(SESSIONS_PER_UE);
    Listed::of_first(&root, role, "session", |one| subnet(one, sessions).map(|one| vec![one]))
}

fn subnet(entry: &Node, sessions: u32) -> Result<Subnet, String> {
    let wrong = |what: &str, node: &Node| {
        format!("line {}: {what}: {:?} is none", node.line, node.text().unwrap_or_default())
    };
    let net = match entry.get("subnet") {
        Some(node) => {
            let net = node.text().and_then(|text| text.parse::<ipnet::IpNet>().ok());
            match net.ok_or_else(|| wrong("subnet", node))? {
                ipnet::IpNet::V4(net) => Some(net.trunc()),
                ipnet::IpNet::V6(_) => None,
            }
        }
        None => None,
    };
    let gateway = match entry.get("gateway") {
        Some(node) => {
            Some(node.text().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("gateway", node))?)
        }
        None => None,
    };
    let ranges = entry.get("range");
    let dynamic = match net {
        None => Vec::new(),
        Some(net) => {
            let first = u32::from(net.network()).saturating_add(1);
            let last = u32::from(net.broadcast()).saturating_sub(1);
            let bound = |text: &str, open: u32| match text.trim() {
                "" => Some(open),
                text => text.parse::<Ipv4Addr>().ok().map(u32::from),
            };
            let mut left = sessions;
            let mut dynamic = Vec::new();
            let written =
                ranges.map(Node::texts).filter(|texts| !texts.is_empty()).unwrap_or_else(|| vec!["-"]);
            for text in written {
                let (low, high) = text.split_once('-').unwrap_or((text, ""));
                let (Some(low), Some(high)) = (bound(low, first), bound(high, last)) else {
                    return Err(ranges.map_or_else(String::new, |node| wrong("range", node)));
                };
                // The pool holds one address for each session that may be, and is filled from below.
                let high = high.min(low.saturating_add(left.saturating_sub(1)));
                if left > 0 && low <= high {
                    left -= (high - low + 1).min(left);
                    dynamic.push((Ipv4Addr::from(low), Ipv4Addr::from(high)));
                }
            }
            dynamic
        }
    };
    let dnn = entry.text_of("dnn").or_else(|| entry.text_of("apn")).filter(|dnn| !dnn.is_empty());
    Ok(Subnet { line: entry.line, subnet: net, gateway, dnn: dnn.map(str::to_owned), dynamic })
}

/// The subnet that serves an APN over IPv4: the first that names it or none (ogs_pfcp_find_subnet_by_dnn).
pub fn serving<'a>(subnets: &'a [Subnet], apn: &str) -> Option<&'a Subnet> {
    subnets
        .iter()
        .filter(|one| one.subnet.is_some())
        .find(|one| one.dnn.as_deref().is_none_or(|dnn| dnn.eq_ignore_ascii_case(apn)))
}

/// Policies of the PCRF, in their order.
pub type Policies = Listed<Policy>;

/// A policy of the PCRF (pcrf-context.c).
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its line.
    pub line: usize,
    /// Its ranges, both ends in them, as numbers.
    pub ranges: Vec<(u64, u64)>,
    /// Its APNs.
    pub sessions: Vec<Session>,
}

/// An APN of a policy.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its line.
    pub line: usize,
    /// Its name, as it is compared: letter for letter.
    pub name: String,
    /// What is missing of `qos`, without which the PCRF has no default bearer to answer with.
    pub missing: Vec<&'static str>,
}

impl Policy {
    /// Whether one of its ranges holds an IMSI.
    pub fn holds(&self, imsi: Imsi) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&imsi.number()))
    }
}

/// Reads a `pcrf.yaml`.
///
/// # Errors
/// Line, and what is wrong there: the PCRF would not start.
pub fn policies(text: &str) -> Result<Policies, String> {
    let root = yaml::read(text)?;
    Listed::of_all(&root, "pcrf", "policy", |one| policy(one).map(|one| vec![one]))
}

fn policy(entry: &Node) -> Result<Policy, String> {
    let texts = entry.get("supi_range").map(Node::texts).unwrap_or_default();
    if texts.is_empty() {
        return Err(format!(
            "line {}: a policy without supi_range: the PCRF does not start with it",
            entry.line
        ));
    }
    let range = |text: &str| {
        let (low, high) = text.split_once('-')?;
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    };
    let ranges = texts.iter().map(|text| {
        range(text).ok_or_else(|| {
            format!(
                "line {}: supi_range: {text:?} is no FIRST-LAST: the PCRF does not start with it",
                entry.line
            )
        })
    });
    let sessions = entry.get("session").map(Node::each).unwrap_or_default();
    Ok(Policy {
        line: entry.line,
        ranges: ranges.collect::<Result<_, _>>()?,
        sessions: sessions
            .iter()
            .filter_map(|one| {
                Some(Session { line: one.line, name: one.text_of("name")?.to_owned(), missing: missing(one) })
            })
            .collect(),
    })
}

fn missing(session: &Node) -> Vec<&'static str> {
    let needed: [(&str, &[&str]); 2] =
        [("qos.index", &["qos", "index"]), ("qos.arp.priority_level", &["qos", "arp", "priority_level"])];
    needed.iter().filter(|(_, path)| session.at(path).is_none()).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mnc_has_as_many_digits_as_are_written() {
        for (mcc, mnc, digits) in [
            ("999", "71", Some("99971")),
            ("999", "01", Some("99901")),
            ("1", "01", Some("00101")),
            ("999", "1", Some("999001")),
            ("310", "410", Some("310410")),
            ("x", "1", None),
        ] {
            assert_eq!(prefix(mcc, mnc).as_deref(), digits, "{mcc}-{mnc}");
        }
    }

    #[test]
    fn without_a_range_the_smf_gives_out_one_address_a_session_from_below() {
        let read = subnets("smf:\n  session:\n    - subnet: 10.45.0.0/16\n      gateway: 10.45.0.1\n", "smf")
            .unwrap();
        assert_eq!(read[0].dynamic, [(Ipv4Addr::new(10, 45, 0, 1), Ipv4Addr::new(10, 45, 16, 0))]);
        let small = "global:\n  max:\n    ue: 2\nsmf:\n  session:\n    subnet: 10.45.0.0/16\n    \
                     range: [ 10.45.0.9-10.45.0.11, 10.45.1.1- ]\n";
        let read = subnets(small, "smf").unwrap();
        assert_eq!(
            read[0].dynamic,
            [
                (Ipv4Addr::new(10, 45, 0, 9), Ipv4Addr::new(10, 45, 0, 11)),
                (Ipv4Addr::new(10, 45, 1, 1), Ipv4Addr::new(10, 45, 1, 5))
            ]
        );
    }

    #[test]
    fn the_first_subnet_that_names_the_apn_or_none_serves_it() {
        let text = "upf:\n  session:\n    - { subnet: 10.1.0.0/16, dnn: ims }\n    - { subnet: 2001:db8::/48 }\n    \
                    - { subnet: 10.2.0.0/16, dnn: Provisioning }\n    - { subnet: 10.3.0.0/16 }\n";
        let read = subnets(text, "upf").unwrap();
        let of = |apn: &str| serving(&read, apn).and_then(|one| one.subnet).unwrap().to_string();
        assert_eq!(
            (of("provisioning"), of("internet")),
            ("10.2.0.0/16".to_owned(), "10.3.0.0/16".to_owned())
        );
    }

    /// What `cat fragment >> file` makes.
    #[test]
    fn sections_of_one_name_are_read_as_each_daemon_does() {
        let read = mme(concat!(
            "mme:\n  freeDiameter: first.conf\n  hss_map:\n    - plmn_id: { mcc: 1, mnc: 01 }\n",
            "mme:\n  freeDiameter: second.conf\n  hss_map:\n    - plmn_id: { mcc: 1, mnc: 02 }\n  hss_map:\n    \
             plmn_id: { mcc: 1, mnc: 03 }\n",
        ));
        let read = read.unwrap();
        let maps: Vec<_> = read.hss_map.iter().map(|one| (one.line, one.written.as_str())).collect();
        assert_eq!(maps, [(4, "1-01"), (8, "1-02"), (10, "1-03")]);
        assert!(matches!(read.free_diameter, FreeDiameterTold::In(path) if path == "second.conf"));
        let read =
            policies("pcrf:\n  policy: { supi_range: 1-2 }\npcrf:\n  policy:\n    - supi_range: 3-4\n");
        assert_eq!(read.unwrap().iter().map(|one| one.ranges[0]).collect::<Vec<_>>(), [(1, 2), (3, 4)]);
        // These count their sections, and read one.
        let read = subnets(
            "upf:\n  session: { subnet: 10.1.0.0/16 }\nupf:\n  session: { subnet: 10.2.0.0/16 }\n",
            "upf",
        );
        let read = read.unwrap();
        assert_eq!((read.len(), read.unread), (1, Some((1, 3))));
    }

    #[test]
    fn what_stands_outside_of_its_section_is_not_read_and_is_known() {
        let read = policies("pcrf:\n  freeDiameter: pcrf.conf\npolicy:\n  - supi_range: 1-2\n").unwrap();
        assert_eq!((read.len(), read.outside), (0, Some(3)));
        let said = policies("policy:\n  - supi_range: 1-2\n").unwrap_err();
        assert_eq!(said, "line 1: policy stands outside of pcrf:, which is not there");
    }

    #[test]
    fn what_would_keep_a_daemon_from_starting_is_said_with_its_line() {
        for (text, expected) in [
            ("pcrf:\n  policy:\n    - session: []\n", "line 3: a policy without supi_range"),
            ("pcrf:\n  policy:\n    - supi_range: [ 999710000000001 ]\n", "no FIRST-LAST"),
            ("mme: {}\n", "there is no section pcrf"),
        ] {
            let said = policies(text).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
        let said = subnets("smf:\n  session:\n    - subnet: 10.45/16\n", "smf").unwrap_err();
        assert_eq!(said, "line 3: subnet: \"10.45/16\" is none");
    }
}
