//! Subscriptions, by IMSI.

use schemas::identity::{DeviceId, Imsi};
use service::database::ReadablePage;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::StoreError;
use crate::model::{Session, Subscription, SubscriptionState, Terms};

fn subscription(row: &SqliteRow) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        imsi: super::parsed(row, "imsi")?,
        msisdn: row.try_get("msisdn")?,
        device_id: super::parsed(row, "device_id")?,
        tre_id: super::parsed(row, "tre_id")?,
        pcid: super::parsed(row, "pcid")?,
        terms: super::json(row, "terms")?.ok_or_else(|| StoreError::Damaged("terms".into()))?,
        state: super::of_word(row, "state")?,
        session: super::parsed_or_null(row, "session")?,
        rncp: super::parsed_or_null(row, "rncp")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// One, by IMSI.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut SqliteConnection, imsi: Imsi) -> Result<Option<Subscription>, StoreError> {
    let row = sqlx::query("SELECT * FROM subscription WHERE imsi = ?1")
        .bind(imsi.to_string())
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(subscription).transpose()
}

/// The one that a device uses.
///
/// # Errors
/// The database's.
pub async fn active(
    tx: &mut SqliteConnection,
    device: &DeviceId,
) -> Result<Option<Subscription>, StoreError> {
    let row = sqlx::query("SELECT * FROM subscription WHERE device_id = ?1 AND state = 'active'")
        .bind(device.as_str())
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(subscription).transpose()
}

/// By IMSI, after one; of a device, if one is given.
///
/// # Errors
/// The database's.
pub async fn page(
    tx: &mut SqliteConnection,
    device: Option<&DeviceId>,
    state: Option<SubscriptionState>,
    after: Option<Imsi>,
    limit: u32,
) -> Result<Vec<Subscription>, StoreError> {
    let after = after.map(|imsi| imsi.to_string()).unwrap_or_default();
    let mut page = ReadablePage::new("a subscription", "imsi", after, limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query(
            "SELECT * FROM subscription
             WHERE imsi > ?1 AND (?2 IS NULL OR device_id = ?2) AND (?3 IS NULL OR state = ?3)
             ORDER BY imsi LIMIT ?4",
        )
        .bind(after)
        .bind(device.map(DeviceId::as_str))
        .bind(state.map(SubscriptionState::as_str))
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        page.add(&rows, subscription, |row| row.try_get("imsi"))?;
    }
    Ok(page.items())
}

/// A number is given to a device; a number that is back from quarantine begins anew.
///
/// # Errors
/// The database's.
pub async fn prepare(
    tx: &mut SqliteConnection,
    session: &Session,
    imsi: Imsi,
    msisdn: Option<&str>,
    terms: &Terms,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO subscription (imsi, msisdn, device_id, tre_id, pcid, terms, state, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'prepared', ?7, ?7)
         ON CONFLICT (imsi) DO UPDATE SET msisdn = excluded.msisdn, device_id = excluded.device_id,
            tre_id = excluded.tre_id, pcid = excluded.pcid, terms = excluded.terms, state = excluded.state,
            session = NULL, rncp = NULL, created_at = excluded.created_at, updated_at = excluded.updated_at",
    )
    .bind(imsi.to_string())
    .bind(msisdn)
    .bind(session.device_id.as_str())
    .bind(session.tre_id.as_str())
    .bind(session.pcid.to_string())
    .bind(super::to_json(terms)?)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The RNCP of `session` is installed.
///
/// # Errors
/// The database's.
pub async fn activate(
    tx: &mut SqliteConnection,
    session: &Session,
    imsi: Imsi,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE subscription SET state = 'active', session = ?2, rncp = ?3, terms = coalesce(?4, terms),
            tre_id = ?5, pcid = ?6, updated_at = ?7
         WHERE imsi = ?1",
    )
    .bind(imsi.to_string())
    .bind(session.id.to_string())
    .bind(session.rncp.map(|rncp: Uuid| rncp.to_string()))
    .bind(session.terms.as_ref().map(super::to_json).transpose()?)
    .bind(session.tre_id.as_str())
    .bind(session.pcid.to_string())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// It is no more.
///
/// # Errors
/// The database's.
pub async fn withdraw(tx: &mut SqliteConnection, imsi: Imsi, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE subscription SET state = 'withdrawn', updated_at = ?2 WHERE imsi = ?1")
        .bind(imsi.to_string())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}
