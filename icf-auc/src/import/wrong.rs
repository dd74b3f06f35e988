//! What is wrong with a record, and how much of a name an error shows.

use schemas::identity::Imsi;

use super::names::Field;

/// A record that is no credential, or not one that can be stored.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) imsi: Option<Imsi>,
    pub(super) field: Option<Field>,
    pub(super) reason: String,
}

impl Wrong {
    /// Of a record whose IMSI could not be read.
    pub(super) fn new(reason: String) -> Self {
        Self { imsi: None, field: None, reason }
    }

    pub(super) fn of(field: Field, reason: String) -> Self {
        Self { imsi: None, field: Some(field), reason }
    }
}

/// A name as an error may show it: not what could be a key that went into the wrong place.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.$/ ()".contains(c);
    let hex = name.chars().filter(char::is_ascii_hexdigit).count();
    if name.is_empty()
        || name.len() > 40
        || !name.chars().all(plain)
        || (hex >= 16 && hex * 4 >= name.len() * 3)
    {
        "(a text that is not shown)".to_owned()
    } else {
        name.to_owned()
    }
}
