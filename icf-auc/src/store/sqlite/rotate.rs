//! Sealing anew with the newest at-rest key, in steps.

use sqlx::SqliteConnection;

use super::{rows, vectors};
use crate::store::{
    StoreError,
    sealed::{Keyring, Place},
};

type Sealed = Option<Vec<u8>>;

/// How far a pass over the tables has come: a step goes on where the last one ended, so that a pass reads
/// each row once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    credential: i64,
    vector: i64,
}

/// One step of up to `limit` values; gives how many were done. When nothing was left in the whole of a pass,
/// keys that nothing is sealed with any more are forgotten.
pub(super) async fn step(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<u64, StoreError> {
    let from_start = progress.credential == 0 && progress.vector == 0;
    let mut done = credentials(&mut *conn, keys, progress, limit).await?;
    let left = limit.saturating_sub(u32::try_from(done).unwrap_or(u32::MAX));
    if left > 0 {
        done += vectors(&mut *conn, keys, progress, left).await?;
    }
    if done < u64::from(limit) {
        *progress = Progress::default();
        if done > 0 || !from_start {
            // What was stored behind the pass by an instance that had the older key only.
            let late = Box::pin(step(&mut *conn, keys, progress, limit)).await?;
            return Ok(done + late);
        }
        sqlx::query("DELETE FROM at_rest_key WHERE id <> ?1").bind(keys.newest_id()).execute(conn).await?;
    }
    Ok(done)
}

async fn credentials(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<u64, StoreError> {
    let found: Vec<(i64, Sealed, Sealed)> = sqlx::query_as(
        "SELECT imsi, sealed, triple FROM credential WHERE imsi > ?1 \
         AND (substr(sealed, 1, 5) <> ?2 OR substr(triple, 1, 5) <> ?2) ORDER BY imsi LIMIT ?3",
    )
    .bind(progress.credential)
    .bind(keys.newest_prefix().as_slice())
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    for (code, sealed, triple) in &found {
        let imsi = rows::imsi(*code)?;
        let again = |place: Place<'_>, old: &Sealed| match old {
            Some(old) => Ok::<_, StoreError>(Some(keys.seal(place, &keys.open(place, old)?)?)),
            None => Ok(None),
        };
        sqlx::query("UPDATE credential SET sealed = ?2, triple = ?3 WHERE imsi = ?1")
            .bind(code)
            .bind(again(rows::keys_place(&imsi), sealed)?)
            .bind(again(rows::triple_place(&imsi), triple)?)
            .execute(&mut *conn)
            .await?;
        progress.credential = *code;
    }
    Ok(found.len() as u64)
}

async fn vectors(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    progress: &mut Progress,
    limit: u32,
) -> Result<u64, StoreError> {
    let found: Vec<(i64, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT id, imsi, rand, sealed FROM vector \
         WHERE id > ?1 AND sealed IS NOT NULL AND substr(sealed, 1, 5) <> ?2 ORDER BY id LIMIT ?3",
    )
    .bind(progress.vector)
    .bind(keys.newest_prefix().as_slice())
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    for (id, code, rand, sealed) in &found {
        let row = vectors::row_key(rows::imsi(*code)?, rand);
        let place = Place { column: vectors::COLUMN, row: &row };
        sqlx::query("UPDATE vector SET sealed = ?2 WHERE id = ?1")
            .bind(id)
            .bind(keys.seal(place, &keys.open(place, sealed)?)?)
            .execute(&mut *conn)
            .await?;
        progress.vector = *id;
    }
    Ok(found.len() as u64)
}
