//! How many sessions one device has, and may have. What it is counted by is what it has proved: its TRE if a certificate
//! says who it is, else the PCID of its triple.

use schemas::rest::provisioning::OpenSession;
use sqlx::SqliteConnection;

use super::{Store, StoreError};

/// Milliseconds.
const HOUR: i64 = 3_600_000;

/// How many sessions a device may have.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Open at a time.
    pub open: u32,
    /// Opened within an hour, whatever became of them.
    pub per_hour: u32,
}

/// It has as many as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// So many are open.
    Open(u32),
    /// So many were opened of late.
    Hour {
        /// How many.
        count: u32,
        /// Until the next may be opened.
        seconds: u64,
    },
}

impl Store {
    /// Whether the device may open one more session at `now` (milliseconds since 1970 UTC).
    ///
    /// # Errors
    /// The database's.
    pub async fn has_room(
        &self,
        request: &OpenSession,
        certified: bool,
        most: Most,
        now: i64,
    ) -> Result<Result<(), Full>, StoreError> {
        let mut db = self.database().readers.acquire().await?;
        has_room(&mut db, request, certified, most, now).await
    }
}

/// As [`Store::has_room`], in the caller's transaction.
pub(super) async fn has_room(
    db: &mut SqliteConnection,
    request: &OpenSession,
    certified: bool,
    most: Most,
    now: i64,
) -> Result<Result<(), Full>, StoreError> {
    const OPEN_OF_TRE: &str = "SELECT count(*) FROM session WHERE state IN ('opened', 'relaying', 'generating', \
        'authorised', 'validating', 'downloading') AND tre_id = ?1 AND certified IS NOT NULL";
    const OPEN_OF_PCID: &str = "SELECT count(*) FROM session WHERE state IN ('opened', 'relaying', 'generating', \
        'authorised', 'validating', 'downloading') AND pcid = ?1 AND certified IS NULL";
    const LATELY_OF_TRE: &str = "SELECT created_at FROM session WHERE tre_id = ?1 AND certified IS NOT NULL \
        AND created_at > ?2 ORDER BY created_at DESC LIMIT ?3";
    const LATELY_OF_PCID: &str = "SELECT created_at FROM session WHERE pcid = ?1 AND certified IS NULL \
        AND created_at > ?2 ORDER BY created_at DESC LIMIT ?3";
    let (open, lately, whose) = if certified {
        (OPEN_OF_TRE, LATELY_OF_TRE, request.tre_id.to_string())
    } else {
        (OPEN_OF_PCID, LATELY_OF_PCID, request.pcid.to_string())
    };
    let (open,): (u32,) = sqlx::query_as(open).bind(&whose).fetch_one(&mut *db).await?;
    if open >= most.open {
        return Ok(Err(Full::Open(open)));
    }
    let lately: Vec<(i64,)> = sqlx::query_as(lately)
        .bind(&whose)
        .bind(now.saturating_sub(HOUR))
        .bind(most.per_hour)
        .fetch_all(db)
        .await?;
    let count = u32::try_from(lately.len()).unwrap_or(u32::MAX);
    let (Some((first,)), true) = (lately.last(), count >= most.per_hour) else { return Ok(Ok(())) };
    let left = first.saturating_add(HOUR).saturating_sub(now).max(1);
    Ok(Err(Full::Hour { count, seconds: left.unsigned_abs().div_ceil(1000) }))
}
