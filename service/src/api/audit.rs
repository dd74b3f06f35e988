//! Who did what, kept in the role's database.

use async_trait::async_trait;
use schemas::rest::AuditEntry;
use sqlx::SqliteConnection;
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

/// Writes an entry in the caller's transaction, at `now` (milliseconds since 1970 UTC): it is there if and only if what it
/// tells of is. The rest as in [`Trail::record`].
///
/// # Errors
/// The statement's.
pub async fn audit(
    tx: &mut SqliteConnection,
    [who, action, target, outcome]: [&str; 4],
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at, who, action, target, outcome) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(now)
        .bind(who)
        .bind(action)
        .bind(target)
        .bind(outcome)
        .execute(tx)
        .await
        .map(drop)
}

/// The audit log in a database whose schema has [`AUDIT_MIGRATION`].
#[derive(Debug, Clone)]
pub struct AuditTable(pub Database);

#[async_trait]
impl Trail for AuditTable {
    async fn record(&self, who: &str, action: &str, target: &str, outcome: &str) -> Result<(), String> {
        let now = OffsetDateTime::now_utc();
        let now = now.unix_timestamp() * 1000 + i64::from(now.millisecond());
        let entry = [who, action, target, outcome].map(str::to_owned);
        let done =
            self.0.transact(async move |tx| audit(tx, entry.each_ref().map(String::as_str), now).await);
        done.await.map_err(|error: sqlx::Error| explain(&error))
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
