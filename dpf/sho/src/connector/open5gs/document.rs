//! A document of the collection `subscribers`: what we write, and whose one is that we find.

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use schemas::{identity::Imsi, secret::Key128};
use zeroize::Zeroize;

use super::Subscriber;
use crate::keys::SubscriberKeys;

/// Our sub-document: `by`, the mark, and `security` as long as the subscriber must not attach.
const OURS: &str = "callhome";
/// SQN of the first vector: SEQ 1, IND 0 (TS 33.102 §C.1.1.1, 5 bits of IND as Open5GS counts). A USIM that has seen
/// nothing takes no SEQ 0 (§C.2.2).
const FIRST_SQN: i64 = 1 << 5;
/// Subscriber-Status OPERATOR_DETERMINED_BARRING (TS 29.272 §7.3.29), for an MME that heeds it.
const BARRED: i32 = 1;
/// Operator-Determined-Barring bit 0: all packet-oriented services (TS 29.272 §7.3.30).
const ALL_PACKET: i32 = 1;

/// What our documents are known by; see [`crate::config::Open5gsConfig::mark`].
#[derive(Debug, Clone)]
pub(super) struct Mark(pub(super) String);

/// To whom a document belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// It has our mark, or our keys.
    Ours,
    /// A subscriber that was made by somebody else.
    Others,
    /// No subscriber: neither keys nor sessions.
    Nobodys,
}

impl Mark {
    /// Whose a document is; `keys`, if given, are told as ours as well.
    pub(super) fn whose(&self, found: &Document, keys: Option<&SubscriberKeys>) -> Whose {
        if let Ok(ours) = found.get_document(OURS) {
            let same = ours.get_str("by").is_ok_and(|by| by == self.0);
            return if same { Whose::Ours } else { Whose::Others };
        }
        let Ok(security) = found.get_document("security") else {
            return if found.contains_key("slice") { Whose::Others } else { Whose::Nobodys };
        };
        let has = |name: &str, key: &Key128| read(security, name).is_some_and(|found| found == *key);
        let same = keys.is_some_and(|keys| has("k", &keys.k) && has("opc", &keys.opc));
        if same { Whose::Ours } else { Whose::Others }
    }

    /// A subscriber that is not there yet.
    pub(super) fn new_document(&self, subscriber: &Subscriber) -> Document {
        let mut new = doc! {
            "_id": id(subscriber.imsi),
            "schema_version": 1,
            "imsi": subscriber.imsi.to_string(),
            "imeisv": [], "mme_host": [], "mme_realm": [], "purge_flag": [],
        };
        new.extend(terms(subscriber));
        new.extend(defaults());
        let security = security(&subscriber.keys, FIRST_SQN);
        if subscriber.usable {
            new.extend(doc! {"security": security, OURS: {"by": &self.0}});
            new.extend(granted());
        } else {
            new.extend(doc! {OURS: {"by": &self.0, "security": security}});
            new.extend(barred());
        }
        new.insert("__v", 0);
        new
    }

    /// What brings the document that was found up to date. What the HSS writes into it (`imeisv`, `mme_*`, `sqn`)
    /// stays; so does a barring by the operator.
    pub(super) fn update(&self, found: &Document, subscriber: &Subscriber) -> Document {
        let mut set = terms(subscriber);
        for (name, value) in defaults() {
            if !found.contains_key(&name) {
                set.insert(name, value);
            }
        }
        let used = found.get_document("security").ok();
        if !subscriber.usable {
            let sqn = used.or_else(|| waiting(found)).and_then(sqn).unwrap_or(FIRST_SQN);
            set.insert(OURS, doc! {"by": &self.0, "security": security(&subscriber.keys, sqn)});
            set.extend(barred());
            return doc! {"$set": set, "$unset": {"security": ""}};
        }
        set.insert(OURS, doc! {"by": &self.0});
        if let Some(used) = used {
            // The HSS counts SQN up meanwhile. It never goes back, for new keys neither: their USIM takes any SEQ
            // that is above its own (TS 33.102 §C.2.2), and the old keys may have to come back.
            for (name, value) in security(&subscriber.keys, FIRST_SQN) {
                if name != "sqn" || sqn(used).is_none() {
                    set.insert(format!("security.{name}"), value);
                }
            }
        } else {
            let sqn = waiting(found).and_then(sqn).unwrap_or(FIRST_SQN);
            set.insert("security", security(&subscriber.keys, sqn));
            set.extend(granted());
        }
        doc! {"$set": set}
    }
}

/// What lets a subscriber attach; `None` if it may already.
pub(super) fn release(found: &Document) -> Option<Document> {
    let mut set = doc! {"security": waiting(found)?.clone()};
    let by = found.get_document(OURS).ok()?.get("by")?;
    set.insert(OURS, doc! {"by": by});
    set.extend(granted());
    Some(doc! {"$set": set})
}

/// Selects a document that was found, as long as its mark and keys are as they were.
pub(super) fn same(found: &Document) -> Document {
    let mut filter = Document::new();
    for name in ["_id", "imsi"] {
        if let Some(value) = found.get(name) {
            filter.insert(name, value);
        }
    }
    for (holder, name) in [(OURS, "by"), ("security", "k")] {
        let value = found.get_document(holder).ok().and_then(|holder| holder.get(name));
        let path = format!("{holder}.{name}");
        match value {
            Some(value) => filter.insert(path, value),
            None => filter.insert(path, doc! {"$exists": false}),
        };
    }
    filter
}

/// Overwrites what holds keys.
pub(super) fn wipe(document: &mut Document) {
    for (name, value) in document.iter_mut() {
        match value {
            Bson::Document(inner) => wipe(inner),
            Bson::String(text) if ["k", "op", "opc"].contains(&name.as_str()) => text.zeroize(),
            _ => {}
        }
    }
}

/// The keys of one that must not attach yet.
fn waiting(found: &Document) -> Option<&Document> {
    found.get_document(OURS).ok()?.get_document("security").ok()
}

/// SQN, 48 bits; older tools write it as an int or leave it out, and the HSS reads an int64 alone.
fn sqn(security: &Document) -> Option<i64> {
    match security.get("sqn") {
        Some(Bson::Int64(sqn)) => Some(*sqn),
        _ => None,
    }
}

/// A key as people write it: blanks in between, upper or lower case (`ogs_ascii_to_hex`).
fn read(security: &Document, name: &str) -> Option<Key128> {
    let mut digits: String = security.get_str(name).ok()?.split_whitespace().collect();
    let key = Key128::from_hex(&digits).ok();
    digits.zeroize();
    key
}

/// `_id`: the same for an IMSI each time, so that an insertion that is repeated cannot make two of them, be there an
/// index on `imsi` or not. Octets: "chm", number of digits, the digits as a number.
fn id(imsi: Imsi) -> ObjectId {
    let digits = imsi.to_string();
    let mut octets = [0; 12];
    let (head, tail) = octets.split_at_mut(4);
    head.copy_from_slice(&[b'c', b'h', b'm', u8::try_from(digits.len()).unwrap_or_default()]);
    tail.copy_from_slice(&digits.parse::<u64>().unwrap_or_default().to_be_bytes());
    ObjectId::from_bytes(octets)
}

fn security(keys: &SubscriberKeys, sqn: i64) -> Document {
    doc! {
        "k": hex::encode(keys.k.expose()),
        "op": Bson::Null,
        "opc": hex::encode(keys.opc.expose()),
        "amf": hex::encode(keys.amf),
        "sqn": sqn,
    }
}

/// What was agreed: the same in every document of these terms.
fn terms(subscriber: &Subscriber) -> Document {
    let rate = || {
        doc! {"downlink": bit_rate(subscriber.ambr.downlink), "uplink": bit_rate(subscriber.ambr.uplink)}
    };
    let msisdn: Vec<&str> = subscriber.msisdn.as_deref().into_iter().collect();
    doc! {
        "msisdn": msisdn,
        "ambr": rate(),
        "slice": [{
            "sst": 1,
            "default_indicator": true,
            "session": [{
                "name": &subscriber.apn,
                // 1 IPv4, 2 IPv6, 3 IPv4v6: PDN-Type of TS 29.272 §7.3.62 plus one.
                "type": subscriber.pdn_type.code() + 1,
                "qos": {
                    "index": 9,
                    // Capability 1 and vulnerability 2 are Open5GS's "disabled" and "enabled".
                    "arp": {"priority_level": 8, "pre_emption_capability": 1, "pre_emption_vulnerability": 2},
                },
                "ambr": rate(),
                "pcc_rule": [],
            }],
        }],
    }
}

/// What its WebUI begins with, and an operator may change.
fn defaults() -> Document {
    // 32: no handover to non-3GPP access (TS 29.272 §7.3.31); 0: packet and circuit (§7.3.21); minutes.
    doc! {"access_restriction_data": 32, "network_access_mode": 0, "subscribed_rau_tau_timer": 12}
}

fn granted() -> Document {
    doc! {"subscriber_status": 0, "operator_determined_barring": 0}
}

fn barred() -> Document {
    doc! {"subscriber_status": BARRED, "operator_determined_barring": ALL_PACKET}
}

/// Value and unit (0 bit/s, 1 kbit/s, …). The HSS reads an int32: what is more, is in a larger unit, rounded up.
fn bit_rate(rate: u32) -> Document {
    match i32::try_from(rate) {
        Ok(value) => doc! {"value": value, "unit": 0},
        Err(_) => doc! {"value": i32::try_from(rate.div_ceil(1000)).unwrap_or(i32::MAX), "unit": 1},
    }
}
