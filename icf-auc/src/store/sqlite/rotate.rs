//! Sealing anew with the newest at-rest key, in steps.

use std::collections::BTreeMap;

use sqlx::{SqliteConnection, SqlitePool};

use super::{SqliteStore, rows, vectors};
use crate::store::{
    StoreError,
    sealed::{Keyring, Place, SealError},
};

type Sealed = Option<Vec<u8>>;

/// How far a pass over the tables has come: a step goes on where the last one ended, so that a pass reads
/// each row once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    credential: i64,
    vector: i64,
}

/// What a step has met.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    /// Rows with a value that is sealed with an older key.
    found: u64,
    /// Those of them that were sealed anew; the others do not open, and stay as they are.
    sealed: u64,
}

/// One step of up to `limit` values; gives how many were sealed anew. One that does not open is logged and passed over.
/// When nothing was left in the whole of a pass, keys that nothing is sealed with any more are forgotten.
pub(super) async fn step(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut from_start = progress.credential == 0 && progress.vector == 0;
    let mut sealed = 0;
    loop {
        let mut met = credentials(&mut *conn, keys, progress, limit).await?;
        let left = limit.saturating_sub(u32::try_from(met.found).unwrap_or(u32::MAX));
        if left > 0 {
            let more = vectors(&mut *conn, keys, progress, left).await?;
            met = Met { found: met.found + more.found, sealed: met.sealed + more.sealed };
        }
        sealed += met.sealed;
        if met.found >= u64::from(limit) {
            if sealed > 0 {
                return Ok(sealed);
            }
            // None of them opens: on to those behind them.
            continue;
        }
        *progress = Progress::default();
        if from_start && sealed == 0 {
            if met.found == 0 {
                let forget = sqlx::query("DELETE FROM at_rest_key WHERE id <> ?1").bind(keys.newest_id());
                forget.execute(conn).await?;
            }
            return Ok(0);
        }
        if from_start {
            return Ok(sealed);
        }
        // What was stored behind the pass by an instance that had the older key only.
        from_start = true;
        if sealed > 0 {
            return Ok(sealed);
        }
    }
}

/// How many values are sealed with other keys than the newest, and whose the first is.
async fn left(pool: &SqlitePool, keys: &Keyring) -> Result<Option<(u64, String)>, StoreError> {
    let newest = keys.newest_prefix();
    let (credentials, first): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(imsi) FROM credential WHERE substr(sealed, 1, 5) <> ?1 OR substr(triple, 1, 5) <> ?1",
    )
    .bind(newest.as_slice())
    .fetch_one(pool)
    .await?;
    let (vectors, of): (i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), min(imsi) FROM vector WHERE sealed IS NOT NULL AND substr(sealed, 1, 5) <> ?1",
    )
    .bind(newest.as_slice())
    .fetch_one(pool)
    .await?;
    let first = match (first, of) {
        (Some(code), _) => format!("that of credential {}", rows::imsi(code)?),
        (None, Some(code)) => format!("a vector in the pool of {}", rows::imsi(code)?),
        (None, None) => return Ok(None),
    };
    Ok(Some(((credentials + vectors).unsigned_abs(), first)))
}

/// Forgets the newest key, if nothing is sealed with it: a rotation that does not come to be leaves nothing behind that a
/// process without that key would be refused for at its start.
pub(super) async fn withdraw(conn: &mut SqliteConnection, keys: &Keyring) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM at_rest_key WHERE id = ?1 AND NOT EXISTS \
         (SELECT 1 FROM credential WHERE substr(sealed, 1, 5) = ?2 OR substr(triple, 1, 5) = ?2) \
         AND NOT EXISTS (SELECT 1 FROM vector WHERE substr(sealed, 1, 5) = ?2)",
    )
    .bind(keys.newest_id())
    .bind(keys.newest_prefix().as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// Opens values among the first and the last of those that are stored, until one of each key has opened: a key that is
/// missing, or another one under its id, is told at the start and not to a device. One value that is damaged is not enough:
/// it fails alone, when it is read.
pub(super) async fn open_samples(pool: &SqlitePool, keys: &Keyring) -> Result<(), StoreError> {
    let mut samples = Samples::default();
    for direction in ["ASC", "DESC"] {
        let credentials = format!(
            "SELECT imsi, sealed, triple FROM credential WHERE sealed IS NOT NULL OR triple IS NOT NULL \
             ORDER BY imsi {direction} LIMIT 200"
        );
        let found: Vec<(i64, Sealed, Sealed)> =
            sqlx::query_as(sqlx::AssertSqlSafe(credentials)).fetch_all(pool).await?;
        for (code, sealed, triple) in &found {
            let Ok(imsi) = rows::imsi(*code) else { continue };
            for (place, blob) in [(rows::keys_place(&imsi), sealed), (rows::triple_place(&imsi), triple)] {
                if let Some(blob) = blob {
                    samples.open(keys, place, blob);
                }
            }
        }
        let vectors = format!(
            "SELECT imsi, rand, sealed FROM vector WHERE sealed IS NOT NULL ORDER BY id {direction} LIMIT 200"
        );
        let found: Vec<(i64, Vec<u8>, Vec<u8>)> =
            sqlx::query_as(sqlx::AssertSqlSafe(vectors)).fetch_all(pool).await?;
        for (code, rand, blob) in &found {
            let Ok(imsi) = rows::imsi(*code) else { continue };
            let row = vectors::row_key(imsi, rand);
            samples.open(keys, Place { column: vectors::COLUMN, row: &row }, blob);
        }
    }
    samples.verdict()
}

/// What came of the values of each key: how many did not open, and why the first did not; `None`: one has opened.
#[derive(Default)]
struct Samples(BTreeMap<u32, Option<(usize, SealError)>>);

impl Samples {
    fn open(&mut self, keys: &Keyring, place: Place<'_>, blob: &[u8]) {
        let Some(id) = Keyring::key_id(blob) else { return };
        if matches!(self.0.get(&id), Some(None)) {
            return;
        }
        match keys.open(place, blob) {
            Ok(_) => {
                self.0.insert(id, None);
            }
            Err(error) => {
                let failed = self.0.entry(id).or_insert(Some((0, error)));
                if let Some((count, _)) = failed {
                    *count += 1;
                }
            }
        }
    }

    fn verdict(self) -> Result<(), StoreError> {
        for (count, error) in self.0.into_values().flatten() {
            if count > 1 || matches!(error, SealError::NoKey { .. }) {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

async fn credentials(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<Met, StoreError> {
    let found: Vec<(i64, Sealed, Sealed)> = sqlx::query_as(
        "SELECT imsi, sealed, triple FROM credential WHERE imsi > ?1 \
         AND (substr(sealed, 1, 5) <> ?2 OR substr(triple, 1, 5) <> ?2) ORDER BY imsi LIMIT ?3",
    )
    .bind(progress.credential)
    .bind(keys.newest_prefix().as_slice())
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut met = Met { found: found.len() as u64, sealed: 0 };
    for (code, sealed, triple) in &found {
        progress.credential = *code;
        let imsi = rows::imsi(*code)?;
        let again = |place: Place<'_>, old: &Sealed| match old {
            Some(old) => Ok::<_, StoreError>(Some(keys.seal(place, &keys.open(place, old)?)?)),
            None => Ok(None),
        };
        let keys_again = again(rows::keys_place(&imsi), sealed);
        let (sealed, triple) = match keys_again
            .and_then(|k| Ok((k, again(rows::triple_place(&imsi), triple)?)))
        {
            Ok(both) => both,
            Err(error) => {
                tracing::error!(%imsi, %error, "a credential cannot be sealed with the newest at-rest key");
                continue;
            }
        };
        sqlx::query("UPDATE credential SET sealed = ?2, triple = ?3 WHERE imsi = ?1")
            .bind(code)
            .bind(sealed)
            .bind(triple)
            .execute(&mut *conn)
            .await?;
        met.sealed += 1;
    }
    Ok(met)
}

async fn vectors(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<Met, StoreError> {
    let found: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT id, imsi, rand, sealed FROM vector \
         WHERE id > ?1 AND sealed IS NOT NULL AND substr(sealed, 1, 5) <> ?2 ORDER BY id LIMIT ?3",
    )
    .bind(progress.vector)
    .bind(keys.newest_prefix().as_slice())
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let mut met = Met { found: found.len() as u64, sealed: 0 };
    for (id, code, rand, sealed) in &found {
        progress.vector = *id;
        let imsi = rows::imsi(*code)?;
        let row = vectors::row_key(imsi, rand);
        let place = Place { column: vectors::COLUMN, row: &row };
        let again = match keys.open(place, sealed).and_then(|open| keys.seal(place, &open)) {
            Ok(again) => again,
            Err(error) => {
                tracing::error!(%imsi, %error, "a vector cannot be sealed with the newest at-rest key");
                continue;
            }
        };
        sqlx::query("UPDATE vector SET sealed = ?2 WHERE id = ?1")
            .bind(id)
            .bind(again)
            .execute(&mut *conn)
            .await?;
        met.sealed += 1;
    }
    Ok(met)
}

impl SqliteStore {
    /// How many values are not sealed with the newest key, and whose the first is, in words; after a whole rotation, those
    /// that do not open. `None`: there are none.
    ///
    /// # Errors
    /// The database's.
    pub async fn left_by_rotation(&self) -> Result<Option<(u64, String)>, StoreError> {
        left(&self.readers, &self.keys).await
    }

    /// Takes back that the newest key was told of, if nothing is sealed with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn withdraw_newest_key(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        withdraw(&mut tx, &self.keys).await?;
        Ok(tx.commit().await?)
    }
}
