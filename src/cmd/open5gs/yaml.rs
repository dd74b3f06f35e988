//! YAML as Open5GS reads it: a tree in which every scalar is text (its parser never takes `01` for a number), with the
//! line that each node stands on.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::fault::Fault;
use super::likeness;

/// Levels of nesting; a configuration has a dozen.
const DEPTH: usize = 64;
/// Nodes of a file with its aliases laid out; a configuration has hundreds.
const NODES: usize = 100_000;

/// A node and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its line, from 1.
    pub line: usize,
    /// The line of its key, where it has one; else its own.
    pub key: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar, as written.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key, if this is a mapping that has it. Of several it is the last: Open5GS goes through all pairs, and
    /// each value takes the place of the one before.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.all(key).last()
    }

    /// Every value of a key that stands there more than once: where Open5GS adds to a list, each of them counts.
    pub fn all<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a Self> + use<'a, 'k> {
        self.pairs().iter().filter(move |(name, _)| name == key).map(|(_, node)| node)
    }

    /// The node that keys lead to, one below the other.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text of a key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// What Open5GS iterates over: the elements of a sequence, or the one mapping that stands in its place.
    pub fn each(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Map(_) => std::slice::from_ref(self),
            Value::Text(_) => &[],
        }
    }

    /// Scalars of a sequence, or the one scalar that stands in its place.
    pub fn texts(&self) -> Vec<&str> {
        match &self.value {
            Value::Text(text) => vec![text],
            _ => self.each().iter().filter_map(Self::text).collect(),
        }
    }

    /// Keys of a mapping with their nodes.
    pub fn pairs(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Text(_) => 1,
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Map(pairs) => 1 + pairs.iter().map(|(_, node)| node.count()).sum::<usize>(),
        }
    }
}

/// A collection that is still open.
struct Open {
    anchor: usize,
    node: Node,
    /// The key whose value comes next, and its line.
    key: Option<(String, usize)>,
}

/// Reads the first document of a file of Open5GS.
///
/// # Errors
/// Line, and what is wrong there.
pub fn root(text: &[u8]) -> Result<Node, Fault> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].iter().filter(|octet| **octet == b'\n').count() + 1;
        Fault::at(line, "not UTF-8, which YAML is", "save the file as UTF-8")
    })?;
    match read(text) {
        Ok(root) if !root.pairs().is_empty() => Ok(root),
        _ if likeness::is_free_diameter(text) => {
            let found = "this is a configuration of freeDiameter, not YAML of Open5GS";
            Err(Fault::whole(found, "give it as --mme-conf (or --hss-conf), and the daemon's .yaml here"))
        }
        Ok(root) => Ok(root),
        Err(fault) => Err(fault),
    }
}

/// Reads the first document of a text.
///
/// # Errors
/// Line, and what is wrong there.
pub fn read(text: &str) -> Result<Node, Fault> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let fault =
                Fault::at(line, format!("no YAML: {}", error.info()), "mind the columns, and no tabs");
            Fault { column: Some(column), ..fault }
        })?;
        let line = span.start.line();
        let begun = |value| Node { line, key: line, value };
        let (anchor, done) = match event {
            Event::SequenceStart(anchor, _) => {
                open.push(Open { anchor, node: begun(Value::List(Vec::new())), key: None });
                (0, None)
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, node: begun(Value::Map(Vec::new())), key: None });
                (0, None)
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => (closed.anchor, Some(closed.node)),
                None => (0, None),
            },
            Event::Scalar(text, _, anchor, _) => (anchor, Some(begun(Value::Text(text.into_owned())))),
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).ok_or_else(|| Fault::at(line, "an alias of nothing", ""))?;
                nodes += node.count();
                (0, (nodes <= NODES).then(|| node.clone()))
            }
            _ => (0, None),
        };
        if open.len() > DEPTH {
            return Err(Fault::at(line, format!("nested more than {DEPTH} deep"), ""));
        }
        nodes += 1;
        if nodes > NODES {
            return Err(Fault::at(line, "more than any configuration holds", ""));
        }
        let Some(node) = done else { continue };
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            None => return Ok(node),
            Some(parent) => put(parent, node)?,
        }
    }
    Err(Fault::whole("there is nothing in it", ""))
}

/// Lays a complete node into the collection around it.
fn put(parent: &mut Open, node: Node) -> Result<(), Fault> {
    match (&mut parent.node.value, parent.key.take()) {
        (Value::List(items), _) => items.push(node),
        (Value::Map(pairs), Some((key, line))) => pairs.push((key, Node { key: line, ..node })),
        (Value::Map(_), None) => match node.value {
            Value::Text(text) => parent.key = Some((text, node.line)),
            _ => return Err(Fault::at(node.line, "a key has to be a word", "")),
        },
        (Value::Text(_), _) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_text_and_nodes_know_their_lines() {
        let root = read("mme:\n  tai:\n    - plmn_id: { mcc: 999, mnc: 01 }\n      tac: 0x1\n").unwrap();
        let tai = &root.at(&["mme", "tai"]).unwrap().each()[0];
        let plmn = tai.get("plmn_id").unwrap();
        assert_eq!((plmn.text_of("mcc"), plmn.text_of("mnc")), (Some("999"), Some("01")));
        assert_eq!((plmn.line, tai.get("tac").unwrap().line), (3, 4));
    }

    #[test]
    fn a_mapping_where_a_sequence_may_stand_is_one_element() {
        let root = read("a: { b: 1 }\nc: [ x, y ]\nd: z\n").unwrap();
        assert_eq!(root.get("a").unwrap().each().len(), 1);
        assert_eq!(root.get("c").unwrap().texts(), ["x", "y"]);
        assert_eq!(root.get("d").unwrap().texts(), ["z"]);
        assert!(root.get("d").unwrap().each().is_empty());
    }

    #[test]
    fn a_key_may_stand_there_more_than_once() {
        let root = read("mme:\n  a: 1\npcrf: {}\nmme:\n\n  a: 2\n").unwrap();
        let lines: Vec<_> = root.all("mme").map(|node| (node.key, node.line)).collect();
        assert_eq!(lines, [(1, 2), (4, 6)]);
        assert_eq!(root.at(&["mme", "a"]).and_then(Node::text), Some("2"));
    }

    #[test]
    fn aliases_are_laid_out() {
        let root = read("one: &a { x: 1 }\ntwo: *a\n").unwrap();
        assert_eq!(root.at(&["two", "x"]).and_then(Node::text), Some("1"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |text: &str| read(text).unwrap_err().to_string();
        assert!(said("a: 1\nb: [1\n").starts_with("line "));
        assert!(said("").contains("nothing"));
        assert!(said(&"[".repeat(5000)).contains("line 1"));
        assert!(said("? [a]\n: b\n").contains("key"));
    }

    #[test]
    fn aliases_of_aliases_do_not_fill_the_memory() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..30 {
            let below = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(","));
        }
        assert!(read(&text).unwrap_err().to_string().starts_with("line "));
    }
}
