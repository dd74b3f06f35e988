//! Platforms and their certificates after enrolment: listings, renewal, revocation.

use schemas::identity::{SupplierId, TreId};
use service::database::{ReadablePage, readable_rows};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{Store, StoreError, enrolments::insert_credential, rows};
use crate::model::{Credential, Platform, Revocation, RevocationReason};

/// What becomes of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is revoked, and its certificates with it (RFC 5280 §5.3.1).
    Revoke(RevocationReason),
    /// It was on hold, and is not any more (RFC 5280 §5.3.1: removeFromCRL).
    Release,
}

/// A platform cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not enrolled.
    #[error("TRE {0} is not enrolled")]
    Unknown(TreId),
    /// It is revoked for another reason, for good.
    #[error("TRE {tre} is revoked ({}) for good", .reason.name())]
    Revoked {
        /// Whose.
        tre: TreId,
        /// Why.
        reason: RevocationReason,
    },
    /// Only a platform on hold can be released.
    #[error("TRE {0} is not on hold")]
    NotOnHold(TreId),
    /// The key is another platform's.
    #[error("the new key of TRE {0} is another platform's")]
    KeyTaken(TreId),
    /// The platform has another key by now.
    #[error("the key of TRE {0} has been replaced meanwhile; read it again")]
    KeyChanged(TreId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// A platform.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn platform(&self, tre: &TreId) -> Result<Option<Platform>, StoreError> {
        let mut connection = self.db.readers.acquire().await?;
        platform(&mut connection, tre).await
    }

    /// Platforms by TRE identity, those after `after`, of `supplier` alone if it is given, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn platforms(
        &self,
        supplier: Option<&SupplierId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Platform>, StoreError> {
        let of = if supplier.is_some() { "supplier = ?3 AND" } else { "?3 IS NULL AND" };
        let sql = format!(
            "SELECT {} FROM platform WHERE {of} tre_id > ?1 ORDER BY tre_id LIMIT ?2",
            rows::PLATFORM
        );
        let mut page = ReadablePage::new("a platform", "tre_id", after.unwrap_or_default().to_owned(), limit);
        while let Some((after, limit)) = page.wanted() {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(after)
                .bind(limit)
                .bind(supplier.map(SupplierId::as_str))
                .fetch_all(&self.db.readers)
                .await?;
            page.add(&rows, rows::platform, |row| row.try_get("tre_id"))?;
        }
        Ok(page.items())
    }

    /// The certificates of a platform, newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn credentials(&self, tre: &TreId) -> Result<Vec<Credential>, StoreError> {
        let sql = format!("SELECT {} FROM credential WHERE tre_id = ?1 ORDER BY id DESC", rows::CREDENTIAL);
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(tre.as_str()).fetch_all(&self.db.readers).await?;
        Ok(readable_rows("a certificate", "tre_id", &rows, rows::credential))
    }

    /// Of the certificate with this serial number (content octets without leading zeros): `None` if none was issued, else
    /// its revocation, if it is revoked.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revocation(&self, serial: &[u8]) -> Result<Option<Option<Revocation>>, StoreError> {
        let mut connection = self.db.readers.acquire().await?;
        Ok(credential(&mut connection, serial).await?.map(|credential| credential.revocation))
    }

    /// Adds a certificate. If it is of another key than `old_key`, the platform's, that key becomes the platform's
    /// and its certificates so far are superseded.
    ///
    /// # Errors
    /// If there is no such platform, it is revoked, has another key by now, or the new key is another platform's.
    pub async fn add_credential(&self, old_key: &[u8], new: &Credential) -> Result<(), ChangeError> {
        let mut tx = self.db.write().await?;
        let tre = &new.tre_id;
        let there = platform(&mut tx, tre).await?.ok_or_else(|| ChangeError::Unknown(tre.clone()))?;
        if let Some(Revocation { reason, .. }) = there.revocation {
            return Err(ChangeError::Revoked { tre: tre.clone(), reason });
        }
        if there.public_key != old_key {
            return Err(ChangeError::KeyChanged(tre.clone()));
        }
        if new.public_key != old_key {
            let other: Option<i64> = sqlx::query_scalar("SELECT 1 FROM platform WHERE public_key = ?1")
                .bind(&new.public_key)
                .fetch_optional(&mut *tx)
                .await?;
            if other.is_some() {
                return Err(ChangeError::KeyTaken(tre.clone()));
            }
            sqlx::query("UPDATE platform SET public_key = ?2 WHERE tre_id = ?1")
                .bind(tre.as_str())
                .bind(&new.public_key)
                .execute(&mut *tx)
                .await?;
            revoke(&mut tx, tre, Revocation { at: new.issued_at, reason: RevocationReason::Superseded })
                .await?;
        }
        insert_credential(&mut tx, new).await?;
        Ok(tx.commit().await?)
    }

    /// Revokes a platform at `now` (seconds since 1970 UTC), or releases it from hold. Revoked again for the same reason
    /// it stays as it was; a hold may become a revocation for good.
    ///
    /// # Errors
    /// If there is no such platform, it is revoked for another reason, or not on hold.
    pub async fn change(&self, tre: &TreId, change: Change, now: i64) -> Result<Platform, ChangeError> {
        const HOLD: RevocationReason = RevocationReason::CertificateHold;
        let mut tx = self.db.write().await?;
        let mut there = platform(&mut tx, tre).await?.ok_or_else(|| ChangeError::Unknown(tre.clone()))?;
        let revocation = match (there.revocation, change) {
            (Some(old), Change::Revoke(reason)) if old.reason == reason => return Ok(there),
            (Some(Revocation { reason: HOLD, .. }), Change::Release) => None,
            (_, Change::Release) => return Err(ChangeError::NotOnHold(tre.clone())),
            (Some(Revocation { reason, .. }), _) if reason != HOLD => {
                return Err(ChangeError::Revoked { tre: tre.clone(), reason });
            }
            (_, Change::Revoke(reason)) => Some(Revocation { at: now, reason }),
        };
        sqlx::query("UPDATE platform SET revoked = ?2, revocation_reason = ?3 WHERE tre_id = ?1")
            .bind(tre.as_str())
            .bind(revocation.map(|it| it.at))
            .bind(revocation.map(|it| it.reason.code()))
            .execute(&mut *tx)
            .await?;
        // Of the platform's own hold, not of certificates that were superseded before.
        sqlx::query(
            "UPDATE credential SET revoked = NULL, revocation_reason = NULL
             WHERE tre_id = ?1 AND revocation_reason = ?2",
        )
        .bind(tre.as_str())
        .bind(HOLD.code())
        .execute(&mut *tx)
        .await?;
        if let Some(revocation) = revocation {
            revoke(&mut tx, tre, revocation).await?;
        }
        tx.commit().await?;
        there.revocation = revocation;
        Ok(there)
    }
}

/// Revokes the certificates of a platform that are not revoked.
async fn revoke(
    connection: &mut SqliteConnection,
    tre: &TreId,
    revocation: Revocation,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE credential SET revoked = ?2, revocation_reason = ?3 WHERE tre_id = ?1 AND revoked IS NULL",
    )
    .bind(tre.as_str())
    .bind(revocation.at)
    .bind(revocation.reason.code())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn platform(
    connection: &mut SqliteConnection,
    tre: &TreId,
) -> Result<Option<Platform>, StoreError> {
    let sql = format!("SELECT {} FROM platform WHERE tre_id = ?1", rows::PLATFORM);
    let row = sqlx::query(AssertSqlSafe(sql)).bind(tre.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(rows::platform).transpose()
}

pub(super) async fn credential(
    connection: &mut SqliteConnection,
    serial: &[u8],
) -> Result<Option<Credential>, StoreError> {
    let sql = format!("SELECT {} FROM credential WHERE serial = ?1", rows::CREDENTIAL);
    let row = sqlx::query(AssertSqlSafe(sql)).bind(serial).fetch_optional(connection).await?;
    row.as_ref().map(rows::credential).transpose()
}
