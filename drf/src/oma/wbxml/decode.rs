//! The decoder: any octets in, a document or what is wrong and where.

use super::super::{
    document::{Characteristic, Document, MAX_DEPTH, MAX_ELEMENTS, MAX_TEXT, Parm, Text, TextError, VERSION},
    tokens::{self, Attribute, PAGES, PUBLIC_ID, PUBLIC_ID_TEXT, UTF_8, global, tag},
};

/// Octets of a document at most.
pub const MAX_OCTETS: usize = 64 << 10;

/// What is wrong with the octets, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("octet {at} of the WBXML: {problem}")]
pub struct DecodeError {
    /// Offset of the octet behind which reading stopped, from 0.
    pub at: usize,
    /// What it is.
    pub problem: Problem,
}

/// What can be wrong with a document in WBXML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More than `MAX_OCTETS`.
    #[error("the document is larger than {MAX_OCTETS} octets")]
    TooLarge,
    /// It ends in the middle.
    #[error("the document ends here, incomplete")]
    Truncated,
    /// There is more behind the document.
    #[error("the document has ended, but more octets follow")]
    Trailing,
    /// An integer that does not fit 32 bits.
    #[error("an integer has more than 32 bits")]
    Integer,
    /// Not WBXML 1.1 to 1.3; the version octet.
    #[error("version octet {0:#04x} is unsupported: WBXML 1.1 to 1.3 are read (0x01 to 0x03)")]
    WbxmlVersion(u8),
    /// Not a provisioning document.
    #[error("the public identifier is not {PUBLIC_ID_TEXT} (0x0B): this is not a provisioning document")]
    PublicId,
    /// Not UTF-8; its MIBenum.
    #[error("charset {0:#x} is unsupported: the document has to be in UTF-8 (0x6A)")]
    Charset(u32),
    /// Another version of ProvCont.
    #[error("version {0:?} of the provisioning document is unsupported: {VERSION} is read")]
    DocumentVersion(String),
    /// A code page that ProvCont does not have.
    #[error("code page {0} is unknown: there are 0 and 1")]
    Page(u8),
    /// A tag where another is expected, or none.
    #[error("tag {token:#04x} where {expected} is expected")]
    Tag {
        /// As it was read.
        token: u8,
        /// What would be right.
        expected: &'static str,
    },
    /// An attribute token that ProvCont does not have, or that has no place here.
    #[error("attribute token {0:#04x} of code page {1} is unknown, or has no place here")]
    Attribute(u8, u8),
    /// An attribute that the element does not have, or has already.
    #[error("attribute {0} does not belong to this element, or is there twice")]
    Misplaced(&'static str),
    /// An attribute that the DTD requires is not there.
    #[error("attribute {0} is missing")]
    Missing(&'static str),
    /// A reference behind the string table.
    #[error("the string table has no string at {0}")]
    StringTable(u32),
    /// A string that is not UTF-8, or an entity that is no character.
    #[error("a string is not UTF-8, or an entity is not a character")]
    Characters,
    /// A text that XML could not carry, or that is too long.
    #[error(transparent)]
    Text(#[from] TextError),
    /// More than [`MAX_DEPTH`].
    #[error("characteristics are nested deeper than {MAX_DEPTH}")]
    Depth,
    /// More than [`MAX_ELEMENTS`].
    #[error("the document has more than {MAX_ELEMENTS} elements")]
    Elements,
}

/// Reads a document of ProvCont 1.1 from WBXML 1.1 to 1.3 (`application/vnd.wap.connectivity-wbxml`).
///
/// Parms may stand before or after the characteristics beside them: the DTD wants them before, and they are given so.
/// Extension tokens, opaque data, processing instructions and text between elements have no place in such a document
/// and are refused.
///
/// # Errors
/// The first thing that is wrong, with the offset of its octet.
pub fn decode(octets: &[u8]) -> Result<Document, DecodeError> {
    let mut reader = Reader { octets, at: 0, table: &[], tags: 0, attributes: 0, elements: 0 };
    reader.document().map_err(|problem| DecodeError { at: reader.at, problem })
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    table: &'a [u8],
    /// Code page of the tags.
    tags: u8,
    /// Code page of the attributes.
    attributes: u8,
    elements: usize,
}

/// What the attributes of one element say.
#[derive(Default)]
struct Attributes {
    version: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    value: Option<String>,
}

impl Attributes {
    fn slot(&mut self, attribute: Attribute) -> &mut Option<String> {
        match attribute {
            Attribute::Version => &mut self.version,
            Attribute::Type => &mut self.kind,
            Attribute::Name => &mut self.name,
            Attribute::Value => &mut self.value,
        }
    }

    fn take(&mut self, attribute: Attribute) -> Result<Text, Problem> {
        let text = self.slot(attribute).take().ok_or(Problem::Missing(attribute.text()))?;
        Ok(Text::new(&text)?)
    }
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Document, Problem> {
        if self.octets.len() > MAX_OCTETS {
            return Err(Problem::TooLarge);
        }
        self.header()?;
        let token = self.tag()?;
        if token & !(global::ATTRIBUTES | global::CONTENT) != tag::DOCUMENT || self.tags != 0 {
            return Err(Problem::Tag { token, expected: "wap-provisioningdoc" });
        }
        let mut attributes = self.attributes(token, &[Attribute::Version])?;
        let version = attributes.version.take().ok_or(Problem::Missing(Attribute::Version.text()))?;
        if version != VERSION {
            return Err(Problem::DocumentVersion(version.chars().take(16).collect()));
        }
        let mut characteristics = Vec::new();
        if token & global::CONTENT != 0 {
            while let Some(token) = self.content()? {
                match token & !(global::ATTRIBUTES | global::CONTENT) {
                    tag::CHARACTERISTIC => characteristics.push(self.characteristic(token, 1)?),
                    _ => return Err(Problem::Tag { token, expected: "characteristic" }),
                }
            }
        }
        if self.at < self.octets.len() {
            return Err(Problem::Trailing);
        }
        Ok(Document { characteristics })
    }

    /// WAP-192 §5.4 to §5.7.
    fn header(&mut self) -> Result<(), Problem> {
        // 0x00 would be WBXML 1.0, which has no charset.
        let version = self.octet()?;
        if !(0x01..=super::VERSION_1_3).contains(&version) {
            return Err(Problem::WbxmlVersion(version));
        }
        let public = match self.integer()? {
            0 => Err(self.integer()?),
            number => Ok(number),
        };
        let charset = self.integer()?;
        if charset != UTF_8 {
            return Err(Problem::Charset(charset));
        }
        let length = self.integer()? as usize;
        let rest = self.octets.get(self.at..).unwrap_or_default();
        self.table = rest.get(..length).ok_or(Problem::Truncated)?;
        self.at += length;
        match public {
            Ok(PUBLIC_ID) => Ok(()),
            Err(index) if self.table_string(index)? == PUBLIC_ID_TEXT => Ok(()),
            _ => Err(Problem::PublicId),
        }
    }

    fn characteristic(&mut self, token: u8, depth: usize) -> Result<Characteristic, Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::Depth);
        }
        let kind = self.attributes(token, &[Attribute::Type])?.take(Attribute::Type)?;
        let mut one = Characteristic { kind, parms: Vec::new(), characteristics: Vec::new() };
        if token & global::CONTENT == 0 {
            return Ok(one);
        }
        while let Some(token) = self.content()? {
            match token & !(global::ATTRIBUTES | global::CONTENT) {
                tag::PARM => one.parms.push(self.parm(token)?),
                tag::CHARACTERISTIC => one.characteristics.push(self.characteristic(token, depth + 1)?),
                _ => return Err(Problem::Tag { token, expected: "parm or characteristic" }),
            }
        }
        Ok(one)
    }

    fn parm(&mut self, token: u8) -> Result<Parm, Problem> {
        let mut attributes = self.attributes(token, &[Attribute::Name, Attribute::Value])?;
        let name = attributes.take(Attribute::Name)?;
        let value = attributes.value.map(|text| Text::new(&text)).transpose()?;
        // Empty content, as some encoders write it, says nothing.
        if token & global::CONTENT != 0
            && let Some(token) = self.content()?
        {
            return Err(Problem::Tag { token, expected: "the end of a parm" });
        }
        Ok(Parm { name, value })
    }

    /// The tag of the next element, or none at END.
    fn content(&mut self) -> Result<Option<u8>, Problem> {
        match self.tag()? {
            global::END => Ok(None),
            token => {
                self.elements += 1;
                if self.elements > MAX_ELEMENTS {
                    return Err(Problem::Elements);
                }
                Ok(Some(token))
            }
        }
    }

    /// A token of the tag code space, behind what switches its page.
    fn tag(&mut self) -> Result<u8, Problem> {
        loop {
            match self.octet()? {
                global::SWITCH_PAGE => self.tags = self.page()?,
                token => return Ok(token),
            }
        }
    }

    /// The attributes of an element whose tag was this: those that it may have, each once.
    fn attributes(&mut self, tag: u8, allowed: &[Attribute]) -> Result<Attributes, Problem> {
        let mut found = Attributes::default();
        if tag & global::ATTRIBUTES == 0 {
            return Ok(found);
        }
        let mut current: Option<(Attribute, String)> = None;
        loop {
            let token = self.octet()?;
            let begun = match token {
                global::SWITCH_PAGE => {
                    self.attributes = self.page()?;
                    continue;
                }
                global::END => None,
                global::LITERAL => {
                    let index = self.integer()?;
                    let name = self.table_string(index)?;
                    let attribute = Attribute::ALL.into_iter().find(|attribute| attribute.text() == name);
                    Some((attribute.ok_or(Problem::Attribute(token, self.attributes))?, ""))
                }
                global::ENTITY | global::STR_I | global::STR_T | 0x85.. => {
                    let (_, value) = current.as_mut().ok_or(Problem::Attribute(token, self.attributes))?;
                    self.value(token, value)?;
                    continue;
                }
                token => Some(
                    tokens::start(self.attributes, token)
                        .ok_or(Problem::Attribute(token, self.attributes))?,
                ),
            };
            if let Some((attribute, value)) = current.take() {
                *found.slot(attribute) = Some(value);
            }
            let Some((attribute, prefix)) = begun else { return Ok(found) };
            if !allowed.contains(&attribute) || found.slot(attribute).is_some() {
                return Err(Problem::Misplaced(attribute.text()));
            }
            current = Some((attribute, prefix.to_owned()));
        }
    }

    /// One piece of a value (WAP-192 §5.8.3): a value is what its pieces are together.
    fn value(&mut self, token: u8, value: &mut String) -> Result<(), Problem> {
        match token {
            global::ENTITY => value.push(char::from_u32(self.integer()?).ok_or(Problem::Characters)?),
            global::STR_I => {
                let rest = self.octets.get(self.at..).unwrap_or_default();
                let text = terminated(rest).ok_or(Problem::Truncated)??;
                self.at += text.len() + 1;
                value.push_str(text);
            }
            global::STR_T => {
                let index = self.integer()?;
                value.push_str(self.table_string(index)?);
            }
            token => value.push_str(
                tokens::value(self.attributes, token).ok_or(Problem::Attribute(token, self.attributes))?,
            ),
        }
        // Checked with every piece, so that references to one long string cannot grow without end.
        if value.len() > MAX_TEXT {
            return Err(TextError::Length(value.len()).into());
        }
        Ok(())
    }

    fn table_string(&self, index: u32) -> Result<&'a str, Problem> {
        let rest = self.table.get(index as usize..).ok_or(Problem::StringTable(index))?;
        terminated(rest).ok_or(Problem::StringTable(index))?
    }

    fn page(&mut self) -> Result<u8, Problem> {
        match self.octet()? {
            page if page < PAGES => Ok(page),
            page => Err(Problem::Page(page)),
        }
    }

    /// A multi-byte integer (WAP-192 §5.1).
    fn integer(&mut self) -> Result<u32, Problem> {
        let mut number = 0u32;
        for _ in 0..5 {
            let octet = self.octet()?;
            if number >> 25 != 0 {
                return Err(Problem::Integer);
            }
            number = number << 7 | u32::from(octet & 0x7f);
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Problem::Integer)
    }

    fn octet(&mut self) -> Result<u8, Problem> {
        let octet = self.octets.get(self.at).copied().ok_or(Problem::Truncated)?;
        self.at += 1;
        Ok(octet)
    }
}

/// The string up to the octet 0; none if there is no such octet.
fn terminated(octets: &[u8]) -> Option<Result<&str, Problem>> {
    let end = octets.iter().position(|octet| *octet == 0)?;
    Some(std::str::from_utf8(octets.get(..end)?).map_err(|_| Problem::Characters))
}
