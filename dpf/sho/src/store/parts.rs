//! Executables and data that plans add to an RNCP. What is sensitive is sealed.

use schemas::rncp::{self, PartKind};
use service::{
    database::ReadablePage,
    sealed::{Keyring, Place},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use zeroize::Zeroizing;

use super::StoreError;
use crate::compose::Extra;

/// A part, without its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    /// Its name.
    pub name: String,
    /// Executable or data.
    pub kind: PartKind,
    /// Other operators' RNCPs may refer to it.
    pub shared: bool,
    /// It is encrypted to the platform.
    pub sensitive: bool,
    /// Octets.
    pub size: u64,
    /// SHA-256 of its octets, 64 hexadecimal digits.
    pub digest: String,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}

fn info(row: &SqliteRow) -> Result<PartInfo, StoreError> {
    let size: i64 = row.try_get("size")?;
    Ok(PartInfo {
        name: row.try_get("name")?,
        kind: super::of_word(row, "kind")?,
        shared: row.try_get("shared")?,
        sensitive: row.try_get("sensitive")?,
        size: u64::try_from(size).map_err(|_| StoreError::Damaged("size".into()))?,
        digest: row.try_get("digest")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// What sensitive parts are bound to.
pub(super) const COLUMN: &str = "part/content";

fn place(name: &String) -> Place<'_> {
    Place { column: COLUMN, row: name }
}

/// Parts by name, after one.
///
/// # Errors
/// The database's.
pub async fn page(
    tx: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<PartInfo>, StoreError> {
    let mut page = ReadablePage::new("a part", "name", after.unwrap_or_default().to_owned(), limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query(
            "SELECT name, kind, shared, sensitive, size, digest, updated_at FROM part
             WHERE name > ?1 ORDER BY name LIMIT ?2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        page.add(&rows, info, |row| row.try_get("name"))?;
    }
    Ok(page.items())
}

/// One, by name.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut SqliteConnection, name: &str) -> Result<Option<PartInfo>, StoreError> {
    let row = sqlx::query(
        "SELECT name, kind, shared, sensitive, size, digest, updated_at FROM part WHERE name = ?1",
    )
    .bind(name)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(info).transpose()
}

/// One with its octets.
///
/// # Errors
/// The database's, or it does not open.
pub async fn load(
    tx: &mut SqliteConnection,
    keyring: &Keyring,
    name: &str,
) -> Result<Option<Extra>, StoreError> {
    let row = sqlx::query("SELECT * FROM part WHERE name = ?1").bind(name).fetch_optional(tx).await?;
    let Some(row) = row else { return Ok(None) };
    let info = info(&row)?;
    let stored: Vec<u8> = row.try_get("content")?;
    let content =
        if info.sensitive { keyring.open(place(&info.name), &stored)? } else { Zeroizing::new(stored) };
    Ok(Some(Extra {
        name: info.name,
        kind: info.kind,
        shared: info.shared,
        sensitive: info.sensitive,
        content,
    }))
}

/// Stores one, or replaces it. `true`: it is new.
///
/// # Errors
/// The database's.
pub async fn put(
    tx: &mut SqliteConnection,
    keyring: &Keyring,
    part: &Extra,
    now: i64,
) -> Result<bool, StoreError> {
    let new = find(&mut *tx, &part.name).await?.is_none();
    let content =
        if part.sensitive { keyring.seal(place(&part.name), &part.content)? } else { part.content.to_vec() };
    sqlx::query(
        "INSERT INTO part (name, kind, shared, sensitive, content, size, digest, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, shared = excluded.shared,
            sensitive = excluded.sensitive, content = excluded.content, size = excluded.size,
            digest = excluded.digest, updated_at = excluded.updated_at",
    )
    .bind(&part.name)
    .bind(super::word(&part.kind)?)
    .bind(part.shared)
    .bind(part.sensitive)
    .bind(content)
    .bind(i64::try_from(part.content.len()).unwrap_or(i64::MAX))
    .bind(hex::encode(rncp::digest(&part.content)))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(new)
}

/// Deletes one. `false`: there is none.
///
/// # Errors
/// [`StoreError::Conflict`] if a contract names it.
pub async fn delete(tx: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let user: Option<(String,)> = sqlx::query_as(
        "SELECT device_id FROM contract, json_each(contract.terms, '$.parts') AS part WHERE part.value = ?1 LIMIT 1",
    )
    .bind(name)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((device,)) = user {
        return Err(StoreError::Conflict(format!("the contract for {device} names it: change that first")));
    }
    let done = sqlx::query("DELETE FROM part WHERE name = ?1").bind(name).execute(tx).await?;
    Ok(done.rows_affected() > 0)
}
