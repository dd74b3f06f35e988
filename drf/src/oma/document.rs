//! The document as the DTD of ProvCont has it: `wap-provisioningdoc` of `characteristic`s of `parm`s.

use std::fmt;

/// Version of ProvCont that is written and read.
pub const VERSION: &str = "1.1";
/// Octets of one text at most; Rnct's longest are URLs.
pub const MAX_TEXT: usize = 2048;
/// Characteristics inside one another at most; ProvCont itself nests three.
pub const MAX_DEPTH: usize = 8;
/// Parms and characteristics of a document at most.
pub const MAX_ELEMENTS: usize = 1024;

/// Value of an attribute: what XML 1.0 §2.2 and a WBXML string can both carry, without control characters; up to
/// [`MAX_TEXT`] octets of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Box<str>);

/// Why a text cannot be the value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Its octets.
    #[error("{0} octets are too many for a provisioning document: at most {MAX_TEXT}; shorten it")]
    Length(usize),
    /// The octet where the character begins, from 0.
    #[error(
        "at octet {0} is a character that a provisioning document cannot carry (a control character, U+FFFE or \
         U+FFFF); take it out"
    )]
    Character(usize),
}

impl Text {
    /// Parses it.
    ///
    /// # Errors
    /// Too long, or with a character that XML or WBXML cannot carry.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.len() > MAX_TEXT {
            return Err(TextError::Length(text.len()));
        }
        match text.char_indices().find(|(_, c)| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
            Some((at, _)) => Err(TextError::Character(at)),
            None => Ok(Self(text.into())),
        }
    }

    /// What it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// `parm`: a name, and a value unless the name says it all (as `INTERNET`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parm {
    /// `name`.
    pub name: Text,
    /// `value`.
    pub value: Option<Text>,
}

/// `characteristic`: by the DTD its parms come before the characteristics in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Characteristic {
    /// `type`.
    pub kind: Text,
    /// In the order of the document.
    pub parms: Vec<Parm>,
    /// In the order of the document.
    pub characteristics: Vec<Characteristic>,
}

impl Characteristic {
    /// An empty one of this type.
    ///
    /// # Errors
    /// The type cannot be written.
    pub fn new(kind: &str) -> Result<Self, TextError> {
        Ok(Self { kind: Text::new(kind)?, parms: Vec::new(), characteristics: Vec::new() })
    }

    /// With one more parm that has a value.
    ///
    /// # Errors
    /// Name or value cannot be written.
    pub fn parm(mut self, name: &str, value: &str) -> Result<Self, TextError> {
        self.parms.push(Parm { name: Text::new(name)?, value: Some(Text::new(value)?) });
        Ok(self)
    }

    /// With one more parm that has no value.
    ///
    /// # Errors
    /// The name cannot be written.
    pub fn flag(mut self, name: &str) -> Result<Self, TextError> {
        self.parms.push(Parm { name: Text::new(name)?, value: None });
        Ok(self)
    }

    /// With one more characteristic in it.
    #[must_use]
    pub fn with(mut self, characteristic: Self) -> Self {
        self.characteristics.push(characteristic);
        self
    }

    /// Value of the first parm of this name that has one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parms.iter().find(|parm| parm.name.as_str() == name)?.value.as_ref().map(Text::as_str)
    }
}

/// `wap-provisioningdoc` of version [`VERSION`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// In the order of the document.
    pub characteristics: Vec<Characteristic>,
}

impl Document {
    /// The characteristics of this type at the top.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Characteristic> {
        self.characteristics.iter().filter(move |one| one.kind.as_str() == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_no_control_characters_and_an_end() {
        assert_eq!(Text::new("a\"<&>' é 😀").unwrap().as_str(), "a\"<&>' é 😀");
        assert_eq!(Text::new("ab\0"), Err(TextError::Character(2)));
        assert_eq!(Text::new("é\n"), Err(TextError::Character(2)));
        assert_eq!(Text::new("\u{ffff}"), Err(TextError::Character(0)));
        assert_eq!(Text::new(&"a".repeat(MAX_TEXT + 1)), Err(TextError::Length(MAX_TEXT + 1)));
    }
}
