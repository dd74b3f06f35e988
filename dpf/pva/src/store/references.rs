//! Reference values: accepted states.

use schemas::identity::SupplierId;
use service::database::ReadablePage;
use sqlx::{AssertSqlSafe, Row};

use super::{Store, StoreError, rows};
use crate::model::{Label, ReferenceValue};

impl Store {
    /// Creates or replaces a reference value; whether it was created, or `None` if its supplier is not known.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn put_reference(&self, reference: &ReferenceValue) -> Result<Option<bool>, StoreError> {
        let mut tx = self.db.write().await?;
        let (supplier, there): (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM supplier WHERE id = ?1),
                    EXISTS (SELECT 1 FROM reference_value WHERE supplier = ?1 AND model = ?2 AND name = ?3)",
        )
        .bind(reference.supplier.as_str())
        .bind(reference.model.as_str())
        .bind(reference.name.as_str())
        .fetch_one(&mut *tx)
        .await?;
        if !supplier {
            return Ok(None);
        }
        sqlx::query(
            "INSERT INTO reference_value
                 (supplier, model, name, boot_digest, software, software_version, hardware_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (supplier, model, name) DO UPDATE SET
                 boot_digest = excluded.boot_digest, software = excluded.software,
                 software_version = excluded.software_version, hardware_version = excluded.hardware_version",
        )
        .bind(reference.supplier.as_str())
        .bind(reference.model.as_str())
        .bind(reference.name.as_str())
        .bind(reference.boot_digest.as_slice())
        .bind(&reference.software)
        .bind(&reference.software_version)
        .bind(reference.hardware_version.as_ref())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(!there))
    }

    /// A reference value.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn reference(
        &self,
        supplier: &SupplierId,
        model: &Label,
        name: &Label,
    ) -> Result<Option<ReferenceValue>, StoreError> {
        let sql = format!(
            "SELECT {} FROM reference_value WHERE supplier = ?1 AND model = ?2 AND name = ?3",
            rows::REFERENCE
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(supplier.as_str())
            .bind(model.as_str())
            .bind(name.as_str())
            .fetch_optional(&self.db.readers)
            .await?;
        row.as_ref().map(rows::reference).transpose()
    }

    /// Reference values of a supplier by model and name, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn references(
        &self,
        supplier: &SupplierId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<ReferenceValue>, StoreError> {
        let sql = format!(
            "SELECT {} FROM reference_value WHERE supplier = ?1 AND (model, name) > (?2, ?3)
             ORDER BY model, name LIMIT ?4",
            rows::REFERENCE
        );
        let (model, name) = after.unwrap_or_default();
        let after = (model.to_owned(), name.to_owned());
        let mut page = ReadablePage::new("a reference value", "name", after, limit);
        while let Some(((model, name), limit)) = page.wanted() {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(supplier.as_str())
                .bind(model)
                .bind(name)
                .bind(limit)
                .fetch_all(&self.db.readers)
                .await?;
            page.add(&rows, rows::reference, |row| Ok((row.try_get("model")?, row.try_get("name")?)))?;
        }
        Ok(page.items())
    }

    /// Deletes a reference value: platforms in that state are not accepted any more. Whether there was one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_reference(
        &self,
        supplier: &SupplierId,
        model: &Label,
        name: &Label,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let done =
            sqlx::query("DELETE FROM reference_value WHERE supplier = ?1 AND model = ?2 AND name = ?3")
                .bind(supplier.as_str())
                .bind(model.as_str())
                .bind(name.as_str())
                .execute(&mut *tx)
                .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}
