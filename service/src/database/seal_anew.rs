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
/// How long what was sealed with an older key may be on its way into the database.
const UNDER_WAY: Duration = Duration::from_secs(60);
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
    /// Seals anew whatever `columns` hold that is not sealed with the newest key; gives how many values that were. One
    /// that does not open stays as it is, and costs the others nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn seal_anew(&self, keys: &Keyring, columns: &[SealedColumn]) -> Result<Sealed, DatabaseError> {
        let mut total = Sealed::default();
        for column in columns {
            let mut after = String::new();
            loop {
                let mut tx = self.write().await?;
                let step = step(&mut tx, keys, column, &after).await?;
                tx.commit().await?;
                total.anew += step.sealed.anew;
                total.left.extend(step.sealed.left);
                match step.last {
                    Some(last) => after = last,
                    None => break,
                }
            }
        }
        Ok(total)
    }

    /// Keeps `columns` sealed with the newest key of the file that `keys` came from, until `stop`.
    pub async fn keep_sealed_with_newest(
        self,
        keys: Arc<Keyring>,
        columns: &'static [SealedColumn],
        stop: CancellationToken,
    ) {
        let mut since = Instant::now();
        let mut newest = keys.newest_id();
        let mut told = Vec::new();
        loop {
            if keys.refresh() && keys.newest_id() != newest {
                newest = keys.newest_id();
                since = Instant::now();
                tracing::info!(
                    key = newest,
                    "a newer at-rest key seals from now on; the log says when older ones may be removed from the key file"
                );
            }
            match self.seal_what_is_left(&keys, columns, since.elapsed() >= UNDER_WAY).await {
                Ok(left) => {
                    if let (Some(first), true) = (left.first(), left != told) {
                        tracing::error!(
                            values = left.len(),
                            first,
                            "some values do not open and are not sealed with the newest at-rest key: older keys stay in the \
                             key file until they are restored or removed"
                        );
                    }
                    told = left;
                }
                Err(error) => {
                    tracing::error!(%error, "what is stored cannot be sealed with the newest at-rest key");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Seals anew what is left, and gives the rows of what does not open. Once all that was under way with an older key has
    /// `arrived`, the older keys are forgotten, unless something is left.
    async fn seal_what_is_left(
        &self,
        keys: &Keyring,
        columns: &[SealedColumn],
        arrived: bool,
    ) -> Result<Vec<String>, DatabaseError> {
        let known: Vec<(u32,)> =
            sqlx::query_as("SELECT id FROM at_rest_key").fetch_all(&self.readers).await?;
        let newest = keys.newest_id();
        if known.iter().all(|(id,)| *id == newest) && !known.is_empty() {
            return Ok(Vec::new());
        }
        self.check_keys(keys).await?;
        let done = self.seal_anew(keys, columns).await?;
        if done.anew > 0 {
            tracing::info!(values = done.anew, key = newest, "sealed anew with the newest at-rest key");
        }
        if !arrived || !done.left.is_empty() {
            return Ok(done.left);
        }
        let mut tx = self.write().await?;
        for column in columns {
            let step = step(&mut tx, keys, column, "").await?;
            if step.sealed != Sealed::default() {
                tx.commit().await?;
                return Ok(step.sealed.left);
            }
        }
        sqlx::query("DELETE FROM at_rest_key WHERE id <> ?1").bind(newest).execute(&mut *tx).await?;
        tx.commit().await?;
        tracing::info!(
            key = newest,
            "everything is sealed with the newest at-rest key: older ones may be removed from the key file, once no backup \
             needs them"
        );
        Ok(Vec::new())
    }
}

/// What became of values that were sealed with older keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sealed {
    /// How many were sealed anew.
    pub anew: u64,
    /// Those that do not open, as `table/column/row`.
    pub left: Vec<String>,
}

struct Step {
    sealed: Sealed,
    /// The row to go on after; `None`: there are no more.
    last: Option<String>,
}

/// The values of up to [`AT_ONCE`] rows after the row `after`.
async fn step(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    column: &SealedColumn,
    after: &str,
) -> Result<Step, DatabaseError> {
    let SealedColumn { table, key, column: name, place, sealed } = *column;
    let found: Vec<(String, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT {key}, {name} FROM {table} WHERE {name} IS NOT NULL AND {sealed} AND substr({name}, 1, 5) <> ?1 AND {key} > ?3 \
         ORDER BY {key} LIMIT ?2"
    )))
    .bind(keys.newest_prefix().as_slice())
    .bind(AT_ONCE)
    .bind(after)
    .fetch_all(&mut *conn)
    .await?;
    let mut done = Sealed::default();
    for (row, old) in &found {
        let bound = Place { column: place, row };
        let Ok(new) = keys.open(bound, old).and_then(|open| keys.seal(bound, &open)) else {
            done.left.push(format!("{place}/{row}"));
            continue;
        };
        done.anew += 1;
        sqlx::query(AssertSqlSafe(format!("UPDATE {table} SET {name} = ?2 WHERE {key} = ?1")))
            .bind(row)
            .bind(new)
            .execute(&mut *conn)
            .await?;
    }
    let full = found.len() >= AT_ONCE as usize;
    Ok(Step { sealed: done, last: found.into_iter().next_back().map(|(row, _)| row).filter(|_| full) })
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
        // One that does not open keeps none of the others from it, and the older key where it is.
        put("sealed", "row 100 damaged", &old.seal(place(&"elsewhere".to_owned()), b"secret").unwrap()).await;
        put("sealed", "zz late", &old.seal(place(&"zz late".to_owned()), b"secret").unwrap()).await;
        for _ in 0..2 {
            let left = db.seal_what_is_left(&both, &[COLUMN], true).await.unwrap();
            assert_eq!(left, ["audit/outcome/row 100 damaged"]);
            assert_eq!(ids().await, [(1,), (2,)]);
        }
        sqlx::query("DELETE FROM audit WHERE target = 'row 100 damaged'").execute(&db.writer).await.unwrap();
        db.seal_what_is_left(&both, &[COLUMN], true).await.unwrap();
        assert_eq!(ids().await, [(2,)]);
        let new = Keyring::parse(&two).unwrap();
        let found: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT target, outcome FROM audit WHERE who = 'sealed'")
                .fetch_all(&db.readers)
                .await
                .unwrap();
        assert_eq!(found.len(), AT_ONCE as usize * 2 + 5);
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
