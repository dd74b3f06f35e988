//! Suppliers.

use schemas::identity::SupplierId;

use super::{Store, StoreError, rows};
use crate::model::Supplier;

impl Store {
    /// Creates or replaces a supplier; whether it was created.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn put_supplier(&self, supplier: &Supplier) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let there = sqlx::query("SELECT 1 FROM supplier WHERE id = ?1")
            .bind(supplier.id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO supplier (id, name, enrols) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, enrols = excluded.enrols",
        )
        .bind(supplier.id.as_str())
        .bind(&supplier.name)
        .bind(supplier.enrols)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(there.is_none())
    }

    /// A supplier.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn supplier(&self, id: &SupplierId) -> Result<Option<Supplier>, StoreError> {
        let row = sqlx::query("SELECT id, name, enrols FROM supplier WHERE id = ?1")
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
        let rows = sqlx::query("SELECT id, name, enrols FROM supplier WHERE id > ?1 ORDER BY id LIMIT ?2")
            .bind(after.unwrap_or_default())
            .bind(limit)
            .fetch_all(&self.db.readers)
            .await?;
        rows.iter().map(rows::supplier).collect()
    }
}
