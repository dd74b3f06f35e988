//! The RNCT as an OMA Client Provisioning document, judged by programs of others: libwbxml (`wbxml2xml`, `xml2wbxml`)
//! reads and writes the WBXML, Python's XML parser compares the XML, `openssl` computes the MAC, Wireshark reads the
//! push. All of them are Debian's; without one a test fails and says which package has it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, io::ErrorKind, path::Path, process::Command};

use drf::oma::{
    self, Characteristic, Document, Parm, Problem, Text,
    bootstrap::{netwpin_key, wsp_push},
};
use proptest::prelude::*;
use schemas::{
    rncp::Kind,
    rnct::{M2mContext, NapDef, Rnct},
};
use uuid::Uuid;

const PCID: &str = "999710000000001";

/// In 3GPP access, with everything that an RNCT can have.
fn full() -> Rnct {
    Rnct {
        version: 1,
        id: Uuid::from_u128(0x0192_f0e4_7c1b_7d5a_9c3e_0123_4567_89ab),
        pcid: PCID.parse().unwrap(),
        sequence: 7,
        issued: 1_790_000_000,
        expires: 1_790_003_600,
        napdef: Some(NapDef {
            id: "callhome-provisioning".to_owned(),
            name: "Bootstrap <\"Zürich\" & 'Köln'>".to_owned(),
            bearer: "GSM-GPRS".to_owned(),
            address: "provisioning".to_owned(),
            address_type: "APN".to_owned(),
        }),
        dpf: "https://dpf.example:8443/device/v1?a=1&b=2".to_owned(),
        kind: Kind::Initial,
        operator: "operator-a".parse().unwrap(),
        m2m: Some(M2mContext {
            application: "metering".to_owned(),
            url: "coaps://m2m.example/v1".to_owned(),
        }),
    }
}

/// In non-3GPP access: connected already.
fn lean() -> Rnct {
    Rnct { napdef: None, m2m: None, kind: Kind::Change, ..full() }
}

fn run(command: &mut Command, package: &str) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!(
            "{program} is missing: this test is judged by it. Install it with `apt-get install {package}`, and run \
             the test again."
        ),
        _ => panic!("{program} could not be run: {error}"),
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// libwbxml's XML of this WBXML. It ends with 0 whatever happens, so success is what it says.
fn wbxml2xml(wbxml: &[u8], at: &Path) -> String {
    let (from, to) = (at.join("in.wbxml"), at.join("out.xml"));
    fs::write(&from, wbxml).unwrap();
    let _ = fs::remove_file(&to);
    let mut command = Command::new("wbxml2xml");
    let said = run(command.args(["-k", "-m", "0", "-o"]).arg(&to).arg(&from), "libwbxml2-utils");
    fs::read_to_string(&to).unwrap_or_else(|error| panic!("wbxml2xml wrote nothing: {error}: {said}"))
}

/// libwbxml's WBXML of this XML.
fn xml2wbxml(xml: &str, at: &Path, options: &[&str]) -> Vec<u8> {
    let (from, to) = (at.join("in.xml"), at.join("out.wbxml"));
    fs::write(&from, xml).unwrap();
    let _ = fs::remove_file(&to);
    let mut command = Command::new("xml2wbxml");
    let said = run(command.args(options).args(["-v", "1.3", "-o"]).arg(&to).arg(&from), "libwbxml2-utils");
    fs::read(&to).unwrap_or_else(|error| panic!("xml2wbxml wrote nothing: {error}: {said}"))
}

/// Each document in canonical XML (C14N 2.0), without the white space between elements, by Python's parser.
fn canonical(documents: &[&str], at: &Path) -> Vec<String> {
    let script = "import sys, xml.etree.ElementTree as e\n\
                  for f in sys.argv[1:]: print(e.canonicalize(from_file=f, strip_text=True))";
    let mut command = Command::new("python3");
    command.env("PYTHONIOENCODING", "utf-8").args(["-c", script]);
    for (number, document) in documents.iter().enumerate() {
        let file = at.join(format!("canonical-{number}.xml"));
        fs::write(&file, document).unwrap();
        command.arg(file);
    }
    let out: Vec<String> = run(&mut command, "python3").lines().map(str::to_owned).collect();
    assert_eq!(out.len(), documents.len(), "a line for each document");
    out
}

#[test]
fn an_rnct_comes_back_from_its_document() {
    for rnct in [full(), lean()] {
        let document = oma::document(&rnct).unwrap();
        assert_eq!(oma::read(&document), Ok(rnct.clone()));
        let wire = oma::decode(&document.to_wbxml()).unwrap();
        assert_eq!(wire, document);
        assert_eq!(oma::read(&wire), Ok(rnct));
    }
}

#[test]
fn a_text_that_no_document_can_carry_is_refused() {
    let mut rnct = full();
    rnct.napdef.as_mut().unwrap().address = "internet\n".to_owned();
    assert!(oma::document(&rnct).unwrap_err().to_string().contains("at octet 8"));
}

#[test]
fn a_document_that_is_no_rnct_is_refused_with_the_reason() {
    let change = |name: &str, value: &str| {
        let mut document = oma::document(&full()).unwrap();
        let context =
            document.characteristics.iter_mut().find(|one| one.value("NAME") == Some("callhome-rncp"));
        let parm = context.unwrap().parms.iter_mut().find(|parm| parm.name.as_str() == name);
        parm.unwrap().value = Some(Text::new(value).unwrap());
        oma::read(&document).unwrap_err().to_string()
    };
    assert!(change("VERSION", "2").contains("version 2"));
    for (name, value) in
        [("PCID", "12a"), ("RNCT", "x"), ("SEQUENCE", "-1"), ("KIND", "other"), ("OPERATOR", "Big Corp")]
    {
        assert!(change(name, value).contains(name), "{name}");
    }
    let mut insecure = full();
    insecure.dpf = "http://dpf.example".to_owned();
    assert!(oma::read(&oma::document(&insecure).unwrap()).unwrap_err().to_string().contains("ADDR"));
    let nothing = Document { characteristics: Vec::new() };
    assert!(oma::read(&nothing).unwrap_err().to_string().contains("callhome-rncp"));
}

/// Octet for octet: what the specifications make of a small document. The parts are what ProvCont §7 lists.
#[test]
fn a_small_document_is_these_octets() {
    let document = Document {
        characteristics: vec![
            Characteristic::new("NAPDEF")
                .unwrap()
                .parm("NAPID", "nap-one")
                .unwrap()
                .parm("BEARER", "GSM-GPRS")
                .unwrap()
                .flag("INTERNET")
                .unwrap(),
            Characteristic::new("APPLICATION")
                .unwrap()
                .parm("APPID", "w7")
                .unwrap()
                .parm("TO-NAPID", "nap-one")
                .unwrap(),
        ],
    };
    let expected = [
        &[0x03, 0x0b, 0x6a][..],                     // WBXML 1.3, PROV 1.0, UTF-8
        &[0x08],                                     // string table
        b"nap-one\0",                                //
        &[0xc5, 0x45, 0x03, b'1', b'.', b'1', 0, 1], // wap-provisioningdoc version="1.1"
        &[0xc6, 0x55, 0x01],                         // characteristic NAPDEF
        &[0x87, 0x11, 0x06, 0x83, 0x00, 0x01],       // NAPID, from the table
        &[0x87, 0x10, 0x06, 0xab, 0x01],             // BEARER GSM-GPRS
        &[0x87, 0x14, 0x01],                         // INTERNET
        &[0x01],                                     //
        &[0xc6, 0x00, 0x01, 0x55, 0x01],             // page 1: APPLICATION
        &[0x87, 0x36, 0x06, 0x03, b'w', b'7', 0, 1], // APPID w7
        &[0x87, 0x22, 0x06, 0x83, 0x00, 0x01],       // TO-NAPID
        &[0x01, 0x01],
    ]
    .concat();
    assert_eq!(document.to_wbxml(), expected);
    assert_eq!(oma::decode(&expected), Ok(document));
}

#[test]
fn libwbxml_reads_our_wbxml_as_our_xml() {
    let at = tempfile::tempdir().unwrap();
    for rnct in [full(), lean()] {
        let document = oma::document(&rnct).unwrap();
        let theirs = wbxml2xml(&document.to_wbxml(), at.path());
        assert!(theirs.contains("\"-//WAPFORUM//DTD PROV 1.0//EN\""), "{theirs}");
        assert!(theirs.contains("version=\"1.1\""), "{theirs}");
        let both = canonical(&[&document.to_xml(), &theirs], at.path());
        assert_eq!(both[0], both[1]);
        assert!(both[0].contains("callhome-rncp"), "{both:?}");
    }
}

#[test]
fn libwbxml_writes_wbxml_of_our_xml_that_means_the_same() {
    let at = tempfile::tempdir().unwrap();
    for rnct in [full(), lean()] {
        let document = oma::document(&rnct).unwrap();
        // With and without a string table.
        for options in [&[][..], &["-n"]] {
            let theirs = xml2wbxml(&document.to_xml(), at.path(), options);
            assert_eq!(oma::decode(&theirs), Ok(document.clone()), "{options:?}");
            assert!(document.to_wbxml().len() <= theirs.len(), "ours is the smaller one");
        }
    }
}

#[test]
fn openssl_computes_the_same_mac() {
    let at = tempfile::tempdir().unwrap();
    let body = oma::document(&full()).unwrap().to_wbxml();
    let file = at.path().join("body");
    fs::write(&file, &body).unwrap();
    // An odd and an even number of digits; the keys as TS 24.008 §10.5.1.4 writes those identities.
    for (imsi, key) in [(PCID, "9999170000000010"), ("99971000000001", "91991700000000f1")] {
        let imsi: schemas::identity::Imsi = imsi.parse().unwrap();
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha1", "-r", "-mac", "HMAC", "-macopt", &format!("hexkey:{key}")]).arg(&file);
        let said = run(&mut command, "openssl");
        let theirs = said.split_whitespace().next().unwrap().to_ascii_uppercase();
        let ours = oma::netwpin_mac(imsi, &body);
        assert_eq!(
            oma::content_type(&ours),
            format!("application/vnd.wap.connectivity-wbxml; SEC=0; MAC={theirs}"),
            "{imsi}"
        );
        assert_eq!(netwpin_key(imsi).len(), key.len() / 2);
    }
}

#[test]
fn wireshark_reads_the_push_and_the_document_in_it() {
    let at = tempfile::tempdir().unwrap();
    let document = oma::document(&full()).unwrap();
    let body = document.to_wbxml();
    let imsi = PCID.parse().unwrap();
    let push = wsp_push(1, imsi, &body);
    let (hex, pcap) = (at.path().join("push.txt"), at.path().join("push.pcap"));
    let octets: Vec<String> = push.iter().map(|octet| format!("{octet:02x}")).collect();
    fs::write(&hex, format!("0000 {}\n", octets.join(" "))).unwrap();
    run(Command::new("text2pcap").args(["-q", "-u", "9200,2948"]).arg(&hex).arg(&pcap), "tshark");
    let told = run(Command::new("tshark").args(["-n", "-V", "-r"]).arg(&pcap), "tshark");
    let header = oma::content_type(&oma::netwpin_mac(imsi, &body));
    let digits = header.rsplit('=').next().unwrap();
    for expected in
        ["PDU Type: Push (0x06)", "application/vnd.wap.connectivity-wbxml", "NETWPIN", digits, "PROV 1.0"]
    {
        assert!(told.contains(expected), "{expected} is not in what tshark says:\n{told}");
    }
    assert!(!told.contains("Malformed"), "{told}");
}

/// Names and values that have tokens, and some that have none; not the two whose spelling libwbxml has otherwise
/// (TETRA-SDS, TETRA-PACKET).
const WORDS: &[&str] = &[
    "NAME",
    "NAPID",
    "TO-NAPID",
    "INTERNET",
    "ADDR",
    "APPID",
    "URI",
    "PORT",
    "NAPDEF",
    "APPLICATION",
    "APPADDR",
    "APPAUTH",
    "BOOTSTRAP",
    "VENDORCONFIG",
    "PXLOGICAL",
    "RESOURCE",
    "ACCESS",
    "IPV4",
    "IPV6",
    "ALPHA",
    "APPSRV",
    "HTTP-BASIC",
    "HTTP-",
    "DIGEST",
    ",",
    "GSM-GPRS",
    "APN",
    "MD5",
    "1.0",
    "x",
    "https://dpf.example/",
];

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        3 => prop::sample::select(WORDS).prop_map(|word| Text::new(word).unwrap()),
        1 => "[^\\p{C}]{0,24}".prop_map(|text| Text::new(&text).unwrap()),
    ]
}

fn parm() -> impl Strategy<Value = Parm> {
    (text(), prop::option::of(text())).prop_map(|(name, value)| Parm { name, value })
}

fn any_document() -> impl Strategy<Value = Document> {
    let leaf = (text(), prop::collection::vec(parm(), 0..5)).prop_map(|(kind, parms)| Characteristic {
        kind,
        parms,
        characteristics: Vec::new(),
    });
    let characteristic = leaf.prop_recursive(4, 24, 4, |inner| {
        (text(), prop::collection::vec(parm(), 0..5), prop::collection::vec(inner, 0..4))
            .prop_map(|(kind, parms, characteristics)| Characteristic { kind, parms, characteristics })
    });
    prop::collection::vec(characteristic, 0..5).prop_map(|characteristics| Document { characteristics })
}

proptest! {
    #[test]
    fn any_document_comes_back(document in any_document()) {
        prop_assert_eq!(oma::decode(&document.to_wbxml()), Ok(document));
    }

    #[test]
    fn any_octets_are_a_document_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = oma::decode(&octets);
        let headed = [&[0x03, 0x0b, 0x6a, 0x04][..], b"abc\0", &[0xc5, 0x45, 0x03, b'1', b'.', b'1', 0, 1], &octets].concat();
        if let Ok(document) = oma::decode(&headed) {
            prop_assert_eq!(oma::decode(&document.to_wbxml()), Ok(document));
        }
    }

    #[test]
    fn a_damaged_document_is_a_document_or_an_error(
        document in any_document(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut octets = document.to_wbxml();
        for (at, octet) in damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(document) = oma::decode(&octets) {
            prop_assert_eq!(oma::decode(&document.to_wbxml()), Ok(document));
        }
    }

    #[test]
    fn a_shortened_document_is_an_error(document in any_document(), end in any::<prop::sample::Index>()) {
        let octets = document.to_wbxml();
        let end = end.index(octets.len());
        let error = oma::decode(&octets[..end]).unwrap_err();
        prop_assert!(error.at <= end);
        prop_assert_eq!(error.problem, Problem::Truncated);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn libwbxml_agrees_on_any_document(document in any_document()) {
        let at = tempfile::tempdir().unwrap();
        let theirs = wbxml2xml(&document.to_wbxml(), at.path());
        let both = canonical(&[&document.to_xml(), &theirs], at.path());
        prop_assert_eq!(&both[0], &both[1]);
        prop_assert_eq!(oma::decode(&xml2wbxml(&document.to_xml(), at.path(), &[])), Ok(document));
    }
}

/// Each beginning of a document, and what is wrong with it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    const HEAD: &[u8] = &[0x03, 0x0b, 0x6a, 0x00, 0xc5, 0x45, 0x03, b'1', b'.', b'1', 0, 1];
    let nested: Vec<u8> = std::iter::repeat_n([0xc6, 0x55, 0x01], 9).flatten().collect();
    let elements: Vec<u8> = std::iter::repeat_n([0x86, 0x55, 0x01], 1025).flatten().collect();
    let long = [&[0x86, 0x50, 0x03][..], &[b'a'; 2049], &[0, 1, 1]].concat();
    for (octets, problem) in [
        (vec![], Problem::Truncated),
        (vec![0x00, 0x0b], Problem::WbxmlVersion(0)),
        (vec![0x04, 0x0b], Problem::WbxmlVersion(4)),
        (vec![0x03, 0x0c, 0x6a, 0x00], Problem::PublicId),
        (vec![0x03, 0x0b, 0x04, 0x00], Problem::Charset(4)),
        (vec![0x03, 0x0b, 0x6a, 0x05, 0x00], Problem::Truncated),
        (vec![0x03, 0xff, 0xff, 0xff, 0xff, 0x7f], Problem::Integer),
        (vec![0x03, 0x0b, 0x6a, 0x00, 0x45], Problem::Missing("version")),
        (vec![0x03, 0x0b, 0x6a, 0x00, 0x85, 0x46, 0x01], Problem::DocumentVersion("1.0".to_owned())),
        (vec![0x03, 0x0b, 0x6a, 0x00, 0x06], Problem::Tag { token: 6, expected: "wap-provisioningdoc" }),
        ([HEAD, &[0x01, 0x01]].concat(), Problem::Trailing),
        ([HEAD, &[0x07]].concat(), Problem::Tag { token: 7, expected: "characteristic" }),
        ([HEAD, &[0xc3, 0x01, 0x20]].concat(), Problem::Tag { token: 0xc3, expected: "characteristic" }),
        ([HEAD, &[0x00, 0x02]].concat(), Problem::Page(2)),
        ([HEAD, &[0x86, 0x01]].concat(), Problem::Missing("type")),
        ([HEAD, &[0x86, 0x05]].concat(), Problem::Misplaced("name")),
        ([HEAD, &[0x86, 0x55, 0x56]].concat(), Problem::Misplaced("type")),
        ([HEAD, &[0x86, 0x85]].concat(), Problem::Attribute(0x85, 0)),
        ([HEAD, &[0x86, 0x5f]].concat(), Problem::Attribute(0x5f, 0)),
        ([HEAD, &[0x86, 0x50, 0xff]].concat(), Problem::Attribute(0xff, 0)),
        ([HEAD, &[0x86, 0x50, 0x83, 0x01]].concat(), Problem::StringTable(1)),
        ([HEAD, &[0x86, 0x50, 0x03, 0xff, 0x00]].concat(), Problem::Characters),
        ([HEAD, &[0x86, 0x50, 0x02, 0x83, 0xb0, 0x00]].concat(), Problem::Characters),
        ([HEAD, &[0x86, 0x50, 0x03, b'\n', 0, 1]].concat(), Problem::Text(oma::TextError::Character(0))),
        ([HEAD, &long].concat(), Problem::Text(oma::TextError::Length(2049))),
        ([HEAD, &nested].concat(), Problem::Depth),
        ([HEAD, &elements].concat(), Problem::Elements),
        (vec![0x03; (64 << 10) + 1], Problem::TooLarge),
    ] {
        let error = oma::decode(&octets).unwrap_err();
        assert_eq!(error.problem, problem, "{:02x?}", &octets[..octets.len().min(32)]);
        assert!(error.at <= octets.len());
        assert!(error.to_string().starts_with(&format!("octet {} of the WBXML: ", error.at)), "{error}");
    }
}

/// What others may write and we do not: the public identifier and names as strings, entities, pages set anew, the
/// tags of page 1, values in pieces, parms behind characteristics, an empty element.
#[test]
fn the_other_ways_to_say_it_are_read() {
    let id = b"-//WAPFORUM//DTD PROV 1.0//EN\0name\0";
    let octets = [
        &[0x01, 0x00, 0x00, 0x6a, id.len() as u8][..],
        id,
        &[0xc5, 0x45, 0x03, b'1', 0, 0x03, b'.', b'1', 0, 0x01],
        &[0x00, 0x01, 0xc6, 0x00, 0x00, 0x00, 0x01, 0x57, 0x01],
    ]
    .concat();
    // Token 0x57 is APPAUTH in page 1.
    let octets = [
        &octets[..],
        &[0x86, 0x50, 0x03, b'i', b'n', 0, 0x01],
        &[0xc7, 0x04, 30, 0x03, b'a', 0, 0x02, 0x81, 0x69, 0x06, 0x91, 0x92, 0x01, 0x01],
        &[0x01, 0x01],
    ]
    .concat();
    let document = oma::decode(&octets).unwrap();
    let one = &document.characteristics[0];
    assert_eq!((one.kind.as_str(), one.value("aé")), ("APPAUTH", Some("HTTP-BASIC")));
    assert_eq!(one.characteristics[0].kind.as_str(), "in");
}
