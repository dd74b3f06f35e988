//! For which versions of Open5GS a file is written: 2.7.0 renamed most keys, and what the ICF needs of a core came later.

use super::super::yaml::Node;

/// Interfaces of a section, which are `- addr: …` up to 2.6, and `server:` and `client:` from 2.7.0 on.
const INTERFACES: [&str; 8] = ["s1ap", "gtpc", "gtpu", "pfcp", "metrics", "sbi", "ngap", "sgsap"];

/// Something that only some versions read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its line.
    pub line: usize,
    /// What it is, as it is written.
    pub what: String,
}

/// What a file has that tells its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The first thing that is read up to 2.6 only.
    pub before: Option<Mark>,
    /// The first thing that is read from 2.7.0 on only.
    pub since: Option<Mark>,
}

impl Written {
    /// What the sections of a name, and what stands beside them, tell.
    pub fn of(root: &Node, section: &str) -> Self {
        let mut written = Self::default();
        let before = |node: &Node, what: String, written: &mut Self| {
            written.before.get_or_insert(Mark { line: node.key, what });
        };
        let since = |node: &Node, what: String, written: &mut Self| {
            written.since.get_or_insert(Mark { line: node.key, what });
        };
        for (key, node) in root.all(section).flat_map(Node::pairs) {
            match key.as_str() {
                "subnet" if matches!(section, "smf" | "upf") => {
                    before(node, "subnet:".to_owned(), &mut written)
                }
                "session" if matches!(section, "smf" | "upf") => {
                    since(node, "session:".to_owned(), &mut written)
                }
                "hss_map" | "policy" => since(node, format!("{key}:"), &mut written),
                "freeDiameter" => {
                    for one in node.get("connect").map(Node::each).unwrap_or_default() {
                        if one.get("addr").is_some() {
                            before(one, "freeDiameter: connect: - addr:".to_owned(), &mut written);
                        } else if one.get("address").is_some() {
                            since(one, "freeDiameter: connect: - address:".to_owned(), &mut written);
                        }
                    }
                }
                key if INTERFACES.contains(&key) => {
                    let new = |one: &Node| one.get("server").is_some() || one.get("client").is_some();
                    let old = |one: &Node| ["addr", "name", "dev"].iter().any(|key| one.get(key).is_some());
                    if node.each().iter().any(new) {
                        since(node, format!("{key}: server:"), &mut written);
                    } else if node.each().iter().any(old) {
                        before(node, format!("{key}: - addr:"), &mut written);
                    }
                }
                _ => {}
            }
        }
        if let Some(global) = root.get("global") {
            since(global, "global:".to_owned(), &mut written);
        }
        written
    }

    /// Nothing of it is of 2.7.0 or later, and something is of before.
    pub fn is_old(&self) -> bool {
        self.before.is_some() && self.since.is_none()
    }
}
