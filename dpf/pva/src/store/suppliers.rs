//! Suppliers.

use schemas::identity::{DeviceId, SupplierId};
use service::database::{ReadablePage, readable_rows};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{Store, StoreError, rows};
use crate::model::Supplier;

/// A supplier cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    /// Its identities would be another's, too.
    #[error(
        "devices: {prefix} is of the identities {theirs}… that supplier {other} has; an identity is one supplier's own"
    )]
    Overlaps {
        /// Of the new one.
        prefix: DeviceId,
        /// Of the other.
        theirs: DeviceId,
        /// Who has it.
        other: SupplierId,
    },
    /// What another has cannot be read.
    #[error(
        "what the identities of supplier {0} begin with cannot be read: PUT /v1/suppliers/{0} again first"
    )]
    Damaged(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SupplierError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// All suppliers.
#[derive(Debug, Default)]
pub(super) struct Suppliers {
    readable: Vec<Supplier>,
    /// Identities of those whose rows cannot be read: what is theirs is not known.
    damaged: Vec<String>,
}

/// All suppliers, in the caller's transaction.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Suppliers, StoreError> {
    let sql = format!("SELECT {} FROM supplier ORDER BY id", rows::SUPPLIER);
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    let readable = readable_rows("a supplier", "id", &rows, rows::supplier);
    let ids = rows.iter().map(|row| row.try_get("id").unwrap_or_else(|_| "?".to_owned()));
    let is_readable = |id: &String| readable.iter().any(|one| one.id.as_str() == id);
    let damaged = ids.filter(|id| !is_readable(id)).collect();
    Ok(Suppliers { readable, damaged })
}

/// Why `supplier` may not enrol a device of this identity; `None`: it may. With one supplier alone all identities are its
/// own.
pub(super) fn enrolment_fault(all: &Suppliers, supplier: &SupplierId, device: &DeviceId) -> Option<String> {
    if all.damaged.iter().any(|id| id == supplier.as_str()) {
        return Some(format!(
            "device {device}: what the identities of supplier {supplier} begin with cannot be read; \
             PUT /v1/suppliers/{supplier} again"
        ));
    }
    let own = all.readable.iter().find(|one| one.id == *supplier)?;
    if own.owns(device) {
        return None;
    }
    if !own.devices.is_empty() {
        return Some(format!(
            "device {device} is not one of the identities of supplier {supplier} (devices of /v1/suppliers/{supplier})"
        ));
    }
    let enrols = |one: &&Supplier| one.id != *supplier && (one.enrols || !one.devices.is_empty());
    let other = all.readable.iter().find(enrols).map(|one| one.id.as_str());
    let other = other.or_else(|| all.damaged.first().map(String::as_str))?;
    Some(format!(
        "device {device}: supplier {supplier} has no identities of its own, and supplier {} enrols too; \
         PUT /v1/suppliers/{supplier} with \"devices\": what its identities begin with",
        other
    ))
}

impl Store {
    /// Creates or replaces a supplier; whether it was created.
    ///
    /// # Errors
    /// If identities of it are another's, or the database fails.
    pub async fn put_supplier(&self, supplier: &Supplier) -> Result<bool, SupplierError> {
        let mut tx = self.db.write().await?;
        let all = all(&mut tx).await?;
        // Damaged itself, it is repaired by this.
        let damaged = all.damaged.iter().find(|id| *id != supplier.id.as_str());
        if let (Some(other), false) = (damaged, supplier.devices.is_empty()) {
            return Err(SupplierError::Damaged(other.clone()));
        }
        for other in all.readable.iter().filter(|other| other.id != supplier.id) {
            for prefix in &supplier.devices {
                let overlaps = |theirs: &&DeviceId| {
                    theirs.as_str().starts_with(prefix.as_str())
                        || prefix.as_str().starts_with(theirs.as_str())
                };
                if let Some(theirs) = other.devices.iter().find(overlaps) {
                    let (prefix, theirs, other) = (prefix.clone(), theirs.clone(), other.id.clone());
                    return Err(SupplierError::Overlaps { prefix, theirs, other });
                }
            }
        }
        let devices =
            serde_json::to_string(&supplier.devices).map_err(|_| StoreError::Damaged("supplier"))?;
        sqlx::query(
            "INSERT INTO supplier (id, name, enrols, devices) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, enrols = excluded.enrols, devices = excluded.devices",
        )
        .bind(supplier.id.as_str())
        .bind(&supplier.name)
        .bind(supplier.enrols)
        .bind(devices)
        .execute(&mut *tx)
        .await?;
        tx.commit().await.map_err(StoreError::from)?;
        let there = all.readable.iter().map(|one| one.id.as_str());
        Ok(!there.chain(all.damaged.iter().map(String::as_str)).any(|id| id == supplier.id.as_str()))
    }

    /// A supplier.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn supplier(&self, id: &SupplierId) -> Result<Option<Supplier>, StoreError> {
        let row = sqlx::query("SELECT id, name, enrols, devices FROM supplier WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(&self.db.readers)
            .await?;
        row.as_ref().map(rows::supplier).transpose()
    }

    /// Suppliers by identity, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn suppliers(&self, after: Option<&str>, limit: u32) -> Result<Vec<Supplier>, StoreError> {
        let mut page = ReadablePage::new("a supplier", "id", after.unwrap_or_default().to_owned(), limit);
        while let Some((after, limit)) = page.wanted() {
            let rows = sqlx::query(
                "SELECT id, name, enrols, devices FROM supplier WHERE id > ?1 ORDER BY id LIMIT ?2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(&self.db.readers)
            .await?;
            page.add(&rows, rows::supplier, |row| row.try_get("id"))?;
        }
        Ok(page.items())
    }
}
