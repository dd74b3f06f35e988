//! What is wrong with a configuration, where, and what to do.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Error, Expected, Unexpected};

use super::PREFIX;

/// A configuration that cannot be used. Displays as `file:line:column: key: problem; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// `file:line:column`, the environment variable, or what could not be read.
    pub place: String,
    /// The key's path, such as `diameter.peers[0].identity`; empty if the text is no TOML.
    pub key: String,
    /// What is wrong, and what to do about it. No value taken from an environment variable is repeated.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn not_utf8(name: &str) -> Self {
        Self {
            place: format!("environment variable {name}"),
            key: String::new(),
            problem: "is not UTF-8; set it anew or unset it".to_owned(),
        }
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path, or write one with `callhome config default`",
            std::io::ErrorKind::PermissionDenied => "let the user that runs callhome read it",
            std::io::ErrorKind::InvalidData => "it has to be UTF-8 text",
            _ => "it has to be a readable TOML file",
        };
        Self {
            place: path.display().to_string(),
            key: String::new(),
            problem: format!("cannot read the configuration ({error}); {advice}"),
        }
    }
}

/// Where a value was written.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// Offset in octets into the file.
    File(usize),
    /// An environment variable.
    Variable(Arc<str>),
}

/// What offsets are turned into lines with.
pub(super) struct Source<'a> {
    pub file: Option<&'a Path>,
    pub text: &'a str,
}

impl Source<'_> {
    fn place(&self, origin: Option<&Origin>) -> String {
        let file = || self.file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
        match origin {
            Some(Origin::Variable(name)) => format!("environment variable {name}"),
            Some(Origin::File(offset)) => {
                let before = self.text.get(..*offset).unwrap_or(self.text);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                format!("{}:{line}:{column}", file())
            }
            None => file(),
        }
    }
}

/// One step of a key's path.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// An error on its way out of the tree: every level adds its step of the path, the innermost names the place.
#[derive(Debug)]
pub(super) struct Fault {
    problem: String,
    missing: Option<&'static str>,
    origin: Option<Origin>,
    /// Innermost first.
    path: Vec<Step>,
}

impl Fault {
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), missing: None, origin: None, path: Vec::new() }
    }

    pub fn written_at(mut self, origin: &Origin) -> Self {
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }

    pub fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    pub fn unknown_key<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Self {
        let known: Vec<&str> = known.collect();
        let near = known
            .iter()
            .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        let advice = match near {
            Some((_, candidate)) => format!("did you mean `{candidate}`?"),
            None if known.is_empty() => "there are no keys here".to_owned(),
            None => format!("known here: {}", known.join(", ")),
        };
        Self::new(format!("unknown key; {advice}"))
    }

    pub fn at(mut self, source: &Source<'_>) -> ConfigError {
        let place = source.place(self.origin.as_ref());
        if let Some(field) = self.missing {
            self.path.insert(0, Step::Key(field.to_owned()));
            let nested = self.path.iter().rev().map(|step| match step {
                Step::Key(key) => key.to_uppercase(),
                Step::Index(index) => index.to_string(),
            });
            let variable = nested.collect::<Vec<_>>().join("__");
            self.problem = format!("missing; add it, or set {PREFIX}{variable}");
        }
        let mut key = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => {
                    key.push('.');
                    key.push_str(name);
                }
                Step::Index(index) => key.push_str(&format!("[{index}]")),
            }
        }
        if let Some(Origin::Variable(name)) = &self.origin
            && self.problem.starts_with("unknown key")
            && !name.contains("__")
        {
            self.problem.push_str(" (two underscores nest, as in CALLHOME_DIAMETER__ORIGIN_HOST)");
        }
        ConfigError { place, key, problem: self.problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Fault {}

/// The kind of what was found, never the value: it may be a secret in the wrong place.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "this integer",
        Unexpected::Float(_) => "this number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) => "this string",
        Unexpected::Seq => "an array",
        Unexpected::Map | Unexpected::StructVariant => "a table",
        _ => "something else",
    }
}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{expected} is needed here, not {}", kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("{expected} is needed here, not {length} elements"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("has to be one of: {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown_key(field, expected.iter().copied()).inside(Step::Key(field.to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new("missing") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is given twice, perhaps under an older name; keep one"))
    }
}
