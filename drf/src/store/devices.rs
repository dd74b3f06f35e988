//! Devices, and wrong claim codes.

use schemas::identity::{DeviceId, OperatorId, Pcid, SupplierId};
use service::database::ReadablePage;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{optional, parsed};

/// A device of the registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Its PCID.
    pub pcid: Pcid,
    /// Who it is.
    pub device_id: DeviceId,
    /// Who made it.
    pub supplier: SupplierId,
    /// What it is.
    pub model: Option<String>,
    /// Whose it is.
    pub subscriber: Option<String>,
    /// Sealed record of its claim code.
    pub claim_code: Option<Vec<u8>>,
    /// Operator with a contract.
    pub contract: Option<OperatorId>,
    /// Operator that the subscriber has chosen.
    pub claimed: Option<OperatorId>,
    /// Whose subscriber it is now.
    pub current: Option<OperatorId>,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC.
    pub updated_at: i64,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({}, {})", self.pcid, self.device_id)
    }
}

fn read(row: &SqliteRow) -> Result<Device, sqlx::Error> {
    Ok(Device {
        pcid: parsed(row, "pcid")?,
        device_id: parsed(row, "device_id")?,
        supplier: parsed(row, "supplier")?,
        model: row.try_get("model")?,
        subscriber: row.try_get("subscriber")?,
        claim_code: row.try_get("claim_code")?,
        contract: optional(row, "contract")?,
        claimed: optional(row, "claimed")?,
        current: optional(row, "current")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// The device with this PCID.
///
/// # Errors
/// The database's.
pub async fn device(db: &mut SqliteConnection, pcid: Pcid) -> Result<Option<Device>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM device WHERE pcid = ?1").bind(pcid.to_string()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// The device with this identity.
///
/// # Errors
/// The database's.
pub async fn device_by_identity(
    db: &mut SqliteConnection,
    id: &DeviceId,
) -> Result<Option<Device>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM device WHERE device_id = ?1").bind(id.as_str()).fetch_optional(db).await?;
    row.as_ref().map(read).transpose()
}

/// Devices with PCIDs above `after`, in the order of their PCIDs. With an operator, those bound to it or to nobody by
/// contract or claim: what rules say of the latter the caller has to see.
///
/// # Errors
/// The database's.
pub async fn devices(
    db: &mut SqliteConnection,
    after: Option<&str>,
    of: Option<&OperatorId>,
    limit: u32,
) -> Result<Vec<Device>, sqlx::Error> {
    let mut page = ReadablePage::new("a device", "pcid", after.unwrap_or_default().to_owned(), limit);
    while let Some((after, limit)) = page.wanted() {
        let rows = sqlx::query(
            "SELECT * FROM device WHERE pcid > ?1 AND (?2 IS NULL OR coalesce(contract, claimed, ?2) = ?2)
             ORDER BY pcid LIMIT ?3",
        )
        .bind(after)
        .bind(of.map(OperatorId::as_str))
        .bind(limit)
        .fetch_all(&mut *db)
        .await?;
        page.add(&rows, read, |row| row.try_get("pcid"))?;
    }
    Ok(page.items())
}

/// A new device.
///
/// # Errors
/// The database's; also if PCID or identity is there.
pub async fn insert_device(db: &mut SqliteConnection, device: &Device) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO device (pcid, device_id, supplier, model, subscriber, claim_code, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )
    .bind(device.pcid.to_string())
    .bind(device.device_id.as_str())
    .bind(device.supplier.as_str())
    .bind(&device.model)
    .bind(&device.subscriber)
    .bind(&device.claim_code)
    .bind(device.updated_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Changes what describes a device; bindings stay.
///
/// # Errors
/// The database's; also if another device has the identity.
pub async fn update_device(db: &mut SqliteConnection, device: &Device) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE device SET device_id = ?2, supplier = ?3, model = ?4, subscriber = ?5, claim_code = ?6,
         updated_at = ?7 WHERE pcid = ?1",
    )
    .bind(device.pcid.to_string())
    .bind(device.device_id.as_str())
    .bind(device.supplier.as_str())
    .bind(&device.model)
    .bind(&device.subscriber)
    .bind(&device.claim_code)
    .bind(device.updated_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Takes a device out of the registry.
///
/// # Errors
/// The database's.
pub async fn delete_device(db: &mut SqliteConnection, pcid: Pcid) -> Result<bool, sqlx::Error> {
    let done =
        sqlx::query("DELETE FROM device WHERE pcid = ?1").bind(pcid.to_string()).execute(&mut *db).await?;
    for sql in [
        "UPDATE notice SET state = 'superseded' WHERE pcid = ?1 AND state = 'waiting'",
        "UPDATE trigger_sent SET state = 'expired', last_error = 'the device is out of the registry'
         WHERE pcid = ?1 AND state IN ('pending', 'delivered')",
        "DELETE FROM place WHERE pcid = ?1",
    ] {
        sqlx::query(sql).bind(pcid.to_string()).execute(&mut *db).await?;
    }
    Ok(done.rows_affected() > 0)
}

/// Sets or ends the contract.
///
/// # Errors
/// The database's.
pub async fn set_contract(
    db: &mut SqliteConnection,
    pcid: Pcid,
    operator: Option<&OperatorId>,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE device SET contract = ?2, updated_at = ?3 WHERE pcid = ?1")
        .bind(pcid.to_string())
        .bind(operator.map(OperatorId::as_str))
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Sets the subscriber's choice.
///
/// # Errors
/// The database's.
pub async fn set_claim(
    db: &mut SqliteConnection,
    pcid: Pcid,
    operator: &OperatorId,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE device SET claimed = ?2, updated_at = ?3 WHERE pcid = ?1")
        .bind(pcid.to_string())
        .bind(operator.as_str())
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Registers whose subscriber the device is now.
///
/// # Errors
/// The database's.
pub async fn set_current(
    db: &mut SqliteConnection,
    pcid: Pcid,
    operator: &OperatorId,
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE device SET current = ?2, updated_at = ?3 WHERE pcid = ?1")
        .bind(pcid.to_string())
        .bind(operator.as_str())
        .bind(now)
        .execute(db)
        .await?;
    Ok(())
}

/// Wrong codes of `who` for `target`, and since when.
///
/// # Errors
/// The database's.
pub async fn failures(
    db: &mut SqliteConnection,
    (who, target): (&str, &str),
) -> Result<Option<(i64, i64)>, sqlx::Error> {
    sqlx::query_as("SELECT failures, since FROM claim_failure WHERE target = ?1")
        .bind(failure_key(who, target))
        .fetch_optional(db)
        .await
}

/// One more wrong code of `who` for `target`; those before `oldest` do not count any more. Old entries are forgotten, and of
/// `who` all but `most`: names can be invented. Those with the fewest wrong codes go first, so that inventing names does not
/// end the wait of a device for which there were many.
///
/// # Errors
/// The database's.
pub async fn note_failure(
    db: &mut SqliteConnection,
    (who, target): (&str, &str),
    now: i64,
    oldest: i64,
    most: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM claim_failure WHERE since < ?1").bind(oldest).execute(&mut *db).await?;
    sqlx::query(
        "DELETE FROM claim_failure WHERE target IN (
             SELECT target FROM claim_failure WHERE substr(target, 1, length(?1)) = ?1 AND target <> ?2
             ORDER BY failures DESC, since DESC LIMIT -1 OFFSET ?3)",
    )
    .bind(claimer(who))
    .bind(failure_key(who, target))
    .bind(most.saturating_sub(1))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO claim_failure (target, failures, since) VALUES (?1, 1, ?2)
         ON CONFLICT (target) DO UPDATE SET failures = failures + 1",
    )
    .bind(failure_key(who, target))
    .bind(now)
    .execute(db)
    .await?;
    Ok(())
}

/// What all keys of wrong codes of the bearer of the token `who` begin with.
fn claimer(who: &str) -> String {
    format!("{who}: ")
}

fn failure_key(who: &str, target: &str) -> String {
    claimer(who) + target
}

/// The right code.
///
/// # Errors
/// The database's.
pub async fn clear_failures(
    db: &mut SqliteConnection,
    (who, target): (&str, &str),
) -> Result<(), sqlx::Error> {
    let key = failure_key(who, target);
    sqlx::query("DELETE FROM claim_failure WHERE target = ?1").bind(key).execute(db).await?;
    Ok(())
}
