//! The connectors, against servers that answer as the real ones do and write down what they are asked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use schemas::secret::Key128;
use serde_json::{Value, json};
use service::config::SecretSource;
use sho::{
    config::{CallhomeConfig, PyHssConfig},
    connector::{Connector, ConnectorError, Subscriber, callhome::Callhome, pyhss::PyHss},
    keys::SubscriberKeys,
};

const K: [u8; 16] = [0xa1; 16];
const OPC: [u8; 16] = [0xb2; 16];

/// What a server has and was asked.
#[derive(Default)]
pub struct Double {
    pub objects: Mutex<BTreeMap<String, Value>>,
    pub asked: Mutex<Vec<(Method, String, Value)>>,
    pub fail: Mutex<Option<StatusCode>>,
    /// What it answers to the next requests, in this order, whatever they are.
    pub instead: Mutex<VecDeque<(u16, Value)>>,
    /// After so many requests it answers one with this.
    outage: Mutex<Option<(usize, (u16, Value))>>,
    next: Mutex<i64>,
    /// PyHSS's database is locked: DELETE does nothing.
    stuck: AtomicBool,
    /// PyHSS's database is PostgreSQL: it keeps to the size of its columns and answers `null`, also to a second row of an
    /// IMSI.
    pub postgres: AtomicBool,
    /// PyHSS's database cuts off what is too long, as MySQL does where it is not strict.
    pub cuts: AtomicBool,
}

impl Double {
    /// Answers one request with `answer`, after `good` others.
    pub fn fail_after(&self, good: usize, answer: (u16, Value)) {
        *self.outage.lock().unwrap() = Some((good, answer));
    }

    fn outage(&self) -> Option<(u16, Value)> {
        let mut outage = self.outage.lock().unwrap();
        match &mut *outage {
            Some((0, _)) => outage.take().map(|(_, answer)| answer),
            Some((good, _)) => {
                *good -= 1;
                None
            }
            None => None,
        }
    }

    /// A credential of the ICF as it shows it, in another state.
    pub fn shown(&self, imsi: &str, state: &str) -> Value {
        let mut object = self.objects.lock().unwrap()[imsi].clone();
        object["state"] = json!(state);
        credential(&object)
    }
}

/// A credential as the ICF shows it.
fn credential(body: &Value) -> Value {
    json!({"imsi": body["imsi"], "state": body.get("state").unwrap_or(&json!("active")), "profile": body["profile"],
        "pool": false, "amf": "8000", "ind_bitlen": 5, "expires_at": null, "attach_budget": null, "attaches": 0,
        "address": null, "msisdn": body["msisdn"], "mode": "supplier", "batch": null,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "version": 1})
}

type Answering = fn(&Double, &Method, &str, &HeaderMap, Value) -> (StatusCode, Value);

async fn serve(double: Arc<Double>, answering: Answering) -> String {
    async fn handle(
        State((double, answering)): State<(Arc<Double>, Answering)>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        double.asked.lock().unwrap().push((method.clone(), uri.path().to_owned(), body.clone()));
        let instead = double.instead.lock().unwrap().pop_front();
        if let Some((status, body)) = instead.or_else(|| double.outage()) {
            return (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
        }
        if let Some(status) = *double.fail.lock().unwrap() {
            // What it was sent is in what it says: a server's errors are not to be repeated.
            return (status, axum::Json(json!({"title": "x", "reason": body.to_string()}))).into_response();
        }
        let (status, body) = answering(&double, &method, uri.path(), &headers, body);
        if status == 204 { status.into_response() } else { (status, axum::Json(body)).into_response() }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(handle).with_state((double, answering));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

pub fn subscriber(usable: bool) -> Subscriber {
    Subscriber {
        imsi: "999010000000001".parse().unwrap(),
        msisdn: Some("88210000001".into()),
        keys: SubscriberKeys { k: Key128::new(K), opc: Key128::new(OPC), amf: [0x80, 0] },
        apn: "internet".into(),
        ambr: sho::model::Ambr { uplink: 1000, downlink: 2000 },
        pdn_type: sho::model::PdnType::Ipv4,
        usable,
    }
}

/// The ICF's `/v1/credentials`, as icf-auc/src/rest/credentials.rs has it.
fn icf(
    double: &Double,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Value,
) -> (StatusCode, Value) {
    if headers.get("authorization").is_none_or(|value| value != "Bearer chm_secret") {
        return (StatusCode::UNAUTHORIZED, json!({"title": "Unauthorized", "status": 401}));
    }
    let mut objects = double.objects.lock().unwrap();
    let imsi = path.strip_prefix("/v1/credentials/").unwrap_or_default().to_owned();
    match (method.as_str(), imsi.is_empty()) {
        ("POST", true) => {
            let imsi = body["imsi"].as_str().unwrap().to_owned();
            if objects.contains_key(&imsi) {
                return (StatusCode::CONFLICT, json!({"title": "Conflict", "status": 409}));
            }
            let answer = credential(&body);
            objects.insert(imsi, body);
            (StatusCode::CREATED, answer)
        }
        (_, false) if !objects.contains_key(&imsi) => {
            let detail = format!("there is no credential {imsi}");
            (StatusCode::NOT_FOUND, json!({"title": "Not Found", "status": 404, "detail": detail}))
        }
        ("DELETE", false) => {
            objects.remove(&imsi);
            (StatusCode::NO_CONTENT, Value::Null)
        }
        ("PATCH", false) => {
            let object = objects.get_mut(&imsi).unwrap();
            for (name, value) in body.as_object().unwrap() {
                object[name] = value.clone();
            }
            (StatusCode::OK, credential(object))
        }
        _ => (StatusCode::OK, credential(&objects[&imsi])),
    }
}

pub async fn callhome(double: &Arc<Double>, folder: &tempfile::TempDir) -> Callhome {
    service::tls::install_provider();
    let token = folder.path().join("token");
    std::fs::write(&token, "chm_secret").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Callhome::new(&CallhomeConfig {
        name: "callhome".into(),
        url: serve(double.clone(), icf).await,
        token: SecretSource::File(token),
        ca: None,
        timeout: service::config::Span::seconds(30),
        profile: "subscriber".into(),
    })
    .unwrap()
}

#[tokio::test]
async fn callhome_gets_a_credential_and_every_call_can_be_repeated() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = callhome(&double, &folder).await;
    let (barred, imsi) = (subscriber(false), subscriber(true).imsi);
    assert!(!hss.exists(imsi).await.unwrap());
    for _ in 0..2 {
        hss.publish(&barred).await.unwrap();
        let stored = double.objects.lock().unwrap()["999010000000001"].clone();
        assert_eq!((&stored["k"], &stored["opc"]), (&json!(hex::encode(K)), &json!(hex::encode(OPC))));
        assert_eq!((&stored["profile"], &stored["state"]), (&json!("subscriber"), &json!("blocked")));
    }
    assert!(hss.exists(imsi).await.unwrap());
    for _ in 0..2 {
        hss.set_usable(imsi).await.unwrap();
    }
    assert_eq!(double.objects.lock().unwrap()["999010000000001"]["state"], "active");
    // New keys: cleared, then published.
    hss.clear(imsi).await.unwrap();
    let keys = SubscriberKeys { k: Key128::new([3; 16]), ..subscriber(true).keys };
    hss.publish(&Subscriber { keys, ..subscriber(true) }).await.unwrap();
    assert_eq!(double.objects.lock().unwrap()["999010000000001"]["k"], hex::encode([3; 16]));
    for _ in 0..2 {
        hss.withdraw(imsi).await.unwrap();
    }
    assert!(double.objects.lock().unwrap().is_empty());
}

/// What a PyHSS of August 2026 (47a3a16) answered, with SQLite, `lock_provisioning`, and the requests that the
/// connector makes: no keys but to a PUT, 200 and `null` for what is not there, to DELETE as well, and 400 with the
/// statement and its parameters, keys among them, for a second row of an IMSI.
fn pyhss(
    double: &Double,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Value,
) -> (StatusCode, Value) {
    if headers.get("provisioning-key").is_none_or(|value| value != "chm_secret") && method != Method::GET {
        return (StatusCode::UNAUTHORIZED, json!({"Result": "Unauthorized - Provisioning-Key Invalid"}));
    }
    let mut objects = double.objects.lock().unwrap();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (table, id_name) = (parts[0], format!("{}_id", parts[0]));
    let strip = |value: &Value| {
        let mut value = value.clone();
        if table == "auc" {
            for name in ["ki", "opc", "kid", "psk", "des", "adm1"] {
                value.as_object_mut().unwrap().remove(name);
            }
        }
        value
    };
    match (method.as_str(), &parts[1..]) {
        ("PUT", []) => {
            let rows = objects.iter().filter(|(key, _)| key.starts_with(&format!("{table}/")));
            if body.get("imsi").is_some_and(|imsi| rows.into_iter().any(|(_, row)| row["imsi"] == *imsi)) {
                if double.postgres.load(Ordering::Relaxed) {
                    return (StatusCode::OK, Value::Null);
                }
                let reason = format!(
                    "A database integrity error occurred: (sqlite3.IntegrityError) UNIQUE constraint failed: \
                     {table}.imsi [parameters: {body}]"
                );
                return (StatusCode::BAD_REQUEST, json!({"result": "Failed", "reason": reason}));
            }
            if double.postgres.load(Ordering::Relaxed) && too_large(&body) {
                return (StatusCode::OK, Value::Null);
            }
            let mut next = double.next.lock().unwrap();
            *next += 1;
            let mut object = columns(table);
            object.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            if double.cuts.load(Ordering::Relaxed) {
                for value in object.as_object_mut().unwrap().values_mut() {
                    if let Value::String(text) = value {
                        text.truncate(6);
                    }
                }
            }
            object[&id_name] = json!(*next);
            objects.insert(format!("{table}/{next}"), object.clone());
            (StatusCode::OK, object)
        }
        ("GET", ["list"]) => {
            let rows = objects.iter().filter(|(key, _)| key.starts_with(&format!("{table}/")));
            (StatusCode::OK, rows.map(|(_, row)| strip(row)).collect())
        }
        ("GET", ["imsi", imsi]) => {
            let mut rows = objects.iter().filter(|(key, _)| key.starts_with(&format!("{table}/")));
            // Its error handler has no case for a row that is not there, and returns nothing.
            let found = rows.find(|(_, row)| row["imsi"] == *imsi).map_or(Value::Null, |(_, row)| strip(row));
            (StatusCode::OK, found)
        }
        ("PATCH", [id]) => {
            let Some(object) = objects.get_mut(&format!("{table}/{id}")) else {
                return (StatusCode::OK, Value::Null);
            };
            if double.postgres.load(Ordering::Relaxed) && too_large(&body) {
                return (StatusCode::OK, Value::Null);
            }
            for (name, value) in body.as_object().unwrap() {
                object[name] = value.clone();
            }
            (StatusCode::OK, strip(object))
        }
        ("DELETE", [id]) => {
            let gone =
                (!double.stuck.load(Ordering::Relaxed)).then(|| objects.remove(&format!("{table}/{id}")));
            (StatusCode::OK, gone.flatten().map_or(Value::Null, |_| json!({"Result": "OK"})))
        }
        other => panic!("{other:?}"),
    }
}

/// Whether a value is beyond its column in `lib/database.py`, as far as the connector writes it.
fn too_large(body: &Value) -> bool {
    let text = |name: &str, most: usize| body[name].as_str().is_some_and(|text| text.len() > most);
    let rates = ["apn_ambr_dl", "apn_ambr_ul", "ue_ambr_dl", "ue_ambr_ul"];
    text("apn", 50)
        || text("msisdn", 18)
        || rates.iter().any(|name| body[*name].as_i64() > Some(i64::from(i32::MAX)))
}

/// Columns of a new row as it has answered them, those without a value left out.
fn columns(table: &str) -> Value {
    let mut row = match table {
        "apn" => {
            json!({"nbiot": false, "charging_rule_list": null, "pgw_address": null, "sgw_address": null})
        }
        "auc" => {
            json!({"algo": "3", "batch_name": null, "iccid": null, "kid": null, "psk": null, "des": null,
            "adm1": null, "pin1": null, "puk1": null, "lpa": null, "sim_vendor": null})
        }
        _ => json!({"roaming_enabled": true, "roaming_rule_list": null, "serving_mme": null,
            "subscribed_rau_tau_timer": 300, "last_seen_mcc": null}),
    };
    row["last_modified"] = json!("2026-11-23T23:04:03Z");
    row
}

pub async fn py(double: &Arc<Double>, folder: &tempfile::TempDir) -> PyHss {
    service::tls::install_provider();
    let key = folder.path().join("key");
    std::fs::write(&key, "chm_secret").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    PyHss::new(&PyHssConfig {
        name: "pyhss".into(),
        url: serve(double.clone(), pyhss).await,
        provisioning_key: Some(SecretSource::File(key)),
        ca: None,
        timeout: service::config::Span::seconds(30),
    })
    .unwrap()
}

#[tokio::test]
async fn pyhss_gets_apn_keys_and_subscriber_once_each() {
    let (double, folder) = (Arc::new(Double::default()), tempfile::tempdir().unwrap());
    let hss = py(&double, &folder).await;
    let imsi = subscriber(true).imsi;
    assert!(!hss.exists(imsi).await.unwrap());
    for _ in 0..2 {
        hss.publish(&subscriber(false)).await.unwrap();
        assert_eq!(double.objects.lock().unwrap().len(), 3, "one of each, however often");
    }
    assert!(hss.exists(imsi).await.unwrap());
    let objects = double.objects.lock().unwrap().clone();
    let apn = &objects["apn/1"];
    assert_eq!(
        (&apn["apn"], &apn["apn_ambr_dl"], &apn["apn_ambr_ul"]),
        (&json!("internet"), &json!(2000), &json!(1000))
    );
    let auc = &objects["auc/2"];
    assert_eq!((&auc["ki"], &auc["opc"]), (&json!(hex::encode(K)), &json!(hex::encode(OPC))));
    assert_eq!(
        (&auc["amf"], &auc["sqn"], &auc["imsi"]),
        (&json!("8000"), &json!(0), &json!("999010000000001"))
    );
    let row = &objects["subscriber/3"];
    assert_eq!((&row["auc_id"], &row["default_apn"], &row["apn_list"]), (&json!(2), &json!(1), &json!("1")));
    assert_eq!((&row["enabled"], &row["msisdn"]), (&json!(false), &json!("88210000001")));
    hss.set_usable(imsi).await.unwrap();
    assert_eq!(double.objects.lock().unwrap()["subscriber/3"]["enabled"], true);
    // New keys are changed in place, and the SQN that is there stays.
    double.objects.lock().unwrap().get_mut("auc/2").unwrap()["sqn"] = json!(4096);
    let keys = SubscriberKeys { k: Key128::new([3; 16]), ..subscriber(true).keys };
    hss.publish(&Subscriber { keys, ..subscriber(true) }).await.unwrap();
    let auc = double.objects.lock().unwrap()["auc/2"].clone();
    assert_eq!((&auc["ki"], &auc["sqn"]), (&json!(hex::encode([3; 16])), &json!(4096)));
    double.stuck.store(true, Ordering::Relaxed);
    let error = hss.withdraw(imsi).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Away(text) if text.contains("not deleted")), "{error}");
    double.stuck.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        hss.withdraw(imsi).await.unwrap();
    }
    assert_eq!(
        double.objects.lock().unwrap().keys().collect::<Vec<_>>(),
        ["apn/1"],
        "the APN is others', too"
    );
}

#[tokio::test]
async fn what_an_hss_says_of_an_error_is_not_repeated_and_tells_later_from_never() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Arc::new(Double::default()), Arc::new(Double::default()));
    let connectors: [(Arc<Double>, Box<dyn Connector>); 2] = [
        (one.clone(), Box::new(callhome(&one, &folder).await)),
        (two.clone(), Box::new(py(&two, &folder).await)),
    ];
    for (double, hss) in connectors {
        for (status, later) in
            [(500, true), (503, true), (429, true), (401, true), (400, false), (422, false)]
        {
            *double.fail.lock().unwrap() = Some(StatusCode::from_u16(status).unwrap());
            let error = hss.publish(&subscriber(true)).await.unwrap_err();
            assert_eq!(error.is_transient(), later, "{} {status}: {error}", hss.name());
            let text = format!("{error} {error:?}");
            assert!(!text.contains("a1a1") && !text.contains("b2b2"), "{text}");
            assert!(text.contains(hss.name()), "{text}");
        }
        *double.fail.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn an_hss_that_is_not_there_is_away() {
    service::tls::install_provider();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = PyHssConfig {
        name: "pyhss".into(),
        url: format!("http://{free}"),
        provisioning_key: None,
        ca: None,
        timeout: service::config::Span::seconds(30),
    };
    let error = PyHss::new(&config).unwrap().publish(&subscriber(true)).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Away(text) if text.contains("check that it runs")), "{error}");
    for url in ["http://192.0.2.1:8080", "ftp://127.0.0.1", "https://hss.example"] {
        config.url = url.into();
        let error = PyHss::new(&config).unwrap_err().to_string();
        assert!(error.contains("pyhss"), "{error}");
    }
}
