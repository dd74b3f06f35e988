//! What is to be sent, and what has happened.

use service::database::readable;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    error::{damaged, json},
    rows,
};
use crate::{
    model::{ServingNode, Timestamp},
    store::{Event, Outgoing, OutgoingMessage, Page, Queued, StoreError, StoredEvent, Waiting},
};

/// Events kept at least; older ones are dropped now and then.
const EVENTS_KEPT: i64 = 100_000;
/// How often.
const EVENTS_SWEEP: i64 = 1024;

/// Queues one; gives its id.
pub(super) async fn push(
    conn: &mut SqliteConnection,
    one: &Outgoing,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO outgoing (imsi, host, realm, message, attempts, due_at) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
    )
    .bind(rows::code(one.imsi))
    .bind(&one.node.host)
    .bind(&one.node.realm)
    .bind(json(&one.message)?)
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(done.last_insert_rowid())
}

/// Queues what a change of credential or profile means to a serving node; with a CLR, the registration there is
/// over.
pub(super) async fn push_effect(
    conn: &mut SqliteConnection,
    one: &Outgoing,
    now: Timestamp,
) -> Result<(), StoreError> {
    if matches!(one.message, OutgoingMessage::Cancel { .. }) {
        sqlx::query("DELETE FROM registration WHERE imsi = ?1 AND host = ?2")
            .bind(rows::code(one.imsi))
            .bind(&one.node.host)
            .execute(&mut *conn)
            .await?;
    }
    push(conn, one, now).await?;
    Ok(())
}

/// Whether there was such a message.
pub(super) async fn sent(conn: &mut SqliteConnection, id: i64) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM outgoing WHERE id = ?1").bind(id).execute(conn).await?.rows_affected() > 0)
}

/// Whether there was such a message.
pub(super) async fn later(
    conn: &mut SqliteConnection,
    id: i64,
    at: Timestamp,
    why: &str,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE outgoing SET attempts = attempts + 1, due_at = ?2, why = ?3 WHERE id = ?1")
            .bind(id)
            .bind(at.0)
            .bind(why)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Those due, oldest first.
pub(super) async fn due(pool: &SqlitePool, now: Timestamp, limit: u32) -> Result<Vec<Queued>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, imsi, host, realm, message, attempts FROM outgoing WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?2",
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(read(&rows))
}

/// Those not answered yet, by id.
pub(super) async fn waiting(pool: &SqlitePool, page: &Page) -> Result<Vec<Waiting>, StoreError> {
    let after: i64 = match page.after.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| StoreError::Conflict("after: an id".into()))?,
    };
    let rows = sqlx::query(
        "SELECT id, imsi, host, realm, message, attempts, due_at, why FROM outgoing WHERE id > ?1 ORDER BY id LIMIT ?2",
    )
    .bind(after)
    .bind(page.limit)
    .fetch_all(pool)
    .await?;
    let waiting = |row: &SqliteRow| -> Result<Waiting, StoreError> {
        Ok(Waiting { queued: queued(row)?, due_at: Timestamp(row.try_get(6)?), why: row.try_get(7)? })
    };
    Ok(readable("a request that is to be sent", rows.iter().map(waiting)))
}

/// How many are not answered yet, and how many of them were tried in vain.
pub(super) async fn waiting_level(pool: &SqlitePool) -> Result<(u64, u64), StoreError> {
    let (all, failed): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE attempts > 0) FROM outgoing")
            .fetch_one(pool)
            .await?;
    Ok((all.cast_unsigned(), failed.cast_unsigned()))
}

/// Nodes that something is due for, the oldest due first.
pub(super) async fn due_nodes(
    pool: &SqlitePool,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT host FROM outgoing WHERE due_at <= ?1 GROUP BY host COLLATE NOCASE ORDER BY min(due_at), min(id) LIMIT ?2",
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(pool)
    .await?)
}

/// Those due for one node, oldest first.
pub(super) async fn due_for(
    pool: &SqlitePool,
    host: &str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Queued>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, imsi, host, realm, message, attempts FROM outgoing WHERE due_at <= ?1 AND host = ?3 COLLATE NOCASE \
         ORDER BY due_at, id LIMIT ?2",
    )
    .bind(now.0)
    .bind(limit)
    .bind(host)
    .fetch_all(pool)
    .await?;
    Ok(read(&rows))
}

fn read(rows: &[SqliteRow]) -> Vec<Queued> {
    readable("a request that is to be sent", rows.iter().map(queued))
}

fn queued(row: &SqliteRow) -> Result<Queued, StoreError> {
    Ok(Queued {
        id: row.try_get(0)?,
        attempts: row.try_get(5)?,
        outgoing: Outgoing {
            imsi: rows::imsi(row.try_get(1)?)?,
            node: ServingNode { host: row.try_get(2)?, realm: row.try_get(3)? },
            message: serde_json::from_str(row.try_get(4)?).map_err(damaged)?,
        },
    })
}

/// Appends events.
pub(super) async fn tell(
    conn: &mut SqliteConnection,
    events: &[Event],
    now: Timestamp,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let lines: Vec<(&str, Option<i64>, String)> =
        events.iter().map(|e| (e.kind.as_str(), e.imsi.map(rows::code), e.detail.to_string())).collect();
    let done = sqlx::query(
        "INSERT INTO event (at, kind, imsi, detail) \
         SELECT ?1, value->>0, value->>1, value->>2 FROM json_each(?2) ORDER BY key",
    )
    .bind(now.0)
    .bind(json(&lines)?)
    .execute(&mut *conn)
    .await?;
    let (last, added) = (done.last_insert_rowid(), i64::try_from(lines.len()).unwrap_or(i64::MAX));
    if last / EVENTS_SWEEP != (last - added) / EVENTS_SWEEP {
        sqlx::query("DELETE FROM event WHERE id <= ?1").bind(last - EVENTS_KEPT).execute(conn).await?;
    }
    Ok(())
}

/// Events after `id`, oldest first.
pub(super) async fn events(
    pool: &SqlitePool,
    after: i64,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = sqlx::query("SELECT id, at, kind, imsi, detail FROM event WHERE id > ?1 ORDER BY id LIMIT ?2")
        .bind(after)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    // One whose detail cannot be read is told all the same: who listens goes on from its id.
    rows.iter()
        .map(|row| {
            let imsi = row.try_get::<Option<i64>, _>(3)?;
            let detail: &str = row.try_get(4)?;
            Ok(StoredEvent {
                id: row.try_get(0)?,
                at: Timestamp(row.try_get(1)?),
                event: Event {
                    kind: row.try_get(2)?,
                    imsi: imsi.and_then(|code| rows::imsi(code).ok()),
                    detail: serde_json::from_str(detail).unwrap_or_default(),
                },
            })
        })
        .collect()
}

/// Id of the newest event.
pub(super) async fn last_event(pool: &SqlitePool) -> Result<i64, StoreError> {
    let (last,): (i64,) =
        sqlx::query_as("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)")
            .fetch_one(pool)
            .await?;
    Ok(last)
}
