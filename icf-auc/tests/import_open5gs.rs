//! What a subscriber document of Open5GS says of its subscription, taken along as overrides: from the document to the
//! octets of the ULA.

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
    import::{self, Format, OnExisting, Options, Report, SubscriptionFrom},
    model::{CredentialState, Snapshot, Timestamp},
    procedure::{Causes, subscription, ulr},
    store::{Store, memory::MemoryStore},
};
use s6a::{
    app::{RatType, UlrFlags, UpdateLocationRequest},
    codec::Message,
};
use schemas::{
    rest::{AccessRule, Rat},
    subscription::{AccessRestriction, Barring, NetworkAccessMode, PdnType},
};
use serde_json::{Value, json};

/// TS 35.208 §4.3, test set 1.
const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC: &str = "cd63cb71954a9f4e48a5994e37a02baf";

/// As Open5GS's WebUI stores a subscriber, and mongoexport writes it.
fn document() -> Value {
    json!({
        "_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}, "schema_version": 1, "imsi": imsi(0).to_string(),
        "msisdn": ["883130000000123", "883130000000124"], "imeisv": [], "mme_host": [], "purge_flag": [],
        "security": {"k": K, "op": null, "opc": OPC, "amf": "8000", "sqn": {"$numberLong": "64"}},
        "ambr": {"downlink": {"value": 1, "unit": 3}, "uplink": {"value": 500, "unit": 2}},
        "slice": [
            {"sst": 1, "sd": "000001", "default_indicator": true, "_id": {"$oid": "6"}, "session": [
                {"name": "internet", "type": 3, "_id": {"$oid": "7"},
                 "qos": {"index": 9, "arp": {"priority_level": 8, "pre_emption_capability": 1, "pre_emption_vulnerability": 2}},
                 "ambr": {"downlink": {"value": {"$numberInt": "100"}, "unit": 2}, "uplink": {"value": 20000.0, "unit": 1}},
                 "ue": {"ipv4": "10.45.0.7", "ipv6": ""}, "pcc_rule": []},
                {"name": "ims", "type": 2,
                 "qos": {"index": 5, "arp": {"priority_level": 1, "pre_emption_capability": 2, "pre_emption_vulnerability": 1}},
                 "ambr": {"downlink": {"value": 3850, "unit": 1}, "uplink": {"value": 1530000, "unit": 0}},
                 "smf": {"ipv4": "192.0.2.17"}, "lbo_roaming_allowed": false,
                 "pcc_rule": [{"flow": [{"direction": 1, "description": "permit out ip from any to assigned"}]}]},
            ]},
            {"sst": 2, "session": [{"name": "mms", "type": 1}]},
        ],
        "access_restriction_data": 32, "subscriber_status": 0, "operator_determined_barring": 0,
        "network_access_mode": 0, "subscribed_rau_tau_timer": 12, "__v": 0,
    })
}

/// Sets a value by its JSON pointer; `null` takes it away.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = document();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[last.parse::<usize>().unwrap()] = value,
        object => match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(last)),
            value => object[last] = value,
        },
    }
    document
}

async fn run(text: &str, options: &Options) -> (MemoryStore, Report) {
    let store = MemoryStore::new(None);
    let report = import::run(text.as_bytes(), Format::Auto, options, &store, |_| {}).await;
    assert_eq!(report.records, report.stored + report.skipped + report.passed_over + report.refused);
    (store, report)
}

/// The one subscriber of a file.
async fn imported(text: &str) -> (Snapshot, Report) {
    let (store, report) = run(text, &Options::default()).await;
    assert!(report.is_complete() && report.stored == 1, "{report:?}");
    (store.snapshots(&[imsi(0)]).await.unwrap().remove(0), report)
}

/// Its ULA, as octets.
fn ula(subscriber: &Snapshot) -> Vec<u8> {
    let mut octets = Vec::new();
    UpdateLocationRequest {
        session_id: "mme.example;1;3",
        origin_host: "mme.example",
        origin_realm: "example",
        destination_realm: "home.example",
        user_name: "999710000000000",
        rat_type: RatType(1004),
        ulr_flags: UlrFlags(0x22),
        visited_plmn_id: [0x99, 0xf9, 0x17],
        ..UpdateLocationRequest::default()
    }
    .encode(&mut octets, 1, 2);
    let message = Message::parse(&octets).unwrap();
    let request = UpdateLocationRequest::decode(&message).unwrap();
    let update =
        ulr::decide(&request, Some(subscriber), Timestamp(1_800_000_000), &Causes::default()).unwrap();
    let mut out = Vec::new();
    subscription::with_data(subscriber, subscriber.credential.address, update.recipient, |data| {
        update.answer(data).encode(&mut out, &message.header);
    });
    out
}

/// An AVP of 3GPP (RFC 6733 §4.1) with the M bit.
fn tgpp(code: u32, data: &[u8]) -> Vec<u8> {
    avp(code, 0xc0, data)
}

fn avp(code: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let vendor = if flags & 0x80 == 0 { vec![] } else { 10_415_u32.to_be_bytes().to_vec() };
    let length = u32::try_from(8 + vendor.len() + data.len()).unwrap();
    let mut avp = [&code.to_be_bytes()[..], &[flags], &length.to_be_bytes()[1..], &vendor, data].concat();
    avp.resize(avp.len().next_multiple_of(4), 0);
    avp
}

fn number(code: u32, value: u32) -> Vec<u8> {
    tgpp(code, &value.to_be_bytes())
}

/// AMBR (TS 29.272 §7.3.41): Max-Requested-Bandwidth-UL, then -DL, bit/s.
fn ambr(uplink: u32, downlink: u32) -> Vec<u8> {
    tgpp(1435, &[number(516, uplink), number(515, downlink)].concat())
}

/// EPS-Subscribed-QoS-Profile (§7.3.37): pre-emption 0 is enabled, 1 disabled (TS 29.212 §5.3.46, §5.3.47).
fn qos(qci: u32, priority: u32, capability: u32, vulnerability: u32) -> Vec<u8> {
    let arp = [(1046, priority), (1047, capability), (1048, vulnerability)];
    let arp = arp.map(|(code, value)| number(code, value)).concat();
    tgpp(1431, &[number(1028, qci), tgpp(1034, &arp)].concat())
}

fn has(octets: &[u8], wanted: &[u8], what: &str) {
    assert!(
        octets.windows(wanted.len()).any(|it| it == wanted),
        "{what}: {wanted:02x?} is not in {octets:02x?}"
    );
}

/// What Open5GS's HSS sends of the document (`src/hss/hss-s6a-path.c`), in the order of TS 29.272 §7.3.35: of the first
/// slice each session, Context-Identifiers from 1 on, the first being the default.
#[tokio::test]
async fn the_ula_has_the_apns_and_rates_of_the_document() {
    let (subscriber, report) = imported(&document().to_string()).await;
    let octets = ula(&subscriber);
    let internet = tgpp(
        1430,
        &[
            number(1423, 1),
            tgpp(848, &[0, 1, 10, 45, 0, 7]),
            number(1456, 2),
            avp(493, 0x40, b"internet"),
            qos(9, 8, 1, 0),
            number(1432, 1),
            ambr(20_000_000, 100_000_000),
        ]
        .concat(),
    );
    let gateway = avp(486, 0x40, &avp(334, 0x40, &[0, 1, 192, 0, 2, 17]));
    let ims = tgpp(
        1430,
        &[
            number(1423, 2),
            number(1456, 1),
            avp(493, 0x40, b"ims"),
            qos(5, 1, 0, 1),
            number(1432, 1),
            gateway,
            number(1438, 1),
            ambr(1_530_000, 3_850_000),
        ]
        .concat(),
    );
    has(&octets, &internet, "internet");
    has(&octets, &ims, "ims");
    // APN-Configuration-Profile (§7.3.34): the default is 1, all of them are there, and no other.
    has(&octets, &tgpp(1429, &[number(1423, 1), number(1428, 0), internet, ims].concat()), "profile");
    has(&octets, &[ambr(500_000_000, 1_000_000_000)].concat(), "UE-AMBR");
    has(&octets, &number(1426, 32), "Access-Restriction-Data");
    has(&octets, &number(1417, 0), "Network-Access-Mode");
    has(&octets, &avp(1619, 0x80, &720_u32.to_be_bytes()), "Subscribed-Periodic-RAU-TAU-Timer");
    has(&octets, &number(1424, 0), "Subscriber-Status");
    has(&octets, &tgpp(701, &[0x88, 0x13, 0x03, 0, 0, 0, 0x21, 0xf3]), "MSISDN");
    has(&octets, &[0x88, 0x13, 0x03, 0, 0, 0, 0x21, 0xf4], "A-MSISDN");
    let notes = report.notes.join("\n");
    for name in [
        "slice.sst (1)",
        "slice.sd (1)",
        "slice.default_indicator (1)",
        "slice.session.pcc_rule (1)",
        "slice.session.lbo_roaming_allowed (1)",
        "slice after the first (1)",
    ] {
        assert!(notes.contains(name), "{name}: {notes}");
    }
    assert!(!notes.contains("ambr (") && !notes.contains("_id") && !notes.contains("by default"), "{notes}");
}

#[tokio::test]
async fn the_profile_decides_where_that_is_said() {
    let options = Options { subscription: SubscriptionFrom::Profile, ..Options::default() };
    let (store, report) = run(&changed("/subscriber_status", json!(1)).to_string(), &options).await;
    assert!(report.is_complete(), "{report:?}");
    let credential = store.credential(imsi(0)).await.unwrap().unwrap();
    assert!(credential.overrides.is_empty() && credential.state == CredentialState::Blocked);
    let notes = report.notes.join("\n");
    for name in ["slice (1)", "ambr (1)", "access_restriction_data (1)", "msisdn (1)"] {
        assert!(notes.contains(name), "{name}: {notes}");
    }
}

#[tokio::test]
async fn what_the_document_does_not_say_is_the_profiles() {
    let text = json!({"imsi": imsi(0).to_string(), "security": {"k": K, "opc": OPC}}).to_string();
    let (subscriber, _) = imported(&text).await;
    assert!(subscriber.credential.overrides.is_empty());
    // Of an APN it is a default, which is told.
    let mut document = document();
    document["slice"] = json!([{"sst": 1, "session": [{"name": "internet"}]}]);
    let (subscriber, report) = imported(&document.to_string()).await;
    let apn = &subscriber.profile.apns[0];
    assert_eq!((apn.pdn_type, apn.qci, apn.arp.priority), (PdnType::Ipv4, 9, 15));
    assert_eq!((apn.ambr.uplink, apn.ambr.downlink), (500_000_000, 1_000_000_000));
    let notes = report.notes.join("\n");
    for part in ["type of an APN: IPv4 (1)", "QCI 9, priority level 15 (1)", "the subscriber's (1)"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

#[tokio::test]
async fn restrictions_and_barring_are_those_of_the_document() {
    // Bits 0, 1, 8: UTRAN, GERAN, NR as secondary RAT.
    let mut document = changed("/access_restriction_data", json!(0b1_0000_0011));
    document["network_access_mode"] = json!(2);
    document["subscriber_status"] = json!(1);
    document["operator_determined_barring"] = json!(0b1000);
    let (subscriber, _) = imported(&document.to_string()).await;
    let profile = &subscriber.profile;
    assert_eq!(profile.allowed_rats, AccessRule::Only(vec![Rat::Eutran, Rat::EutranNbIot, Rat::LteM]));
    assert_eq!(profile.access_restrictions, [AccessRestriction::NrAsSecondaryRat]);
    assert_eq!(profile.network_access_mode, NetworkAccessMode::OnlyPacket);
    assert_eq!(
        (&profile.barring[..], subscriber.credential.state),
        (&[Barring::OutgoingCalls][..], CredentialState::Active)
    );
    let octets = ula(&subscriber);
    has(&octets, &number(1426, 0b1_0000_0011), "Access-Restriction-Data");
    has(&octets, &[number(1424, 1)].concat(), "Subscriber-Status");
    has(&octets, &number(1425, 0b1000), "Operator-Determined-Barring");
    // No packet service at all: blocked.
    for barring in [0, 1] {
        document["operator_determined_barring"] = json!(barring);
        assert_eq!(imported(&document.to_string()).await.0.credential.state, CredentialState::Blocked);
    }
}

/// Releases before 2.3: `pdn`, Diameter's numbers (TS 29.272 §7.3.62, TS 29.212 §5.3.46), units of 1024 bit/s.
#[tokio::test]
async fn documents_of_the_older_schema_are_read_as_their_hss_did() {
    let mut document = document();
    document.as_object_mut().unwrap().remove("slice");
    document["ambr"] = json!({"downlink": {"$numberLong": "1024"}, "uplink": 512});
    document["pdn"] = json!([{"apn": "internet", "type": 2, "pcc_rule": [], "ambr": {"downlink": 100, "uplink": 50},
        "qos": {"qci": 7, "arp": {"priority_level": 3, "pre_emption_capability": 1, "pre_emption_vulnerability": 0}},
        "ue": {"addr": "10.45.0.9"}, "pgw": {"addr6": "2001:db8::1"}}]);
    let (subscriber, _) = imported(&document.to_string()).await;
    let octets = ula(&subscriber);
    has(&octets, &ambr(512 * 1024, 1024 * 1024), "UE-AMBR");
    has(&octets, &ambr(50 * 1024, 100 * 1024), "APN-AMBR");
    has(&octets, &[number(1456, 2), avp(493, 0x40, b"internet"), qos(7, 3, 1, 0)].concat(), "APN");
    let apn = &subscriber.profile.apns[0];
    assert_eq!(apn.addresses[0].to_string(), "10.45.0.9");
    assert_eq!(apn.gateway.as_ref().unwrap().addresses[0].to_string(), "2001:db8::1");
}

#[tokio::test]
async fn what_cannot_be_told_refuses_its_line_with_the_path() {
    let session = "/slice/0/session/1";
    let many: Vec<Value> = (0..51).map(|n| json!({"name": format!("apn{n}")})).collect();
    let cases = [
        ("qos/index", json!(256), "slice[0].session[1].qos.index: 256 is not a QCI, 1 to 255"),
        ("qos/index", json!(0), "slice[0].session[1].qos.index: 0 is not a QCI"),
        ("qos/index", json!(-1), "slice[0].session[1].qos.index: is to be a whole number"),
        ("qos/arp/priority_level", json!(16), "qos.arp.priority_level: 16 is not a priority level, 1 to 15"),
        (
            "qos/arp/pre_emption_capability",
            json!(3),
            "pre_emption_capability: 3 is neither 1, disabled, nor 2, enabled",
        ),
        ("type", json!(4), "slice[0].session[1].type: is to be 1 (IPv4), 2 (IPv6) or 3 (IPv4v6)"),
        ("name", Value::Null, "slice[0].session[1]: has no name: give the APN's"),
        (
            "name",
            json!("in_ternet"),
            "slice[0].session[1].name: is not an APN Network Identifier (TS 23.003 §9.1.1)",
        ),
        ("name", json!("Internet"), "slice[0].session[1].name: is there already"),
        ("name", json!(7), "slice[0].session[1].name: is to be a text"),
        (
            "ambr/uplink/unit",
            json!(5),
            "slice[0].session[1].ambr.uplink.unit: 5 is not a unit: 0 bit/s, 1 kbit/s",
        ),
        ("ambr/uplink/value", json!(1.5), "slice[0].session[1].ambr.uplink.value: is to be a whole number"),
        ("ambr/uplink", Value::Null, "slice[0].session[1].ambr: has no uplink"),
        (
            "ambr/downlink",
            json!({"value": 5, "unit": 4}),
            "slice[0].session[1].ambr.downlink: bit/s, at most",
        ),
        ("ambr/downlink", json!({"value": u64::MAX, "unit": 4}), "ambr.downlink: is more than 4.29 Tbit/s"),
        ("smf/ipv4", json!("::1"), "slice[0].session[1].smf.ipv4: is to be an IPv4 address"),
        ("ue", json!({"ipv6": "2001:db8::/56"}), "slice[0].session[1].ue.ipv6: is to be an IPv6 address"),
        ("qos", json!([]), "slice[0].session[1].qos: is to be a JSON object"),
    ];
    let cases = cases.map(|(at, value, wanted)| (format!("{session}/{at}"), value, wanted));
    let others = [
        ("/slice", json!([]), "slice: has no session, so that Open5GS's HSS refuses"),
        ("/slice", json!(1), "slice: is to be a JSON list"),
        ("/slice/0/session", json!([]), "slice[0].session: has no session"),
        ("/slice/0/session", json!(many), "slice[0].session: at most 50"),
        ("/slice/0/session/0", json!(null), "slice[0].session[0]: is to be a JSON object"),
        (
            "/slice/0/session/0/name",
            json!("*"),
            "slice[0].session[0].name: the default APN has to be a named one",
        ),
        ("/slice/0/sst", Value::Null, "slice[0]: has no sst"),
        ("/ambr/downlink/unit", json!(9), "ambr.downlink.unit: 9 is not a unit"),
        ("/ambr/uplink", Value::Null, "ambr: has no uplink: give its value and unit"),
        ("/ambr/uplink", json!({"value": 5, "unit": 4}), "ambr.uplink: bit/s, at most 4294967295000"),
        ("/access_restriction_data", json!(4096), "access_restriction_data: 4096 has bits"),
        ("/network_access_mode", json!(1), "network_access_mode: 1 is neither 0"),
        ("/subscribed_rau_tau_timer", json!(u32::MAX), "subscribed_rau_tau_timer: 4294967295 minutes"),
        ("/subscriber_status", json!(2), "subscriber_status: is to be 0"),
        ("/msisdn/1", json!("12a"), "msisdn.1: 1 to 15 digits"),
    ];
    let others = others.map(|(at, value, wanted)| (at.to_owned(), value, wanted));
    for (at, value, wanted) in cases.into_iter().chain(others) {
        let text = format!("\n{}\n", changed(&at, value));
        let (_, report) = run(&text, &Options::default()).await;
        assert_eq!((report.stored, report.problem_count), (0, 1), "{at}: {report:?}");
        let problem = &report.problems[0];
        assert!(problem.reason.contains(wanted) && problem.line == 2, "{at}\n{wanted}\n{}", problem.reason);
        assert!(problem.imsi.is_some() && problem.field.is_some(), "{problem:?}");
        // And is taken where the profile decides, but for what is the credential's anyway.
        let options = Options { subscription: SubscriptionFrom::Profile, ..Options::default() };
        assert!(run(&text, &options).await.1.is_complete(), "{at}");
    }
}

#[tokio::test]
async fn csv_of_mongoexport_has_json_in_its_columns_or_a_column_a_value() {
    let document = document();
    let quoted = |value: &Value| format!("\"{}\"", value.to_string().replace('"', "\"\""));
    let keys = format!("{},{K},{OPC}", imsi(0));
    let json = format!(
        "imsi,security.k,security.opc,ambr,slice\n{keys},{},{}\n",
        quoted(&document["ambr"]),
        quoted(&document["slice"])
    );
    let dotted = format!(
        "imsi,security.k,security.opc,ambr.downlink.value,ambr.downlink.unit,ambr.uplink.value,ambr.uplink.unit,\
         slice.0.sst,slice.0.session.0.name,slice.0.session.0.type\n{keys},1,3,500,2,1,internet,1\n"
    );
    let rates = ambr(500_000_000, 1_000_000_000);
    for (text, apns) in [(json, &["internet", "ims"][..]), (dotted, &["internet"])] {
        let (subscriber, _) = imported(&text).await;
        has(&ula(&subscriber), &rates, "UE-AMBR");
        let names: Vec<&str> = subscriber.profile.apns.iter().map(|apn| &*apn.name).collect();
        assert_eq!(names, apns);
    }
    for (columns, values, wanted) in [
        ("slice", "[{", "line 2 column 4: slice: is to be JSON, as mongoexport writes it into a column"),
        ("ambr", "fast", "line 2 column 4: ambr: is to be JSON"),
        ("ambr.downlink.value", "7", "line 2 column 4: ambr: has no uplink"),
    ] {
        let text = format!("imsi,security.k,security.opc,{columns}\n{keys},{values}\n");
        let (_, report) = run(&text, &Options::default()).await;
        let problem = &report.problems[0];
        let said =
            format!("line {} column {}: {}", problem.line, problem.column.unwrap_or(0), problem.reason);
        assert!(said.contains(wanted), "{said}");
    }
    let text = format!("imsi,security.k,security.opc,ambr,ambr.downlink.value\n{keys},,7\n");
    let (_, report) = run(&text, &Options::default()).await;
    assert!(report.failed.unwrap().contains("ambr.downlink.value is there twice, or in two ways"));
}

#[tokio::test]
async fn a_static_address_is_one_subscribers_in_an_apn() {
    let other = document().to_string().replace(&imsi(0).to_string(), &imsi(1).to_string());
    let text = format!("{}\n{other}\n", document());
    let options = Options { dry_run: true, ..Options::default() };
    let (_, report) = run(&text, &options).await;
    assert_eq!((report.stored, report.refused), (1, 1), "{report:?}");
    let reason = &report.problems[0].reason;
    assert!(reason.contains("10.45.0.7 of APN internet is on line 1 already"), "{reason}");
}

#[tokio::test]
async fn an_import_that_goes_on_compares_the_subscription() {
    let (store, report) = run(&document().to_string(), &Options::default()).await;
    assert!(report.is_complete());
    let options = Options { on_existing: OnExisting::Skip, ..Options::default() };
    for (text, skipped) in [(document(), 1), (changed("/ambr/uplink/value", json!(7)), 0)] {
        let text = text.to_string();
        let report = import::run(text.as_bytes(), Format::Auto, &options, &store, |_| {}).await;
        assert_eq!((report.skipped, report.refused), (skipped, 1 - skipped), "{report:?}");
    }
}

/// Any value in any place of a document is taken or refused.
#[tokio::test]
async fn no_document_makes_it_panic() {
    use proptest::{
        prelude::*,
        strategy::{Strategy, ValueTree},
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!({"$numberLong": "97"})),
        Just(json!("internet")),
    ];
    let value = leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(
                proptest::sample::select(vec![
                    "sst", "session", "name", "type", "qos", "index", "arp", "ambr", "downlink", "value",
                    "unit", "ue", "ipv4"
                ])
                .prop_map(str::to_owned),
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let mut places = vec![String::new()];
    let mut at = 0;
    while at < places.len() {
        let (document, place) = (document(), places[at].clone());
        match document.pointer(&place).unwrap() {
            Value::Object(map) => places.extend(map.keys().map(|key| format!("{place}/{key}"))),
            Value::Array(list) => places.extend((0..list.len()).map(|at| format!("{place}/{at}"))),
            _ => {}
        }
        at += 1;
    }
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for place in places.iter().filter(|place| !place.is_empty()).cycle().take(1500) {
        let mut document = document();
        *document.pointer_mut(place).unwrap() = value.new_tree(&mut runner).unwrap().current();
        let (store, report) = run(&document.to_string(), &Options::default()).await;
        for subscriber in store.snapshots(&[imsi(0)]).await.unwrap() {
            // What is stored is what is sent: the overrides go with the profile.
            let credential = &subscriber.credential;
            assert!(credential.overrides.merged(&subscriber.profile).is_ok(), "{place}: {report:?}");
        }
    }
}
