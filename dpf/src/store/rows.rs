//! Rows as values.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};

use super::StoreError;
use crate::{
    machine::State,
    model::{Rule, Session},
};

/// Columns of [`session`].
pub(super) const SESSION: &str = "id, trigger_id, pcid, device_id, tre_id, kind, operator, state, nonce, certified, \
    evidence_digest, platform_certificate, rncp, check_download, result, reason, refusal, created_at, entered_at, \
    expires_at";

/// A query of sessions; both halves are written in this program.
pub(super) fn select(condition: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("SELECT {SESSION} FROM session {condition}"))
}

pub(super) fn parsed<T: std::str::FromStr>(
    row: &SqliteRow,
    column: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Damaged(what))
}

/// A word that serde knows the value by.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Damaged("value")),
    }
}

/// The value that serde knows by a word.
pub(super) fn of_word<T: DeserializeOwned>(word: String, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| StoreError::Damaged(what))
}

pub(super) fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    const WHAT: &str = "session";
    let state: String = row.try_get("state")?;
    let (rncp, refusal): (Option<String>, Option<String>) = (row.try_get("rncp")?, row.try_get("refusal")?);
    let result: Option<String> = row.try_get("result")?;
    Ok(Session {
        id: parsed(row, "id", WHAT)?,
        trigger: parsed(row, "trigger_id", WHAT)?,
        pcid: parsed(row, "pcid", WHAT)?,
        device_id: parsed(row, "device_id", WHAT)?,
        tre_id: parsed(row, "tre_id", WHAT)?,
        kind: of_word(row.try_get("kind")?, WHAT)?,
        operator: parsed(row, "operator", WHAT)?,
        state: State::of(&state).ok_or(StoreError::Damaged(WHAT))?,
        nonce: row.try_get("nonce")?,
        certified: row.try_get("certified")?,
        evidence_digest: row.try_get("evidence_digest")?,
        platform_certificate: row.try_get("platform_certificate")?,
        rncp: rncp.map(|text| text.parse().map_err(|_| StoreError::Damaged(WHAT))).transpose()?,
        check_download: row.try_get("check_download")?,
        result: result.map(|word| of_word(word, WHAT)).transpose()?,
        reason: row.try_get("reason")?,
        refusal: refusal
            .map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Damaged(WHAT)))
            .transpose()?,
        created_at: row.try_get("created_at")?,
        entered_at: row.try_get("entered_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// Columns of [`rule`].
pub(super) const RULE: &str = "operator, name, first_imsi, last_imsi, home_plmn, apn, amf";

pub(super) fn rule(row: &SqliteRow) -> Result<Rule, StoreError> {
    const WHAT: &str = "rule";
    let amf: Vec<u8> = row.try_get("amf")?;
    Ok(Rule {
        operator: parsed(row, "operator", WHAT)?,
        name: row.try_get("name")?,
        first_imsi: parsed(row, "first_imsi", WHAT)?,
        last_imsi: parsed(row, "last_imsi", WHAT)?,
        home_plmn: parsed(row, "home_plmn", WHAT)?,
        apn: row.try_get("apn")?,
        amf: amf.try_into().map_err(|_| StoreError::Damaged(WHAT))?,
    })
}
