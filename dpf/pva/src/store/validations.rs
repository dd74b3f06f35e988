//! Nonces and verdicts.

use schemas::{identity::TreId, rest::provisioning::ValidationCheck};
use service::database::readable_rows;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Store, StoreError,
    platforms::{credential, platform},
    rows,
};
use crate::{
    judge::{Known, NonceState},
    model::Platform,
};

/// A validation, as the store knows it.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The provisioning session.
    pub session: Uuid,
    /// What for.
    pub check: ValidationCheck,
    /// SHA-256 of all that was asked.
    pub request: [u8; 32],
    /// The nonce that was asked about.
    pub nonce: Vec<u8>,
    /// SHA-256 of the evidence.
    pub evidence: [u8; 32],
    /// The TRE that the evidence says it is of.
    pub tre: Option<TreId>,
    /// Serial number of the certificate that it came with.
    pub serial: Option<Vec<u8>>,
    /// Milliseconds since 1970 UTC.
    pub now: i64,
}

/// What the store says to a validation.
#[derive(Debug)]
pub enum Facts {
    /// The same has been asked: the signed verdict.
    Answered(Vec<u8>),
    /// Another request has had the verdict of that session and check.
    Otherwise(Box<Known>),
    /// To be judged.
    Open(Box<Known>),
}

fn check_name(check: ValidationCheck) -> &'static str {
    match check {
        ValidationCheck::Provisioning => "provisioning",
        ValidationCheck::Download => "download",
        ValidationCheck::OnRequest => "on-request",
    }
}

impl Store {
    /// Notes a nonce that is given out; it is good until `expires_at` (milliseconds since 1970 UTC).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn give_nonce(&self, nonce: &[u8], expires_at: i64) -> Result<(), StoreError> {
        let nonce = nonce.to_vec();
        let given = self.db.transact(async move |tx| {
            sqlx::query("INSERT INTO nonce (nonce, expires_at) VALUES (?1, ?2)")
                .bind(nonce)
                .bind(expires_at)
                .execute(tx)
                .await?;
            Ok(())
        });
        given.await
    }

    /// Answers a validation once: `decide` gets what is known, and gives the signed verdict and whether the nonce is used
    /// up, or `None` if nothing is to be kept. It, the use of the nonce and what was known are of one transaction.
    ///
    /// # Errors
    /// If the database fails, or `decide` does; then nothing has changed.
    pub async fn validate<E: From<sqlx::Error> + From<StoreError> + Send + 'static>(
        &self,
        inquiry: Inquiry,
        decide: impl FnOnce(&Inquiry, Facts) -> Result<(Vec<u8>, Option<bool>), E> + Send + 'static,
    ) -> Result<Vec<u8>, E> {
        self.db.transact(async move |tx| answer(tx, &inquiry, decide).await).await
    }

    /// Forgets nonces that expired before `nonces`, and verdicts from before `verdicts` (milliseconds since 1970 UTC); how
    /// many of both. A nonce that is forgotten is not taken any more.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget(&self, nonces: i64, verdicts: i64) -> Result<(u64, u64), StoreError> {
        let mut tx = self.db.write().await?;
        let nonces =
            sqlx::query("DELETE FROM nonce WHERE expires_at < ?1").bind(nonces).execute(&mut *tx).await?;
        let verdicts =
            sqlx::query("DELETE FROM verdict WHERE issued_at < ?1").bind(verdicts).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok((nonces.rows_affected(), verdicts.rows_affected()))
    }
}

/// As [`Store::validate`], in the caller's transaction.
async fn answer<E: From<sqlx::Error> + From<StoreError>>(
    tx: &mut sqlx::SqliteConnection,
    inquiry: &Inquiry,
    decide: impl FnOnce(&Inquiry, Facts) -> Result<(Vec<u8>, Option<bool>), E>,
) -> Result<Vec<u8>, E> {
    let (session, check) = (inquiry.session.to_string(), check_name(inquiry.check));
    let before: Option<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT request, signed FROM verdict WHERE session = ?1 AND \"check\" = ?2")
            .bind(&session)
            .bind(check)
            .fetch_optional(&mut *tx)
            .await?;
    let facts = match before {
        Some((request, signed)) if request == inquiry.request => Facts::Answered(signed),
        Some(_) => Facts::Otherwise(Box::new(known(&mut *tx, inquiry, &session).await?)),
        None => Facts::Open(Box::new(known(&mut *tx, inquiry, &session).await?)),
    };
    let (signed, uses_nonce) = decide(inquiry, facts)?;
    let Some(uses_nonce) = uses_nonce else { return Ok(signed) };
    if uses_nonce {
        sqlx::query("UPDATE nonce SET session = ?2, evidence = ?3 WHERE nonce = ?1")
            .bind(&inquiry.nonce)
            .bind(&session)
            .bind(inquiry.evidence.as_slice())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO verdict (session, \"check\", request, signed, issued_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(&session)
    .bind(check)
    .bind(inquiry.request.as_slice())
    .bind(&signed)
    .bind(inquiry.now)
    .execute(&mut *tx)
    .await?;
    Ok(signed)
}

async fn known(
    tx: &mut sqlx::SqliteConnection,
    inquiry: &Inquiry,
    session: &str,
) -> Result<Known, StoreError> {
    let platform = match &inquiry.tre {
        Some(tre) => platform(tx, tre).await?,
        None => None,
    };
    let credential = match &inquiry.serial {
        Some(serial) => credential(tx, serial).await?,
        None => None,
    };
    let references = match &platform {
        Some(platform) => references(tx, platform).await?,
        None => Vec::new(),
    };
    let row: Option<rows::NonceRow> =
        sqlx::query_as("SELECT expires_at, session, evidence FROM nonce WHERE nonce = ?1")
            .bind(&inquiry.nonce)
            .fetch_optional(&mut *tx)
            .await?;
    let nonce = match row {
        None => NonceState::Unknown,
        Some(rows::NonceRow { session: Some(by), evidence: Some(what), .. }) => {
            if by == session && what == inquiry.evidence { NonceState::Ours } else { NonceState::Used }
        }
        Some(row) if row.expires_at < inquiry.now => NonceState::Expired,
        Some(_) => NonceState::Fresh,
    };
    Ok(Known { platform, credential, nonce, references })
}

async fn references(
    connection: &mut sqlx::SqliteConnection,
    platform: &Platform,
) -> Result<Vec<crate::model::ReferenceValue>, StoreError> {
    let sql = format!(
        "SELECT {} FROM reference_value WHERE supplier = ?1 AND model = ?2 ORDER BY name",
        rows::REFERENCE
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(platform.supplier.as_str())
        .bind(platform.model.as_str())
        .fetch_all(connection)
        .await?;
    // A state that cannot be read is one that is not accepted.
    Ok(readable_rows("a reference value", "name", &rows, rows::reference))
}
