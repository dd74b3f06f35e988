//! The dictionary in the form that other tools read, made from ours.

use std::{fmt::Write, path::PathBuf};

use s6a::{
    app::S6A,
    codec::{AvpFlags, dictionary},
};

/// schemas/dictionary/s6a.xml.
fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas/dictionary/s6a.xml")
}

/// The whole file.
pub fn xml() -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!-- Made from s6a/src/codec/dictionary; REFRESH=1 in the environment of s6a's tests makes it anew -->\n\
         <diameter>\n",
    );
    let applications = [(0, "Base", dictionary::base::ALL), (S6A, "S6a/S6d", dictionary::s6a::ALL)];
    for (id, name, avps) in applications {
        writeln!(xml, "  <application id=\"{id}\" type=\"auth\" name=\"{name}\">").unwrap();
        for def in avps {
            write!(xml, "    <avp name=\"{}\" code=\"{}\"", def.name, def.code).unwrap();
            let mut must = Vec::new();
            if def.vendor != 0 {
                write!(xml, " vendor-id=\"{}\"", def.vendor).unwrap();
                must.push("V");
            }
            if def.flags.has(AvpFlags::MANDATORY) {
                must.push("M");
            }
            if !must.is_empty() {
                write!(xml, " must=\"{}\"", must.join(",")).unwrap();
            }
            writeln!(xml, "><data type=\"{}\"/></avp>", def.kind.name()).unwrap();
        }
        xml.push_str("  </application>\n");
    }
    xml.push_str("</diameter>\n");
    xml
}

#[test]
fn the_checked_in_dictionary_is_ours() {
    let path = path();
    if std::env::var_os("REFRESH").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, xml()).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    assert!(
        checked_in == xml(),
        "{} is not what the dictionary says now; run: REFRESH=1 cargo test -p s6a --test conformance",
        path.display()
    );
}
