//! Parts of RNCPs, in pieces.

use futures_util::{Stream, stream};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::model::Session;

/// Octets of a piece; the last one of a part may have fewer.
pub const PIECE: usize = 256 << 10;

/// A part that a session may download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPart {
    /// SHA-256, hexadecimal.
    pub digest: String,
    /// Octets.
    pub size: u64,
}

/// Keeps the parts of a session's RNCP.
pub(super) async fn keep(
    tx: &mut SqliteConnection,
    session: &Session,
    parts: &[(String, Vec<u8>)],
) -> Result<(), StoreError> {
    let operator = session.operator.as_str();
    for (number, (digest, octets)) in parts.iter().enumerate() {
        let size = i64::try_from(octets.len()).unwrap_or(i64::MAX);
        let new = sqlx::query(
            "INSERT INTO part (operator, digest, size) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .bind(operator)
        .bind(digest)
        .bind(size)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if new == 1 {
            for (number, piece) in octets.chunks(PIECE).enumerate() {
                sqlx::query("INSERT INTO piece (operator, digest, number, octets) VALUES (?1, ?2, ?3, ?4)")
                    .bind(operator)
                    .bind(digest)
                    .bind(i64::try_from(number).unwrap_or(i64::MAX))
                    .bind(piece)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        sqlx::query(
            "INSERT INTO session_part (session, number, operator, digest, size) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(session.id.to_string())
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .bind(operator)
        .bind(digest)
        .bind(size)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// A session that is over downloads nothing.
pub(super) async fn release(tx: &mut SqliteConnection, session: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session_part WHERE session = ?1").bind(session.to_string()).execute(tx).await?;
    Ok(())
}

impl Store {
    /// The parts that a session may download, in the manifest's order.
    ///
    /// # Errors
    /// The database's.
    pub async fn parts(&self, session: Uuid) -> Result<Vec<SessionPart>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT digest, size FROM session_part WHERE session = ?1 ORDER BY number")
                .bind(session.to_string())
                .fetch_all(&self.database().readers)
                .await?;
        Ok(rows.into_iter().map(|(digest, size)| SessionPart { digest, size: size.unsigned_abs() }).collect())
    }

    /// The octets `first` to `last` (the last one included) of a part, piece by piece. A part that is forgotten on the
    /// way ends it with an error.
    pub fn octets_of(
        &self,
        session: &Session,
        digest: &str,
        first: u64,
        last: u64,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + use<> {
        let (store, operator, digest) = (self.clone(), session.operator.clone(), digest.to_owned());
        stream::try_unfold(first, move |from| {
            let (store, operator, digest) = (store.clone(), operator.clone(), digest.clone());
            async move {
                if from > last {
                    return Ok(None);
                }
                let piece = PIECE as u64;
                let row: Option<(Vec<u8>,)> = sqlx::query_as(
                    "SELECT octets FROM piece WHERE operator = ?1 AND digest = ?2 AND number = ?3",
                )
                .bind(operator.as_str())
                .bind(&digest)
                .bind(i64::try_from(from / piece).unwrap_or(i64::MAX))
                .fetch_optional(&store.database().readers)
                .await?;
                let (mut octets,) = row.ok_or(StoreError::Damaged("part"))?;
                let begin = from - from % piece;
                octets.truncate(usize::try_from(last - begin + 1).unwrap_or(usize::MAX));
                let octets = octets.split_off(((from - begin) as usize).min(octets.len()));
                if octets.is_empty() {
                    return Err(StoreError::Damaged("part"));
                }
                let next = from + octets.len() as u64;
                Ok(Some((octets, next)))
            }
        })
    }
}
