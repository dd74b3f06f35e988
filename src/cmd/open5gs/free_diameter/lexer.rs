//! The words of freeDiameter's configuration, as fdd.l of r1.5.0 (the version that every Open5GS since 2.3 is built with)
//! cuts them: the longest match counts, of equally long ones a keyword.
//!
//! Debian's 1.2.1 does not know what 1.3 and later have added (`RoutingInThreads`, `IncomingQueueLimit` and their like,
//! `ProcessingPeersPattern`, `ProcessingPeersMinimum`, `RouteRecordInAnswers`); else they are the same.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::fault::Fault;
use super::keyword::Keyword;

/// Files that include one another (MAX_NESTED_CONF_FILES).
const MAX_DEPTH: usize = 5;

/// What the grammar is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A keyword.
    Keyword(Keyword),
    /// A text in quotation marks, without them.
    Text(String),
    /// A number: decimal, or octal with a 0 in front, as it arrives in a C `int`.
    Number(i32),
    /// One of `= , : ; { }`.
    Sign(char),
    /// What is none of these.
    Unknown(String),
    /// The end of the file.
    End,
}

/// Where a token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, where it is an included one.
    pub file: Option<Rc<str>>,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in octets, from 1.
    pub column: usize,
}

impl Position {
    /// A mistake here.
    pub fn fault(&self, found: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault {
            file: self.file.as_deref().map(str::to_owned),
            line: self.line,
            column: Some(self.column),
            found: found.into(),
            remedy: remedy.into(),
        }
    }
}

/// A pattern of `include`, and what it names here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The pattern.
    pub pattern: String,
    /// Where it stands.
    pub position: Position,
    /// How many files match.
    pub files: usize,
}

/// A file that is being read.
struct Source {
    file: Option<Rc<str>>,
    text: Rc<[u8]>,
    at: usize,
    line: usize,
    line_begin: usize,
    /// Files of the same `include` that come after this one, in reverse.
    after: Vec<PathBuf>,
}

impl Source {
    fn new(file: Option<Rc<str>>, text: Rc<[u8]>, after: Vec<PathBuf>) -> Self {
        Self { file, text, at: 0, line: 1, line_begin: 0, after }
    }

    fn position(&self) -> Position {
        Position { file: self.file.clone(), line: self.line, column: self.at - self.line_begin + 1 }
    }
}

/// Cuts a file, and those that it includes, into tokens.
pub struct Lexer {
    sources: Vec<Source>,
    /// After the word `include`.
    in_include: bool,
    /// Every `include` that was read.
    pub includes: Vec<Include>,
}

impl Lexer {
    /// Reads a text.
    pub fn new(text: &[u8]) -> Self {
        Self {
            sources: vec![Source::new(None, text.into(), Vec::new())],
            in_include: false,
            includes: Vec::new(),
        }
    }

    /// The next token and where it stands.
    ///
    /// # Errors
    /// If an included file cannot be read.
    pub fn next(&mut self) -> Result<(Position, Token), Fault> {
        loop {
            let depth = self.sources.len();
            let Some(source) = self.sources.last_mut() else {
                return Ok((Position { file: None, line: 1, column: 1 }, Token::End));
            };
            let position = source.position();
            let text = Rc::clone(&source.text);
            let rest = text.get(source.at..).unwrap_or_default();
            let Some(first) = rest.first().copied() else {
                if depth == 1 {
                    return Ok((position, Token::End));
                }
                // The next file of the same pattern, or back to the file with the `include`.
                let mut after = self.sources.pop().map(|done| done.after).unwrap_or_default();
                if let Some(path) = after.pop() {
                    self.open(&path, after, &position)?;
                }
                continue;
            };
            let (token, length) = match first {
                b'\n' => {
                    source.at += 1;
                    source.line += 1;
                    source.line_begin = source.at;
                    continue;
                }
                // `$` wants an end of line: a comment that the file ends with, without one, is none.
                b'#' if rest.contains(&b'\n') => {
                    source.at += rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
                    continue;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                    source.at += 1;
                    continue;
                }
                b'"' => quoted(rest),
                b'=' | b',' | b':' | b';' | b'{' | b'}' => (Token::Sign(char::from(first)), 1),
                _ if self.in_include => unknown(rest),
                _ if begins_with_include(rest) => {
                    source.at += b"include".len();
                    self.in_include = true;
                    continue;
                }
                _ => word(rest),
            };
            source.at += length;
            if self.in_include
                && let Token::Text(pattern) = &token
            {
                self.in_include = false;
                self.include(pattern.clone(), position)?;
                continue;
            }
            return Ok((position, token));
        }
    }

    /// Goes on with the files that a pattern names, in the order of their names; none is no mistake.
    fn include(&mut self, pattern: String, position: Position) -> Result<(), Fault> {
        if self.sources.len() > MAX_DEPTH {
            let found = format!("include {pattern:?} is the {}th file within another", MAX_DEPTH + 1);
            return Err(position.fault(found, "freeDiameter goes no deeper: does the file include itself?"));
        }
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let found = glob::glob_with(&pattern, options)
            .map_err(|error| position.fault(format!("include {pattern:?}: {error}"), "write a path"))?;
        let mut files: Vec<PathBuf> = found.filter_map(Result::ok).collect();
        files.sort_unstable();
        self.includes.push(Include { pattern, position: position.clone(), files: files.len() });
        files.reverse();
        match files.pop() {
            Some(path) => self.open(&path, files, &position),
            None => Ok(()),
        }
    }

    fn open(&mut self, path: &Path, after: Vec<PathBuf>, position: &Position) -> Result<(), Fault> {
        let text = std::fs::read(path).map_err(|error| {
            position.fault(
                format!("include: {}: {error}", path.display()),
                "freeDiameter has to be able to read it",
            )
        })?;
        self.sources.push(Source::new(Some(path.display().to_string().into()), text.into(), after));
        Ok(())
    }
}

/// A text in quotation marks, which ends on its line.
fn quoted(rest: &[u8]) -> (Token, usize) {
    let inner = rest.get(1..).unwrap_or_default();
    match inner.iter().position(|octet| matches!(octet, b'"' | b'\n')) {
        Some(end) if inner[end] == b'"' => {
            (Token::Text(String::from_utf8_lossy(&inner[..end]).into_owned()), end + 2)
        }
        _ => (Token::Unknown("\"".to_owned()), 1),
    }
}

fn alphanumeric(rest: &[u8]) -> usize {
    rest.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count()
}

/// `include`, and no longer word of letters and digits. It is the one that has to be in small letters.
fn begins_with_include(rest: &[u8]) -> bool {
    rest.starts_with(b"include") && alphanumeric(rest) <= b"include".len()
}

fn word(rest: &[u8]) -> (Token, usize) {
    let whole = alphanumeric(rest);
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    if digits > 0 && digits == whole {
        return (Token::Number(number(&rest[..digits])), digits);
    }
    match Keyword::longest(rest) {
        Some(keyword) if keyword.text().len() >= whole => (Token::Keyword(keyword), keyword.text().len()),
        _ => unknown(rest),
    }
}

/// A run of letters and digits, or one character.
fn unknown(rest: &[u8]) -> (Token, usize) {
    let whole = alphanumeric(rest);
    if whole > 0 {
        return (Token::Unknown(String::from_utf8_lossy(&rest[..whole]).into_owned()), whole);
    }
    let one = rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    match one {
        Some(character) => (Token::Unknown(character.to_string()), character.len_utf8()),
        None => (Token::Unknown(format!("\\x{:02x}", rest[0])), 1),
    }
}

/// What `sscanf("%i")` makes of digits: octal after a 0, up to the first digit that is none; cut down to 32 bits.
fn number(digits: &[u8]) -> i32 {
    let base: i64 = if digits.first() == Some(&b'0') { 8 } else { 10 };
    let values = digits.iter().map(|digit| i64::from(digit - b'0')).take_while(|value| *value < base);
    let whole = values.fold(0_i64, |sum, value| sum.saturating_mul(base).saturating_add(value));
    #[allow(clippy::cast_possible_truncation, reason = "as C does")]
    let cut = whole as i32;
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(usize, usize, Token)> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut out = Vec::new();
        loop {
            let (position, token) = lexer.next().unwrap();
            if token == Token::End {
                return out;
            }
            out.push((position.line, position.column, token));
        }
    }

    fn only(text: &str) -> Vec<Token> {
        tokens(text).into_iter().map(|(_, _, token)| token).collect()
    }

    fn unknown(text: &str) -> Token {
        Token::Unknown(text.to_owned())
    }

    #[test]
    fn octets_become_tokens_with_their_places() {
        use Keyword::*;
        let port = Token::Keyword(Port);
        for (text, expected) in [
            ("", vec![]),
            ("# all of it\n", vec![]),
            ("Port=3868;", vec![port.clone(), Token::Sign('='), Token::Number(3868), Token::Sign(';')]),
            ("pORT", vec![port.clone()]),
            // The longest match, and of equally long ones the keyword.
            ("No_IPv6", vec![Token::Keyword(NoIpv6)]),
            ("No_IPv4", vec![Token::Keyword(NoIp), unknown("v4")]),
            ("Ports", vec![unknown("Ports")]),
            ("Port_s", vec![port.clone(), unknown("_"), unknown("s")]),
            ("TLS_CAs", vec![Token::Keyword(TlsCa), unknown("s")]),
            ("NoTCP", vec![unknown("NoTCP")]),
            // Numbers.
            ("010 08 0", vec![Token::Number(8), Token::Number(0), Token::Number(0)]),
            ("4294971164", vec![Token::Number(3868)]),
            ("99999999999999999999", vec![Token::Number(-1)]),
            ("0x10 12s", vec![unknown("0x10"), unknown("12s")]),
            ("-1", vec![unknown("-"), Token::Number(1)]),
            // Texts end on their line, and nothing is escaped.
            ("\"a b\"", vec![Token::Text("a b".to_owned())]),
            ("\"a\nb\"", vec![unknown("\""), unknown("a"), unknown("b"), unknown("\"")]),
            ("\"a\\\"b", vec![Token::Text("a\\".to_owned()), unknown("b")]),
            ("'a'", vec![unknown("'"), unknown("a"), unknown("'")]),
            // A comment that the file ends with, without an end of line.
            ("# end", vec![unknown("#"), unknown("end")]),
            ("\u{feff}", vec![unknown("\u{feff}")]),
            ("Include \"a\"", vec![unknown("Include"), Token::Text("a".to_owned())]),
            ("included", vec![unknown("included")]),
            ("include;", vec![Token::Sign(';')]),
            ("include Port", vec![unknown("Port")]),
        ] {
            assert_eq!(only(text), expected, "{text:?}");
        }
        assert_eq!(
            tokens(" Port\t=\r\n # x\n\t1;"),
            [(1, 2, port), (1, 7, Token::Sign('=')), (3, 2, Token::Number(1)), (3, 3, Token::Sign(';')),]
        );
    }

    #[test]
    fn included_files_are_read_in_their_place_and_name_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("2.inc"), "2").unwrap();
        std::fs::write(path("1.inc"), format!("1 include \"{}\"", path("deep"))).unwrap();
        std::fs::write(path("deep"), "\n 3").unwrap();
        let text = format!("include\n \"{}\" 4 include \"{}\" 5", path("*.inc"), path("nothing*"));
        let mut lexer = Lexer::new(text.as_bytes());
        let mut seen = Vec::new();
        while let (position, Token::Number(number)) = lexer.next().unwrap() {
            let file = position.file.map(|file| file.rsplit('/').next().unwrap_or_default().to_owned());
            seen.push((file.unwrap_or_default(), position.line, number));
        }
        let expected = [("1.inc", 1, 1), ("deep", 2, 3), ("2.inc", 1, 2), ("", 2, 4), ("", 2, 5)];
        let expected: Vec<_> = expected.map(|(file, line, number)| (file.to_owned(), line, number)).into();
        assert_eq!(seen, expected);
        let counts: Vec<usize> = lexer.includes.iter().map(|one| one.files).collect();
        assert_eq!(counts, [2, 1, 0]);
    }

    #[test]
    fn a_file_that_includes_itself_ends_at_the_sixth() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("self").display().to_string();
        std::fs::write(&path, format!("\ninclude \"{path}\"")).unwrap();
        let mut lexer = Lexer::new(format!("include \"{path}\"").as_bytes());
        let fault = lexer.next().unwrap_err();
        assert_eq!((fault.line, fault.file), (2, Some(path)));
    }
}
