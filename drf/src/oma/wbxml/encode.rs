//! The encoder: one pass that chooses tokens, one that sees which strings pay in the string table, one that writes.

use super::{
    super::{
        document::{Characteristic, Document, Parm, VERSION},
        tokens::{self, Attribute, PUBLIC_ID, UTF_8, global, tag},
    },
    VERSION_1_3,
};

/// What the body is made of. Strings are placed last.
enum Piece<'a> {
    Octet(u8),
    String(&'a str),
}

impl Document {
    /// As `application/vnd.wap.connectivity-wbxml` (ProvCont §7), without its content type: see
    /// [`content_type`](crate::oma::content_type).
    ///
    /// [`decode`](crate::oma::decode) reads what stays within [`MAX_DEPTH`](crate::oma::document::MAX_DEPTH) and
    /// [`MAX_ELEMENTS`](crate::oma::document::MAX_ELEMENTS).
    #[must_use]
    pub fn to_wbxml(&self) -> Vec<u8> {
        encode(self)
    }
}

fn encode(document: &Document) -> Vec<u8> {
    let mut body = Body { pieces: Vec::new(), page: 0 };
    body.document(document);
    let table = Table::of(&body.pieces);

    let mut out = vec![VERSION_1_3];
    multibyte(PUBLIC_ID, &mut out);
    multibyte(UTF_8, &mut out);
    multibyte(table.octets.len() as u32, &mut out);
    out.extend(&table.octets);
    for piece in &body.pieces {
        match *piece {
            Piece::Octet(octet) => out.push(octet),
            Piece::String(text) => match table.index(text) {
                Some(index) => {
                    out.push(global::STR_T);
                    multibyte(index, &mut out);
                }
                None => {
                    out.push(global::STR_I);
                    out.extend(text.bytes());
                    out.push(0);
                }
            },
        }
    }
    out
}

struct Body<'a> {
    pieces: Vec<Piece<'a>>,
    /// Code page of the attributes. That of the tags stays 0, which has them all (WAP-192 §5.8.4.7.2: they are two).
    page: u8,
}

impl<'a> Body<'a> {
    fn document(&mut self, document: &'a Document) {
        let content = !document.characteristics.is_empty();
        self.tag(tag::DOCUMENT, content);
        self.attribute(Attribute::Version, VERSION);
        self.octet(global::END);
        for one in &document.characteristics {
            self.characteristic(one);
        }
        if content {
            self.octet(global::END);
        }
    }

    fn characteristic(&mut self, one: &'a Characteristic) {
        let content = !one.parms.is_empty() || !one.characteristics.is_empty();
        self.tag(tag::CHARACTERISTIC, content);
        self.attribute(Attribute::Type, one.kind.as_str());
        self.octet(global::END);
        for parm in &one.parms {
            self.parm(parm);
        }
        for inner in &one.characteristics {
            self.characteristic(inner);
        }
        if content {
            self.octet(global::END);
        }
    }

    fn parm(&mut self, parm: &'a Parm) {
        self.tag(tag::PARM, false);
        self.attribute(Attribute::Name, parm.name.as_str());
        if let Some(value) = &parm.value {
            self.attribute(Attribute::Value, value.as_str());
        }
        self.octet(global::END);
    }

    /// Every element has attributes.
    fn tag(&mut self, tag: u8, content: bool) {
        self.octet(tag | global::ATTRIBUTES | if content { global::CONTENT } else { 0 });
    }

    /// One token where there is one for the whole; else the attribute, and its value as a token or a string.
    fn attribute(&mut self, attribute: Attribute, value: &'a str) {
        if let Some((page, token)) = tokens::start_of(attribute, value, self.page) {
            self.switch(page);
            self.octet(token);
            return;
        }
        let (page, token) = tokens::bare_start(attribute, self.page);
        self.switch(page);
        self.octet(token);
        match tokens::value_of(value, self.page) {
            Some(token) => self.octet(token),
            None if value.is_empty() => {}
            None => self.pieces.push(Piece::String(value)),
        }
    }

    fn switch(&mut self, page: u8) {
        if page != self.page {
            self.octet(global::SWITCH_PAGE);
            self.octet(page);
            self.page = page;
        }
    }

    fn octet(&mut self, octet: u8) {
        self.pieces.push(Piece::Octet(octet));
    }
}

/// String table (WAP-192 §5.7): strings that are there more than once, where a reference to them is shorter.
struct Table<'a> {
    octets: Vec<u8>,
    index: Vec<(&'a str, u32)>,
}

impl<'a> Table<'a> {
    fn of(pieces: &[Piece<'a>]) -> Self {
        let mut counts: Vec<(&'a str, usize)> = Vec::new();
        for piece in pieces {
            let Piece::String(text) = *piece else { continue };
            match counts.iter_mut().find(|(known, _)| *known == text) {
                Some((_, count)) => *count += 1,
                None => counts.push((text, 1)),
            }
        }
        let mut table = Self { octets: Vec::new(), index: Vec::new() };
        for (text, count) in counts {
            let at = table.octets.len() as u32;
            let mut reference = vec![global::STR_T];
            multibyte(at, &mut reference);
            let inline = count * (text.len() + 2);
            if count * reference.len() + text.len() + 1 < inline {
                table.index.push((text, at));
                table.octets.extend(text.bytes());
                table.octets.push(0);
            }
        }
        table
    }

    fn index(&self, text: &str) -> Option<u32> {
        self.index.iter().find(|(known, _)| *known == text).map(|(_, at)| *at)
    }
}

/// Multi-byte integer (WAP-192 §5.1): seven bits an octet, the most significant first, the high bit on all but the last.
fn multibyte(number: u32, out: &mut Vec<u8>) {
    let mut shift = 28;
    while shift > 0 && number >> shift == 0 {
        shift -= 7;
    }
    loop {
        let seven = (number >> shift & 0x7f) as u8;
        if shift == 0 {
            return out.push(seven);
        }
        out.push(seven | 0x80);
        shift -= 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_specification() {
        // 0xA0 is 0x81 0x20 in WAP-192 §5.1.
        for (number, octets) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0xa0, &[0x81, 0x20]),
            (u32::MAX, &[0x8f, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut out = Vec::new();
            multibyte(number, &mut out);
            assert_eq!(out, octets);
        }
    }
}
