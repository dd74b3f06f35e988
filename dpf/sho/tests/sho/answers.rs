//! What each kind of answer of an HSS means: to be tried again, or not. The answers of PyHSS are what one of 2.0.0 (47a3a16)
//! answered, its reasons cut where its words end and the values begin: `services/apiService.py` on PostgreSQL 15 whose
//! server was stopped, restarted (`pg_ctl -m fast` and `-m immediate`), told to end its connections
//! (`pg_terminate_backend`) and set to `default_transaction_read_only`, and on SQLite that another process had locked
//! (`BEGIN EXCLUSIVE`); each asked what the connector asks.

use std::sync::{Arc, atomic::Ordering};

use axum::http::Method;
use serde_json::{Value, json};
use sho::{
    connector::{Connector, ConnectorError, Subscriber},
    model::Ambr,
};

use crate::{
    connectors::{Double, callhome, py, subscriber},
    mongo::{Mongo, Mood},
    open5gs,
};

/// What it was asked, its status, the reason, and whether it is to be tried again.
const PYHSS: [(&str, u16, &str, bool); 9] = [
    // PostgreSQL, stopped: GET /subscriber/imsi/…, GET /auc/imsi/…, PUT, PATCH and DELETE.
    (
        "stopped",
        400,
        "A database operational error occurred: (psycopg2.OperationalError) connection to server at \"127.0.0.1\", \
         port 25432 failed: Connection refused",
        true,
    ),
    // PostgreSQL, stopped: GET /apn/list.
    (
        "stopped, a list",
        400,
        "A database integrity error occurred: (psycopg2.OperationalError) connection to server at \"127.0.0.1\", \
         port 25432 failed: Connection refused",
        true,
    ),
    // PostgreSQL, started again: a connection of before.
    (
        "restarted",
        400,
        "A database operational error occurred: (psycopg2.OperationalError) server closed the connection unexpectedly",
        true,
    ),
    (
        "restarted, a list",
        400,
        "A database integrity error occurred: (psycopg2.OperationalError) server closed the connection unexpectedly",
        true,
    ),
    // SQLite, locked.
    (
        "locked",
        400,
        "A database operational error occurred: (sqlite3.OperationalError) database is locked",
        true,
    ),
    (
        "locked, a list",
        400,
        "A database integrity error occurred: (sqlite3.OperationalError) database is locked",
        true,
    ),
    // SQLite: a second row of an IMSI. PostgreSQL answers 200 and null.
    (
        "twice",
        400,
        "A database integrity error occurred: (sqlite3.IntegrityError) UNIQUE constraint failed: auc.imsi",
        false,
    ),
    // A column that there is not.
    (
        "another version",
        500,
        "An internal server error occurred: 'nosuchcolumn' is an invalid keyword argument for AUC",
        true,
    ),
    ("another path", 404, "", true),
];

fn answer((_, status, reason, _): (&str, u16, &str, bool)) -> (u16, Value) {
    (status, json!({"result": "Failed", "reason": reason}))
}

#[tokio::test]
async fn pyhss_whose_database_is_away_is_away_and_one_that_refuses_refuses() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = py(&double, &folder).await;
    let one = subscriber(true);
    for case in PYHSS {
        let (what, .., later) = case;
        // The first call, whichever it is.
        for call in 0..3 {
            double.instead.lock().unwrap().push_back(answer(case));
            let error = match call {
                0 => hss.exists(one.imsi).await.map(drop),
                1 => hss.publish(&one).await,
                _ => hss.withdraw(one.imsi).await,
            };
            let error = error.unwrap_err();
            assert_eq!(error.is_transient(), later, "{what}: {error}");
            assert!(error.to_string().contains("pyhss") && !error.to_string().contains("psycopg"), "{error}");
        }
        // Nothing was undone, and what waits goes through afterwards.
        assert!(double.asked.lock().unwrap().iter().all(|(method, ..)| *method != Method::DELETE));
    }
    hss.publish(&one).await.unwrap();
    assert!(hss.exists(one.imsi).await.unwrap());
}

/// A database goes away between any two requests of a publication: it is away, and the next attempt goes through.
#[tokio::test]
async fn a_publication_that_pyhss_breaks_off_anywhere_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    for postgres in [false, true] {
        for good in 0..12 {
            let double = Arc::new(Double::default());
            double.postgres.store(postgres, Ordering::Relaxed);
            let hss = py(&double, &folder).await;
            let one = subscriber(true);
            // The request after `good` ones fails, in the way that this database has.
            let down = if postgres { (200, Value::Null) } else { answer(PYHSS[4]) };
            double.fail_after(good, down);
            if let Err(error) = hss.publish(&one).await {
                assert!(error.is_transient(), "{postgres} {good}: {error}");
            }
            double.fail_after(usize::MAX, (200, Value::Null));
            hss.publish(&one).await.unwrap();
            assert!(hss.exists(one.imsi).await.unwrap(), "{postgres} {good}");
            assert_eq!(
                double.objects.lock().unwrap().keys().filter(|key| !key.starts_with("apn")).count(),
                2
            );
        }
    }
}

/// PyHSS answers `null` for what is not there, and for a query that its database did not finish.
#[tokio::test]
async fn a_null_of_pyhss_is_believed_when_its_database_answers_something_else_beside_it() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = py(&double, &folder).await;
    let one = subscriber(true);
    hss.publish(&one).await.unwrap();
    double.instead.lock().unwrap().push_back((200, Value::Null));
    assert!(hss.exists(one.imsi).await.unwrap(), "it is there");
    double.instead.lock().unwrap().push_back((200, Value::Null));
    hss.withdraw(one.imsi).await.unwrap();
    assert!(!hss.exists(one.imsi).await.unwrap(), "it was withdrawn");
    // Neither is there an answer beside it.
    double.instead.lock().unwrap().extend([(200, Value::Null), answer(PYHSS[1])]);
    assert!(hss.exists(one.imsi).await.unwrap_err().is_transient());
    double.instead.lock().unwrap().extend([(200, Value::Null), (200, Value::Null)]);
    assert!(hss.withdraw(one.imsi).await.unwrap_err().is_transient());
}

/// A row of this IMSI came in between: PostgreSQL's PyHSS says `null`, and it is found the next time.
#[tokio::test]
async fn a_null_to_what_was_to_be_written_is_tried_again() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    double.postgres.store(true, Ordering::Relaxed);
    let hss = py(&double, &folder).await;
    let one = subscriber(true);
    hss.publish(&one).await.unwrap();
    // It is not seen, nor is the APN beside it (an empty list), and then it is there.
    double.instead.lock().unwrap().extend([
        (200, json!([])),
        (200, json!({"apn_id": 9, "apn": "internet"})),
        (200, Value::Null),
        (200, json!([])),
        (200, Value::Null),
    ]);
    let error = hss.publish(&one).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Away(text) if text.contains("null")), "{error}");
    hss.publish(&one).await.unwrap();
}

/// Beyond the columns of its tables PostgreSQL's PyHSS says `null`, MySQL's cuts off, and SQLite's stores what an export
/// will not take: all of it is refused before anything is written.
#[tokio::test]
async fn what_an_hss_has_no_room_for_is_refused_with_field_limit_and_remedy_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let ambr = |downlink, uplink| Ambr { uplink, downlink };
    let too_fast = i32::MAX.unsigned_abs() + 1;
    let double = Arc::new(Double::default());
    let hss = py(&double, &folder).await;
    for (wrong, field, limit, remedy) in [
        (Subscriber { apn: "a".repeat(51), ..subscriber(true) }, "apn", "50", "shorter `apn`"),
        (Subscriber { msisdn: Some("8".repeat(19)), ..subscriber(true) }, "msisdn", "18", "number ranges"),
        (
            Subscriber { ambr: ambr(too_fast, 1), ..subscriber(true) },
            "ambr.downlink",
            "2147483647",
            "lower `ambr`",
        ),
        (
            Subscriber { ambr: ambr(1, u32::MAX), ..subscriber(true) },
            "ambr.uplink",
            "2147483647",
            "lower `ambr`",
        ),
    ] {
        let error = hss.publish(&wrong).await.unwrap_err();
        let text = error.to_string();
        assert!(!error.is_transient(), "{text}");
        for word in ["pyhss", field, limit, remedy] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    assert!(double.asked.lock().unwrap().is_empty());
    // What just fits, does, also where the database keeps to it.
    double.postgres.store(true, Ordering::Relaxed);
    let most = Subscriber {
        apn: "a".repeat(50),
        msisdn: Some("8".repeat(15)),
        ambr: ambr(too_fast - 1, too_fast - 1),
        ..subscriber(true)
    };
    hss.publish(&most).await.unwrap();

    let mongo = Arc::new(Mongo::default());
    let core = open5gs::connected(&mongo).await;
    let icf = Arc::new(Double::default());
    let others: [Box<dyn Connector>; 2] = [Box::new(core), Box::new(callhome(&icf, &folder).await)];
    for hss in others {
        let error =
            hss.publish(&Subscriber { msisdn: Some("8".repeat(16)), ..subscriber(true) }).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("msisdn of 16 characters"), "{error}");
        hss.publish(&most).await.unwrap();
    }
    assert_eq!(icf.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_pyhss_has_stored_otherwise_is_noticed() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    double.cuts.store(true, Ordering::Relaxed);
    let hss = py(&double, &folder).await;
    let error = hss.publish(&subscriber(true)).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("another apn than it was sent"), "{error}");
}

/// A 404 of a proxy, or of another path of the ICF, is not its word that there is no credential.
#[tokio::test]
async fn what_is_not_the_icfs_word_about_a_credential_is_not_taken_for_it() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = callhome(&double, &folder).await;
    let one = subscriber(true);
    hss.publish(&one).await.unwrap();
    let other = json!({"title": "Not Found", "status": 404, "detail": "there is no such resource"});
    for body in [Value::Null, other] {
        for call in 0..4 {
            double.instead.lock().unwrap().push_back((404, body.clone()));
            let error = match call {
                0 => hss.exists(one.imsi).await.map(drop),
                1 => hss.publish(&one).await,
                2 => hss.set_usable(one.imsi).await,
                _ => hss.withdraw(one.imsi).await,
            };
            assert!(error.unwrap_err().is_transient(), "{call} {body}");
        }
    }
    assert!(hss.exists(one.imsi).await.unwrap());
}

/// By what the ICF answers: 409 of a change is somebody else's change; a value that it does not take stays so.
#[tokio::test]
async fn the_icfs_statuses_tell_later_from_never() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = callhome(&double, &folder).await;
    let one = subscriber(true);
    hss.publish(&one).await.unwrap();
    for (status, later) in [
        (400, false),
        (401, true),
        (403, true),
        (405, true),
        (408, true),
        (413, false),
        (415, false),
        (422, false),
        (429, true),
        (500, true),
        (502, true),
        (503, true),
    ] {
        for call in 0..3 {
            double.instead.lock().unwrap().push_back((status, json!({"title": "x", "status": status})));
            let error = match call {
                0 => hss.publish(&one).await,
                1 => hss.set_usable(one.imsi).await,
                _ => hss.withdraw(one.imsi).await,
            };
            let error = error.unwrap_err();
            assert_eq!(error.is_transient(), later, "{status} {call}: {error}");
        }
    }
    double.instead.lock().unwrap().push_back((409, json!({"title": "Conflict", "status": 409})));
    assert!(hss.set_usable(one.imsi).await.unwrap_err().is_transient());
    // Another state than it was told: somebody else is at it.
    double.instead.lock().unwrap().push_back((200, double.shown("999010000000001", "blocked")));
    let error = hss.set_usable(one.imsi).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("another state"), "{error}");
    // A credential that is deleted is nobody's to let in.
    hss.withdraw(one.imsi).await.unwrap();
    let error = hss.set_usable(one.imsi).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("not there any more"), "{error}");
}

/// Labels of the server go before codes, and a write concern says nothing of the write.
#[tokio::test]
async fn mongodb_tells_by_codes_and_labels_what_comes_again() {
    let mongo = Arc::new(Mongo::default());
    let hss = open5gs::connected(&mongo).await;
    for (mood, later) in [
        (Mood::Fails(2), false),
        (Mood::Fails(66), false),
        (Mood::Fails(10334), false),
        // NotYetInitialized, ShutdownInProgress, InterruptedAtShutdown, ExceededTimeLimit, WriteConflict, OutOfDiskSpace.
        (Mood::Fails(94), true),
        (Mood::Fails(91), true),
        (Mood::Fails(11600), true),
        (Mood::Fails(262), true),
        (Mood::Fails(112), true),
        (Mood::Fails(14031), true),
        (Mood::Labelled(2, "RetryableError"), true),
        (Mood::Labelled(2, "TransientTransactionError"), true),
        // WriteConcernFailed, UnsatisfiableWriteConcern, and one with a code that is a refusal elsewhere.
        (Mood::Concern(64), true),
        (Mood::Concern(100), true),
        (Mood::Concern(2), true),
    ] {
        mongo.subscribers.lock().unwrap().clear();
        *mongo.mood.lock().unwrap() = mood;
        let error = hss.publish(&subscriber(true)).await.unwrap_err();
        assert_eq!(error.is_transient(), later, "{mood:?}: {error}");
    }
}
