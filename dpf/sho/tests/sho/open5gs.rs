//! The connector to Open5GS, against a MongoDB that is made here.

use std::{sync::Arc, time::Duration};

use mongodb::bson::{Bson, Document, doc};
use schemas::secret::Key128;
use service::config::Span;
use sho::{
    config::Open5gsConfig,
    connector::{Connector, ConnectorError, Subscriber, open5gs::Open5gs},
    keys::SubscriberKeys,
};

use crate::{
    connectors::subscriber,
    mongo::{Mongo, Mood, at},
};

const K: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const OPC: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

fn config(url: String) -> Open5gsConfig {
    Open5gsConfig {
        name: "core".into(),
        url,
        database: "open5gs".into(),
        mark: "callhome".into(),
        username: None,
        password: None,
        auth_database: "admin".into(),
        ca: None,
        timeout: Span::seconds(30),
    }
}

/// A connector to it.
pub async fn connected(mongo: &Arc<Mongo>) -> Open5gs {
    Open5gs::new(&config(mongo.serve().await)).unwrap()
}

async fn started() -> (Arc<Mongo>, Open5gs) {
    let mongo = Arc::new(Mongo::default());
    let hss = connected(&mongo).await;
    (mongo, hss)
}

fn with_k(k: u8) -> Subscriber {
    let keys = SubscriberKeys { k: Key128::new([k; 16]), ..subscriber(true).keys };
    Subscriber { keys, ..subscriber(true) }
}

/// As `open5gs-dbctl add` leaves it, less what nobody here looks at.
fn by_hand(k: &str, opc: &str) -> Document {
    doc! {"_id": 1, "imsi": "999010000000001", "slice": [], "subscriber_status": 0,
    "security": {"k": k, "op": null, "opc": opc, "amf": "8000"}}
}

#[tokio::test]
async fn a_subscriber_has_the_fields_and_types_that_its_hss_reads() {
    let (mongo, hss) = started().await;
    let one =
        Subscriber { ambr: sho::model::Ambr { uplink: 1000, downlink: 4_000_000_001 }, ..subscriber(true) };
    assert!(!hss.exists(one.imsi).await.unwrap());
    hss.publish(&one).await.unwrap();
    assert!(hss.exists(one.imsi).await.unwrap());
    let stored = mongo.only();
    // An int32 each; SQN an int64; a rate that an int32 does not hold is in kbit/s.
    let rate = doc! {"downlink": {"value": 4_000_001, "unit": 1}, "uplink": {"value": 1000, "unit": 0}};
    let expected = doc! {
        "_id": stored.get_object_id("_id").unwrap(),
        "schema_version": 1,
        "imsi": "999010000000001",
        "imeisv": [], "mme_host": [], "mme_realm": [], "purge_flag": [],
        "msisdn": ["88210000001"],
        "ambr": &rate,
        "slice": [{"sst": 1, "default_indicator": true, "session": [{
            "name": "internet", "type": 1,
            "qos": {"index": 9, "arp":
                {"priority_level": 8, "pre_emption_capability": 1, "pre_emption_vulnerability": 2}},
            "ambr": &rate, "pcc_rule": [],
        }]}],
        "access_restriction_data": 32, "network_access_mode": 0, "subscribed_rau_tau_timer": 12,
        "security": {"k": K, "op": null, "opc": OPC, "amf": "8000", "sqn": 32_i64},
        "callhome": {"by": "callhome"},
        "subscriber_status": 0, "operator_determined_barring": 0,
        "__v": 0,
    };
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn its_hss_has_no_keys_of_a_subscriber_before_it_is_usable_and_every_call_can_be_repeated() {
    let (mongo, hss) = started().await;
    let imsi = subscriber(false).imsi;
    for _ in 0..2 {
        hss.publish(&subscriber(false)).await.unwrap();
        let stored = mongo.only();
        assert!(!stored.contains_key("security"), "{stored}");
        assert_eq!(at(&stored, "callhome.security.k"), Some(&Bson::from(K)));
        assert_eq!(stored.get_i32("subscriber_status").ok(), Some(1));
    }
    for _ in 0..2 {
        hss.set_usable(imsi).await.unwrap();
        let stored = mongo.only();
        assert_eq!(at(&stored, "security.k"), Some(&Bson::from(K)));
        assert_eq!(at(&stored, "security.sqn"), Some(&Bson::Int64(32)));
        assert_eq!(at(&stored, "callhome"), Some(&Bson::from(doc! {"by": "callhome"})));
        assert_eq!(stored.get_i32("subscriber_status").ok(), Some(0));
    }
    // The HSS writes, and the operator bars: both stay when new keys come.
    {
        let mut all = mongo.subscribers.lock().unwrap();
        all[0].get_document_mut("security").unwrap().insert("sqn", 4096_i64);
        all[0].extend(doc! {"mme_host": "mme.example", "subscriber_status": 1, "access_restriction_data": 0});
    }
    hss.set_usable(imsi).await.unwrap();
    for _ in 0..2 {
        hss.publish(&with_k(3)).await.unwrap();
        let stored = mongo.only();
        assert_eq!(at(&stored, "security.k"), Some(&Bson::from("03".repeat(16))));
        assert_eq!(at(&stored, "security.sqn"), Some(&Bson::Int64(4096)));
        assert_eq!(stored.get_str("mme_host").ok(), Some("mme.example"));
        assert_eq!(stored.get_i32("subscriber_status").ok(), Some(1));
        assert_eq!(stored.get_i32("access_restriction_data").ok(), Some(0));
    }
    for _ in 0..2 {
        hss.withdraw(imsi).await.unwrap();
        assert!(mongo.subscribers.lock().unwrap().is_empty());
    }
    let error = hss.set_usable(imsi).await.unwrap_err();
    assert!(
        matches!(&error, ConnectorError::Refused(text) if text.contains("not there any more")),
        "{error}"
    );
}

#[tokio::test]
async fn what_somebody_else_has_made_stays_as_it_is() {
    let (mongo, hss) = started().await;
    let one = subscriber(true);
    let marked = doc! {"_id": 1, "imsi": "999010000000001", "callhome": {"by": "another"}, "slice": []};
    for theirs in [by_hand(&"c3".repeat(16), OPC), by_hand(K, &"c3".repeat(16)), marked] {
        *mongo.subscribers.lock().unwrap() = vec![theirs.clone()];
        assert!(hss.exists(one.imsi).await.unwrap());
        let error = hss.publish(&one).await.unwrap_err();
        assert!(matches!(&error, ConnectorError::Refused(text) if text.contains("not ours")), "{error}");
        assert!(!hss.set_usable(one.imsi).await.unwrap_err().is_transient());
        hss.withdraw(one.imsi).await.unwrap();
        assert_eq!(mongo.only(), theirs);
    }
    // The same keys, written as the WebUI's users write them: ours, whose mark was lost.
    let blanks = "A1A1A1A1 A1A1A1A1 A1A1A1A1 A1A1A1A1";
    *mongo.subscribers.lock().unwrap() = vec![by_hand(blanks, OPC)];
    hss.publish(&one).await.unwrap();
    let stored = mongo.only();
    assert_eq!(at(&stored, "callhome.by"), Some(&Bson::from("callhome")));
    assert_eq!(at(&stored, "security.sqn"), Some(&Bson::Int64(32)), "dbctl writes none");
}

#[tokio::test]
async fn a_fragment_that_its_hss_has_made_is_nobodys() {
    let (mongo, hss) = started().await;
    let one = subscriber(true);
    let fragment = doc! {"_id": 1, "imsi": "999010000000001", "mme_host": "mme.example", "purge_flag": true};
    mongo.subscribers.lock().unwrap().push(fragment.clone());
    assert!(!hss.exists(one.imsi).await.unwrap());
    hss.withdraw(one.imsi).await.unwrap();
    assert_eq!(mongo.only(), fragment);
    hss.publish(&one).await.unwrap();
    let stored = mongo.only();
    assert_eq!(at(&stored, "security.k"), Some(&Bson::from(K)));
    assert_eq!(stored.get_i32("access_restriction_data").ok(), Some(32));
    assert_eq!(stored.get_str("mme_host").ok(), Some("mme.example"));
}

#[tokio::test]
async fn what_mongodb_says_of_an_error_is_not_repeated_and_tells_later_from_never() {
    let (mongo, hss) = started().await;
    // NotWritablePrimary, Unauthorized, an unknown one; BadValue, DocumentValidationFailure.
    for (code, later) in [(10107, true), (13, true), (4711, true), (2, false), (121, false)] {
        *mongo.mood.lock().unwrap() = Mood::Fails(code);
        let error = hss.publish(&subscriber(true)).await.unwrap_err();
        assert_eq!(error.is_transient(), later, "{code}: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("a1a1") && !text.contains("b2b2") && !text.contains("cannot do"), "{text}");
        assert!(text.contains("core"), "{text}");
    }
    *mongo.mood.lock().unwrap() = Mood::Well;
    // Its `_id` is taken by a document of another IMSI: an insertion fails, and repeats nothing.
    hss.publish(&subscriber(true)).await.unwrap();
    mongo.subscribers.lock().unwrap()[0].insert("imsi", "moved");
    let error = hss.publish(&subscriber(true)).await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains("a1a1"), "{error}");
}

#[tokio::test]
async fn a_mongodb_that_is_not_there_or_mute_is_away() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mongo = Arc::new(Mongo::default());
    *mongo.mood.lock().unwrap() = Mood::Mute;
    for (url, says) in [(format!("mongodb://{free}"), "core"), (mongo.serve().await, "no answer in time")] {
        let short = Open5gsConfig { timeout: Span(Duration::from_millis(300)), ..config(url) };
        let error = Open5gs::new(&short).unwrap().publish(&subscriber(true)).await.unwrap_err();
        assert!(matches!(&error, ConnectorError::Away(text) if text.contains(says)), "{error}");
    }
}

#[test]
fn a_configuration_that_would_show_k_or_a_password_is_refused() {
    let good = || config("mongodb://127.0.0.1:27017,localhost".into());
    assert!(Open5gs::new(&good()).is_ok());
    for url in [
        "mongodb://192.0.2.1:27017",
        "mongodb://127.0.0.1,hss.example",
        "mongodb+srv://hss.example",
        "mongodb://user:hunter2@127.0.0.1",
        "mongodb://127.0.0.1/?tls=true&tlsInsecure=true",
        "http://127.0.0.1",
    ] {
        let error = Open5gs::new(&config(url.into())).unwrap_err().to_string();
        assert!(error.contains("core") && !error.contains("hunter2"), "{error}");
    }
    let half = Open5gsConfig { username: Some("sho".into()), ..good() };
    assert!(Open5gs::new(&half).unwrap_err().to_string().contains("go together"));
}
