//! Triggers and their sequence numbers.

use schemas::identity::{OperatorId, Pcid};
use service::database::ReadablePage;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{optional, parsed, word};
use crate::trigger::{State, Trigger, kind_from, kind_text};

fn read(row: &SqliteRow) -> Result<Trigger, sqlx::Error> {
    Ok(Trigger {
        id: parsed(row, "id")?,
        pcid: parsed(row, "pcid")?,
        operator: parsed(row, "operator")?,
        kind: word(row, "kind", kind_from)?,
        sequence: row.try_get::<i64, _>("sequence")?.unsigned_abs(),
        rnct: row.try_get("rnct")?,
        address: optional(row, "address")?,
        over_3gpp: row.try_get("over_3gpp")?,
        state: word(row, "state", State::from_text)?,
        attempts: row.try_get("attempts")?,
        last_error: row.try_get("last_error")?,
        issued_at: row.try_get("issued_at")?,
        expires_at: row.try_get("expires_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// The next sequence number of a PCID: above all before, and not below the time in seconds, so that it rises even if
/// the database is lost.
///
/// # Errors
/// The database's.
pub async fn next_sequence(db: &mut SqliteConnection, pcid: Pcid, now: i64) -> Result<u64, sqlx::Error> {
    let next: i64 = sqlx::query_scalar(
        "INSERT INTO sequence (pcid, last) VALUES (?1, ?2)
         ON CONFLICT (pcid) DO UPDATE SET last = max(last + 1, ?2) RETURNING last",
    )
    .bind(pcid.to_string())
    .bind(now / 1000)
    .fetch_one(db)
    .await?;
    Ok(next.unsigned_abs())
}

/// A new trigger, pending.
///
/// # Errors
/// The database's.
pub async fn insert_trigger(
    db: &mut SqliteConnection,
    trigger: &Trigger,
    request: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO trigger_sent (id, pcid, operator, kind, sequence, rnct, address, over_3gpp, request, state,
         last_error, issued_at, expires_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?12)",
    )
    .bind(trigger.id.to_string())
    .bind(trigger.pcid.to_string())
    .bind(trigger.operator.as_str())
    .bind(kind_text(trigger.kind))
    .bind(i64::try_from(trigger.sequence).unwrap_or(i64::MAX))
    .bind(&trigger.rnct)
    .bind(trigger.address.map(|address| address.to_string()))
    .bind(trigger.over_3gpp)
    .bind(request.map(|id| id.to_string()))
    .bind(trigger.state.as_str())
    .bind(&trigger.last_error)
    .bind(trigger.issued_at)
    .bind(trigger.expires_at)
    .execute(db)
    .await?;
    Ok(())
}

/// The trigger with this id.
///
/// # Errors
/// The database's.
pub async fn trigger(db: &mut SqliteConnection, id: Uuid) -> Result<Option<Trigger>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM trigger_sent WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The trigger that was made for this request.
///
/// # Errors
/// The database's.
pub async fn trigger_by_request(
    db: &mut SqliteConnection,
    request: Uuid,
) -> Result<Option<Trigger>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM trigger_sent WHERE request = ?1")
        .bind(request.to_string())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The newest trigger of a device, if it is still good and was not taken back.
///
/// # Errors
/// The database's.
pub async fn latest(db: &mut SqliteConnection, pcid: Pcid, now: i64) -> Result<Option<Trigger>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM trigger_sent WHERE pcid = ?1 ORDER BY sequence DESC LIMIT 1")
        .bind(pcid.to_string())
        .fetch_optional(db)
        .await?;
    let trigger = row.as_ref().map(read).transpose()?;
    Ok(trigger.filter(|t| t.expires_at > now && t.state != State::Expired))
}

/// The trigger that a device may still take.
///
/// # Errors
/// The database's.
pub async fn open_trigger(
    db: &mut SqliteConnection,
    pcid: Pcid,
    now: i64,
) -> Result<Option<Trigger>, sqlx::Error> {
    Ok(latest(db, pcid, now).await?.filter(|trigger| trigger.state.is_open()))
}

/// A newer trigger takes the place of those that are open.
///
/// # Errors
/// The database's.
pub async fn close_open(
    db: &mut SqliteConnection,
    pcid: Pcid,
    why: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE trigger_sent SET state = 'expired', last_error = ?2, updated_at = ?3
         WHERE pcid = ?1 AND state IN ('pending', 'delivered')",
    )
    .bind(pcid.to_string())
    .bind(why)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// It was sent once more, and this was wrong.
///
/// # Errors
/// The database's.
pub async fn attempted(
    db: &mut SqliteConnection,
    id: Uuid,
    error: Option<&str>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE trigger_sent SET attempts = attempts + 1, last_error = coalesce(?2, last_error), updated_at = ?3
         WHERE id = ?1",
    )
    .bind(id.to_string())
    .bind(error)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// What became of an open trigger; `false` if it is not open. Without an error the last one stays.
///
/// # Errors
/// The database's.
pub async fn end(
    db: &mut SqliteConnection,
    id: Uuid,
    state: State,
    error: Option<&str>,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE trigger_sent SET state = ?2, last_error = coalesce(?3, last_error), updated_at = ?4
         WHERE id = ?1 AND state IN ('pending', 'delivered')",
    )
    .bind(id.to_string())
    .bind(state.as_str())
    .bind(error)
    .bind(now)
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Triggers, newest first: of a device, of an operator, before (`issued_at`, `id`).
///
/// # Errors
/// The database's.
pub async fn triggers(
    db: &mut SqliteConnection,
    pcid: Option<Pcid>,
    operator: Option<&OperatorId>,
    before: Option<(i64, Uuid)>,
    limit: u32,
) -> Result<Vec<Trigger>, sqlx::Error> {
    let before = before.map_or((i64::MAX, String::new()), |(at, id)| (at, id.to_string()));
    let mut page = ReadablePage::new("a trigger", "id", before, limit);
    while let Some(((at, id), limit)) = page.wanted() {
        let rows = sqlx::query(
            "SELECT * FROM trigger_sent WHERE (?1 IS NULL OR pcid = ?1) AND (?2 IS NULL OR operator = ?2)
             AND (issued_at, id) < (?3, ?4) ORDER BY issued_at DESC, id DESC LIMIT ?5",
        )
        .bind(pcid.map(|pcid| pcid.to_string()))
        .bind(operator.map(OperatorId::as_str))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(&mut *db)
        .await?;
        page.add(&rows, read, |row| Ok((row.try_get("issued_at")?, row.try_get("id")?)))?;
    }
    Ok(page.items())
}
