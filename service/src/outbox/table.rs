//! The statements.

use sqlx::{Row, SqliteConnection};

use super::{Message, Outgoing, milliseconds};
use crate::database::{Database, readable_rows};

/// How long an ended message's key is kept,
const KEPT: i64 = 30 * 24 * 3600 * 1000;
/// and of how many messages, those that ended last: where each attach is a message, 30 days are too many.
pub(super) const MOST_KEPT: i64 = 10_000;
/// Messages that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 1000;

pub(super) async fn insert(
    tx: &mut SqliteConnection,
    message: &Message<'_>,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO outgoing_message (topic, key, body, created_at, next_at, give_up_at, attempts) \
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, 0) ON CONFLICT (topic, key) DO NOTHING",
    )
    .bind(message.topic)
    .bind(message.key)
    .bind(message.body)
    .bind(now)
    .bind(now.saturating_add(milliseconds(message.give_up_after)))
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn pending(db: &Database) -> Result<u64, sqlx::Error> {
    let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM outgoing_message WHERE ended_at IS NULL")
        .fetch_one(&db.readers)
        .await?;
    Ok(count.unsigned_abs())
}

/// Topics that something is on its way of: one step in the index each, however many messages wait.
pub(super) async fn topics(db: &Database) -> Result<Vec<String>, sqlx::Error> {
    let found = sqlx::query(
        "WITH RECURSIVE next (topic) AS ( \
            SELECT min(topic) FROM outgoing_message WHERE ended_at IS NULL \
            UNION ALL \
            SELECT (SELECT min(m.topic) FROM outgoing_message m WHERE m.ended_at IS NULL AND m.topic > next.topic) \
            FROM next WHERE next.topic IS NOT NULL) \
         SELECT topic FROM next WHERE topic IS NOT NULL",
    )
    .fetch_all(&db.readers)
    .await?;
    Ok(readable_rows("the topic of outgoing messages", "topic", &found, |row| row.try_get("topic")))
}

/// The next messages of a topic, those due longest first: id and when.
pub(super) async fn next(db: &Database, topic: &str, limit: usize) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, next_at FROM outgoing_message WHERE ended_at IS NULL AND topic = ?1 \
         ORDER BY next_at, id LIMIT ?2",
    )
    .bind(topic)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&db.readers)
    .await
}

/// A message on its way, and when it is given up.
pub(super) async fn read(db: &Database, id: i64) -> Result<Option<(Outgoing, i64)>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT id, topic, key, body, created_at, attempts, give_up_at FROM outgoing_message \
         WHERE id = ?1 AND ended_at IS NULL",
    )
    .bind(id)
    .fetch_optional(&db.readers)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let message = Outgoing {
        id: row.try_get(0)?,
        topic: row.try_get(1)?,
        key: row.try_get(2)?,
        body: row.try_get::<Option<Vec<u8>>, _>(3)?.unwrap_or_default(),
        created_at: row.try_get(4)?,
        attempts: row.try_get(5)?,
    };
    Ok(Some((message, row.try_get(6)?)))
}

pub(super) async fn end(db: &Database, id: i64, outcome: &str, now: i64) -> Result<(), sqlx::Error> {
    let outcome = outcome.to_owned();
    db.transact(async move |tx| {
        sqlx::query(
            "UPDATE outgoing_message SET body = NULL, ended_at = ?2, outcome = ?3, attempts = attempts + 1 \
             WHERE id = ?1",
        )
        .bind(id)
        .bind(now)
        .bind(outcome)
        .execute(tx)
        .await
        .map(drop)
    })
    .await
}

pub(super) async fn postpone(db: &Database, id: i64, until: i64) -> Result<(), sqlx::Error> {
    db.transact(async move |tx| {
        sqlx::query("UPDATE outgoing_message SET next_at = ?2, attempts = attempts + 1 WHERE id = ?1")
            .bind(id)
            .bind(until)
            .execute(tx)
            .await
            .map(drop)
    })
    .await
}

/// Brings forward what is to be tried after `latest`; gives how many messages.
pub(super) async fn recall(db: &Database, latest: i64) -> Result<u64, sqlx::Error> {
    let done =
        sqlx::query("UPDATE outgoing_message SET next_at = ?1 WHERE ended_at IS NULL AND next_at > ?1")
            .bind(latest)
            .execute(&db.writer)
            .await?;
    Ok(done.rows_affected())
}

/// Forgets what ended 30 days ago, and of what ended since all but the last 10,000.
pub(super) async fn forget(db: &Database, now: i64) -> Result<(), sqlx::Error> {
    let (ended,): (i64,) = sqlx::query_as("SELECT count(*) FROM outgoing_message WHERE ended_at IS NOT NULL")
        .fetch_one(&db.readers)
        .await?;
    let mut too_many = ended.saturating_sub(MOST_KEPT).max(0);
    loop {
        let forgotten = db.transact(async move |tx| {
            sqlx::query(
                "DELETE FROM outgoing_message WHERE id IN (SELECT id FROM outgoing_message WHERE ended_at IS NOT NULL \
                 ORDER BY ended_at LIMIT ?1) OR id IN (SELECT id FROM outgoing_message WHERE ended_at < ?2 LIMIT ?3)",
            )
            .bind(too_many.min(FORGOTTEN_AT_ONCE))
            .bind(now.saturating_sub(KEPT))
            .bind(FORGOTTEN_AT_ONCE)
            .execute(tx)
            .await
        });
        let forgotten: Result<_, sqlx::Error> = forgotten.await;
        let forgotten = i64::try_from(forgotten?.rows_affected()).unwrap_or(i64::MAX);
        too_many = too_many.saturating_sub(forgotten).max(0);
        if forgotten == 0 {
            return Ok(());
        }
    }
}
