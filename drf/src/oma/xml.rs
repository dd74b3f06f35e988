//! The document as XML 1.0. Nothing here reads XML: a device that takes XML has its own reader.

use super::{
    document::{Characteristic, Document, VERSION},
    tokens::PUBLIC_ID_TEXT,
};

/// System identifier of the DTD (ProvCont, document type declaration).
const SYSTEM_ID: &str = "http://www.wapforum.org/DTD/prov.dtd";

impl Document {
    /// As `text/vnd.wap.connectivity-xml`: UTF-8, with the document type of ProvCont.
    #[must_use]
    pub fn to_xml(&self) -> String {
        write(self)
    }
}

fn write(document: &Document) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE wap-provisioningdoc PUBLIC \"{PUBLIC_ID_TEXT}\" \
         \"{SYSTEM_ID}\">\n<wap-provisioningdoc version=\"{VERSION}\">\n"
    );
    for one in &document.characteristics {
        characteristic(one, 1, &mut out);
    }
    out.push_str("</wap-provisioningdoc>\n");
    out
}

fn characteristic(one: &Characteristic, depth: usize, out: &mut String) {
    indent(depth, out);
    out.push_str("<characteristic");
    attribute("type", one.kind.as_str(), out);
    if one.parms.is_empty() && one.characteristics.is_empty() {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for parm in &one.parms {
        indent(depth + 1, out);
        out.push_str("<parm");
        attribute("name", parm.name.as_str(), out);
        if let Some(value) = &parm.value {
            attribute("value", value.as_str(), out);
        }
        out.push_str("/>\n");
    }
    for inner in &one.characteristics {
        characteristic(inner, depth + 1, out);
    }
    indent(depth, out);
    out.push_str("</characteristic>\n");
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// XML 1.0 §2.3: in a quoted value `<`, `&` and the quote are escaped; `>` is too, as most writers do.
fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out.push('"');
}
