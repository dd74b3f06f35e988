//! Open5GS's files as Open5GS reads them: what its parsers take, what they pass over, which of several matches.

mod generation;
mod mme;
mod policies;
mod subnets;

use std::ops::Deref;
use std::path::Path;

use super::fault::Fault;
use super::yaml::Node;

pub use generation::{Mark, Written};
pub use mme::{FreeDiameterTold, HssMap, Mme, hss, mme};
pub use policies::{Policies, Policy, policies};
pub use subnets::{Subnet, Subnets, serving, subnets};

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

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Its name, without its folder.
    pub name: String,
    /// Why.
    pub fault: Fault,
}

/// Reads a file and makes something of it.
///
/// # Errors
/// Which file and line, and what is wrong there.
pub fn read<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, Fault>) -> Result<File<T>, Unusable> {
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            let fault = Fault::whole(format!("{} cannot be read: {error}", path.display()), "");
            return Err(Unusable { name, fault });
        }
    };
    match parse(&text) {
        Ok(content) => Ok(File { name, content }),
        Err(fault) => Err(Unusable { name, fault }),
    }
}

/// What a section lists under a key, in its order; and what looks as if it belonged to it, and is not read.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What is read.
    pub read: Vec<T>,
    /// Entries that cannot be read, and why; the others are.
    pub faults: Vec<Fault>,
    /// The line where the same key stands at the top of the file, outside of its section.
    pub outside: Option<usize>,
    /// Lines of the first section of that name and of the next, where the daemon reads only the first.
    pub unread: Option<(usize, usize)>,
    /// For which versions the file is written.
    pub written: Written,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            read: Vec::new(),
            faults: Vec::new(),
            outside: None,
            unread: None,
            written: Written::default(),
        }
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
        one: impl Fn(&Node) -> Result<Vec<T>, Fault>,
    ) -> Result<Self, Fault> {
        let sections: Vec<&Node> = root.all(section).collect();
        if sections.is_empty() {
            return Err(no_section(root, section, key));
        }
        Ok(Self::of(root, &sections, key, one))
    }

    /// Of the first section of a name: SMF and UPF count them, and each process reads one (`config_section_id`, 0 unless
    /// it is started with another).
    fn of_first(
        root: &Node,
        section: &str,
        key: &str,
        one: impl Fn(&Node) -> Result<Vec<T>, Fault>,
    ) -> Result<Self, Fault> {
        let mut sections = root.all(section);
        let Some(first) = sections.next() else { return Err(no_section(root, section, key)) };
        let unread = sections.next().map(|next| (first.key, next.key));
        Ok(Self { unread, ..Self::of(root, &[first], key, one) })
    }

    fn of(root: &Node, sections: &[&Node], key: &str, one: impl Fn(&Node) -> Result<Vec<T>, Fault>) -> Self {
        let lists = sections.iter().flat_map(|section| section.all(key));
        let mut listed = Self { outside: root.all(key).next().map(|node| node.key), ..Self::default() };
        for entry in lists.flat_map(Node::each) {
            match one(entry) {
                Ok(read) => listed.read.extend(read),
                Err(fault) => listed.faults.push(fault),
            }
        }
        listed
    }
}

fn no_section(root: &Node, section: &str, key: &str) -> Fault {
    let remedy = format!("write {section}: with what belongs to it below");
    match root.get(key) {
        Some(node) => {
            let found = format!("{key} stands outside of {section}:, which is not there");
            Fault::at(node.key, found, remedy)
        }
        None => Fault::whole(format!("there is no section {section}"), remedy),
    }
}

#[cfg(test)]
mod tests;
