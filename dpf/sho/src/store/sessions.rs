//! Sessions: each change of state names the state that it was read in, so that nothing is done twice.

use schemas::{
    identity::{DeviceId, Imsi},
    rest::provisioning::{ProvisioningRequest, Refusal},
    rncp,
};
use service::database::readable_rows;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::StoreError;
use crate::{
    compose::Composed,
    keys::SubscriberKeys,
    model::{Numbering, Received, Session, State, Terms},
};

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    let state: String = row.try_get("state")?;
    let numbering: Option<String> = row.try_get("numbering")?;
    Ok(Session {
        id: super::parsed(row, "id")?,
        state: State::of(&state).ok_or_else(|| StoreError::Damaged(format!("state {state:?}")))?,
        pcid: super::parsed(row, "pcid")?,
        device_id: super::parsed(row, "device_id")?,
        tre_id: super::parsed(row, "tre_id")?,
        kind: super::of_word(row, "kind")?,
        nonce: row.try_get("nonce")?,
        evidence_digest: row.try_get("evidence_digest")?,
        terms: super::json(row, "terms")?,
        platform_certificate: row.try_get("platform_certificate")?,
        verdict_expires: row.try_get("verdict_expires")?,
        rncp: super::parsed_or_null(row, "rncp")?,
        numbering: numbering
            .map(|text| {
                Numbering::of(&text).ok_or_else(|| StoreError::Damaged(format!("numbering {text:?}")))
            })
            .transpose()?,
        imsi: super::parsed_or_null(row, "imsi")?,
        msisdn: row.try_get("msisdn")?,
        previous: super::parsed_or_null(row, "previous")?,
        replaces_imsi: super::parsed_or_null(row, "replaces_imsi")?,
        generated: row.try_get("generated")?,
        expires_at: row.try_get("expires_at")?,
        refusal: super::json(row, "refusal")?,
        answered_at: row.try_get("answered_at")?,
        spent: row.try_get("spent")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// Everything of a session but its secrets and large fields.
const COLUMNS: &str = "id, state, pcid, device_id, tre_id, kind, nonce, evidence_digest, terms, platform_certificate, \
    verdict_expires, rncp, numbering, imsi, msisdn, previous, replaces_imsi, generated, expires_at, refusal, \
    answered_at, spent, created_at, updated_at";

fn select(condition: &'static str) -> sqlx::AssertSqlSafe<String> {
    // Both halves are written here.
    sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM session {condition}"))
}

/// A session.
///
/// # Errors
/// The database's.
pub async fn find(tx: &mut SqliteConnection, id: Uuid) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query(select("WHERE id = ?1")).bind(id.to_string()).fetch_optional(tx).await?;
    row.as_ref().map(session).transpose()
}

/// Step 10: takes a request in, once.
///
/// # Errors
/// The database's.
pub async fn receive(
    tx: &mut SqliteConnection,
    id: Uuid,
    request: &ProvisioningRequest,
    now: i64,
) -> Result<Received, StoreError> {
    sqlx::query(
        "INSERT INTO session (id, state, pcid, device_id, tre_id, kind, nonce, evidence, evidence_digest,
                              created_at, updated_at)
         VALUES (?1, 'received', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT DO NOTHING",
    )
    .bind(id.to_string())
    .bind(request.pcid.to_string())
    .bind(request.device_id.as_str())
    .bind(request.tre_id.as_str())
    .bind(super::word(&request.kind)?)
    .bind(&request.nonce.0)
    .bind(&request.evidence.0)
    .bind(rncp::digest(request.evidence.as_ref()).to_vec())
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let found = find(tx, id).await?.ok_or_else(|| StoreError::Damaged(format!("session {id} is gone")))?;
    Ok(if found.is_of(request) { Received::Session(Box::new(found)) } else { Received::Other })
}

/// The evidence, until it is validated.
///
/// # Errors
/// The database's.
pub async fn evidence(tx: &mut SqliteConnection, id: Uuid) -> Result<Vec<u8>, StoreError> {
    let (evidence,): (Option<Vec<u8>>,) = sqlx::query_as("SELECT evidence FROM session WHERE id = ?1")
        .bind(id.to_string())
        .fetch_one(tx)
        .await?;
    Ok(evidence.unwrap_or_default())
}

/// Carries a session from a state to another. `false`: it is not in that state any more.
///
/// # Errors
/// The database's.
pub async fn advance(
    tx: &mut SqliteConnection,
    id: Uuid,
    from: State,
    to: State,
    now: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE session SET state = ?3, updated_at = ?4 WHERE id = ?1 AND state = ?2")
        .bind(id.to_string())
        .bind(from.as_str())
        .bind(to.as_str())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// What the PVA found, and the terms that the device is provisioned by.
///
/// # Errors
/// The database's.
pub async fn set_validated(
    tx: &mut SqliteConnection,
    id: Uuid,
    verdict: &[u8],
    certificate: &[u8],
    expires: i64,
    terms: &Terms,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE session SET verdict = ?2, platform_certificate = ?3, verdict_expires = ?4, terms = ?5, evidence = NULL
         WHERE id = ?1",
    )
    .bind(id.to_string())
    .bind(verdict)
    .bind(certificate)
    .bind(expires)
    .bind(super::to_json(terms)?)
    .execute(tx)
    .await?;
    Ok(())
}

/// What a session allots.
#[derive(Debug, Clone)]
pub struct Allotted {
    /// Name of the RNCP.
    pub rncp: Uuid,
    /// Where the numbers come from.
    pub numbering: Numbering,
    /// IMSI.
    pub imsi: Imsi,
    /// MSISDN.
    pub msisdn: Option<String>,
    /// The session whose RNCP is replaced.
    pub previous: Option<Uuid>,
    /// An IMSI that goes out of use.
    pub replaces_imsi: Option<Imsi>,
    /// The DPF made it.
    pub generated: bool,
}

/// Numbers and keys. `sealed` is K and OPc, sealed for this session.
///
/// # Errors
/// The database's.
pub async fn set_allotted(
    tx: &mut SqliteConnection,
    id: Uuid,
    allotted: &Allotted,
    sealed: &[u8],
    amf: [u8; 2],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE session SET rncp = ?2, numbering = ?3, imsi = ?4, msisdn = ?5, previous = ?6, replaces_imsi = ?7,
            generated = ?8, sealed = ?9, amf = ?10
         WHERE id = ?1",
    )
    .bind(id.to_string())
    .bind(allotted.rncp.to_string())
    .bind(allotted.numbering.as_str())
    .bind(allotted.imsi.to_string())
    .bind(&allotted.msisdn)
    .bind(allotted.previous.map(|previous| previous.to_string()))
    .bind(allotted.replaces_imsi.map(|imsi| imsi.to_string()))
    .bind(allotted.generated)
    .bind(sealed)
    .bind(amf.to_vec())
    .execute(tx)
    .await?;
    Ok(())
}

/// Sealed keys of a session, if they are still here, and AMF.
///
/// # Errors
/// The database's.
pub async fn sealed(tx: &mut SqliteConnection, id: Uuid) -> Result<Option<(Vec<u8>, [u8; 2])>, StoreError> {
    let row = sqlx::query("SELECT sealed, amf FROM session WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("sealed")? else { return Ok(None) };
    let amf: Option<Vec<u8>> = row.try_get("amf")?;
    let amf = amf.and_then(|amf| amf.try_into().ok());
    let amf = amf.ok_or_else(|| StoreError::Damaged("amf: two octets".into()))?;
    Ok(Some((sealed, amf)))
}

/// Keys of a session, if they are still here.
///
/// # Errors
/// The database's, or they do not open.
pub async fn keys(
    tx: &mut SqliteConnection,
    keyring: &service::sealed::Keyring,
    id: Uuid,
) -> Result<Option<SubscriberKeys>, StoreError> {
    match sealed(tx, id).await? {
        None => Ok(None),
        Some((sealed, amf)) => Ok(Some(SubscriberKeys::open(keyring, id, &sealed, amf)?)),
    }
}

/// Step 14: the RNCP as it travels.
///
/// # Errors
/// The database's.
pub async fn set_composed(
    tx: &mut SqliteConnection,
    id: Uuid,
    composed: &Composed,
    expires_at: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET manifest = ?2, expires_at = ?3 WHERE id = ?1")
        .bind(id.to_string())
        .bind(&composed.manifest)
        .bind(expires_at)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM session_part WHERE session = ?1").bind(id.to_string()).execute(&mut *tx).await?;
    for (part, at) in composed.parts.iter().zip(0_i64..) {
        sqlx::query("INSERT INTO session_part (session, at, octets) VALUES (?1, ?2, ?3)")
            .bind(id.to_string())
            .bind(at)
            .bind(part)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// The RNCP, until it is forgotten.
///
/// # Errors
/// The database's.
pub async fn composed(tx: &mut SqliteConnection, id: Uuid) -> Result<Option<Composed>, StoreError> {
    let (manifest,): (Option<Vec<u8>>,) = sqlx::query_as("SELECT manifest FROM session WHERE id = ?1")
        .bind(id.to_string())
        .fetch_one(&mut *tx)
        .await?;
    let Some(manifest) = manifest else { return Ok(None) };
    let parts: Vec<(Vec<u8>,)> =
        sqlx::query_as("SELECT octets FROM session_part WHERE session = ?1 ORDER BY at")
            .bind(id.to_string())
            .fetch_all(tx)
            .await?;
    Ok(Some(Composed { manifest, parts: parts.into_iter().map(|(octets,)| octets).collect() }))
}

/// Step 15: the answer is given.
///
/// # Errors
/// The database's.
pub async fn set_answered(tx: &mut SqliteConnection, id: Uuid, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET answered_at = ?2 WHERE id = ?1")
        .bind(id.to_string())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Why it came to nothing, and whether the device may nevertheless have got it.
///
/// # Errors
/// The database's.
pub async fn set_refusal(
    tx: &mut SqliteConnection,
    id: Uuid,
    refusal: &Refusal,
    spent: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET refusal = ?2, spent = ?3, evidence = NULL WHERE id = ?1")
        .bind(id.to_string())
        .bind(super::to_json(refusal)?)
        .bind(spent)
        .execute(tx)
        .await?;
    Ok(())
}

/// Keys and package of a session are forgotten.
///
/// # Errors
/// The database's.
pub async fn forget(tx: &mut SqliteConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET sealed = NULL, manifest = NULL WHERE id = ?1")
        .bind(id.to_string())
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM session_part WHERE session = ?1").bind(id.to_string()).execute(tx).await?;
    Ok(())
}

/// Sessions of a device that are not over.
///
/// # Errors
/// The database's.
pub async fn open_of(tx: &mut SqliteConnection, device: &DeviceId) -> Result<Vec<Session>, StoreError> {
    const OPEN: &str = "WHERE device_id = ?1 AND state IN \
        ('received', 'validated', 'delegated', 'allocated', 'composed', 'published', 'answered')";
    let rows = sqlx::query(select(OPEN)).bind(device.as_str()).fetch_all(tx).await?;
    rows.iter().map(session).collect()
}

/// Whether a later session than this one has put its keys of the IMSI into an HSS, or is about to.
///
/// # Errors
/// The database's.
pub async fn overtaken(
    tx: &mut SqliteConnection,
    session: &Session,
    imsi: Imsi,
    connector: &str,
) -> Result<bool, StoreError> {
    let (later,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM session AS later JOIN publication AS p ON p.session = later.id
         WHERE later.imsi = ?1 AND p.connector = ?2 AND p.stage <> 'undone'
            AND (later.created_at, later.id) > (?3, ?4)",
    )
    .bind(imsi.to_string())
    .bind(connector)
    .bind(session.created_at)
    .bind(session.id.to_string())
    .fetch_one(tx)
    .await?;
    Ok(later > 0)
}

/// Sessions left behind: without an answer since `idle`, or without a report since `unreported`.
///
/// # Errors
/// The database's.
pub async fn left_behind(
    tx: &mut SqliteConnection,
    idle: i64,
    unreported: i64,
) -> Result<Vec<Session>, StoreError> {
    const LEFT: &str = "WHERE \
        (state IN ('received', 'validated', 'delegated', 'allocated', 'composed', 'published') AND updated_at < ?1) \
        OR (state = 'answered' AND answered_at < ?2) LIMIT 500";
    let rows = sqlx::query(select(LEFT)).bind(idle).bind(unreported).fetch_all(tx).await?;
    Ok(readable_rows("a session", "id", &rows, session))
}

/// Sessions that were closed before `closed`, whose keys are still here and that no open session wants to restore.
///
/// # Errors
/// The database's.
pub async fn keys_due(tx: &mut SqliteConnection, closed: i64) -> Result<Vec<Session>, StoreError> {
    const DUE: &str = "WHERE state = 'closed' AND updated_at < ?1 \
        AND (sealed IS NOT NULL OR manifest IS NOT NULL) \
        AND NOT EXISTS (SELECT 1 FROM session AS later WHERE later.previous = session.id AND later.state IN \
            ('allocated', 'composed', 'published', 'answered', 'reported', 'withdrawing')) LIMIT 500";
    let rows = sqlx::query(select(DUE)).bind(closed).fetch_all(tx).await?;
    Ok(readable_rows("a session", "id", &rows, session))
}

/// What was done for a session at an HSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has been or is being told.
    Attempted,
    /// What was there of the IMSI has been taken away.
    Cleared,
    /// It has the subscription.
    Done,
    /// What was there has been taken away again, to restore what was before.
    Restoring,
    /// It is as it was before.
    Undone,
}

impl Stage {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Attempted, "attempted"),
        (Self::Cleared, "cleared"),
        (Self::Done, "done"),
        (Self::Restoring, "restoring"),
        (Self::Undone, "undone"),
    ];
}

/// How far it is at an HSS; `None`: it has not been told.
///
/// # Errors
/// The database's.
pub async fn stage(
    tx: &mut SqliteConnection,
    id: Uuid,
    connector: &str,
) -> Result<Option<Stage>, StoreError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT stage FROM publication WHERE session = ?1 AND connector = ?2")
            .bind(id.to_string())
            .bind(connector)
            .fetch_optional(tx)
            .await?;
    let Some((text,)) = row else { return Ok(None) };
    let stage = Stage::ALL.iter().find(|(_, name)| *name == text).map(|(stage, _)| *stage);
    stage.map(Some).ok_or_else(|| StoreError::Damaged(format!("stage {text:?}")))
}

/// Notes how far it is at an HSS.
///
/// # Errors
/// The database's.
pub async fn set_stage(
    tx: &mut SqliteConnection,
    id: Uuid,
    connector: &str,
    stage: Stage,
    now: i64,
) -> Result<(), StoreError> {
    let name = Stage::ALL.iter().find(|(one, _)| *one == stage).map_or("attempted", |(_, name)| name);
    sqlx::query(
        "INSERT INTO publication (session, connector, stage, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET stage = excluded.stage, updated_at = excluded.updated_at",
    )
    .bind(id.to_string())
    .bind(connector)
    .bind(name)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}
