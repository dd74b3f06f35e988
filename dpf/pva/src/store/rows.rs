//! Rows as values.

use schemas::identity::{DeviceId, SupplierId, TreId};
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use super::StoreError;
use crate::model::{Credential, Label, Platform, ReferenceValue, Revocation, RevocationReason, Supplier};

/// Columns of [`supplier`].
pub(super) const SUPPLIER: &str = "id, name, enrols, devices";
/// Columns of [`platform`].
pub(super) const PLATFORM: &str = "tre_id, device_id, supplier, model, public_key, enrolment, enrolled_at, \
                                   revoked, revocation_reason";
/// Columns of [`credential`].
pub(super) const CREDENTIAL: &str =
    "serial, tre_id, der, public_key, issued, expires, revoked, revocation_reason";
/// Columns of [`reference`].
pub(super) const REFERENCE: &str =
    "supplier, model, name, boot_digest, software, software_version, hardware_version";

fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str, what: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Damaged(what))
}

fn revocation(row: &SqliteRow) -> Result<Option<Revocation>, StoreError> {
    let (at, reason): (Option<i64>, Option<i64>) =
        (row.try_get("revoked")?, row.try_get("revocation_reason")?);
    match (at, reason) {
        (None, _) => Ok(None),
        (Some(at), reason) => {
            let reason = reason.and_then(RevocationReason::of).ok_or(StoreError::Damaged("revocation"))?;
            Ok(Some(Revocation { at, reason }))
        }
    }
}

pub(super) fn supplier(row: &SqliteRow) -> Result<Supplier, StoreError> {
    Ok(Supplier {
        id: parsed::<SupplierId>(row, "id", "supplier")?,
        name: row.try_get("name")?,
        enrols: row.try_get("enrols")?,
        devices: serde_json::from_str(row.try_get("devices")?)
            .map_err(|_| StoreError::Damaged("supplier"))?,
    })
}

pub(super) fn reference(row: &SqliteRow) -> Result<ReferenceValue, StoreError> {
    let digest: Vec<u8> = row.try_get("boot_digest")?;
    Ok(ReferenceValue {
        supplier: parsed(row, "supplier", "reference value")?,
        model: parsed::<Label>(row, "model", "reference value")?,
        name: parsed::<Label>(row, "name", "reference value")?,
        boot_digest: digest.try_into().map_err(|_| StoreError::Damaged("reference value"))?,
        software: row.try_get("software")?,
        software_version: row.try_get("software_version")?,
        hardware_version: row.try_get("hardware_version")?,
    })
}

pub(super) fn platform(row: &SqliteRow) -> Result<Platform, StoreError> {
    Ok(Platform {
        tre_id: parsed::<TreId>(row, "tre_id", "platform")?,
        device_id: parsed::<DeviceId>(row, "device_id", "platform")?,
        supplier: parsed(row, "supplier", "platform")?,
        model: parsed(row, "model", "platform")?,
        public_key: row.try_get("public_key")?,
        enrolment: parsed(row, "enrolment", "platform")?,
        revocation: revocation(row)?,
        enrolled_at: row.try_get("enrolled_at")?,
    })
}

pub(super) fn credential(row: &SqliteRow) -> Result<Credential, StoreError> {
    Ok(Credential {
        serial: row.try_get("serial")?,
        tre_id: parsed::<TreId>(row, "tre_id", "certificate")?,
        der: row.try_get("der")?,
        public_key: row.try_get("public_key")?,
        issued_at: row.try_get("issued")?,
        expires_at: row.try_get("expires")?,
        revocation: revocation(row)?,
    })
}

/// A nonce and who has used it.
#[derive(Debug, FromRow)]
pub(super) struct NonceRow {
    pub expires_at: i64,
    pub session: Option<String>,
    pub evidence: Option<Vec<u8>>,
}
