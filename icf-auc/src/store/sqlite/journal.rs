//! Batches, the audit log, kept answers.

use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    error::{damaged, json},
    rows,
};
use crate::{
    model::Timestamp,
    store::{AuditEntry, Batch, KeptAnswer, Page, StoreError},
};

/// How long an answer is kept, seconds.
pub const ANSWER_KEPT: i64 = 86_400;

/// Creates or changes a batch.
pub(super) async fn put_batch(conn: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO batch (id, mode, first_imsi, count, done, profile, party, created_at, terms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(&batch.id)
    .bind(rows::word(batch.mode)?)
    .bind(batch.first.map(rows::code))
    .bind(i64::try_from(batch.count).map_err(damaged)?)
    .bind(i64::try_from(batch.done).map_err(damaged)?)
    .bind(&batch.profile)
    .bind(&batch.party)
    .bind(batch.created_at.0)
    .bind(batch.terms.as_ref().map(json).transpose()?)
    .execute(conn)
    .await?;
    Ok(())
}

fn read_batch(row: &SqliteRow) -> Result<Batch, StoreError> {
    Ok(Batch {
        id: row.try_get(0)?,
        mode: rows::from_word(row.try_get(1)?)?,
        first: row.try_get::<Option<i64>, _>(2)?.map(rows::imsi).transpose()?,
        count: row.try_get::<i64, _>(3)?.cast_unsigned(),
        done: row.try_get::<i64, _>(4)?.cast_unsigned(),
        profile: row.try_get(5)?,
        party: row.try_get(6)?,
        created_at: Timestamp(row.try_get(7)?),
        terms: row.try_get::<Option<&str>, _>(8)?.map(serde_json::from_str).transpose().map_err(damaged)?,
    })
}

/// One batch.
pub(super) async fn batch(pool: &SqlitePool, id: &str) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query(
        "SELECT id, mode, first_imsi, count, done, profile, party, created_at, terms FROM batch WHERE id = ?1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(read_batch).transpose()
}

/// Batches by id.
pub(super) async fn batches(pool: &SqlitePool, page: &Page) -> Result<Vec<Batch>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, mode, first_imsi, count, done, profile, party, created_at, terms FROM batch \
         WHERE id > ?1 ORDER BY id LIMIT ?2",
    )
    .bind(page.after.as_deref().unwrap_or(""))
    .bind(page.limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_batch).collect()
}

/// Appends to the audit log.
pub(super) async fn audit(
    conn: &mut SqliteConnection,
    [who, action, target, outcome]: [&str; 4],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, who, action, target, outcome) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(now.0)
        .bind(who)
        .bind(action)
        .bind(target)
        .bind(outcome)
        .execute(conn)
        .await?;
    Ok(())
}

/// The audit log, newest first.
pub(super) async fn audit_log(pool: &SqlitePool, page: &Page) -> Result<Vec<AuditEntry>, StoreError> {
    let below = match page.after.as_deref() {
        None => i64::MAX,
        Some(text) => {
            text.parse().map_err(|_| StoreError::Conflict(format!("after: {text:?} is not an id")))?
        }
    };
    let rows = sqlx::query(
        "SELECT id, at, who, action, target, outcome FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )
    .bind(below)
    .bind(page.limit)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(AuditEntry {
                id: row.try_get(0)?,
                at: Timestamp(row.try_get(1)?),
                who: row.try_get(2)?,
                action: row.try_get(3)?,
                target: row.try_get(4)?,
                outcome: row.try_get(5)?,
            })
        })
        .collect()
}

/// The answer kept for a key, unless it is too old.
pub(super) async fn kept(
    pool: &SqlitePool,
    who: &str,
    key: &str,
    now: Timestamp,
) -> Result<Option<KeptAnswer>, StoreError> {
    let row =
        sqlx::query("SELECT request, status, body FROM kept_answer WHERE who = ?1 AND key = ?2 AND at > ?3")
            .bind(who)
            .bind(key)
            .bind(now.plus(-ANSWER_KEPT).0)
            .fetch_optional(pool)
            .await?;
    row.map(|row| {
        let request: &[u8] = row.try_get(0)?;
        Ok(KeptAnswer {
            request: request.try_into().map_err(damaged)?,
            status: row.try_get(1)?,
            body: row.try_get(2)?,
        })
    })
    .transpose()
}

/// Keeps one, drops those too old.
pub(super) async fn keep(
    conn: &mut SqliteConnection,
    who: &str,
    key: &str,
    answer: &KeptAnswer,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM kept_answer WHERE at <= ?1")
        .bind(now.plus(-ANSWER_KEPT).0)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT OR REPLACE INTO kept_answer (who, key, request, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(who)
    .bind(key)
    .bind(answer.request.as_slice())
    .bind(answer.status)
    .bind(answer.body.as_slice())
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(())
}
