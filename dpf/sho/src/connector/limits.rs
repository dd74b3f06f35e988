//! What an HSS has room for, looked at before anything is written: many a database cuts a value off, or says nothing.

use super::ConnectorError;

/// The fields of one HSS.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// The connector's name.
    pub(super) connector: &'a str,
    /// The HSS, in words.
    pub(super) hss: &'static str,
}

impl Limits<'_> {
    /// A text of `most` characters at most.
    ///
    /// # Errors
    /// [`ConnectorError::Refused`] with field, limit and `remedy`.
    pub(super) fn text(
        self,
        field: &str,
        value: &str,
        most: usize,
        remedy: &str,
    ) -> Result<(), ConnectorError> {
        match value.chars().count() {
            length if length <= most => Ok(()),
            length => Err(self.beyond(field, &format!("{length} characters"), &format!("{most}"), remedy)),
        }
    }

    /// A number of `most` at most.
    ///
    /// # Errors
    /// As [`text`](Self::text).
    pub(super) fn number(
        self,
        field: &str,
        value: u32,
        most: u32,
        remedy: &str,
    ) -> Result<(), ConnectorError> {
        if value <= most {
            return Ok(());
        }
        Err(self.beyond(field, &value.to_string(), &most.to_string(), remedy))
    }

    fn beyond(self, field: &str, value: &str, most: &str, remedy: &str) -> ConnectorError {
        let Self { connector, hss } = self;
        ConnectorError::Refused(format!(
            "connector {connector}: {field} of {value}: {hss} takes {most} at most; {remedy}"
        ))
    }
}
