//! `pcrf.yaml`: the policies that it has by itself.

use schemas::identity::Imsi;

use super::super::fault::Fault;
use super::super::yaml::{self, Node};
use super::Listed;
use super::generation::Written;

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
pub fn policies(text: &[u8]) -> Result<Policies, Fault> {
    let root = yaml::root(text)?;
    let written = Written::of(&root, "pcrf");
    let listed = Listed::of_all(&root, "pcrf", "policy", |one| policy(one).map(|one| vec![one]))?;
    Ok(Listed { written, ..listed })
}

fn policy(entry: &Node) -> Result<Policy, Fault> {
    let texts = entry.get("supi_range").map(Node::texts).unwrap_or_default();
    if texts.is_empty() {
        let found = "a policy without supi_range: the PCRF does not start with it";
        return Err(Fault::at(
            entry.line,
            found,
            "write supi_range: [ FIRST-LAST ] (Open5GS 2.7.3 or later)",
        ));
    }
    let range = |text: &str| {
        let (low, high) = text.split_once('-')?;
        Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
    };
    let ranges = texts.iter().map(|text| {
        range(text).ok_or_else(|| {
            let found = format!("supi_range: {text:?} is no FIRST-LAST: the PCRF does not start with it");
            Fault::at(entry.line, found, "write two IMSIs with - between them")
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
