//! How much of the audit log is kept. Both what is too old and what is too much goes, the oldest first, a few entries a
//! transaction, so that whoever writes meanwhile waits for no more than those.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, explain};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(600);
/// Entries that go in one transaction.
const AT_ONCE: i64 = 500;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries that are not older than this,
    pub age: Duration,
    /// and of these so many, the newest.
    pub entries: u64,
    /// How the table counts time: milliseconds (1000) or seconds (1) since 1970 UTC.
    pub per_second: i64,
}

/// Keeps the audit log of a database within `retention`, until `stop`.
pub async fn keep_short(db: Database, retention: Retention, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut gone = 0;
        let failed = loop {
            match shorten(&db, retention, now).await {
                Ok(0) => break None,
                Ok(some) => gone += some,
                Err(error) => break Some(error),
            }
            if stop.is_cancelled() {
                return;
            }
        };
        if gone > 0 {
            tracing::info!(gone, "entries of the audit log have had their time");
        }
        if let Some(error) = failed {
            tracing::warn!(error = explain(&error), "the audit log cannot be shortened; it is tried again");
        }
    }
}

/// Deletes up to [`AT_ONCE`] entries that are not to be kept at `now`, seconds since 1970 UTC; how many there were.
async fn shorten(db: &Database, retention: Retention, now: i64) -> Result<u64, sqlx::Error> {
    let age = i64::try_from(retention.age.as_secs()).unwrap_or(i64::MAX);
    let before = now.saturating_sub(age).saturating_mul(retention.per_second);
    let entries = i64::try_from(retention.entries).unwrap_or(i64::MAX);
    // The oldest are those with the lowest ids: no index on the time is needed, and no look at what stays.
    let gone = db.transact(async move |tx| {
        sqlx::query(
            "DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?1) \
             WHERE at < ?2 OR id <= (SELECT max(id) FROM audit) - ?3)",
        )
        .bind(AT_ONCE)
        .bind(before)
        .bind(entries)
        .execute(tx)
        .await
    });
    Ok(gone.await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AuditTable, Trail, audit_page},
        database::tests::open,
    };

    const DAY: Duration = Duration::from_secs(86_400);

    fn retention(days: u32, entries: u64) -> Retention {
        Retention { age: DAY * days, entries, per_second: 1000 }
    }

    async fn ids(db: &Database) -> Vec<i64> {
        let mut ids: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM audit").fetch_all(&db.readers).await.unwrap();
        ids.sort_unstable();
        ids
    }

    /// `count` entries, the first of the first day, one a day.
    async fn written(db: &Database, count: i64) {
        let done = db.transact(async move |tx| {
            for day in 0..count {
                sqlx::query(
                    "INSERT INTO audit (at, who, action, target, outcome) VALUES (?1, 'w', 'a', 't', 'o')",
                )
                .bind(day * 86_400_000)
                .execute(&mut *tx)
                .await?;
            }
            Ok::<(), sqlx::Error>(())
        });
        done.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_too_old_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        written(&db, 10).await;
        let now = 9 * 86_400;
        assert_eq!(shorten(&db, retention(9, 100), now).await.unwrap(), 0, "on its last day");
        assert_eq!(shorten(&db, retention(3, 100), now).await.unwrap(), 6);
        assert_eq!(shorten(&db, retention(3, 100), now).await.unwrap(), 0);
        assert_eq!(ids(&db).await, [7, 8, 9, 10]);
        // A table that counts in seconds.
        let seconds = Retention { per_second: 1, ..retention(3, 100) };
        assert_eq!(shorten(&db, seconds, now).await.unwrap(), 0, "milliseconds are far in its future");
    }

    #[tokio::test]
    async fn of_what_is_too_much_the_newest_stay_and_ids_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        written(&db, 10).await;
        assert_eq!(shorten(&db, retention(1000, 4), 0).await.unwrap(), 6);
        assert_eq!(ids(&db).await, [7, 8, 9, 10]);
        assert_eq!(shorten(&db, retention(1000, 0), 0).await.unwrap(), 4);
        // Nobody who reads page by page takes a new entry for one that he has seen.
        AuditTable(db.clone()).record("w", "a", "t", "o").await.unwrap();
        assert_eq!(audit_page(&db, None, 10).await.unwrap()[0].id, 11);
    }

    #[tokio::test]
    async fn many_go_a_few_at_a_time_and_all_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        written(&db, 3 * AT_ONCE).await;
        assert_eq!(shorten(&db, retention(1000, 10), 0).await.unwrap(), AT_ONCE as u64);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_short(db.clone(), retention(1_000_000, 10), stop.clone()));
        let shortened = async {
            while ids(&db).await.len() > 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), shortened).await.unwrap();
        stop.cancel();
        task.await.unwrap();
        assert_eq!(ids(&db).await.last(), Some(&(3 * AT_ONCE)));
    }
}
