//! Who did what, kept in the role's database.

use async_trait::async_trait;
use schemas::rest::AuditEntry;
use time::OffsetDateTime;

use crate::database::{Database, DatabaseError, explain};

/// SQL of the table: one of a schema's migrations, `("audit", service::api::AUDIT_MIGRATION)`.
pub const AUDIT_MIGRATION: &str = include_str!("audit.sql");

/// Where it is written who did what.
#[async_trait]
pub trait Trail: Send + Sync + 'static {
    /// Writes an entry: `who` as a token's name or `cli:` and a user, `action` as `credentials.update`, `outcome` as
    /// `done` or why not. Durable when it returns. Nothing in it may be secret.
    ///
    /// # Errors
    /// Why it cannot be written.
    async fn record(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), String>;
}

/// The audit log in a database whose schema has [`AUDIT_MIGRATION`].
#[derive(Debug, Clone)]
pub struct AuditTable(pub Database);

#[async_trait]
impl Trail for AuditTable {
    async fn record(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), String> {
        let now = OffsetDateTime::now_utc();
        sqlx::query("INSERT INTO audit (at, who, action, target, outcome) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(now.unix_timestamp() * 1000 + i64::from(now.millisecond()))
            .bind(who)
            .bind(action)
            .bind(target)
            .bind(outcome)
            .execute(&self.0.writer)
            .await
            .map(drop)
            .map_err(|error| explain(&error))
    }
}

/// A page of the audit log, newest first: up to `limit` entries (500 at most) before the id `after`.
///
/// # Errors
/// The database's.
pub async fn audit_page(
    db: &Database,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, DatabaseError> {
    let rows: Vec<(i64, i64, String, String, String, String)> = sqlx::query_as(
        "SELECT id, at, who, action, target, outcome FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )
    .bind(after.unwrap_or(i64::MAX))
    .bind(limit.clamp(1, 500))
    .fetch_all(&db.readers)
    .await?;
    let entry = |(id, at, who, action, target, outcome)| {
        let at: i64 = at;
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        AuditEntry { id, at, who, action, target, outcome }
    };
    Ok(rows.into_iter().map(entry).collect())
}
