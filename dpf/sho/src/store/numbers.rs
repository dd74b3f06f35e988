//! Numbers: a row for each that was ever handed out, never deleted, so that none is handed out twice.

use service::database::{ReadablePage, readable_rows};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::StoreError;
use crate::model::{NumberKind, NumberRange, nth};

fn range(row: &SqliteRow) -> Result<NumberRange, StoreError> {
    let unsigned = |column: &str| -> Result<u64, StoreError> {
        let value: i64 = row.try_get(column)?;
        u64::try_from(value).map_err(|_| StoreError::Damaged(format!("{column} {value}")))
    };
    Ok(NumberRange {
        id: row.try_get("id")?,
        kind: super::of_word(row, "kind")?,
        first: row.try_get("first")?,
        count: unsigned("count")?,
        next: unsigned("next")?,
        delegated: row.try_get("delegated")?,
        closed: row.try_get("closed")?,
        created_at: row.try_get("created_at")?,
    })
}

const ALL_RANGES: &str = "SELECT * FROM number_range ORDER BY id";

/// All ranges, by name; whoever compares a new one with them has to know all.
///
/// # Errors
/// The database's, or one cannot be read.
pub async fn ranges(tx: &mut SqliteConnection) -> Result<Vec<NumberRange>, StoreError> {
    let rows = sqlx::query(ALL_RANGES).fetch_all(tx).await?;
    rows.iter().map(range).collect()
}

/// Ranges by name, after one.
///
/// # Errors
/// The database's.
pub async fn page(
    tx: &mut SqliteConnection,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<NumberRange>, StoreError> {
    let mut page = ReadablePage::new("a range of numbers", "id", after.unwrap_or_default().to_owned(), limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query("SELECT * FROM number_range WHERE id > ?1 ORDER BY id LIMIT ?2")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
        page.add(&rows, range, |row| row.try_get("id"))?;
    }
    Ok(page.items())
}

/// A range.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut SqliteConnection, id: &str) -> Result<Option<NumberRange>, StoreError> {
    let row = sqlx::query("SELECT * FROM number_range WHERE id = ?1").bind(id).fetch_optional(tx).await?;
    row.as_ref().map(range).transpose()
}

/// Stores a range, or changes how long and whether closed it is. `next` is the database's own. `true`: it is new.
///
/// # Errors
/// [`StoreError::Conflict`] if it overlaps another, or begins elsewhere than it did, or lacks what was handed out.
pub async fn put(tx: &mut SqliteConnection, new: &NumberRange) -> Result<bool, StoreError> {
    let conflict = |what: String| Err(StoreError::Conflict(what));
    let all = ranges(&mut *tx).await?;
    if let Some(other) = all.iter().find(|other| other.id != new.id && other.overlaps(new)) {
        return conflict(format!("it overlaps the range {}; every number is in one range", other.id));
    }
    let before = all.iter().find(|range| range.id == new.id);
    if let Some(before) = before {
        if before.kind != new.kind || before.first != new.first || before.delegated != new.delegated {
            return conflict(
                "kind, first and delegated of a range stay as they are: make another range".into(),
            );
        }
        let used = highest(&mut *tx, before).await?.max(before.next);
        if new.count < used {
            return conflict(format!("{used} of its numbers have been handed out: count cannot be less"));
        }
    }
    let count = i64::try_from(new.count).map_err(|_| StoreError::Conflict("count is too large".into()))?;
    sqlx::query(
        "INSERT INTO number_range (id, kind, first, count, delegated, closed, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET count = excluded.count, closed = excluded.closed",
    )
    .bind(&new.id)
    .bind(new.kind.as_str())
    .bind(&new.first)
    .bind(count)
    .bind(new.delegated)
    .bind(new.closed)
    .bind(new.created_at)
    .execute(tx)
    .await?;
    Ok(before.is_none())
}

/// How many numbers, from the first, hold all that were handed out.
async fn highest(tx: &mut SqliteConnection, range: &NumberRange) -> Result<u64, StoreError> {
    let (number,): (Option<String>,) = sqlx::query_as("SELECT max(number) FROM number WHERE range_id = ?1")
        .bind(&range.id)
        .fetch_one(tx)
        .await?;
    let first: u64 = range.first.parse().unwrap_or(0);
    let last = number.and_then(|number| number.parse::<u64>().ok());
    Ok(last.and_then(|last| last.checked_sub(first)).map_or(0, |offset| offset + 1))
}

/// Deletes a range that no number was ever handed out of. `false`: there is none.
///
/// # Errors
/// [`StoreError::Conflict`] if one was.
pub async fn delete(tx: &mut SqliteConnection, id: &str) -> Result<bool, StoreError> {
    let Some(range) = find(&mut *tx, id).await? else { return Ok(false) };
    if range.next > 0 || highest(&mut *tx, &range).await? > 0 {
        return Err(StoreError::Conflict(
            "numbers of it were handed out, and none may be handed out twice: close it instead (closed: true)".into(),
        ));
    }
    sqlx::query("DELETE FROM number_range WHERE id = ?1").bind(id).execute(tx).await?;
    Ok(true)
}

/// How many numbers can be handed out at `now`.
///
/// # Errors
/// The database's.
pub async fn free(tx: &mut SqliteConnection, kind: NumberKind, now: i64) -> Result<u64, StoreError> {
    let (fresh, back): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT coalesce(sum(count - next), 0) FROM number_range
                 WHERE kind = ?1 AND NOT closed AND NOT delegated),
                (SELECT count(*) FROM number AS n JOIN number_range AS r ON r.id = n.range_id
                 WHERE n.kind = ?1 AND n.state = 'quarantine' AND n.free_at <= ?2 AND NOT r.closed AND NOT r.delegated)",
    )
    .bind(kind.as_str())
    .bind(now)
    .fetch_one(tx)
    .await?;
    Ok(u64::try_from(fresh.saturating_add(back)).unwrap_or(0))
}

/// How many numbers of this kind the device has, or had in sessions that came to nothing.
///
/// # Errors
/// The database's.
pub async fn held(tx: &mut SqliteConnection, kind: NumberKind, device: &str) -> Result<u64, StoreError> {
    let (held,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM number AS n WHERE device_id = ?1 AND kind = ?2
         AND (state IN ('assigned', 'quarantine') OR (state = 'retired' AND EXISTS (
             SELECT 1 FROM session AS s WHERE s.id = n.session AND s.spent AND s.state = 'withdrawn')))",
    )
    .bind(device)
    .bind(kind.as_str())
    .fetch_one(tx)
    .await?;
    Ok(u64::try_from(held).unwrap_or(0))
}

/// Hands out a number: one that the device had in a session that came to nothing, one whose quarantine is over, else the next
/// of a range. `None`: all are handed out.
///
/// # Errors
/// The database's.
pub async fn allocate(
    tx: &mut SqliteConnection,
    kind: NumberKind,
    device: &str,
    session: Uuid,
    now: i64,
) -> Result<Option<String>, StoreError> {
    // Withdrawn everywhere. The quarantine is for others, and so is that a device may have the credential of a session that
    // nobody reported on: this device gets new keys for it.
    let own: Option<(String,)> = sqlx::query_as(
        "UPDATE number SET state = 'assigned', session = ?3, free_at = NULL
         WHERE (kind, number) IN (
            SELECT n.kind, n.number FROM number AS n JOIN number_range AS r ON r.id = n.range_id
            WHERE n.device_id = ?2 AND n.kind = ?1 AND NOT r.closed AND NOT r.delegated
            AND (n.state = 'quarantine' OR (n.state = 'retired' AND EXISTS (
                SELECT 1 FROM session AS s WHERE s.id = n.session AND s.spent AND s.state = 'withdrawn')))
            ORDER BY n.number LIMIT 1)
         RETURNING number",
    )
    .bind(kind.as_str())
    .bind(device)
    .bind(session.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((number,)) = own {
        return Ok(Some(number));
    }
    let back: Option<(String,)> = sqlx::query_as(
        "UPDATE number SET state = 'assigned', device_id = ?3, session = ?4, free_at = NULL
         WHERE (kind, number) IN (
            SELECT n.kind, n.number FROM number AS n JOIN number_range AS r ON r.id = n.range_id
            WHERE n.kind = ?1 AND n.state = 'quarantine' AND n.free_at <= ?2 AND NOT r.closed AND NOT r.delegated
            ORDER BY n.free_at, n.number LIMIT 1)
         RETURNING number",
    )
    .bind(kind.as_str())
    .bind(now)
    .bind(device)
    .bind(session.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((number,)) = back {
        return Ok(Some(number));
    }
    let next = sqlx::query(
        "UPDATE number_range SET next = next + 1
         WHERE id = (SELECT id FROM number_range
                     WHERE kind = ?1 AND NOT closed AND NOT delegated AND next < count
                     ORDER BY created_at, id LIMIT 1)
         RETURNING id, first, next - 1 AS offset",
    )
    .bind(kind.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = next else { return Ok(None) };
    let (id, first, offset): (String, String, i64) =
        (row.try_get("id")?, row.try_get("first")?, row.try_get("offset")?);
    let number = u64::try_from(offset).ok().and_then(|offset| nth(&first, offset));
    let number = number.ok_or_else(|| StoreError::Damaged(format!("range {id} runs out of digits")))?;
    assign(tx, kind, &number, &id, device, session).await?;
    Ok(Some(number))
}

async fn assign(
    tx: &mut SqliteConnection,
    kind: NumberKind,
    number: &str,
    range: &str,
    device: &str,
    session: Uuid,
) -> Result<(), StoreError> {
    // The primary key refuses a second time, whatever a range says.
    sqlx::query(
        "INSERT INTO number (kind, number, range_id, state, device_id, session)
         VALUES (?1, ?2, ?3, 'assigned', ?4, ?5)",
    )
    .bind(kind.as_str())
    .bind(number)
    .bind(range)
    .bind(device)
    .bind(session.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes note of a number that a DPF allotted by our rules (R17).
///
/// # Errors
/// [`StoreError::Conflict`] if it is in no delegated range, or another session has or had it.
pub async fn take_delegated(
    tx: &mut SqliteConnection,
    kind: NumberKind,
    number: &str,
    device: &str,
    session: Uuid,
) -> Result<(), StoreError> {
    let rows = sqlx::query(ALL_RANGES).fetch_all(&mut *tx).await?;
    let all = readable_rows("a range of numbers", "id", &rows, range);
    let Some(range) = all.iter().find(|range| range.kind == kind && range.contains(number)) else {
        if all.len() < rows.len() {
            // It may be in one of those: no reason to refuse it for good.
            return Err(StoreError::Damaged(format!("the range of {} {number} may be it", kind.as_str())));
        }
        return Err(StoreError::Conflict(format!("{} {number} is in no range of ours", kind.as_str())));
    };
    if !range.delegated || range.closed {
        return Err(StoreError::Conflict(format!("the range {} is not delegated to the DPF", range.id)));
    }
    let had: Option<(String,)> = sqlx::query_as("SELECT session FROM number WHERE kind = ?1 AND number = ?2")
        .bind(kind.as_str())
        .bind(number)
        .fetch_optional(&mut *tx)
        .await?;
    match had {
        Some((owner,)) if owner == session.to_string() => Ok(()),
        Some(_) => Err(StoreError::Conflict(format!("{} {number} was handed out before", kind.as_str()))),
        None => assign(tx, kind, number, &range.id, device, session).await,
    }
}

/// What becomes of a session's numbers when it came to nothing: back to the pool at `free_at`, or, with `None`, never to any
/// other device: this one may have them.
///
/// # Errors
/// The database's.
pub async fn give_back(
    tx: &mut SqliteConnection,
    session: Uuid,
    free_at: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE number SET state = iif(?2 IS NULL, 'retired', 'quarantine'), free_at = ?2
         WHERE session = ?1 AND state = 'assigned'",
    )
    .bind(session.to_string())
    .bind(free_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// A number goes out of use for good.
///
/// # Errors
/// The database's.
pub async fn retire(tx: &mut SqliteConnection, kind: NumberKind, number: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE number SET state = 'retired', free_at = NULL WHERE kind = ?1 AND number = ?2")
        .bind(kind.as_str())
        .bind(number)
        .execute(tx)
        .await?;
    Ok(())
}
