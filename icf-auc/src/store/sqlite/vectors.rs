//! Pools of ready vectors (R3).

use schemas::identity::Imsi;
use sqlx::{Row, SqliteConnection, SqlitePool};
use zeroize::Zeroizing;

use super::rows;
use crate::store::{
    Page, PooledVector, StoreError,
    sealed::{Keyring, Place},
};

/// Row key of a vector.
pub(super) fn row_key(imsi: Imsi, rand: &[u8]) -> String {
    format!("{imsi}/{}", hex::encode(rand))
}

/// Column of a vector.
pub(super) const COLUMN: &str = "vector/sealed";

/// AUTN (16) ‖ KASME (32) ‖ XRES (4 to 16).
fn seal(keys: &Keyring, imsi: Imsi, vector: &PooledVector) -> Result<Vec<u8>, StoreError> {
    let mut all = Zeroizing::new(Vec::with_capacity(64));
    all.extend_from_slice(&vector.autn);
    all.extend_from_slice(&vector.kasme);
    all.extend_from_slice(&vector.xres);
    Ok(keys.seal(Place { column: COLUMN, row: &row_key(imsi, &vector.rand) }, &all)?)
}

fn open(keys: &Keyring, imsi: Imsi, rand: &[u8], sealed: &[u8]) -> Result<PooledVector, StoreError> {
    let all = keys.open(Place { column: COLUMN, row: &row_key(imsi, rand) }, sealed)?;
    let vector = || {
        let (autn, rest) = all.split_first_chunk::<16>()?;
        let (kasme, xres) = rest.split_first_chunk::<32>()?;
        Some(PooledVector { rand: rand.try_into().ok()?, xres: xres.to_vec(), autn: *autn, kasme: *kasme })
    };
    vector().ok_or_else(|| StoreError::Sealed(format!("a vector of {imsi} is not as callhome stores it")))
}

/// Adds vectors to a credential without keys.
pub(super) async fn add(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    imsi: Imsi,
    vectors: &[PooledVector],
) -> Result<u64, StoreError> {
    let is_pool: Option<(bool,)> = sqlx::query_as("SELECT sealed IS NULL FROM credential WHERE imsi = ?1")
        .bind(rows::code(imsi))
        .fetch_optional(&mut *conn)
        .await?;
    match is_pool {
        None => return Err(StoreError::NotFound(format!("credential {imsi}"))),
        Some((false,)) => {
            return Err(StoreError::Conflict(format!("credential {imsi} has keys, so it takes no vectors")));
        }
        Some((true,)) => {}
    }
    for vector in vectors {
        if !(4..=16).contains(&vector.xres.len()) {
            return Err(StoreError::Conflict(format!(
                "a vector for {imsi} has an XRES that is not 4 to 16 octets"
            )));
        }
        let done =
            sqlx::query("INSERT INTO vector (imsi, rand, sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
                .bind(rows::code(imsi))
                .bind(vector.rand.as_slice())
                .bind(seal(keys, imsi, vector)?)
                .execute(&mut *conn)
                .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "RAND {} is or was in the pool of {imsi}; a RAND is used once only",
                hex::encode(vector.rand)
            )));
        }
    }
    Ok(vectors.len() as u64)
}

/// Takes the oldest out.
pub(super) async fn take(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    imsi: Imsi,
    count: u32,
) -> Result<Vec<PooledVector>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, rand, sealed FROM vector WHERE imsi = ?1 AND sealed IS NOT NULL \
         AND id > coalesce((SELECT vectors_held FROM sequence_clock), 0) ORDER BY id LIMIT ?2",
    )
    .bind(rows::code(imsi))
    .bind(count)
    .fetch_all(&mut *conn)
    .await?;
    let mut vectors = Vec::with_capacity(rows.len());
    let mut last: i64 = 0;
    for row in &rows {
        last = row.try_get(0)?;
        vectors.push(open(keys, imsi, row.try_get(1)?, row.try_get(2)?)?);
    }
    if !vectors.is_empty() {
        sqlx::query(
            "UPDATE vector SET sealed = NULL WHERE imsi = ?1 AND sealed IS NOT NULL AND id <= ?2 \
             AND id > coalesce((SELECT vectors_held FROM sequence_clock), 0)",
        )
        .bind(rows::code(imsi))
        .bind(last)
        .execute(conn)
        .await?;
    }
    Ok(vectors)
}

/// Left and handed out, of a credential without keys.
pub(super) async fn level(pool: &SqlitePool, imsi: Imsi) -> Result<Option<(u64, u64)>, StoreError> {
    let level: Option<(i64, i64)> = sqlx::query_as(
        "SELECT (SELECT count(*) FROM vector v WHERE v.imsi = c.imsi AND v.sealed IS NOT NULL), \
         (SELECT count(*) FROM vector v WHERE v.imsi = c.imsi AND v.sealed IS NULL) \
         FROM credential c WHERE c.imsi = ?1 AND c.sealed IS NULL",
    )
    .bind(rows::code(imsi))
    .fetch_optional(pool)
    .await?;
    Ok(level.map(|(left, out)| (left.cast_unsigned(), out.cast_unsigned())))
}

/// Levels of all credentials without keys.
pub(super) async fn levels(pool: &SqlitePool, page: &Page) -> Result<Vec<(Imsi, u64, u64)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT c.imsi, (SELECT count(*) FROM vector v WHERE v.imsi = c.imsi AND v.sealed IS NOT NULL), \
         (SELECT count(*) FROM vector v WHERE v.imsi = c.imsi AND v.sealed IS NULL) \
         FROM credential c WHERE c.sealed IS NULL AND c.imsi > ?1 ORDER BY c.imsi LIMIT ?2",
    )
    .bind(super::after_imsi(page)?)
    .bind(page.limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(imsi, left, out)| Ok((rows::imsi(imsi)?, left.cast_unsigned(), out.cast_unsigned())))
        .collect()
}
