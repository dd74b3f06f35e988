//! Open5GS's subscriber documents, as `mongoexport --collection=subscribers` writes them.

use schemas::identity::Imsi;
use schemas::subscription::Overrides;
use serde_json::{Map, Value};

use super::{
    Options,
    record::{Material, Read, Wrong, after_sqn, msisdn},
};
use crate::{
    auc::sqn::Layout,
    model::{Credential, CredentialState, Timestamp},
    store::NewCredential,
};

/// Fields of a document that say nothing about the credential itself.
const IGNORED: [&str; 3] = ["slice", "ambr", "pdn"];

/// Reads a document.
pub(super) fn read(document: &[u8], options: &Options) -> Result<Read, Wrong> {
    let document: Map<String, Value> = serde_json::from_slice(document)
        .map_err(|e| Wrong::new(format!("not a JSON document (column {} of it)", e.column())))?;
    let imsi = match document.get("imsi") {
        Some(Value::String(text)) => text.parse::<Imsi>().map_err(|e| Wrong::new(format!("imsi: {e}")))?,
        _ => return Err(Wrong::new("imsi: is missing, or not a text".into())),
    };
    let new = with_imsi(imsi, &document, options).map_err(|reason| Wrong { imsi: Some(imsi), reason })?;
    Ok(Read { new, ignored: IGNORED.iter().any(|field| document.contains_key(*field)) })
}

fn with_imsi(imsi: Imsi, document: &Map<String, Value>, options: &Options) -> Result<NewCredential, String> {
    let Some(Value::Object(security)) = document.get("security") else {
        return Err("security: is missing; export the whole document".into());
    };
    // Open5GS uses OPc where there is one, and OP otherwise; the other one is null.
    let opc = text(security, "opc")?;
    let op = if opc.is_some() { None } else { text(security, "op")? };
    let material = Material {
        k: text(security, "k")?.ok_or("security.k: is missing")?,
        opc,
        op,
        amf: text(security, "amf")?,
    };
    let (auth, amf) = material.read().map_err(|e| format!("security.{e}"))?;
    let layout = Layout::default();
    let next_seq = match number(security.get("sqn")) {
        Ok(None) => 1,
        Ok(Some(sqn)) => after_sqn(sqn, layout).map_err(|e| format!("security.{e}"))?,
        Err(()) => return Err("security.sqn: is to be a number, or {\"$numberLong\": \"…\"}".into()),
    };
    let first_msisdn = match document.get("msisdn") {
        Some(Value::Array(all)) => all.first().and_then(Value::as_str),
        _ => None,
    };
    // Subscriber-Status 1 is OPERATOR_DETERMINED_BARRING (TS 29.272 §7.3.29).
    let barred = number(document.get("subscriber_status")) == Ok(Some(1));
    let credential = Credential {
        imsi,
        auth,
        triple: None,
        amf,
        ind_bitlen: layout.ind_bitlen(),
        state: if barred { CredentialState::Blocked } else { CredentialState::Active },
        profile: options.profile.clone(),
        expires_at: None,
        attach_budget: None,
        attaches: 0,
        address: None,
        msisdn: msisdn(first_msisdn)?,
        overrides: Overrides::default(),
        mode: options.mode,
        batch: options.batch.clone(),
        // The store sets these.
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        version: 0,
    };
    Ok(NewCredential { credential, next_seq })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("security.{name}: is to be a text")),
    }
}

/// A number as MongoDB's extended JSON has it, relaxed or canonical.
fn number(value: Option<&Value>) -> Result<Option<u64>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(Some).ok_or(()),
        Some(Value::Object(object)) => {
            let digits =
                object.get("$numberLong").or_else(|| object.get("$numberInt")).and_then(Value::as_str);
            digits.and_then(|d| d.parse().ok()).map(Some).ok_or(())
        }
        Some(_) => Err(()),
    }
}
