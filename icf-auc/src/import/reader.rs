//! The records of a file, whatever it is.

use std::sync::Arc;

use tokio::io::AsyncBufRead;
use zeroize::Zeroizing;

use super::{
    Format, Options, detect,
    documents::{self, Found},
    fields::Fields,
    names::{Field, normalise},
    numbers::SqnNotation,
    record,
    source::{MAX_RECORD, Source},
    table::Header,
    wrong::Wrong,
};
use crate::store::NewCredential;

/// A credential that is right by itself.
pub(super) struct ReadCredential {
    pub(super) new: NewCredential,
    /// What the record has that has no effect here.
    pub(super) not_taken: Vec<String>,
    /// What it leaves open, with what was taken for it.
    pub(super) assumed: Vec<&'static str>,
    /// Names that were taken for ours.
    pub(super) renamed: Vec<(String, &'static str)>,
    /// Its names are Open5GS's.
    pub(super) of_open5gs: bool,
}

/// What a record turned out to be.
pub(super) enum Read {
    /// A credential.
    Credential(Box<ReadCredential>),
    /// What Open5GS's HSS made for an IMSI by itself: nobody's credential.
    Fragment,
}

/// One record, not read yet. Wiped when dropped: there are keys in it.
pub(super) struct Record {
    /// Where it begins, from 1.
    pub(super) line: u64,
    content: Content,
}

enum Content {
    Object(Zeroizing<Vec<u8>>),
    Row(Zeroizing<Vec<u8>>, Arc<Header>),
    /// It is none; and why not.
    Wrong(String),
}

impl Record {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(&self, options: &Options, notation: &mut SqnNotation) -> Result<Read, Wrong> {
        match &self.content {
            Content::Object(text) => self.read(&Fields::from_json(text)?, options, notation),
            Content::Row(text, header) => {
                let row = header.split(text)?;
                self.read(&header.fields(&row)?, options, notation)
            }
            Content::Wrong(reason) => Err(Wrong::new(reason.clone())),
        }
    }

    fn read(
        &self,
        fields: &Fields<'_>,
        options: &Options,
        notation: &mut SqnNotation,
    ) -> Result<Read, Wrong> {
        if fields.is_fragment() {
            return Ok(Read::Fragment);
        }
        let (new, subscription) = record::read(fields, options, notation, self.line)?;
        let of_open5gs = normalise(fields.label(Field::K)).starts_with("security.");
        let renamed = fields.renamed().filter(|(name, _)| !name.contains('.'));
        Ok(Read::Credential(Box::new(ReadCredential {
            new,
            not_taken: [fields.not_taken.clone(), subscription.not_taken].concat(),
            assumed: subscription.assumed,
            renamed: renamed.map(|(name, field)| (name.to_owned(), field)).collect(),
            of_open5gs,
        })))
    }

    /// The number of a field's column in CSV, from 1.
    pub(super) fn column(&self, field: Field) -> Option<u64> {
        match &self.content {
            Content::Row(_, header) => header.column(field),
            _ => None,
        }
    }
}

/// The records of a file.
pub(super) struct Records<R> {
    source: Source<R>,
    format: Format,
    header: Option<Arc<Header>>,
    /// Lines that `mongoexport` said something on.
    pub(super) messages: u64,
    /// Lines that begin with `#`.
    pub(super) comments: u64,
}

impl<R: AsyncBufRead + Unpin> Records<R> {
    /// Looks at the beginning of the file, and reads its header if it has one.
    ///
    /// # Errors
    /// What the file is instead of something to import, and what to do.
    pub(super) async fn new(reader: R, format: Format) -> Result<Self, String> {
        let mut source = Source::new(reader);
        let start = source.peek(32).await?;
        if let Some(instead) = detect::not_text(start) {
            return Err(instead.to_owned());
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            source.consume(3);
        }
        let mut records = Self { source, format, header: None, messages: 0, comments: 0 };
        records.begin().await?;
        Ok(records)
    }

    /// Leaves out what stands before the first record, and reads the header.
    async fn begin(&mut self) -> Result<(), String> {
        loop {
            let at = self.source.line;
            let Some(line) = self.source.peek_line().await? else { return Ok(()) };
            let text = line.trim_ascii();
            let json = text.first() == Some(&b'{')
                || text.strip_prefix(b"[").is_some_and(|rest| {
                    rest.trim_ascii_start().first().is_none_or(|c| matches!(c, b'{' | b']' | b'[' | b','))
                });
            if detect::is_message_of_mongoexport(text) {
                self.messages += 1;
            } else if text.first() == Some(&b'#') && self.format != Format::Ndjson {
                self.comments += 1;
            } else if !text.is_empty() && !is_separator_of_excel(text) {
                match self.format {
                    Format::Ndjson | Format::Open5gs => return Ok(()),
                    Format::Auto if json => {
                        self.format = Format::Ndjson;
                        return Ok(());
                    }
                    Format::Auto | Format::Csv => {}
                }
                if let Some(instead) = detect::not_records(text).filter(|_| self.format == Format::Auto) {
                    return Err(format!("line {at}: {instead}"));
                }
                self.format = Format::Csv;
                let header = Header::parse(line).map_err(|e| format!("line {at}: {e}"))?;
                let implied = header.is_implied();
                self.header = Some(Arc::new(header));
                if !implied {
                    self.source.next_line().await?;
                }
                return Ok(());
            }
            let line = line.len();
            self.source.consume(line);
            if self.source.peek(1).await?.first() == Some(&b'\n') {
                self.source.consume(1);
                self.source.line += 1;
            }
        }
    }

    /// What the file is; of JSON, whose is seen from each object.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Octets read so far.
    pub(super) fn octets(&self) -> u64 {
        self.source.octets()
    }

    /// The next record.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, String> {
        match &self.header {
            Some(header) => {
                let header = header.clone();
                self.row(header).await
            }
            None => self.object().await,
        }
    }

    async fn row(&mut self, header: Arc<Header>) -> Result<Option<Record>, String> {
        loop {
            let Some(line) = self.source.next_line().await? else { return Ok(None) };
            let content = if !line.whole {
                Content::Wrong(format!("is longer than {MAX_RECORD} octets; is this the right file?"))
            } else if line.text.trim_ascii_start().first() == Some(&b'#') {
                self.comments += 1;
                continue;
            } else if detect::is_message_of_mongoexport(&line.text) {
                self.messages += 1;
                continue;
            } else {
                Content::Row(line.text, header)
            };
            return Ok(Some(Record { line: line.number, content }));
        }
    }

    async fn object(&mut self) -> Result<Option<Record>, String> {
        loop {
            let found = documents::next(&mut self.source).await?;
            let (line, content) = match found {
                None => return Ok(None),
                Some(Found::Message) => {
                    self.messages += 1;
                    continue;
                }
                Some(Found::Object { line, text }) => (line, Content::Object(text)),
                Some(Found::Wrong { line, reason }) => (line, Content::Wrong(reason)),
            };
            return Ok(Some(Record { line, content }));
        }
    }
}

/// `sep=;`, which a spreadsheet reads.
fn is_separator_of_excel(line: &[u8]) -> bool {
    line.len() <= 5 && line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"sep=")
}
