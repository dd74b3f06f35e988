//! What is wrong with a file of the core, where, and the remedy: a value, so that the check goes on with the rest.

use std::fmt;

/// A mistake in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// The file, where it is not the one that was to be read but one that it includes.
    pub file: Option<String>,
    /// Line, from 1; 0: the file as a whole.
    pub line: usize,
    /// Column in octets, from 1, where it is known.
    pub column: Option<usize>,
    /// What is there.
    pub found: String,
    /// What to do; empty if nothing can be said.
    pub remedy: String,
}

impl Fault {
    /// A mistake in a line.
    pub fn at(line: usize, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, found: found.into(), remedy: remedy.into(), ..Self::default() }
    }

    /// A mistake of the file as a whole.
    pub fn whole(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::at(0, found, remedy)
    }

    /// `mme.conf:12:3`, for a file of this name.
    pub fn place(&self, file: &str) -> String {
        let file = self.file.as_deref().unwrap_or(file);
        match (self.line, self.column) {
            (0, _) => file.to_owned(),
            (line, None) => format!("{file}:{line}"),
            (line, Some(column)) => format!("{file}:{line}:{column}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => {}
            (line, None) => write!(f, "line {line}: ")?,
            (line, Some(column)) => write!(f, "line {line}, column {column}: ")?,
        }
        f.write_str(&self.found)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, ": {}", self.remedy) }
    }
}
