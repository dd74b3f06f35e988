//! Cuts a file into records.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use zeroize::Zeroizing;

use super::{
    Format, Options,
    fields::{Fields, Header},
    open5gs,
    record::{self, Read, Wrong},
};

/// No record is longer, octets.
const MAX_RECORD: usize = 1 << 20;

/// One record, not read yet. Wiped when dropped: there are keys in it.
pub(super) struct Record {
    /// Where it begins, from 1.
    pub(super) line: u64,
    text: Zeroizing<Vec<u8>>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Json,
    Csv(std::sync::Arc<Header>),
    Open5gs,
    TooLong,
}

impl Record {
    /// Reads it.
    pub(super) fn parse(&self, options: &Options) -> Result<Read, Wrong> {
        match &self.kind {
            Kind::Json => record::read(&Fields::from_json(&self.text)?, options),
            Kind::Csv(header) => {
                let record = header.split(&self.text)?;
                record::read(&header.fields(&record)?, options)
            }
            Kind::Open5gs => open5gs::read(&self.text, options),
            Kind::TooLong => {
                Err(Wrong::new(format!("is longer than {MAX_RECORD} octets; is this the right file?")))
            }
        }
    }
}

/// The records of a file.
pub(super) struct Records<R> {
    reader: R,
    format: Format,
    header: Option<std::sync::Arc<Header>>,
    line: u64,
    octets: u64,
    /// Inside the array that `--jsonArray` writes.
    in_array: bool,
}

impl<R: AsyncBufRead + Unpin> Records<R> {
    /// Looks at the beginning of the file, and reads its header if it has one.
    pub(super) async fn new(mut reader: R, format: Format) -> Result<Self, String> {
        let start = reader.fill_buf().await.map_err(unreadable)?;
        let bom = start.starts_with(b"\xef\xbb\xbf");
        let format = if format == Format::Auto { guess(start) } else { format };
        let mut records = Self { reader, format, header: None, line: 0, octets: 0, in_array: false };
        if bom {
            records.reader.consume(3);
            records.octets = 3;
        }
        if format == Format::Csv {
            let Some((_, text, _)) = records.line().await? else {
                return Err("line 1: a CSV file begins with a header, as in imsi,k,opc,amf".into());
            };
            let header = Header::parse(&text).map_err(|e| format!("line 1: {e}"))?;
            records.header = Some(std::sync::Arc::new(header));
        }
        Ok(records)
    }

    /// What the file is.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Read so far.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// The next record.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, String> {
        let kind = match (self.format, &self.header) {
            (Format::Csv, Some(header)) => Kind::Csv(header.clone()),
            (Format::Open5gs, _) => return self.document().await,
            _ => Kind::Json,
        };
        let Some((line, text, whole)) = self.line().await? else { return Ok(None) };
        Ok(Some(Record { line, text, kind: if whole { kind } else { Kind::TooLong } }))
    }

    /// The next line that is not empty, without its end; and whether that is all of it.
    async fn line(&mut self) -> Result<Option<(u64, Zeroizing<Vec<u8>>, bool)>, String> {
        loop {
            let mut text = Zeroizing::new(Vec::with_capacity(256));
            let mut whole = true;
            self.line += 1;
            loop {
                let buffer = self.reader.fill_buf().await.map_err(unreadable)?;
                let end = buffer.iter().position(|c| *c == b'\n');
                let part = end.map_or(buffer, |end| &buffer[..end]);
                let used = end.map_or(buffer.len(), |end| end + 1);
                let at_end = buffer.is_empty();
                if text.len() + part.len() > MAX_RECORD {
                    whole = false;
                } else {
                    text.extend_from_slice(part);
                }
                self.reader.consume(used);
                self.octets += used as u64;
                if at_end && text.is_empty() && whole {
                    return Ok(None);
                }
                if at_end || end.is_some() {
                    break;
                }
            }
            if !whole || !text.trim_ascii().is_empty() {
                return Ok(Some((self.line, text, whole)));
            }
        }
    }

    /// The next `{…}`, wherever its lines end.
    async fn document(&mut self) -> Result<Option<Record>, String> {
        let mut scan = Scan::default();
        let mut text = Zeroizing::new(Vec::with_capacity(2048));
        let mut begun = self.line.max(1);
        self.line = begun;
        loop {
            let buffer = self.reader.fill_buf().await.map_err(unreadable)?;
            if buffer.is_empty() {
                return if text.is_empty() {
                    Ok(None)
                } else {
                    Err(format!("line {begun}: the file ends within a document that begins here"))
                };
            }
            let mut used = 0;
            let mut done = false;
            for c in buffer {
                used += 1;
                if text.is_empty() {
                    match c {
                        b'{' => begun = self.line,
                        b'\n' => self.line += 1,
                        b'[' if !self.in_array => self.in_array = true,
                        b']' | b',' if self.in_array => {}
                        c if c.is_ascii_whitespace() => {}
                        _ => {
                            return Err(format!(
                                "line {}: expected a JSON document that begins with {{",
                                self.line
                            ));
                        }
                    }
                    if *c != b'{' {
                        continue;
                    }
                } else if *c == b'\n' {
                    self.line += 1;
                }
                if text.len() < MAX_RECORD {
                    text.push(*c);
                } else {
                    return Err(format!("line {begun}: a document is longer than {MAX_RECORD} octets"));
                }
                if scan.ends(*c) {
                    done = true;
                    break;
                }
            }
            self.reader.consume(used);
            self.octets += used as u64;
            if done {
                return Ok(Some(Record { line: begun, text, kind: Kind::Open5gs }));
            }
        }
    }
}

/// Finds the end of a JSON object.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Whether the object ends with this octet.
    fn ends(&mut self, c: u8) -> bool {
        if self.escaped {
            self.escaped = false;
        } else if self.in_string {
            match c {
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match c {
                b'"' => self.in_string = true,
                b'{' => self.depth += 1,
                b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    return self.depth == 0;
                }
                _ => {}
            }
        }
        false
    }
}

fn guess(start: &[u8]) -> Format {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match start.first() {
        Some(b'[') => Format::Open5gs,
        Some(b'{') => {
            let security = b"\"security\"";
            if start.windows(security.len()).any(|w| w == security) {
                Format::Open5gs
            } else {
                Format::Ndjson
            }
        }
        _ => Format::Csv,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: std::io::Error) -> String {
    format!("the file cannot be read: {error}")
}
