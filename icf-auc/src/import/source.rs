//! The octets of a file, in whatever pieces they come, with a look ahead that is bounded.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use zeroize::Zeroizing;

/// No record and no line is longer, octets.
pub(super) const MAX_RECORD: usize = 1 << 20;
/// Octets of a line that are looked at ahead.
const LOOK_AHEAD: usize = 64 << 10;

/// A line, or what was kept of it.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Without its end. Wiped when dropped: there are keys in it.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// Whether that is all of it.
    pub(super) whole: bool,
}

pub(super) struct Source<R> {
    reader: R,
    /// What was looked at and is not read yet.
    held: Zeroizing<Vec<u8>>,
    at: usize,
    /// Number of the line that the next octet is on, from 1.
    pub(super) line: u64,
    octets: u64,
}

impl<R: AsyncBufRead + Unpin> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, held: Zeroizing::new(Vec::new()), at: 0, line: 1, octets: 0 }
    }

    /// Octets read so far.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// What can be had without waiting, or else the next piece; empty at the end of the file.
    pub(super) async fn piece(&mut self) -> Result<&[u8], String> {
        if self.at < self.held.len() {
            return Ok(&self.held[self.at..]);
        }
        self.reader.fill_buf().await.map_err(|error| unreadable(&error))
    }

    /// Takes octets of the piece. Line ends among them are the caller's to count.
    pub(super) fn consume(&mut self, octets: usize) {
        if self.at < self.held.len() {
            self.at += octets;
            if self.at == self.held.len() {
                self.held = Zeroizing::new(Vec::new());
                self.at = 0;
            }
        } else {
            self.reader.consume(octets);
        }
        self.octets += octets as u64;
    }

    /// The first octets, so many or all that there are; they stay.
    pub(super) async fn peek(&mut self, octets: usize) -> Result<&[u8], String> {
        while self.held.len() - self.at < octets && self.hold().await? {}
        let ahead = &self.held[self.at..];
        Ok(&ahead[..ahead.len().min(octets)])
    }

    /// The next line without its end, cut at a bound; it stays. `None` at the end of the file.
    pub(super) async fn peek_line(&mut self) -> Result<Option<&[u8]>, String> {
        let mut looked = self.at;
        loop {
            let end = self.held[looked..].iter().position(|c| *c == b'\n').map(|end| looked + end);
            if end.is_some() || self.held.len() - self.at >= LOOK_AHEAD {
                return Ok(Some(&self.held[self.at..end.unwrap_or(self.held.len())]));
            }
            looked = self.held.len();
            if !self.hold().await? {
                let rest = &self.held[self.at..];
                return Ok((!rest.is_empty()).then_some(rest));
            }
        }
    }

    /// Takes one more piece of the reader; whether there was one.
    async fn hold(&mut self) -> Result<bool, String> {
        let piece = self.reader.fill_buf().await.map_err(|error| unreadable(&error))?;
        let length = piece.len();
        self.held.extend_from_slice(piece);
        self.reader.consume(length);
        Ok(length > 0)
    }

    /// The next line that is not blank; `None` at the end of the file.
    pub(super) async fn next_line(&mut self) -> Result<Option<Line>, String> {
        loop {
            let Some(line) = self.any_line().await? else { return Ok(None) };
            if !line.whole || !line.text.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    async fn any_line(&mut self) -> Result<Option<Line>, String> {
        let mut line = Line { number: self.line, text: Zeroizing::new(Vec::with_capacity(256)), whole: true };
        let mut empty = true;
        loop {
            let piece = self.piece().await?;
            if piece.is_empty() {
                return Ok((!empty).then_some(line));
            }
            empty = false;
            let end = piece.iter().position(|c| *c == b'\n');
            let part = end.map_or(piece, |end| &piece[..end]);
            let used = end.map_or(piece.len(), |end| end + 1);
            if line.text.len() + part.len() > MAX_RECORD {
                line.whole = false;
            } else {
                line.text.extend_from_slice(part);
            }
            self.consume(used);
            if end.is_some() {
                self.line += 1;
                return Ok(Some(line));
            }
        }
    }
}

fn unreadable(error: &std::io::Error) -> String {
    format!("the file cannot be read: {error}")
}
