//! Cuts a file of JSON into its objects: one a line, one after another, over many lines, or in an array.

use tokio::io::AsyncBufRead;
use zeroize::Zeroizing;

use super::{
    detect,
    source::{MAX_RECORD, Source},
};

/// What stands where an object is expected.
pub(super) enum Found {
    /// An object, from `{` to `}`; cut short if the file or the line ends within.
    Object {
        /// Where it begins, from 1.
        line: u64,
        text: Zeroizing<Vec<u8>>,
    },
    /// Something else, or an object that cannot be read; and why not.
    Wrong { line: u64, reason: String },
    /// A message of `mongoexport`.
    Message,
}

/// The next object or line that is none; `None` at the end of the file.
pub(super) async fn next<R: AsyncBufRead + Unpin>(source: &mut Source<R>) -> Result<Option<Found>, String> {
    loop {
        let piece = source.piece().await?;
        let Some(first) = piece.first().copied() else { return Ok(None) };
        match first {
            b'{' => return object(source).await.map(Some),
            b'\n' => {
                source.consume(1);
                source.line += 1;
            }
            b'[' | b']' | b',' => source.consume(1),
            c if c.is_ascii_whitespace() => source.consume(1),
            _ => break,
        }
    }
    let Some(line) = source.next_line().await? else { return Ok(None) };
    if detect::is_message_of_mongoexport(&line.text) {
        return Ok(Some(Found::Message));
    }
    let reason = format!("is not JSON, which has {{ here: {}", detect::quoted(&line.text));
    Ok(Some(Found::Wrong { line: line.number, reason }))
}

async fn object<R: AsyncBufRead + Unpin>(source: &mut Source<R>) -> Result<Found, String> {
    let line = source.line;
    let mut text = Zeroizing::new(Vec::with_capacity(2048));
    let mut scan = Scan::default();
    let mut too_long = false;
    let end = loop {
        let piece = source.piece().await?;
        if piece.is_empty() {
            break End::Object;
        }
        let mut used = 0;
        let mut lines = 0;
        let mut end = None;
        for c in piece {
            if scan.is_next_object(*c) {
                // One object a line, and this line's is cut short.
                end = Some(End::Object);
                break;
            }
            used += 1;
            lines += u64::from(*c == b'\n');
            if *c == b'\n' && scan.in_string {
                end = Some(End::WithinString);
                break;
            }
            if text.len() < MAX_RECORD {
                text.push(*c);
            } else {
                too_long = true;
            }
            if scan.ends(*c) {
                end = Some(End::Object);
                break;
            }
        }
        source.consume(used);
        source.line += lines;
        if let Some(end) = end {
            break end;
        }
    };
    if let End::WithinString = end {
        let last = skip_to_object(source).await?;
        let reason = if last == line {
            "the JSON object is cut short: a text in it does not end on its line".to_owned()
        } else {
            format!(
                "the JSON object is cut short: a text in it does not end on its line; read on after line {last}"
            )
        };
        return Ok(Found::Wrong { line, reason });
    }
    if too_long {
        let reason = format!("is longer than {MAX_RECORD} octets; is this the right file?");
        return Ok(Found::Wrong { line, reason });
    }
    if scan.parenthesis {
        text = without_constructors(&text);
    }
    Ok(Found::Object { line, text })
}

/// Where an object ends.
enum End {
    /// With its brace, or with the file, or where the next begins.
    Object,
    /// In a text.
    WithinString,
}

/// Leaves out lines until one begins with `{`; gives the last that was left out.
async fn skip_to_object<R: AsyncBufRead + Unpin>(source: &mut Source<R>) -> Result<u64, String> {
    loop {
        match source.peek(1).await?.first() {
            None | Some(b'{') => return Ok(source.line.saturating_sub(1)),
            Some(_) => {
                if source.next_line().await?.is_none() {
                    return Ok(source.line.saturating_sub(1));
                }
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
    /// A `(` was seen: the old mongo shell's `NumberLong(97)`.
    parenthesis: bool,
    /// The last octet that is no blank.
    last: u8,
    at_line_start: bool,
}

impl Scan {
    /// Whether this octet begins another object: at the beginning of a line, where no value is expected.
    fn is_next_object(&self, c: u8) -> bool {
        c == b'{'
            && self.at_line_start
            && self.depth > 0
            && !self.in_string
            && !matches!(self.last, b'{' | b'[' | b',' | b':')
    }

    /// Whether the object ends with this octet.
    fn ends(&mut self, c: u8) -> bool {
        self.at_line_start = c == b'\n';
        if !c.is_ascii_whitespace() {
            self.last = c;
        }
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
                b'(' => self.parenthesis = true,
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

/// Takes `ObjectId("…")`, `NumberLong(97)` and the like of the old mongo shell for what is in them.
fn without_constructors(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut in_string, mut escaped) = (false, false);
    for c in text {
        if in_string {
            plain.push(*c);
            match c {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            b'(' => {
                while plain.last().is_some_and(u8::is_ascii_alphabetic) {
                    plain.pop();
                }
            }
            // ISODate() without anything in it.
            b')' if plain.trim_ascii_end().last() == Some(&b':') => plain.extend_from_slice(b"null"),
            b')' => {}
            _ => {
                in_string = *c == b'"';
                plain.push(*c);
            }
        }
    }
    plain
}
