//! Import of NDJSON, CSV and Open5GS's documents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "store/fixture.rs"]
mod fixture;

use fixture::*;
use icf_auc::{
    import::{self, Format, OnExisting, Options, Report},
    model::{AuthMaterial, CredentialState, IssuingMode},
    store::{CredentialFilter, Store, memory::MemoryStore},
};
use schemas::secret::Key128;

/// TS 35.208 §4.3, test set 1.
const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OP: &str = "cdc202d5123e20f62b6d676ac72cb318";
const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";

fn store() -> MemoryStore {
    MemoryStore::new(None)
}

async fn run(store: &dyn Store, text: &str, options: &Options) -> Report {
    // Small reads: a record does not end where a read does.
    let reader = tokio::io::BufReader::with_capacity(64, text.as_bytes());
    let report = import::run(reader, Format::Auto, options, store, |_| {}).await;
    let shown = serde_json::to_string(&report).unwrap();
    for key in [K, OP, OPC] {
        assert!(!shown.to_lowercase().contains(&key[..16]), "a key in the report: {shown}");
    }
    assert_eq!(report.records, report.stored + report.skipped + report.passed_over + report.refused);
    report
}

fn line(n: u64, more: &str) -> String {
    format!("{{\"imsi\":\"{}\",\"k\":\"{K}\",\"opc\":\"{OPC}\"{more}}}\n", imsi(n))
}

fn test_set_1() -> AuthMaterial {
    AuthMaterial::Keys { k: Key128::from_hex(K).unwrap(), opc: Key128::from_hex(OPC).unwrap() }
}

/// What is wrong with one record, which has to be all that is wrong.
async fn problem(text: &str) -> String {
    let store = store();
    let report = run(&store, text, &Options::default()).await;
    assert_eq!((report.stored, report.problems.len()), (0, 1), "{report:?}");
    report.problems[0].reason.clone()
}

#[tokio::test]
async fn ndjson_with_every_field() {
    let store = store();
    let more = r#","amf":"b9b9","profile":"default","sqn":1057,"expires_at":"2030-01-02T03:04:05Z","attach_budget":7,"msisdn":"4917012345","ip":"10.1.2.3","ind_bitlen":5,"mode":"subscriber""#;
    let text = format!("{}\n\n{}", line(0, more), line(1, "").trim_end());
    let report = run(&store, &text, &Options::default()).await;
    assert!(report.is_complete() && report.stored == 2 && report.format == Format::Ndjson, "{report:?}");
    let c = store.credential(imsi(0)).await.unwrap().unwrap();
    assert_eq!(c.auth, test_set_1());
    assert_eq!((c.amf, c.ind_bitlen, c.attach_budget), ([0xb9, 0xb9], 5, Some(7)));
    assert_eq!(c.expires_at.unwrap().to_string(), "2030-01-02T03:04:05Z");
    assert_eq!((c.address, c.msisdn.as_deref()), (Some("10.1.2.3".parse().unwrap()), Some("4917012345")));
    assert_eq!(c.mode, IssuingMode::Subscriber);
    // SQN 1057 is SEQ 33, IND 1.
    assert_eq!(leased(&store, lease(0, 1)).await, 34..35);
    let c = store.credential(imsi(1)).await.unwrap().unwrap();
    assert_eq!((c.amf, c.mode), ([0x80, 0], IssuingMode::Supplier));
    assert_eq!(leased(&store, lease(1, 1)).await, 1..2);
}

#[tokio::test]
async fn op_becomes_opc() {
    let store = store();
    let text = format!("{{\"imsi\":\"{}\",\"k\":\"{K}\",\"op\":\"{OP}\",\"seq\":\"0x1f\"}}", imsi(0));
    assert!(run(&store, &text, &Options::default()).await.is_complete());
    assert_eq!(store.credential(imsi(0)).await.unwrap().unwrap().auth, test_set_1());
    assert_eq!(leased(&store, lease(0, 1)).await, 32..33);
}

#[tokio::test]
async fn csv_with_a_header_in_any_order() {
    for delimiter in [",", ";"] {
        let store = store();
        let rows = [
            ["opc", "imsi", "k", "msisdn", "attach_budget"].join(delimiter),
            [OPC, &imsi(0).to_string(), K, "", "3"].join(delimiter),
            ["\"", OPC, "\""].concat()
                + &["", &imsi(1).to_string(), &K.to_uppercase(), "49170", ""].join(delimiter),
        ];
        let text = format!("\u{feff}{}\r\n", rows.join("\r\n"));
        let report = run(&store, &text, &Options::default()).await;
        assert!(report.is_complete() && report.stored == 2 && report.format == Format::Csv, "{report:?}");
        let (one, two) = (store.credential(imsi(0)).await.unwrap(), store.credential(imsi(1)).await.unwrap());
        assert_eq!((one.as_ref().unwrap().attach_budget, &one.unwrap().auth), (Some(3), &test_set_1()));
        assert_eq!(two.unwrap().msisdn.as_deref(), Some("49170"));
    }
    assert!(problem(&format!("imsi,k,opc\n{},{K}\n", imsi(0))).await.contains("2 values, the header has 3"));
    let report = run(&store(), "imsi,k,opc,ki\n", &Options::default()).await;
    assert!(report.failed.as_deref().unwrap().contains("line 1: k and ki are the same field"), "{report:?}");
}

/// As `mongoexport` of MongoDB writes what Open5GS's WebUI and its open5gs-dbctl store.
fn open5gs(n: u64, sqn: &str, pretty: bool) -> String {
    let text = format!(
        r#"{{"_id":{{"$oid":"65a1b2c3d4e5f60718293a4b"}},"schema_version":1,"imsi":"{}","msisdn":["4917099"],"imeisv":[],"mme_host":[],"security":{{"k":"465B5CE8 B199B49F AA5F0A2E E238A6BC","op":null,"opc":"CD63CB71 954A9F4E 48A5994E 37A02BAF","amf":"8000","sqn":{sqn}}},"ambr":{{"downlink":{{"value":1,"unit":3}},"uplink":{{"value":1,"unit":3}}}},"slice":[{{"sst":1,"sd":"inter}}net\"","default_indicator":true,"session":[{{"name":"internet","type":3}}]}}],"access_restriction_data":32,"subscriber_status":{},"network_access_mode":0,"__v":0}}"#,
        imsi(n),
        n % 2,
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    if pretty { serde_json::to_string_pretty(&value).unwrap() } else { text }
}

#[tokio::test]
async fn open5gs_documents_as_mongoexport_writes_them() {
    let number_long = r#"{"$numberLong":"4129"}"#;
    let lines = format!("{}\n{}\n", open5gs(0, number_long, false), open5gs(1, "64", false));
    let array = format!("[{},\n{}]\n", open5gs(0, number_long, false), open5gs(1, "64", false));
    let pretty = format!("[{},\n{}]\n", open5gs(0, number_long, true), open5gs(1, "64", true));
    for text in [lines, array, pretty] {
        let store = store();
        let options = Options { chunk: 1, ..Options::default() };
        let reader = tokio::io::BufReader::new(text.as_bytes());
        let report = import::run(reader, Format::Open5gs, &options, &store, |_| {}).await;
        assert!(report.is_complete() && report.stored == 2, "{report:?}");
        assert!(report.notes.concat().contains("slice.sst (2)"), "{report:?}");
        let c = store.credential(imsi(0)).await.unwrap().unwrap();
        assert_eq!(
            (&c.auth, c.msisdn.as_deref(), c.state),
            (&test_set_1(), Some("4917099"), CredentialState::Active)
        );
        let barred = store.credential(imsi(1)).await.unwrap().unwrap();
        assert_eq!(barred.state, CredentialState::Blocked, "Subscriber-Status OPERATOR_DETERMINED_BARRING");
        // SQN 4129 is SEQ 129, IND 1.
        assert_eq!(leased(&store, lease(0, 1)).await, 130..131);
        assert_eq!(leased(&store, lease(1, 1)).await, 3..4);
    }
}

#[tokio::test]
async fn the_format_is_seen_from_the_beginning() {
    let wanted = [
        (line(0, ""), Format::Ndjson),
        (open5gs(0, "0", false), Format::Open5gs),
        (format!("[{}]", open5gs(0, "0", false)), Format::Open5gs),
        (format!("imsi,k,opc\n{},{K},{OPC}", imsi(0)), Format::Csv),
    ];
    for (text, format) in wanted {
        let store = store();
        let report = import::run(text.as_bytes(), Format::Auto, &Options::default(), &store, |_| {}).await;
        assert_eq!((report.format, report.stored), (format, 1), "{report:?}");
    }
}

#[tokio::test]
async fn a_wrong_line_refuses_itself_alone() {
    let store = store();
    let options = Options { chunk: 10, ..Options::default() };
    let text: String =
        (0..35).map(|n| line(n, if n == 14 || n == 17 { ",\"amf\":\"80\"" } else { "" })).collect();
    let mut calls = Vec::new();
    let report = import::run(text.as_bytes(), Format::Auto, &options, &store, |p| calls.push(p)).await;
    assert_eq!((report.records, report.stored, report.refused), (35, 33, 2));
    let lines: Vec<_> = report.problems.iter().map(|p| (p.line, p.imsi)).collect();
    assert_eq!(lines, [(15, Some(imsi(14))), (18, Some(imsi(17)))]);
    assert!(!report.is_complete());
    let all = icf_auc::store::Page { after: None, limit: 99 };
    let there = store.credentials(&CredentialFilter::default(), &all).await.unwrap();
    let there: Vec<_> = there.into_iter().map(|c| c.imsi).collect();
    assert_eq!(there, (0..35).filter(|n| ![14, 17].contains(n)).map(imsi).collect::<Vec<_>>());
    assert_eq!(
        calls.last().unwrap(),
        &import::Progress { octets: text.len() as u64, records: 35, stored: 33 }
    );
    assert_eq!(calls.len(), 4);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_never_repeats_a_key() {
    let bad = |more: &str| line(0, more);
    let with = |fields: &str| format!("{{\"imsi\":\"{}\",{fields}}}\n", imsi(0));
    let wrong = [
        (bad(r#","colour":"red""#), "unknown field colour"),
        (bad(&format!(r#","{K}":1"#)), "unknown field (a text that is not shown)"),
        (bad(r#","profile":"nowhere""#), "profile: nowhere does not exist"),
        (bad(&format!(r#","profile":"{K}""#)), "profile: (a text that is not shown)"),
        (bad(r#","amf":"80zz""#), "amf: four hexadecimal digits"),
        (bad(&format!(r#","amf":"{K}""#)), "amf: four hexadecimal digits"),
        (bad(&format!(r#","ind_bitlen":"{K}""#)), "ind_bitlen: is to be a whole number"),
        (bad(r#","ind_bitlen":17"#), "ind_bitlen: 0 to 16"),
        (bad(r#","sqn":-1"#), "sqn: is to be a whole number"),
        (bad(r#","sqn":281474976710656"#), "sqn: has more than 48 bits"),
        (bad(r#","sqn":281474976710655"#), "sqn: no sequence number is left"),
        (bad(r#","sqn":1,"seq":1"#), "sqn, seq: one of them"),
        (bad(r#","op":"00""#), "opc, op: one of them"),
        (bad(r#","k":"""#), "field k is there twice"),
        (bad(r#","ip":"10.1.2""#), "ip: is to be an IPv4 or IPv6 address"),
        (bad(r#","expires_at":"tomorrow""#), "expires_at: is to be a time"),
        (bad(r#","mode":"x""#), "mode: generated, supplier or subscriber"),
        (bad(r#","msisdn":"49-0""#), "msisdn: 1 to 15 digits"),
        (bad(r#","amf":{"x":[1]}"#), "unknown field amf.x"),
        (with(&format!("\"k\":\"{}\",\"opc\":\"{OPC}\"", &K[1..])), "k: a key is 32 hexadecimal digits"),
        (with(&format!("\"k\":\"{K}\"")), "opc: is missing"),
        (with(&format!("\"opc\":\"{OPC}\"")), "k: is missing"),
        (with(&format!("\"k\":\"{K}\",\"opc\":\"{OPC}x\"")), "opc: a key is 32 hexadecimal digits"),
        (format!("{{\"k\":\"{K}\",\"opc\":\"{OPC}\"}}"), "imsi: is missing"),
        (format!("{{\"imsi\":\"12345\",\"k\":\"{K}\"}}"), "imsi: an IMSI has 6 to 15 digits"),
        (format!("{{\"imsi\":\"{}\",\"k\":\"{K}\"", imsi(0)), "the JSON object is cut short"),
        (format!("{{\"imsi\":{K}}}"), "not a JSON object"),
        (format!("{{\"imsi\":\"{}", "x".repeat(2 << 20)), "is longer than"),
    ];
    for (text, expected) in wrong {
        let reason = problem(&text).await;
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[tokio::test]
async fn an_imsi_that_is_there_twice_names_both_lines() {
    let store = store();
    let text = format!("{}\n{}{}", line(0, ""), line(1, ""), line(0, ""));
    let report = run(&store, &text, &Options::default()).await;
    assert_eq!((report.stored, report.problems.len(), report.problems[0].line), (2, 1, 4));
    assert!(report.problems[0].reason.contains("line 1"), "{report:?}");
}

#[tokio::test]
async fn an_import_that_was_cut_short_is_run_again() {
    let store = store();
    let text: String = (0..25).map(|n| line(n, "")).collect();
    let half: String = text.split_inclusive('\n').take(12).collect();
    assert!(run(&store, &half, &Options::default()).await.is_complete());
    let options = Options { chunk: 10, ..Options::default() };
    let refused = run(&store, &text, &options).await;
    assert_eq!((refused.stored, refused.refused, refused.problem_count), (13, 12, 12));
    assert!(refused.problems[0].reason.contains("stored already"));
    let options = Options { on_existing: OnExisting::Skip, ..options };
    let again = run(&store, &text, &options).await;
    assert_eq!((again.stored, again.skipped, again.refused), (0, 25, 0), "{again:?}");
    assert!(again.is_complete());
    // Not the same: it is not passed over.
    let other = text.replacen(K, &K.replace('4', "5"), 1);
    let report = run(&store, &other, &options).await;
    assert_eq!((report.problem_count, report.skipped, report.refused), (1, 24, 1));
    assert!(report.problems[0].reason.contains("other keys"), "{report:?}");
}

#[tokio::test]
async fn problems_are_counted_beyond_those_listed() {
    let options = Options { list: 3, chunk: 2, ..Options::default() };
    let text = "{}\n".repeat(20);
    let report = run(&store(), &text, &options).await;
    assert_eq!((report.problem_count, report.problems.len(), report.refused), (20, 3, 20));
}

#[tokio::test]
async fn an_address_of_somebody_else_refuses_its_line_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), KEY_1).await.unwrap();
    let address = |n: u64, last: u64| line(n, &format!(",\"ip\":\"10.45.200.{last}\""));
    let options = Options { batch: Some("b".into()), ..Options::default() };
    assert!(run(&store, &address(9, 7), &Options::default()).await.is_complete());
    let text: String = [(0, 1), (1, 7), (2, 2), (3, 2), (4, 3)].map(|(n, last)| address(n, last)).concat();
    let report = run(&store, &text, &options).await;
    assert_eq!((report.stored, report.refused), (3, 2));
    assert_eq!((report.problems[0].line, report.problems[1].line), (2, 4));
    assert!(report.problems[0].reason.contains("10.45.200.7"), "{report:?}");
    assert!(report.problems[1].reason.contains("is on line 3 already"), "{report:?}");
    let of_batch = CredentialFilter { batch: Some("b".into()), ..CredentialFilter::default() };
    assert_eq!(store.count(&of_batch).await.unwrap(), 3);
}

#[tokio::test]
async fn nothing_that_can_be_read_makes_it_panic() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let pieces = proptest::collection::vec(
        proptest::prop_oneof![
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", "\n", "\"imsi\"", ":", "\"", "\\", "security", "k", "null"
            ])
            .prop_map(|s| s.as_bytes().to_vec()),
            proptest::collection::vec(proptest::num::u8::ANY, 0..8),
        ],
        0..60,
    );
    for _ in 0..300 {
        let text = pieces.new_tree(&mut runner).unwrap().current().concat();
        for format in [Format::Auto, Format::Ndjson, Format::Csv, Format::Open5gs] {
            let report = import::run(text.as_slice(), format, &Options::default(), &store(), |_| {}).await;
            assert_eq!(report.stored, 0);
        }
    }
}
