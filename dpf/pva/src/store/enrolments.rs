//! Enrolments: all of a batch or nothing of it.

use schemas::identity::SupplierId;
use service::database::readable_rows;
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use super::{Store, StoreError, rows, suppliers};
use crate::model::{Credential, Platform};

/// A batch, ready to be stored.
#[derive(Debug)]
pub struct Enrol<'a> {
    /// Its name.
    pub id: Uuid,
    /// Whose.
    pub supplier: &'a SupplierId,
    /// SHA-256 of what was signed.
    pub digest: [u8; 32],
    /// Milliseconds since 1970 UTC.
    pub at: i64,
    /// Each platform with the certificate that it gets if it has none in force.
    pub platforms: Vec<(Platform, Credential)>,
}

/// A batch cannot be enrolled; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// An enrolment of that name has another content.
    #[error("enrolment {0} is there with another content; take another id")]
    Reused(Uuid),
    /// Platforms that are there already, and otherwise; at most ten are named.
    #[error("nothing was enrolled: {}", .0.join("; "))]
    Taken(Vec<String>),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EnrolError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Conflicts that are named.
const NAMED: usize = 10;

impl Store {
    /// What the enrolment was answered with, if it is there: certificates in the order of its platforms.
    ///
    /// # Errors
    /// If it is there with another content, or the database fails.
    pub async fn enrolment(&self, id: Uuid, digest: &[u8; 32]) -> Result<Option<Vec<Vec<u8>>>, EnrolError> {
        let mut connection = self.db.readers.acquire().await?;
        answered(&mut connection, id, digest).await
    }

    /// Enrols a batch; gives the certificates in the order of its platforms. A platform that is there already, with the
    /// same device, supplier, model and key, keeps the certificate that it has.
    ///
    /// # Errors
    /// If one is there otherwise, or revoked; then nothing was enrolled.
    pub async fn enrol(&self, batch: &Enrol<'_>) -> Result<Vec<Vec<u8>>, EnrolError> {
        let mut tx = self.db.write().await?;
        if let Some(certificates) = answered(&mut tx, batch.id, &batch.digest).await? {
            return Ok(certificates);
        }
        sqlx::query("INSERT INTO enrolment (id, supplier, digest, received_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(batch.id.to_string())
            .bind(batch.supplier.as_str())
            .bind(batch.digest.as_slice())
            .bind(batch.at)
            .execute(&mut *tx)
            .await?;
        let suppliers = suppliers::all(&mut tx).await?;
        let mut taken = Vec::new();
        let mut certificates = Vec::with_capacity(batch.platforms.len());
        for (position, (platform, credential)) in batch.platforms.iter().enumerate() {
            let fault = suppliers::enrolment_fault(&suppliers, batch.supplier, &platform.device_id);
            let found = match fault {
                Some(why) => There::Otherwise(why),
                None => there(&mut tx, platform).await?,
            };
            let current = match found {
                There::Not => {
                    insert_platform(&mut tx, platform).await?;
                    None
                }
                There::Same => in_force(&mut tx, platform, batch.at / 1000).await?,
                There::Otherwise(why) => {
                    taken.push(why);
                    if taken.len() == NAMED {
                        break;
                    }
                    continue;
                }
            };
            let credential = match &current {
                Some(current) => current,
                None => {
                    insert_credential(&mut tx, credential).await?;
                    credential
                }
            };
            sqlx::query("INSERT INTO enrolled (enrolment, position, serial) VALUES (?1, ?2, ?3)")
                .bind(batch.id.to_string())
                .bind(i64::try_from(position).unwrap_or(i64::MAX))
                .bind(&credential.serial)
                .execute(&mut *tx)
                .await?;
            certificates.push(credential.der.clone());
        }
        if !taken.is_empty() {
            return Err(EnrolError::Taken(taken));
        }
        tx.commit().await?;
        Ok(certificates)
    }
}

async fn answered(
    connection: &mut SqliteConnection,
    id: Uuid,
    digest: &[u8; 32],
) -> Result<Option<Vec<Vec<u8>>>, EnrolError> {
    let stored: Option<Vec<u8>> = sqlx::query_scalar("SELECT digest FROM enrolment WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    match stored {
        None => return Ok(None),
        Some(stored) if stored != digest => return Err(EnrolError::Reused(id)),
        Some(_) => {}
    }
    let certificates = sqlx::query_scalar(
        "SELECT der FROM enrolled JOIN credential USING (serial) WHERE enrolment = ?1 ORDER BY position",
    )
    .bind(id.to_string())
    .fetch_all(&mut *connection)
    .await?;
    Ok(Some(certificates))
}

/// Whether a platform is enrolled.
enum There {
    Not,
    Same,
    Otherwise(String),
}

async fn there(connection: &mut SqliteConnection, platform: &Platform) -> Result<There, StoreError> {
    let sql = format!(
        "SELECT {} FROM platform WHERE tre_id = ?1 OR device_id = ?2 OR public_key = ?3",
        rows::PLATFORM
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(platform.tre_id.as_str())
        .bind(platform.device_id.as_str())
        .bind(&platform.public_key)
        .fetch_all(&mut *connection)
        .await?;
    let (tre, device) = (&platform.tre_id, &platform.device_id);
    let readable = readable_rows("a platform", "tre_id", &found, rows::platform);
    if readable.len() < found.len() {
        return Ok(There::Otherwise(format!(
            "TRE {tre}: what is enrolled with its identity, device or key cannot be read; the log says why"
        )));
    }
    let found = readable;
    let Some(first) = found.first() else { return Ok(There::Not) };
    let why = if found.iter().any(|it| it.tre_id == *tre && it.public_key != platform.public_key) {
        format!("TRE {tre} is enrolled with another key")
    } else if found.iter().any(|it| it.device_id == *device && it.tre_id != *tre) {
        format!("device {device} is enrolled with another TRE")
    } else if found.iter().any(|it| it.tre_id != *tre) {
        format!("the key of TRE {tre} is enrolled for another TRE")
    } else if (&first.device_id, &first.supplier, &first.model)
        != (device, &platform.supplier, &platform.model)
    {
        format!("TRE {tre} is enrolled for another device, supplier or model")
    } else if first.revocation.is_some() {
        format!("TRE {tre} is revoked")
    } else {
        return Ok(There::Same);
    };
    Ok(There::Otherwise(why))
}

/// The newest certificate of the platform's key that is in force.
async fn in_force(
    connection: &mut SqliteConnection,
    platform: &Platform,
    now: i64,
) -> Result<Option<Credential>, StoreError> {
    let sql = format!(
        "SELECT {} FROM credential WHERE tre_id = ?1 AND public_key = ?2 AND revoked IS NULL AND expires > ?3
         ORDER BY id DESC LIMIT 1",
        rows::CREDENTIAL
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(platform.tre_id.as_str())
        .bind(&platform.public_key)
        .bind(now)
        .fetch_optional(&mut *connection)
        .await?;
    row.as_ref().map(rows::credential).transpose()
}

async fn insert_platform(connection: &mut SqliteConnection, platform: &Platform) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO platform (tre_id, device_id, supplier, model, public_key, enrolment, enrolled_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(platform.tre_id.as_str())
    .bind(platform.device_id.as_str())
    .bind(platform.supplier.as_str())
    .bind(platform.model.as_str())
    .bind(&platform.public_key)
    .bind(platform.enrolment.to_string())
    .bind(platform.enrolled_at)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn insert_credential(
    connection: &mut SqliteConnection,
    credential: &Credential,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO credential (serial, tre_id, der, public_key, issued, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&credential.serial)
    .bind(credential.tre_id.as_str())
    .bind(&credential.der)
    .bind(&credential.public_key)
    .bind(credential.issued_at)
    .bind(credential.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}
