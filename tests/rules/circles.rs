//! Which modules of a crate import which, as their code says it, and the circles in that.
//!
//! A module may use what its parents have, as they are one house with it; every other import is an arrow from file to file. What
//! is re-exported counts for the file that defines it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use syn::{
    Attribute, Item, ItemMod, UseTree, Visibility,
    visit::{self, Visit},
};

/// Names from a crate's root to a module or item.
type Names = Vec<String>;

/// What one module says.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    defined: BTreeSet<String>,
    /// Name that it gives to others, and what stands behind that; `*` for all of what is there.
    exported: Vec<(String, Names)>,
    /// Absolute paths that its code names.
    used: Vec<Names>,
}

/// The modules of a crate by their paths; the root's is empty.
#[derive(Debug, Default)]
pub struct Crate {
    modules: BTreeMap<Names, Module>,
}

impl Crate {
    /// Reads the crate whose root is `file` (`lib.rs`, `main.rs`); tests are left out.
    ///
    /// # Errors
    /// A file cannot be read, or is not Rust.
    pub fn read(file: &Path) -> Result<Self> {
        let mut all = Self::default();
        all.read_file(file, Vec::new())?;
        Ok(all)
    }

    fn read_file(&mut self, file: &Path, path: Names) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        let folder = file.parent().context("a file without a folder")?;
        let stem = file.file_stem().unwrap_or_default();
        let inner = if path.is_empty() { folder.to_owned() } else { folder.join(stem) };
        self.read_items(&parsed.items, file, &inner, path)
    }

    fn read_items(&mut self, items: &[Item], file: &Path, inner: &Path, path: Names) -> Result<()> {
        let mut reader = Reader { path: path.clone(), file: file.to_owned(), ..Reader::default() };
        for item in items {
            reader.visit_item(item);
        }
        self.modules.insert(path.clone(), reader.finish());
        for item in items {
            let Item::Mod(child) = item else { continue };
            if is_test(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let below = [&path[..], std::slice::from_ref(&name)].concat();
            match &child.content {
                Some((_, items)) => self.read_items(items, file, &inner.join(&name), below)?,
                None => self.read_file(&inner.join(format!("{name}.rs")), below)?,
            }
        }
        Ok(())
    }

    /// The module that defines what `path` names; `None` where that is not of this crate.
    fn home(&self, path: &[String], depth: usize) -> Option<&Names> {
        if depth > 16 {
            return None;
        }
        let mut at = 0;
        while at < path.len() && self.modules.contains_key(&path[..=at]) {
            at += 1;
        }
        let (found, module) = self.modules.get_key_value(&path[..at])?;
        let Some(name) = path.get(at) else { return Some(found) };
        if module.defined.contains(name) {
            return Some(found);
        }
        let behind = module.exported.iter().find_map(|(exported, target)| match exported.as_str() {
            "*" => {
                let inner = [&target[..], &path[at..]].concat();
                self.home(&inner, depth + 1).filter(|home| self.modules[*home].defined.contains(name))
            }
            exported if exported == name => {
                let inner = [&target[..], &path[at + 1..]].concat();
                self.home(&inner, depth + 1)
            }
            _ => None,
        });
        behind.or((name == "*").then_some(found))
    }

    /// From each file to those that it imports from.
    #[must_use]
    pub fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (path, module) in &self.modules {
            let out = arrows.entry(&module.file).or_default();
            for used in &module.used {
                let Some(home) = self.home(used, 0) else { continue };
                let other = &self.modules[home].file;
                let of_parent = (0..path.len()).any(|length| {
                    self.modules.get(&path[..length]).is_some_and(|parent| parent.file == *other)
                });
                if *other != module.file && !of_parent {
                    out.insert(other);
                }
            }
        }
        arrows
    }

    /// Files that import one another in a circle, each circle once.
    #[must_use]
    pub fn circles(&self) -> Vec<BTreeSet<&Path>> {
        let arrows = self.arrows();
        let reach: HashMap<&Path, BTreeSet<&Path>> =
            arrows.keys().map(|from| (*from, reachable(&arrows, from))).collect();
        let mut circles = BTreeSet::new();
        for (from, reached) in &reach {
            let circle: BTreeSet<&Path> =
                reached.iter().copied().filter(|to| reach[to].contains(from)).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

fn reachable<'a>(arrows: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &'a Path) -> BTreeSet<&'a Path> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for to in arrows.get(file).into_iter().flatten() {
            if seen.insert(*to) {
                next.push(to);
            }
        }
    }
    seen
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}

/// Collects what a module's items say.
#[derive(Default)]
struct Reader {
    path: Names,
    file: PathBuf,
    module: Module,
    /// Names that `use` has made, and what they stand for.
    imported: HashMap<String, Names>,
    /// Paths in the code, as written.
    written: Vec<Names>,
}

impl Reader {
    /// From the crate's root, where `names` begins so.
    fn absolute(&self, names: &[String]) -> Option<Names> {
        let (first, rest) = names.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([&self.path[..], rest].concat()),
            "super" => {
                let mut base = self.path.clone();
                base.pop()?;
                let mut rest = rest;
                while rest.first().is_some_and(|name| name == "super") {
                    base.pop()?;
                    rest = &rest[1..];
                }
                Some([&base[..], rest].concat())
            }
            _ => None,
        }
    }

    fn import(&mut self, tree: &UseTree, before: &[String], exported: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident), exported),
            UseTree::Group(group) => {
                for one in &group.items {
                    self.import(one, before, exported);
                }
            }
            UseTree::Glob(_) => self.leaf("*".to_owned(), before, exported),
            UseTree::Name(name) if name.ident == "self" => {
                self.leaf(before.last().cloned().unwrap_or_default(), before, exported);
            }
            UseTree::Name(name) => self.leaf(name.ident.to_string(), &with(&name.ident), exported),
            UseTree::Rename(rename) => self.leaf(rename.rename.to_string(), &with(&rename.ident), exported),
        }
    }

    fn leaf(&mut self, name: String, written: &[String], exported: bool) {
        // A child is named without `self`.
        let target = self.absolute(written).unwrap_or_else(|| [&self.path[..], written].concat());
        if exported {
            self.module.exported.push((name.clone(), target.clone()));
        }
        let used = if name == "*" { [&target[..], &["*".to_owned()]].concat() } else { target.clone() };
        self.module.used.push(used);
        self.imported.insert(name, target);
    }

    fn finish(mut self) -> Module {
        for written in std::mem::take(&mut self.written) {
            let absolute = self.absolute(&written).or_else(|| {
                let (first, rest) = written.split_first()?;
                match self.imported.get(first) {
                    Some(target) => Some([&target[..], rest].concat()),
                    // A child of this module.
                    None => Some([&self.path[..], &written[..]].concat()),
                }
            });
            self.module.used.extend(absolute);
        }
        self.module.file = self.file;
        self.module
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name): (&[Attribute], Option<String>) = match item {
            Item::Const(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Enum(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Fn(item) => (&item.attrs, Some(item.sig.ident.to_string())),
            Item::Static(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Struct(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Trait(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Type(item) => (&item.attrs, Some(item.ident.to_string())),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref().map(ToString::to_string)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => (&[], None),
        };
        if is_test(attributes) {
            return;
        }
        self.module.defined.extend(name);
        visit::visit_item(self, item);
    }

    /// Those in other files and those within are modules of their own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let exported = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &[], exported);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.written.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    /// `group!` and the like define types.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string();
        let mut words =
            text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if ["struct", "enum", "fn", "const", "type"].contains(&word) {
                self.module.defined.extend(words.next().map(str::to_owned));
            }
        }
        visit::visit_macro(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Result<Crate> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().context("no folder")?)?;
            std::fs::write(path, text)?;
        }
        Crate::read(&folder.path().join("lib.rs"))
    }

    #[test]
    fn circles_are_found_through_re_exports_and_paths_in_the_code_and_parents_are_no_circle() -> Result<()> {
        let cases: [(&[(&str, &str)], usize); 6] = [
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "use crate::b::B; pub struct A;"),
                    ("b.rs", "pub struct B;"),
                ],
                0,
            ),
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "use crate::b::B; pub struct A;"),
                    ("b.rs", "pub struct B(super::a::A);"),
                ],
                1,
            ),
            // By way of what the parent re-exports.
            (
                &[
                    ("lib.rs", "mod a; mod b; pub use b::B;"),
                    ("a.rs", "use crate::B; pub struct A;"),
                    ("b.rs", "use super::a; pub struct B(a::A);"),
                ],
                1,
            ),
            (&[("lib.rs", "mod a; pub use a::*; pub struct L;"), ("a.rs", "use crate::L; pub struct A;")], 0),
            // Through a child.
            (
                &[
                    ("lib.rs", "mod a; mod c;"),
                    ("a.rs", "mod b; use b::B; pub struct A;"),
                    ("a/b.rs", "use crate::c::C; pub struct B;"),
                    ("c.rs", "use crate::a::A; pub struct C;"),
                ],
                1,
            ),
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "use crate::b::B; pub struct A; #[cfg(test)] mod tests;"),
                    ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
                ],
                0,
            ),
        ];
        for (files, expected) in cases {
            let read = crate_of(files)?;
            assert_eq!(read.circles().len(), expected, "{files:?}: {:?}", read.arrows());
        }
        Ok(())
    }
}
