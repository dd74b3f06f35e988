//! PyHSS, over its REST API (`services/apiService.py` of 2.0): `/auc/`, `/apn/`, `/subscriber/`. What its answers mean is
//! in [`answer`](self::answer): it answers 200 and `null` for what is not there and for what its database did not do, and
//! 400 for a broken constraint and for a database that is away.

mod answer;

use async_trait::async_trait;
use axum::http::Method;
use schemas::identity::Imsi;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use self::answer::{differs, is_refusal};
use super::{
    Connector, ConnectorError, Subscriber,
    http::{Answer, JsonApi},
    limits::Limits,
};
use crate::config::PyHssConfig;

/// Objects of a page of a list.
const PAGE: usize = 200;
/// Pages that are read at most.
const PAGES: usize = 1000;

/// Room in the columns of its tables (`lib/database.py` of 2.0). PostgreSQL and MySQL keep to it, SQLite does not.
mod room {
    /// `apn.apn`.
    pub(super) const APN: usize = 50;
    /// `subscriber.msisdn`.
    pub(super) const MSISDN: usize = 18;
    /// `apn.apn_ambr_*`, `subscriber.ue_ambr_*`: an INTEGER.
    pub(super) const RATE: u32 = i32::MAX.unsigned_abs();
}

/// See the module.
#[derive(Debug)]
pub struct PyHss {
    name: String,
    api: JsonApi,
    /// APNs are made by one at a time: PyHSS would take two of a name.
    apns: Mutex<()>,
}

impl PyHss {
    /// Sets it up; nothing is sent yet.
    ///
    /// # Errors
    /// If URL, key or CA cannot be used.
    pub fn new(config: &PyHssConfig) -> anyhow::Result<Self> {
        let header = match &config.provisioning_key {
            Some(source) => Some(("Provisioning-Key", source.read()?)),
            None => None,
        };
        let api = JsonApi::new(&config.name, &config.url, config.ca.as_deref(), config.timeout.0, header)?;
        Ok(Self { name: config.name.clone(), api, apns: Mutex::new(()) })
    }

    /// The object of a path, if it is there: then its answer holds the field `id`. What is not there is answered as what
    /// went wrong in PyHSS's database is, with 200 and `null`: that is believed when the database has answered something
    /// else in between.
    async fn find(&self, path: &str, id: &str) -> Result<Option<Value>, ConnectorError> {
        if let Some(found) = self.ask_for(path, id).await? {
            return Ok(Some(found));
        }
        self.apns_of(0, 1).await?;
        self.ask_for(path, id).await
    }

    async fn ask_for(&self, path: &str, id: &str) -> Result<Option<Value>, ConnectorError> {
        let answer = self.api.ask::<()>(Method::GET, path, None).await?;
        if !answer.status.is_success() {
            return Err(self.unsuccessful(&Method::GET, path, &answer));
        }
        match answer.body {
            Some(Value::Null) => Ok(None),
            Some(found) if found.get(id).is_some_and(Value::is_i64) => Ok(Some(found)),
            _ => Err(self.api.wrong(&Method::GET, path, "the answer is not what PyHSS answers")),
        }
    }

    /// A page of the list of APNs.
    async fn apns_of(&self, page: usize, size: usize) -> Result<Vec<Value>, ConnectorError> {
        let path = format!("/apn/list?page={page}&page_size={size}");
        let answer = self.api.ask::<()>(Method::GET, &path, None).await?;
        match (answer.status.is_success(), answer.body) {
            (true, Some(Value::Array(apns))) => Ok(apns),
            (true, _) => Err(self.api.wrong(&Method::GET, &path, "the answer is not what PyHSS answers")),
            (false, body) => {
                let answer = Answer { status: answer.status, body };
                Err(self.unsuccessful(&Method::GET, &path, &answer))
            }
        }
    }

    fn unsuccessful(&self, method: &Method, path: &str, answer: &Answer) -> ConnectorError {
        self.api.unsuccessful(method, path, answer.status, is_refusal(answer))
    }

    /// Makes (PUT) or changes (PATCH) an object, and sees that what is stored is what was sent; gives its id.
    async fn write(&self, method: Method, path: &str, body: &Value, id: &str) -> Result<i64, ConnectorError> {
        let answer = self.api.ask(method.clone(), path, Some(body)).await?;
        if !answer.status.is_success() {
            return Err(self.unsuccessful(&method, path, &answer));
        }
        let Some(stored) = answer.body.filter(|stored| !stored.is_null()) else {
            // Of PostgreSQL: an IMSI that came in between, a database that can only be read, a statement that was
            // cancelled. Whatever it is, the next attempt finds out.
            return Err(ConnectorError::Away(format!(
                "connector {}: {method} {path} is answered null: PyHSS's database has not done it; its log says why",
                self.name
            )));
        };
        if let Some(field) = differs(body, &stored) {
            return Err(ConnectorError::Refused(format!(
                "connector {}: {method} {path}: PyHSS has stored another {field} than it was sent; is this column of its \
                 database smaller than that of PyHSS 2.0?",
                self.name
            )));
        }
        let number = stored.get(id).and_then(Value::as_i64);
        number.ok_or_else(|| self.api.wrong(&method, path, "the answer is not what PyHSS answers"))
    }

    /// Deletes an object that is there. Only `{"Result": "OK"}` says that it was done: what went wrong is answered
    /// with 200 and `null`.
    async fn delete(&self, path: &str) -> Result<(), ConnectorError> {
        let answer = self.api.ask::<()>(Method::DELETE, path, None).await?;
        if !answer.status.is_success() {
            return Err(self.unsuccessful(&Method::DELETE, path, &answer));
        }
        let done = answer.body.is_some_and(|body| body.get("Result").and_then(Value::as_str) == Some("OK"));
        if done { Ok(()) } else { Err(self.api.wrong(&Method::DELETE, path, "it was not deleted")) }
    }

    /// Whether there is room for what is to be written.
    fn fits(&self, subscriber: &Subscriber) -> Result<(), ConnectorError> {
        let limits = Limits { connector: &self.name, hss: "PyHSS's database" };
        let apn = "give the contract's terms a shorter `apn`, or, where that has none, shorten `[sho] apn`";
        limits.text("apn", &subscriber.apn, room::APN, apn)?;
        let numbers = "publish shorter MSISDNs: the number ranges have them";
        limits.text("msisdn", subscriber.msisdn.as_deref().unwrap_or_default(), room::MSISDN, numbers)?;
        let rate = "lower `ambr` of the contract's terms";
        limits.number("ambr.downlink", subscriber.ambr.downlink, room::RATE, rate)?;
        limits.number("ambr.uplink", subscriber.ambr.uplink, room::RATE, rate)
    }

    /// Id of the APN with these properties; made, if there is none. APNs are shared by subscribers and never changed.
    async fn apn(&self, subscriber: &Subscriber) -> Result<i64, ConnectorError> {
        let _one = self.apns.lock().await;
        let ip_version = subscriber.pdn_type.code();
        let fits = |apn: &Value| {
            let number = |name: &str| apn.get(name).and_then(Value::as_i64);
            apn.get("apn").and_then(Value::as_str) == Some(&subscriber.apn)
                && number("ip_version") == Some(i64::from(ip_version))
                && number("apn_ambr_dl") == Some(i64::from(subscriber.ambr.downlink))
                && number("apn_ambr_ul") == Some(i64::from(subscriber.ambr.uplink))
        };
        for page in 0..PAGES {
            let apns = self.apns_of(page, PAGE).await?;
            if let Some(id) = apns.iter().find(|apn| fits(apn)).and_then(|apn| apn.get("apn_id")?.as_i64()) {
                return Ok(id);
            }
            if apns.len() < PAGE {
                break;
            }
        }
        let new = json!({
            "apn": subscriber.apn,
            "ip_version": ip_version,
            "apn_ambr_dl": subscriber.ambr.downlink,
            "apn_ambr_ul": subscriber.ambr.uplink,
            "charging_characteristics": "0800",
            "qci": 9,
            "arp_priority": 8,
            "arp_preemption_capability": false,
            "arp_preemption_vulnerability": true,
        });
        self.write(Method::PUT, "/apn/", &new, "apn_id").await
    }

    async fn auc(&self, subscriber: &Subscriber) -> Result<i64, ConnectorError> {
        let path = format!("/auc/imsi/{}", subscriber.imsi);
        let hex = |key: &schemas::secret::Key128| Zeroizing::new(hex::encode(key.expose()));
        let (k, opc) = (hex(&subscriber.keys.k), hex(&subscriber.keys.opc));
        // The SQN stays what it is where there is one: a USIM refuses what it has seen (TS 33.102 §6.3.3).
        let mut keys = json!({
            "ki": k.as_str(),
            "opc": opc.as_str(),
            "amf": hex::encode(subscriber.keys.amf),
            "imsi": subscriber.imsi.to_string(),
        });
        let written = match self.find(&path, "auc_id").await? {
            Some(found) => {
                let id = found.get("auc_id").and_then(Value::as_i64).unwrap_or_default();
                self.write(Method::PATCH, &format!("/auc/{id}"), &keys, "auc_id").await
            }
            None => {
                if let Some(object) = keys.as_object_mut() {
                    object.insert("sqn".to_owned(), Value::from(0));
                    object.insert("esim".to_owned(), Value::from(true));
                }
                self.write(Method::PUT, "/auc/", &keys, "auc_id").await
            }
        };
        wipe(&mut keys);
        written
    }
}

/// Overwrites texts that hold keys, as far as a JSON value lets us.
fn wipe(value: &mut Value) {
    use zeroize::Zeroize;
    for name in ["ki", "opc"] {
        if let Some(Value::String(text)) = value.get_mut(name) {
            text.zeroize();
        }
    }
}

#[async_trait]
impl Connector for PyHss {
    fn name(&self) -> &str {
        &self.name
    }

    async fn exists(&self, imsi: Imsi) -> Result<bool, ConnectorError> {
        Ok(self.find(&format!("/subscriber/imsi/{imsi}"), "subscriber_id").await?.is_some()
            || self.find(&format!("/auc/imsi/{imsi}"), "auc_id").await?.is_some())
    }

    /// Keys are changed in place.
    async fn clear(&self, _: Imsi) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn publish(&self, subscriber: &Subscriber) -> Result<(), ConnectorError> {
        self.fits(subscriber)?;
        let apn = self.apn(subscriber).await?;
        let auc = self.auc(subscriber).await?;
        let path = format!("/subscriber/imsi/{}", subscriber.imsi);
        let found = self.find(&path, "subscriber_id").await?;
        let mut body = json!({
            "imsi": subscriber.imsi.to_string(),
            "enabled": subscriber.usable,
            "auc_id": auc,
            "default_apn": apn,
            "apn_list": apn.to_string(),
            "ue_ambr_dl": subscriber.ambr.downlink,
            "ue_ambr_ul": subscriber.ambr.uplink,
            // NAM of TS 23.008 §2.1.1.2: only packet.
            "nam": 2,
        });
        if let (Some(msisdn), Some(object)) = (&subscriber.msisdn, body.as_object_mut()) {
            object.insert("msisdn".to_owned(), Value::from(msisdn.as_str()));
        }
        match found {
            Some(found) => {
                let id = found.get("subscriber_id").and_then(Value::as_i64).unwrap_or_default();
                let path = format!("/subscriber/{id}");
                self.write(Method::PATCH, &path, &body, "subscriber_id").await.map(drop)
            }
            None => self.write(Method::PUT, "/subscriber/", &body, "subscriber_id").await.map(drop),
        }
    }

    async fn set_usable(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        let path = format!("/subscriber/imsi/{imsi}");
        let Some(found) = self.find(&path, "subscriber_id").await? else {
            return Err(ConnectorError::Refused(format!(
                "connector {}: subscriber {imsi} is not there any more; somebody else has deleted it",
                self.name
            )));
        };
        let id = found.get("subscriber_id").and_then(Value::as_i64).unwrap_or_default();
        let path = format!("/subscriber/{id}");
        self.write(Method::PATCH, &path, &json!({"enabled": true}), "subscriber_id").await.map(drop)
    }

    async fn withdraw(&self, imsi: Imsi) -> Result<(), ConnectorError> {
        // The subscriber first: it refers to its keys.
        if let Some(found) = self.find(&format!("/subscriber/imsi/{imsi}"), "subscriber_id").await? {
            let id = found.get("subscriber_id").and_then(Value::as_i64).unwrap_or_default();
            self.delete(&format!("/subscriber/{id}")).await?;
        }
        if let Some(found) = self.find(&format!("/auc/imsi/{imsi}"), "auc_id").await? {
            let id = found.get("auc_id").and_then(Value::as_i64).unwrap_or_default();
            self.delete(&format!("/auc/{id}")).await?;
        }
        Ok(())
    }
}
