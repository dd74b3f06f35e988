//! Contracts, by device.

use schemas::identity::{DeviceId, SupplierId};
use service::database::ReadablePage;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::StoreError;
use crate::model::{Contract, Terms};

fn contract(row: &SqliteRow) -> Result<Contract, StoreError> {
    Ok(Contract {
        device_id: super::parsed(row, "device_id")?,
        supplier: supplier(row)?,
        terms: super::json(row, "terms")?.ok_or_else(|| StoreError::Damaged("terms".into()))?,
        suspended: row.try_get("suspended")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn supplier(row: &SqliteRow) -> Result<Option<SupplierId>, StoreError> {
    let text: Option<String> = row.try_get("supplier")?;
    let parsed = text.map(|text| text.parse()).transpose();
    parsed.map_err(|_| StoreError::Damaged("the supplier of a contract".into()))
}

/// The contract for a device.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut SqliteConnection, device: &DeviceId) -> Result<Option<Contract>, StoreError> {
    let row = sqlx::query("SELECT * FROM contract WHERE device_id = ?1")
        .bind(device.as_str())
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(contract).transpose()
}

/// Contracts by device, after one.
///
/// # Errors
/// The database's.
pub async fn page(
    tx: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Contract>, StoreError> {
    let mut page = ReadablePage::new("a contract", "device_id", after.unwrap_or_default().to_owned(), limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query("SELECT * FROM contract WHERE device_id > ?1 ORDER BY device_id LIMIT ?2")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
        page.add(&rows, contract, |row| row.try_get("device_id"))?;
    }
    Ok(page.items())
}

/// Stores a contract, or replaces it; without a supplier, that stays. `true`: it is new.
///
/// # Errors
/// The database's.
pub async fn put(
    tx: &mut SqliteConnection,
    device: &DeviceId,
    supplier: Option<&SupplierId>,
    terms: &Terms,
    suspended: bool,
    now: i64,
) -> Result<bool, StoreError> {
    let new = find(&mut *tx, device).await?.is_none();
    sqlx::query(
        "INSERT INTO contract (device_id, terms, suspended, created_at, updated_at, supplier)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5)
         ON CONFLICT (device_id) DO UPDATE
         SET terms = excluded.terms, suspended = excluded.suspended, updated_at = excluded.updated_at,
             supplier = coalesce(excluded.supplier, supplier)",
    )
    .bind(device.as_str())
    .bind(super::to_json(terms)?)
    .bind(suspended)
    .bind(now)
    .bind(supplier.map(SupplierId::as_str))
    .execute(tx)
    .await?;
    Ok(new)
}

/// The first good verdict says who made the device; from then on it has to be that one.
///
/// # Errors
/// The database's.
pub async fn pin_supplier(
    tx: &mut SqliteConnection,
    device: &DeviceId,
    supplier: &SupplierId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE contract SET supplier = ?2 WHERE device_id = ?1 AND supplier IS NULL")
        .bind(device.as_str())
        .bind(supplier.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Deletes a contract; its subscription stays. `false`: there is none.
///
/// # Errors
/// The database's.
pub async fn delete(tx: &mut SqliteConnection, device: &DeviceId) -> Result<bool, StoreError> {
    let done =
        sqlx::query("DELETE FROM contract WHERE device_id = ?1").bind(device.as_str()).execute(tx).await?;
    Ok(done.rows_affected() > 0)
}
