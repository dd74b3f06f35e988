//! What users of other HSSs export, and what becomes of it: stored, passed over, or refused with what to do.

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
    import::{self, Format, Options, Report},
    model::{AuthMaterial, Credential, CredentialState},
    store::{Store, memory::MemoryStore},
};
use schemas::{identity::Imsi, secret::Key128};

/// TS 35.208 §4.3, test set 1.
const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OP: &str = "cdc202d5123e20f62b6d676ac72cb318";
const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";
/// The first of the tests' IMSIs.
const IMSI: &str = "999710000000000";

/// Reads a file in pieces of this size.
async fn run_in(pieces: usize, text: &[u8]) -> (MemoryStore, Report) {
    let store = MemoryStore::new(None);
    let reader = tokio::io::BufReader::with_capacity(pieces, text);
    let report = import::run(reader, Format::Auto, &Options::default(), &store, |_| {}).await;
    let shown = serde_json::to_string(&report).unwrap();
    for key in [K, OP, OPC] {
        assert!(!shown.to_lowercase().contains(&key[..16]), "a key in the report: {shown}");
    }
    assert_eq!(report.records, report.stored + report.skipped + report.passed_over + report.refused);
    (store, report)
}

async fn run(text: impl AsRef<[u8]>) -> (MemoryStore, Report) {
    run_in(64, text.as_ref()).await
}

/// Fills in the placeholders `@I` (IMSI), `@K`, `@C` (OPc), `@O` (OP).
fn filled(text: &str) -> String {
    text.replace("@I", IMSI).replace("@K", K).replace("@C", OPC).replace("@O", OP)
}

/// That a file's one credential is stored with the keys of test set 1; the SEQ that it goes on with.
async fn stored(text: &str) -> (Credential, u64, Report) {
    let (store, report) = run(filled(text)).await;
    assert!(report.is_complete() && report.stored == 1, "{text}\n{report:?}");
    let credential = store.credential(imsi(0)).await.unwrap().unwrap_or_else(|| panic!("{text}"));
    let keys = AuthMaterial::Keys { k: Key128::from_hex(K).unwrap(), opc: Key128::from_hex(OPC).unwrap() };
    assert_eq!(credential.auth, keys, "{text}");
    let seq = leased(&store, lease(0, 1)).await.start;
    (credential, seq, report)
}

#[tokio::test]
async fn what_others_export_is_stored() {
    // The file, and the SEQ that comes after its SQN (5 bits of IND).
    let files = [
        // mongoexport --type=csv, as asked for, quoted, and with other fields.
        ("imsi,security.k,security.opc,security.amf,security.sqn\n@I,@K,@C,8000,97\n", 4),
        (r#""imsi","security.k","security.opc"\n"@I","@K","@C"\n"#, 1),
        (
            r#"_id,imsi,msisdn,security.k,security.op,security.opc,slice\nObjectId(64),@I,"[""4917""]",@K,,@C,"[{""sst"":1,""session"":[{""name"":""internet"",""ambr"":{""downlink"":{""value"":1},""uplink"":{""value"":1}}}]}]"\n"#,
            1,
        ),
        // A list of records, as json.dump writes it; capitals; over many lines.
        (r#"[{"imsi":"@I","k":"@K","opc":"@C"}]"#, 1),
        (r#"[\n  {\n    "imsi": "@I",\n    "k": "@K",\n    "opc": "@C",\n    "sqn": 97\n  }\n]\n"#, 4),
        (r#"{"IMSI":"@I","K":"@K","OPc":"@C","AMF":"8000","SQN":97}\n"#, 4),
        // Doubles, and the types of MongoDB's JSON and of its old shell.
        (r#"{"_id":1,"imsi":"@I","security":{"k":"@K","op":null,"opc":"@C","amf":"8000","sqn":64.0}}"#, 3),
        (r#"{"imsi":"@I","security":{"k":"@K","opc":"@C","sqn":{"$numberDouble":"64.0"}}}"#, 3),
        (r#"{"imsi":"@I","security":{"k":"@K","opc":"@C","sqn":{"$numberInt":"97"}}}"#, 4),
        (r#"{"_id":ObjectId("64(a"),"imsi":"@I","security":{"k":"@K","opc":"@C","sqn":NumberLong(97)}}"#, 4),
        (r#"{"_id":ObjectId(),"imsi":"@I","security":{"k":"@K","opc":"@C","sqn":NumberLong("97")}}"#, 4),
        // Open5GS has OP where OPc is null.
        (r#"{"imsi":"@I","security":{"k":"@K","op":"@O","opc":null}}"#, 1),
        // Card vendors: other columns, separators, marks of spreadsheets.
        (
            r#"IMSI,ICCID,ACC,PIN1,PUK1,Ki,OPC,ADM1\n@I,8999711000000004010,0001,0000,12345678,@K,@C,12345678\n"#,
            1,
        ),
        (r#"IMSI;Ki;OPc;MSISDN\r\n@I;@K;@C;+4917\r\n"#, 1),
        (r#"sep=;\r\nIMSI;Ki;OPc\r\n@I;@K;@C\r\n"#, 1),
        (r#"imsi\tki\topc\n@I\t@K\t@C\n"#, 1),
        (r#" imsi , k , opc , sqn \n @I , @K , @C , 97 \n"#, 4),
        (r#"imsi,k,opc,sqn\n"=""@I""",@K,@C,"97"\n"#, 4),
        (r#"imsi,k,opc\n'@I,0x@K,@C\n"#, 1),
        // srsEPC's user_db.csv, since release 20 and before.
        (
            r#"#  "Name,Auth,IMSI,Key,OP_Type"\n#\nue1,mil,@I,@K,opc,@C,8000,000000001234,7,dynamic\n"#,
            0x1234 / 32 + 1,
        ),
        (r#"ue1,@I,@K,op,@O,8000,000000001234,7,dynamic\n"#, 0x1234 / 32 + 1),
        (
            r#"Name,Auth,IMSI,Key,OP_Type,OP/OPc,AMF,SQN,QCI,IP_alloc\nue1,mil,@I,@K,opc,@C,8000,0000000030c8,7,dynamic\n"#,
            0x30c8 / 32 + 1,
        ),
        // PyHSS's /auc/list.
        (
            r#"[{"auc_id": 1, "ki": "@K", "opc": "@C", "amf": "8000", "sqn": 97, "iccid": null, "imsi": "@I", "batch_name": null, "esim": false, "adm1": null, "last_modified": "2024-01-01T00:00:00Z"}]"#,
            4,
        ),
        // free5GC: the web console's, and its database's before and since it follows release 17 of TS 29.505.
        (
            r#"{"userNumber":1,"plmnID":"99971","ueId":"imsi-@I","AuthenticationSubscription":{"authenticationMethod":"5G_AKA","sequenceNumber":"000000000023","authenticationManagementField":"8000","permanentKey":{"permanentKeyValue":"@K","encryptionKey":0,"encryptionAlgorithm":0},"milenage":{"op":{"opValue":"","encryptionAlgorithm":0}},"opc":{"opcValue":"@C","encryptionAlgorithm":0}},"AccessAndMobilitySubscriptionData":{"gpsis":["msisdn-0900000000"]},"FlowRules":[]}"#,
            2,
        ),
        (
            r#"{"_id":{"$oid":"6"},"ueId":"imsi-@I","permanentKey":{"permanentKeyValue":"@K","encryptionAlgorithm":0},"milenage":{"op":{"opValue":"@O"}},"opc":{"opcValue":""},"sequenceNumber":"16f3b3f70fc2"}"#,
            0x16f3_b3f7_0fc2 / 32 + 1,
        ),
        (
            r#"{"ueId":"imsi-@I","authenticationMethod":"5G_AKA","encPermanentKey":"@K","sequenceNumber":{"sqnScheme":"NON_TIME_BASED","sqn":"000000000023","lastIndexes":{"ausf":0},"indLength":0},"authenticationManagementField":"8000","encOpcKey":"@C"}"#,
            2,
        ),
        // OAI: users of the HSS, AuthenticationSubscription of the UDR.
        (r#"imsi\tmsisdn\tms_ps_status\tkey\tsqn\tOPc\n@I\t4917\tPURGED\t@K\t97\t@C\n"#, 4),
        (
            r#"ueid,authenticationMethod,encPermanentKey,protectionParameterId,sequenceNumber,encOpcKey\n@I,5G_AKA,@K,,"{""sqn"": ""000000000020""}",@C\n"#,
            2,
        ),
        // osmo-hlr by sqlite3 -csv -header.
        (r#"imsi,msisdn,k,opc,op,sqn,ind_bitlen\n@I,,@K,@C,,97,5\n"#, 4),
        // mongoexport's own messages in the file, as of `docker exec -t`.
        (
            r#"2026-11-30T10:00:00.000+0000\tconnected to: mongodb://localhost/\r\n{"imsi":"@I","security":{"k":"@K","opc":"@C"}}\r\n2026-11-30T10:00:01.000+0000\texported 1 record\r\n"#,
            1,
        ),
        (r#"connected to: localhost\nimsi,security.k,security.opc\n@I,@K,@C\nexported 1 record\n"#, 1),
    ];
    for (text, next) in files {
        let text = unescaped(text);
        for text in [text.clone(), format!("\u{feff}{text}")] {
            assert_eq!(stored(&text).await.1, next, "{text}");
        }
    }
}

/// `\n`, `\r` and `\t` of a raw text.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")
}

#[tokio::test]
async fn what_is_not_taken_is_counted_by_name() {
    let (_, _, report) =
        stored("IMSI,ICCID,PIN1,Ki,OPC,Colour\n@I,8999711000000004010,0000,@K,@C,red\n").await;
    let notes = report.notes.join("\n");
    assert!(notes.contains("Ki as k") && !notes.contains("OPC as opc"), "{notes}");
    for name in ["ICCID (1)", "PIN1 (1)", "Colour (1)"] {
        assert!(notes.contains(name), "{notes}");
    }
    let (credential, _, report) = stored(
        r#"{"_id":{"$oid":"6"},"imsi":"@I","msisdn":["4917"],"imeisv":[],"mme_host":[],"security":{"k":"@K","opc":"@C"},
            "ambr":{"downlink":{"value":1},"uplink":{"value":1}},"slice":[{"sst":1,"session":[{"name":"internet"}]}],"access_restriction_data":32,"subscriber_status":1,"__v":0}"#,
    )
    .await;
    assert_eq!((credential.msisdn.as_deref(), credential.state), (Some("4917"), CredentialState::Blocked));
    let notes = report.notes.join("\n");
    for name in ["slice.sst (1)", "ambr of an APN: the subscriber's (1)"] {
        assert!(notes.contains(name), "{notes}");
    }
    assert!(!notes.contains("_id") && !notes.contains("mme_host") && !notes.contains("imeisv"), "{notes}");
}

/// Nothing of it is stored; all that is said of it.
async fn refused(text: impl AsRef<[u8]>) -> String {
    let (_, report) = run(text.as_ref()).await;
    assert!(!report.is_complete() && report.stored == 0, "{report:?}");
    let problems = report.problems.iter().map(|p| {
        let column = p.column.map(|column| format!(" column {column}")).unwrap_or_default();
        format!("line {}{column} {}: {}", p.line, p.field.unwrap_or("-"), p.reason)
    });
    report.failed.clone().into_iter().chain(problems).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_with_the_remedy() {
    let files = [
        (
            r#"imsi,k,opc,sqn\n@I,@K,@C,123456789012\n"#,
            "line 2 column 4 sqn: sqn: can be hexadecimal or decimal; write 0x123456789012, or 123456789012",
        ),
        (r#"imsi,k,opc\n9.9971E+14,@K,@C\n"#, "line 2 column 1 imsi: imsi: was changed by a spreadsheet"),
        (r#"imsi,k,opc,sqn\n@I,@K,@C,4.66E+03\n"#, "line 2 column 4 sqn"),
        (
            r#"imsi,k,opc,colour,size\n@I,@K,@C,red,9\n"#,
            "line 1: unknown fields colour, size; there are imsi, k, opc",
        ),
        (r#"imsi,eKi,opc\n@I,@K,@C\n"#, "eKi: is encrypted with a transport key"),
        (r#"imsi,ki,eKi,opc\n@I,@K,@K,@C\n"#, "eKi: is encrypted with a transport key"),
        (r#"imsi,iccid,opc\n@I,1,@C\n"#, "no column of K, which is called k, ki, key or security.k"),
        (r#"imsi,k\n@I,@K\n"#, "no column of OPc or OP"),
        (
            r#"@I,@K,@C\n"#,
            "line 1: has values where a header is expected; put a line of names above, as imsi,k,opc",
        ),
        (
            r#"a,b,c\n1,2,3\n"#,
            "neither JSON nor a header of CSV with a column imsi (a, b, c); say how the file is written by --format",
        ),
        (r#"imsi,k,opc\n@I,@K\n"#, "line 2 -: has 2 values, the header has 3 columns"),
        (r#"ue1,xor,@I,@K,opc,@C,8000,000000001234,7,dynamic\n"#, "Auth: only Milenage"),
        (r#"{"imsi":"@I","k":"@K","opc":"@C","colour":1,"size":2}"#, "unknown fields colour, size"),
        (r#"{"imsi":"@I","k":"@K","ki":"@K","opc":"@C"}"#, "k and ki are the same field"),
        (r#"{"imsi":"@I","k":"@K","opc":"@C","amf":8000}"#, "amf: is to be a text, in quotes: \"8000\""),
        (r#"{"imsi":1010000000001,"k":"@K","opc":"@C"}"#, "imsi: is a number of other than 15 digits"),
        (
            r#"{"imsi":"@I","slice":[{"sst":1}],"msisdn":[]}"#,
            "k: is missing (Open5GS: security.k); export the whole document",
        ),
        (
            r#"[{"subscriber_id":1,"imsi":"@I","auc_id":1,"default_apn":1,"enabled":true}]"#,
            "export /auc/list",
        ),
        (
            r#"{"ueId":"imsi-@I","encPermanentKey":"@K","protectionParameterId":"p1","encOpcKey":"@C"}"#,
            "the key is encrypted",
        ),
        (r#"{ _id: ObjectId('6'), imsi: '@I', security: { k: '@K' } }"#, "EJSON.stringify"),
        (
            r#"{"imsi":"@I","k":"@K","opc":"@C","triple":{"url":"https://a"}}"#,
            "triple: url, user and password belong together",
        ),
        (
            r#"{"imsi":"@I","k":"@K","opc":"@C","triple":{"url":"http://a","user":"u","password":"p"}}"#,
            "https",
        ),
        (r#"supi: 'imsi-@I'\nkey: '@K'\n"#, "line 1: is YAML, as UERANSIM"),
        (r#"# UE\nsupi: 'imsi-@I'\n"#, "line 2: is YAML"),
        (r#"INSERT INTO `users` VALUES ('@I');\n"#, "line 1: is SQL; export the table as CSV"),
        (r#"-- MySQL dump\n"#, "is SQL"),
        (r#"PRAGMA foreign_keys=OFF;\n"#, "is SQL"),
        (r#"    ID: 1\n    IMSI: @I\n"#, "osmo-hlr"),
        (r#"[usim]\nmode = soft\nimsi = @I\n"#, "configuration file"),
        (r#"<subscribers/>"#, "is XML"),
        ("SQLite format 3\0...", "SQLite database; export"),
        ("PK\u{3}\u{4}...", "ZIP archive"),
        ("i\0m\0s\0i\0", "UTF-16"),
        ("age-encryption.org/v1\n", "age --decrypt"),
        ("Error: no reachable servers\n", "line 1: "),
        (r#"{"imsi":"@I","k":"@K","opc":"@C"#, "line 1 -: the JSON object is cut short"),
    ];
    for (text, wanted) in files {
        let said = refused(filled(&unescaped(text))).await;
        assert!(said.contains(wanted), "{text}\n{wanted}\n{said}");
    }
    let utf_16 = [0xff, 0xfe].into_iter().chain("imsi,k,opc\n".bytes().flat_map(|c| [c, 0]));
    assert!(refused(utf_16.collect::<Vec<u8>>()).await.contains("UTF-8"));
    assert!(refused(b"\x1f\x8b\x08\x00").await.contains("gunzip"));
    assert!(refused(b"\x16\x00\x00\x00\x02imsi\x00").await.contains("as of mongodump"));
}

#[tokio::test]
async fn sqns_of_a_file_are_read_in_one_way() {
    let mut text = "imsi,k,opc,sqn\n".to_owned();
    for (n, sqn) in (0..).zip(["0000000030c8", "123456789012", "97"]) {
        text += &format!("{},{K},{OPC},{sqn}\n", imsi(n));
    }
    let (store, report) = run(&text).await;
    assert_eq!((report.stored, report.refused), (2, 1));
    let problem = &report.problems[0];
    assert_eq!((problem.line, problem.column, problem.field), (4, Some(4), Some("sqn")));
    let wanted = "write 0x97, or 97, but line 2 has it in twelve hexadecimal digits";
    assert!(problem.reason.contains(wanted), "{problem:?}");
    assert_eq!(leased(&store, lease(1, 1)).await.start, 0x1234_5678_9012 / 32 + 1);
}

#[tokio::test]
async fn a_fragment_of_open5gs_is_passed_over_wherever_it_stands() {
    let fragment = |n| {
        let rest =
            r#""imeisv": ["3500000000000123"], "mme_host": ["mme.localdomain"], "purge_flag": [false]"#;
        format!("{{\"_id\": {{\"$oid\": \"6\"}}, \"imsi\": \"{}\", {rest}}}\n", imsi(n))
    };
    let whole = |n: u64| {
        format!(
            "{{\"imsi\": \"{}\", \"security\": {{\"k\": \"{K}\", \"opc\": \"{OPC}\", \"sqn\": 97}}}}\n",
            imsi(n)
        )
    };
    let text = [whole(0), fragment(1), whole(2), fragment(3)].concat();
    for text in [text.clone(), [fragment(9), text].concat()] {
        let (_, report) = run(&text).await;
        let fragments = text.matches("purge_flag").count() as u64;
        assert_eq!((report.stored, report.passed_over, report.refused), (2, fragments, 0), "{report:?}");
        assert!(
            report.is_complete() && report.notes[0].contains(&format!("{fragments} documents")),
            "{report:?}"
        );
    }
    // Nothing else in the file, and as mongoexport --type=csv writes it.
    let (_, report) = run(fragment(0)).await;
    assert!(report.is_complete() && report.passed_over == 1, "{report:?}");
    let csv = format!(
        "imsi,security.k,security.opc,mme_host\n{},{K},{OPC},[]\n{},,,\"[\"\"mme.localdomain\"\"]\"\n",
        imsi(0),
        imsi(1)
    );
    let (_, report) = run(csv).await;
    assert_eq!((report.stored, report.passed_over, report.refused), (1, 1, 0), "{report:?}");
}

/// An Open5GS document whose `security` stands behind this many octets.
fn document(n: u64, before: usize) -> String {
    let flow = "x".repeat(before);
    format!(
        "{{\"_id\":{{\"$oid\":\"6\"}},\"imsi\":\"{}\",\"slice\":[{{\"sst\":1,\"flow\":\"{flow}\",\
         \"session\":[{{\"name\":\"internet\"}}]}}],\"ambr\":{{\"downlink\":{{\"value\":1}},\"uplink\":{{\"value\":1}}}},\
         \"security\":{{\"k\":\"{K}\",\"opc\":\"{OPC}\"}}}}",
        imsi(n)
    )
}

#[tokio::test]
async fn a_document_is_known_wherever_its_keys_stand_and_in_whatever_pieces_it_comes() {
    for before in [0, 60, 8_192, 100_000] {
        let (one, other) = (document(0, before), document(1, 10));
        let pretty = |text: &str| {
            serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap()
        };
        let files = [
            format!("{one}\n{other}\n"),
            format!("{one}{other}"),
            format!("[{one},\n{other}]\n"),
            format!("{}\n{}\n", pretty(&one), pretty(&other)),
            format!("[\n{},\n{}\n]\n", pretty(&one), pretty(&other)),
        ];
        for text in files {
            for pieces in [1, 7, 60, 8192] {
                let (_, report) = run_in(pieces, text.as_bytes()).await;
                assert!(report.is_complete() && report.stored == 2, "{before} {pieces} {report:?}");
                assert_eq!(report.format, Format::Open5gs);
            }
        }
    }
}

#[tokio::test]
async fn what_is_broken_in_a_file_of_json_is_told_by_its_line_and_the_rest_is_stored() {
    let good = |n: u64| format!("{{\"imsi\":\"{}\",\"k\":\"{K}\",\"opc\":\"{OPC}\"}}\n", imsi(n));
    let broken = [
        // Cut short behind a value, within a text, and with a brace too many.
        (format!("{{\"imsi\":\"{}\",\"k\":\"{K}\"\n", imsi(9)), "line 2: the JSON object is cut short"),
        (
            format!("{{\"imsi\":\"{}\",\"k\":\"{}\n", imsi(9), &K[..7]),
            "line 2: the JSON object is cut short: a text",
        ),
        ("}\n".to_owned(), "line 2: is not JSON, which has { here: `}`"),
        ("Error: nothing here\n".to_owned(), "line 2: is not JSON, which has { here: `Error: nothing here`"),
        (format!("{K}\n"), "line 2: is not JSON, which has { here: (a text that is not shown)"),
    ];
    for (text, wanted) in broken {
        let (store, report) = run([good(0), text.clone(), good(1), good(2)].concat()).await;
        assert_eq!((report.stored, report.refused), (3, 1), "{text}{report:?}");
        let problem = &report.problems[0];
        let said = format!("line {}: {}", problem.line, problem.reason);
        assert!(said.starts_with(wanted), "{said}");
        assert!(store.credential(imsi(2)).await.unwrap().is_some());
    }
    // Without indentation, as some print JSON: no line of it begins another object.
    let loose =
        format!("{{\n\"imsi\":\"{IMSI}\",\n\"security\":\n{{\"k\":\"{K}\",\n\"opc\":\"{OPC}\"}}\n}}\n");
    assert_eq!(run(loose).await.1.stored, 1);
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_stores_nothing() {
    let store = MemoryStore::new(None);
    let text = filled("imsi,k,opc\n@I,@K,@C\n12,@K,@C\n@I,@K,@C\n");
    let options = Options { dry_run: true, ..Options::default() };
    let report = import::run(text.as_bytes(), Format::Auto, &options, &store, |_| {}).await;
    assert_eq!((report.dry_run, report.stored, report.refused), (true, 1, 2), "{report:?}");
    assert!(store.credential(imsi(0)).await.unwrap().is_none());
}

#[tokio::test]
async fn other_networks_and_other_addresses_are_refused_unless_allowed() {
    let config = "[diameter]\norigin_host = \"icf.epc.mnc071.mcc999.3gppnetwork.org\"\n\
                  origin_realm = \"epc.mnc071.mcc999.3gppnetwork.org\"\n\
                  [database]\nurl = \"sqlite://x\"\n[keys]\nat_rest = { env = \"X\" }\n";
    let config: icf_auc::config::IcfConfig =
        service::config::Loader::text("icf.toml", config).load().unwrap();
    let networks = icf_auc::networks::ServedNetworks::configured(&config).unwrap();
    let strict = Options { networks, ..Options::default() };
    let text = filled(
        "imsi,k,opc,ip\n@I,@K,@C,10.45.128.9\n001010000000001,@K,@C,\n999710000000009,@K,@C,10.46.0.1\n\
         999710000000008,@K,@C,10.45.128.0\n",
    );
    let store = MemoryStore::new(Some(POOL.parse().unwrap()));
    let report = import::run(text.as_bytes(), Format::Auto, &strict, &store, |_| {}).await;
    assert_eq!((report.stored, report.refused), (1, 3), "{report:?}");
    let said: Vec<_> = report.problems.iter().map(|p| (p.line, p.column, &*p.reason)).collect();
    assert!(said[0].2.contains("001010000000001 is not of a network that is served here"), "{said:?}");
    assert_eq!((said[0].0, said[0].1, said[1].0, said[1].1, said[2].0), (3, Some(1), 4, Some(4), 5));
    assert!(said[1].2.contains("10.46.0.1 is not an address of the pool"), "{said:?}");
    assert!(said[1].2.contains("allow_other_addresses"), "{said:?}");
    let lax = Options { allow_other_addresses: true, ..Options::default() };
    let rest = text.replacen(&filled("@I,@K,@C,10.45.128.9\n"), "", 1);
    let report = import::run(rest.as_bytes(), Format::Auto, &lax, &store, |_| {}).await;
    assert!(report.is_complete() && report.stored == 3, "{report:?}");
    assert!(store.credential("001010000000001".parse::<Imsi>().unwrap()).await.unwrap().is_some());
}
