//! Rotation of at-rest keys in a role that has its database to itself: it sees that its key file has a newer key, seals
//! everything anew with that one, and says when the older keys can go.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::{Database, DatabaseError};
use crate::sealed::{Keyring, Place};

/// How often the key file is read.
const INTERVAL: Duration = Duration::from_secs(5);
/// Values of one transaction.
const AT_ONCE: u32 = 200;

/// A column of sealed values.
#[derive(Debug, Clone, Copy)]
pub struct SealedColumn {
    /// Its table.
    pub table: &'static str,
    /// The table's key, a column of text: the row that values are bound to.
    pub key: &'static str,
    /// Its name.
    pub column: &'static str,
    /// The place that values are bound to, as [`Place::column`].
    pub place: &'static str,
    /// SQL that tells rows whose value is sealed from others; `true` for all that have one.
    pub sealed: &'static str,
}

impl Database {
    /// Seals anew whatever `columns` hold that is not sealed with the newest key; gives how many values that were.
    ///
    /// # Errors
    /// A value does not open; the database's.
    pub async fn seal_anew(&self, keys: &Keyring, columns: &[SealedColumn]) -> Result<u64, DatabaseError> {
        let mut total = 0;
        for column in columns {
            loop {
                let mut tx = self.write().await?;
                let done = step(&mut tx, keys, column).await?;
                tx.commit().await?;
                total += done;
                if done < u64::from(AT_ONCE) {
                    break;
                }
            }
        }
        Ok(total)
    }

    /// Keeps `columns` sealed with the newest key of the file that `keys` came from, until `stop`. What was sealed with an
    /// older key may be on its way into the database for `settle`.
    pub async fn keep_sealed_with_newest(
        self,
        keys: Arc<Keyring>,
        columns: &'static [SealedColumn],
        settle: Duration,
        stop: CancellationToken,
    ) {
        let mut since = Instant::now();
        let mut newest = keys.newest_id();
        loop {
            if keys.refresh() && keys.newest_id() != newest {
                newest = keys.newest_id();
                since = Instant::now();
                tracing::info!(key = newest, "a newer at-rest key seals from now on");
            }
            if let Err(error) = self.seal_what_is_left(&keys, columns, since.elapsed() >= settle).await {
                tracing::error!(%error, "what is stored cannot be sealed with the newest at-rest key");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Seals anew what is left. Once all that was `under_way` with an older key has arrived, the older keys are forgotten.
    async fn seal_what_is_left(
        &self,
        keys: &Keyring,
        columns: &[SealedColumn],
        arrived: bool,
    ) -> Result<(), DatabaseError> {
        let known: Vec<(u32,)> =
            sqlx::query_as("SELECT id FROM at_rest_key").fetch_all(&self.readers).await?;
        let newest = keys.newest_id();
        if known.iter().all(|(id,)| *id == newest) && !known.is_empty() {
            return Ok(());
        }
        self.check_keys(keys).await?;
        let done = self.seal_anew(keys, columns).await?;
        if done > 0 {
            tracing::info!(values = done, key = newest, "sealed anew with the newest at-rest key");
        }
        if !arrived {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for column in columns {
            if step(&mut tx, keys, column).await? > 0 {
                return Ok(tx.commit().await?);
            }
        }
        sqlx::query("DELETE FROM at_rest_key WHERE id <> ?1").bind(newest).execute(&mut *tx).await?;
        tx.commit().await?;
        tracing::info!(
            key = newest,
            "everything is sealed with the newest at-rest key: older ones may be removed from the key file, once no backup \
             needs them"
        );
        Ok(())
    }
}

async fn step(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    column: &SealedColumn,
) -> Result<u64, DatabaseError> {
    let SealedColumn { table, key, column: name, place, sealed } = *column;
    let found: Vec<(String, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT {key}, {name} FROM {table} WHERE {name} IS NOT NULL AND {sealed} AND substr({name}, 1, 5) <> ?1 LIMIT ?2"
    )))
    .bind(keys.newest_prefix().as_slice())
    .bind(AT_ONCE)
    .fetch_all(&mut *conn)
    .await?;
    for (row, old) in &found {
        let place = Place { column: place, row };
        let new = keys.seal(place, &keys.open(place, old)?)?;
        sqlx::query(AssertSqlSafe(format!("UPDATE {table} SET {name} = ?2 WHERE {key} = ?1")))
            .bind(row)
            .bind(new)
            .execute(&mut *conn)
            .await?;
    }
    Ok(found.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::open;

    /// The audit log stands for a table with sealed values.
    const COLUMN: SealedColumn = SealedColumn {
        table: "audit",
        key: "target",
        column: "outcome",
        place: "audit/outcome",
        sealed: "who = 'sealed'",
    };

    #[tokio::test]
    async fn everything_is_sealed_anew_and_the_older_key_is_forgotten_once_nothing_is_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path()).await;
        let (one, two) = (Keyring::generate_line(1).unwrap(), Keyring::generate_line(2).unwrap());
        let old = Keyring::parse(&one).unwrap();
        db.check_keys(&old).await.unwrap();
        sqlx::query("ALTER TABLE audit RENAME TO audit_of_text").execute(&db.writer).await.unwrap();
        sqlx::query("CREATE TABLE audit (who TEXT, target TEXT PRIMARY KEY, outcome BLOB)")
            .execute(&db.writer)
            .await
            .unwrap();
        let put = async |who: &str, row: &str, value: &[u8]| {
            sqlx::query("INSERT INTO audit VALUES (?1, ?2, ?3)")
                .bind(who)
                .bind(row)
                .bind(value)
                .execute(&db.writer)
                .await
                .unwrap();
        };
        let row = |n: u32| format!("row {n}");
        fn place(row: &String) -> Place<'_> {
            Place { column: COLUMN.place, row }
        }
        for n in 0..AT_ONCE * 2 + 3 {
            let row = row(n);
            put("sealed", &row, &old.seal(place(&row), b"secret").unwrap()).await;
        }
        put("open", "plain", b"not sealed").await;
        let both = Keyring::parse(&format!("{}{}", *one, *two)).unwrap();
        db.seal_what_is_left(&both, &[COLUMN], false).await.unwrap();
        // An older one that was under way.
        put("sealed", "late", &old.seal(place(&"late".to_owned()), b"secret").unwrap()).await;
        let ids = async || -> Vec<(u32,)> {
            sqlx::query_as("SELECT id FROM at_rest_key ORDER BY id").fetch_all(&db.readers).await.unwrap()
        };
        assert_eq!(ids().await, [(1,), (2,)]);
        db.seal_what_is_left(&both, &[COLUMN], true).await.unwrap();
        assert_eq!(ids().await, [(2,)]);
        let new = Keyring::parse(&two).unwrap();
        let found: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT target, outcome FROM audit WHERE who = 'sealed'")
                .fetch_all(&db.readers)
                .await
                .unwrap();
        assert_eq!(found.len(), AT_ONCE as usize * 2 + 4);
        for (row, value) in &found {
            assert_eq!(new.open(place(row), value).unwrap().as_slice(), b"secret", "{row}");
        }
        let (plain,): (Vec<u8>,) = sqlx::query_as("SELECT outcome FROM audit WHERE target = 'plain'")
            .fetch_one(&db.readers)
            .await
            .unwrap();
        assert_eq!(plain, b"not sealed");
    }
}
