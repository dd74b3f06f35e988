//! Notices (step 6), where devices are, and how provisioning ended (step 19).

use std::net::SocketAddr;

use schemas::{identity::Pcid, rest::provisioning::Provisioned};
use service::database::ReadablePage;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::parsed;

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// The device has no operator yet.
    Waiting,
    /// An RNCT was made.
    Triggered,
    /// The device keeps its PCID (R13).
    Kept,
    /// A newer one has come while it waited, or the device has gone.
    Superseded,
}

impl NoticeState {
    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Triggered => "triggered",
            Self::Kept => "kept",
            Self::Superseded => "superseded",
        }
    }
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its name.
    pub id: Uuid,
    /// Whose.
    pub pcid: Pcid,
    /// Where the device takes triggers.
    pub address: SocketAddr,
    /// The notice as it came, JSON.
    pub content: String,
    /// Whether the ICF has told it.
    pub over_3gpp: bool,
}

/// Whether a notice with this id has come before, and if so, as what.
///
/// # Errors
/// The database's.
pub async fn known_notice(db: &mut SqliteConnection, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT content FROM notice WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await
}

/// Forgets what a device that came by itself is waiting with: it comes again as often as it likes, and leaves no more than
/// one row.
///
/// # Errors
/// The database's.
pub async fn forget_own_waiting(db: &mut SqliteConnection, pcid: Pcid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM notice WHERE pcid = ?1 AND state = 'waiting' AND over_3gpp = 0")
        .bind(pcid.to_string())
        .execute(db)
        .await
        .map(drop)
}

/// A notice that waits.
///
/// # Errors
/// The database's.
pub async fn insert_notice(
    db: &mut SqliteConnection,
    notice: &NoticeRow,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO notice (id, pcid, address, content, over_3gpp, state, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6)",
    )
    .bind(notice.id.to_string())
    .bind(notice.pcid.to_string())
    .bind(notice.address.to_string())
    .bind(&notice.content)
    .bind(notice.over_3gpp)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// What became of a notice.
///
/// # Errors
/// The database's.
pub async fn set_notice_state(
    db: &mut SqliteConnection,
    id: Uuid,
    state: NoticeState,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE notice SET state = ?2 WHERE id = ?1")
        .bind(id.to_string())
        .bind(state.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// A newer notice is coming: whatever waits for this PCID is of no use.
///
/// # Errors
/// The database's.
pub async fn supersede_waiting(db: &mut SqliteConnection, pcid: Pcid) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE notice SET state = 'superseded' WHERE pcid = ?1 AND state = 'waiting'")
        .bind(pcid.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// The notice that waits for this PCID's binding.
///
/// # Errors
/// The database's.
pub async fn waiting(db: &mut SqliteConnection, pcid: Pcid) -> Result<Option<NoticeRow>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM notice WHERE pcid = ?1 AND state = 'waiting' ORDER BY received_at DESC")
            .bind(pcid.to_string())
            .fetch_optional(db)
            .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(NoticeRow {
        id: parsed(&row, "id")?,
        pcid: parsed(&row, "pcid")?,
        address: parsed(&row, "address")?,
        content: row.try_get("content")?,
        over_3gpp: row.try_get("over_3gpp")?,
    }))
}

/// PCIDs above `after` with a notice that waits.
///
/// # Errors
/// The database's.
pub async fn waiting_pcids(
    db: &mut SqliteConnection,
    after: &str,
    limit: u32,
) -> Result<Vec<Pcid>, sqlx::Error> {
    let mut page = ReadablePage::new("a notice", "pcid", after.to_owned(), limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query(
            "SELECT DISTINCT pcid FROM notice WHERE state = 'waiting' AND pcid > ?1 ORDER BY pcid LIMIT ?2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *db)
        .await?;
        page.add(&rows, |row| parsed(row, "pcid"), |row| row.try_get("pcid"))?;
    }
    Ok(page.items())
}

/// Where a device was last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its address, and where it takes triggers.
    pub address: SocketAddr,
    /// Whether it was in 3GPP access.
    pub over_3gpp: bool,
}

/// Where the last notice said that the device is.
///
/// # Errors
/// The database's.
pub async fn place(db: &mut SqliteConnection, pcid: Pcid) -> Result<Option<Place>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM place WHERE pcid = ?1").bind(pcid.to_string()).fetch_optional(db).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Place { address: parsed(&row, "address")?, over_3gpp: row.try_get("over_3gpp")? }))
}

/// A device is there now.
///
/// # Errors
/// The database's.
pub async fn set_place(
    db: &mut SqliteConnection,
    pcid: Pcid,
    place: Place,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO place (pcid, address, over_3gpp, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (pcid) DO UPDATE SET address = ?2, over_3gpp = ?3, at = ?4",
    )
    .bind(pcid.to_string())
    .bind(place.address.to_string())
    .bind(place.over_3gpp)
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// How many notices that wait for nothing are remembered, the newest: by them repetitions are told.
const NOTICES_KEPT: i64 = 10_000;
/// Rows that go in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 1000;

/// Forgets notices that wait for nothing, but for the newest 10,000, up to a thousand of them; gives how many.
///
/// # Errors
/// The database's.
pub async fn forget_notices(db: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE state <> 'waiting' ORDER BY received_at \
         LIMIT max(0, min(?1, (SELECT count(*) FROM notice WHERE state <> 'waiting') - ?2)))",
    )
    .bind(FORGOTTEN_AT_ONCE)
    .bind(NOTICES_KEPT)
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Forgets notices, triggers and results of before `oldest`, save what is not over.
///
/// # Errors
/// The database's.
pub async fn forget_old(db: &mut SqliteConnection, oldest: i64) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM notice WHERE received_at < ?1 AND state <> 'waiting'",
        // No DPF tells of a session for longer.
        "DELETE FROM provisioned WHERE at < ?1",
        "DELETE FROM trigger_sent WHERE issued_at < ?1 AND expires_at < ?1",
    ] {
        sqlx::query(sql).bind(oldest).execute(&mut *db).await?;
    }
    Ok(())
}

/// What was told of a session before: PCID, operator and result.
///
/// # Errors
/// The database's.
pub async fn provisioned(
    db: &mut SqliteConnection,
    session: Uuid,
) -> Result<Option<(String, String, String)>, sqlx::Error> {
    sqlx::query_as("SELECT pcid, operator, result FROM provisioned WHERE session = ?1")
        .bind(session.to_string())
        .fetch_optional(db)
        .await
}

/// What became of a session.
///
/// # Errors
/// The database's.
pub async fn put_provisioned(
    db: &mut SqliteConnection,
    pcid: Pcid,
    told: &Provisioned,
    result: &str,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO provisioned (session, pcid, operator, result, at) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(told.session.to_string())
        .bind(pcid.to_string())
        .bind(told.operator.as_str())
        .bind(result)
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}
