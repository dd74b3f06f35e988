//! Credentials: stored, read, listed, changed, deleted.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use schemas::{identity::Imsi, subscription::Overrides};
use serde_json::json;
use service::database::readable;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};

use super::{
    addresses,
    error::json,
    profiles, queue,
    rows::{self, CREDENTIAL_COLUMNS, select_credential, select_registration},
    subjects,
};
use crate::{
    auc::clock,
    model::{Credential, NodeKind, Snapshot, Timestamp},
    store::{
        CredentialFilter, CredentialPatch, Event, NewCredential, Outgoing, Page, StoreError, Unreadable,
        sealed::Keyring,
    },
};

/// Rows of one statement: SQLite takes 32,766 parameters.
const ROWS: usize = 500;

/// Snapshots in one query.
pub(super) async fn snapshots(
    pool: &SqlitePool,
    keys: &Keyring,
    cache: &profiles::Cache,
    imsis: &[Imsi],
    now: Timestamp,
) -> Result<Vec<Result<Snapshot, Unreadable>>, StoreError> {
    let codes = rows::codes(imsis.iter().copied());
    let found = sqlx::query(select_credential!(
        ", p.id, p.version",
        "FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value \
         CROSS JOIN profile p ON p.id = c.profile_id"
    ))
    .bind(&codes)
    .fetch_all(pool)
    .await?;
    let serving = sqlx::query(select_registration!(
        "WHERE r.imsi IN (SELECT value FROM json_each(?1)) AND NOT r.purged AND r.expires_at > ?2"
    ))
    .bind(&codes)
    .bind(now.0)
    .fetch_all(pool)
    .await?;
    let mut registered = HashMap::with_capacity(serving.len());
    let serving = serving.iter().map(|row| rows::registration(row, 0));
    for registration in readable("a registration", serving) {
        registered.insert((registration.imsi, registration.kind), Arc::new(registration));
    }
    let mut snapshots = Vec::with_capacity(found.len());
    for row in &found {
        let imsi = rows::imsi(row.try_get(0)?)?;
        let (id, version) = (row.try_get(CREDENTIAL_COLUMNS)?, row.try_get(CREDENTIAL_COLUMNS + 1)?);
        let profile = match cache.get(id, version) {
            Some(profile) => Ok(profile),
            None => match profiles::by_id(pool, id).await {
                // The database, not the profile.
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                read => read.map(|profile| {
                    let profile = Arc::new(profile);
                    cache.put(id, &profile);
                    profile
                }),
            },
        };
        let mut of = |kind| registered.remove(&(imsi, kind));
        let (registration, sgsn) = (of(NodeKind::Mme), of(NodeKind::Sgsn));
        let snapshot = profile.and_then(|profile| {
            let credential = Arc::new(rows::credential(keys, row)?);
            let profile = credential.effective(profile);
            Ok(Snapshot { credential, profile, registration, sgsn })
        });
        snapshots.push(snapshot.map_err(|error| Unreadable { imsi, error }));
    }
    Ok(snapshots)
}

/// A credential with its keys sealed.
pub(super) struct SealedCredential {
    new: NewCredential,
    sealed: Option<Vec<u8>>,
    triple: Option<Vec<u8>>,
}

/// Seals the keys of all; takes no lock, since it takes time.
pub(super) fn seal(keys: &Keyring, new: Vec<NewCredential>) -> Result<Vec<SealedCredential>, StoreError> {
    let mut seen = HashSet::with_capacity(new.len());
    let mut addresses = HashSet::new();
    new.into_iter()
        .map(|new| {
            let c = &new.credential;
            if !seen.insert(c.imsi) {
                return Err(StoreError::Conflict(format!("credential {} is given twice", c.imsi)));
            }
            if let Some(address) = c.address.filter(|a| !addresses.insert(*a)) {
                return Err(StoreError::Conflict(format!("address {address} is given to two credentials")));
            }
            let sealed = rows::seal_auth(keys, c.imsi, &c.auth)?;
            let triple = rows::seal_triple(keys, c.imsi, c.triple.as_ref())?;
            Ok(SealedCredential { sealed, triple, new })
        })
        .collect()
}

/// Seals anew what was not sealed with the newest key.
pub(super) fn seal_with_newest(keys: &Keyring, sealed: &mut [SealedCredential]) -> Result<(), StoreError> {
    let prefix = keys.newest_prefix();
    let stale = |blob: &Option<Vec<u8>>| blob.as_ref().is_some_and(|blob| !blob.starts_with(&prefix));
    for one in sealed.iter_mut().filter(|one| stale(&one.sealed) || stale(&one.triple)) {
        let c = &one.new.credential;
        one.sealed = rows::seal_auth(keys, c.imsi, &c.auth)?;
        one.triple = rows::seal_triple(keys, c.imsi, c.triple.as_ref())?;
    }
    Ok(())
}

/// Stores all or none.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    new: &[SealedCredential],
    tick: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(first) = new.first() else { return Ok(()) };
    let there: Option<(i64,)> = sqlx::query_as(
        "SELECT c.imsi FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value LIMIT 1",
    )
    .bind(rows::codes(new.iter().map(|n| n.new.credential.imsi)))
    .fetch_optional(&mut *conn)
    .await?;
    if let Some((imsi,)) = there {
        return Err(StoreError::Conflict(format!("credential {} is stored already", rows::imsi(imsi)?)));
    }
    let mut profiles = HashMap::new();
    for one in new {
        let c = &one.new.credential;
        if !profiles.contains_key(c.profile.as_str()) {
            let found = profiles::by_name(&mut *conn, &c.profile).await?;
            let (id, profile) =
                found.ok_or_else(|| StoreError::NotFound(format!("profile {}", c.profile)))?;
            profiles.insert(c.profile.as_str(), (id, profile.lifetime));
        }
        if let Some(address) = c.address {
            check_address(&mut *conn, c.imsi, address).await?;
        }
    }
    for rows in new.chunks(ROWS) {
        insert_rows(&mut *conn, rows, &profiles, now).await?;
    }
    for address in new.iter().filter_map(|one| one.new.credential.address) {
        addresses::assigned(&mut *conn, address).await?;
    }
    for one in new.iter().filter(|one| !one.new.credential.overrides.is_empty()) {
        let c = &one.new.credential;
        addresses::set_of_apns(&mut *conn, c.imsi, &c.overrides).await?;
    }
    let (known, margin): (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT base FROM sequence_clock), 0), coalesce((SELECT margin FROM sequence_clock), 0)",
    )
    .fetch_one(&mut *conn)
    .await?;
    // A database that was put back may have forgotten this very credential, and what was given out of it since.
    let tick = tick.max(known.cast_unsigned()).saturating_sub(margin.cast_unsigned());
    let account = |new: &NewCredential| {
        let reserved = new.next_seq.saturating_sub(1);
        (rows::code(new.credential.imsi), reserved, clock::offset_for(reserved, tick))
    };
    let reserved: Vec<(i64, u64, i64)> = new.iter().map(|n| account(&n.new)).collect();
    sqlx::query(
        "INSERT INTO sequence (imsi, seq_reserved, seq_offset) \
         SELECT value->>0, value->>1, value->>2 FROM json_each(?1) WHERE true \
         ON CONFLICT (imsi) DO UPDATE SET seq_reserved = max(seq_reserved, excluded.seq_reserved), \
         seq_offset = max(seq_offset, excluded.seq_offset)",
    )
    .bind(json(&reserved)?)
    .execute(&mut *conn)
    .await?;
    let imsis: Vec<Imsi> = new.iter().map(|n| n.new.credential.imsi).collect();
    let event = Event {
        kind: "credentials-added".into(),
        imsi: (imsis.len() == 1).then_some(first.new.credential.imsi),
        detail: json!({ "count": imsis.len(), "imsis": imsis }),
    };
    queue::tell(conn, &[event], now).await
}

async fn insert_rows(
    conn: &mut SqliteConnection,
    new: &[SealedCredential],
    profiles: &HashMap<&str, (i64, Option<i64>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut lines = Vec::with_capacity(new.len());
    for one in new {
        let c = &one.new.credential;
        let Some((profile, lifetime)) = profiles.get(c.profile.as_str()) else {
            return Err(StoreError::NotFound(format!("profile {}", c.profile)));
        };
        let expires = c.expires_at.or(lifetime.map(|seconds| now.plus(seconds))).map(|t| t.0);
        let overrides = overrides(&c.overrides)?;
        lines.push((c, one, *profile, expires, rows::word(c.state)?, rows::word(c.mode)?, overrides));
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO credential (imsi, sealed, amf, ind_bitlen, state, profile_id, expires_at, attach_budget, \
         attaches, address, msisdn, mode, batch, created_at, updated_at, version, triple, overrides) ",
    );
    query.push_values(lines, |mut row, (c, one, profile, expires, state, mode, overrides)| {
        row.push_bind(rows::code(c.imsi))
            .push_bind(one.sealed.clone())
            .push_bind(u16::from_be_bytes(c.amf))
            .push_bind(c.ind_bitlen)
            .push_bind(state)
            .push_bind(profile)
            .push_bind(expires)
            .push_bind(c.attach_budget)
            .push("0")
            .push_bind(c.address.map(rows::address_blob))
            .push_bind(c.msisdn.clone())
            .push_bind(mode)
            .push_bind(c.batch.clone())
            .push_bind(now.0)
            .push_bind(now.0)
            .push("1")
            .push_bind(one.triple.clone())
            .push_bind(overrides);
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// As they are stored.
fn overrides(overrides: &Overrides) -> Result<Option<String>, StoreError> {
    if overrides.is_empty() { Ok(None) } else { json(overrides).map(Some) }
}

/// Whether somebody else has the address.
async fn check_address(conn: &mut SqliteConnection, imsi: Imsi, address: IpAddr) -> Result<(), StoreError> {
    let owner: Option<(i64,)> =
        sqlx::query_as("SELECT imsi FROM credential WHERE address = ?1 AND imsi <> ?2")
            .bind(rows::address_blob(address))
            .bind(rows::code(imsi))
            .fetch_optional(conn)
            .await?;
    match owner {
        Some((owner,)) => Err(StoreError::Conflict(format!(
            "address {address} belongs to credential {}",
            rows::imsi(owner)?
        ))),
        None => Ok(()),
    }
}

/// Those that are there.
pub(super) async fn existing(pool: &SqlitePool, imsis: &[Imsi]) -> Result<Vec<Imsi>, StoreError> {
    let (found,): (String,) = sqlx::query_as(
        "SELECT json_group_array(c.imsi) FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value",
    )
    .bind(rows::codes(imsis.iter().copied()))
    .fetch_one(pool)
    .await?;
    let found: Vec<i64> = serde_json::from_str(&found).map_err(super::error::damaged)?;
    found.into_iter().map(rows::imsi).collect()
}

/// One.
pub(super) async fn one(
    db: impl sqlx::SqliteExecutor<'_>,
    keys: &Keyring,
    imsi: Imsi,
) -> Result<Option<Credential>, StoreError> {
    let row = sqlx::query(select_credential!(
        "",
        "FROM credential c JOIN profile p ON p.id = c.profile_id WHERE c.imsi = ?1"
    ))
    .bind(rows::code(imsi))
    .fetch_optional(db)
    .await?;
    row.map(|row| rows::credential(keys, &row)).transpose()
}

/// A page of them.
pub(super) async fn list(
    pool: &SqlitePool,
    keys: &Keyring,
    filter: &CredentialFilter,
    page: &Page,
) -> Result<Vec<Credential>, StoreError> {
    let after = super::after_imsi(page)?;
    let mut all = Vec::new();
    for (low, high) in ranges(filter)? {
        let mut low = low.max(after.saturating_add(1));
        // Once, but for those that cannot be read: a page is filled with those that can.
        loop {
            let left = page.limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
            if left == 0 || low > high {
                break;
            }
            let mut query = QueryBuilder::<Sqlite>::new(select_credential!(
                "",
                "FROM credential c JOIN profile p ON p.id = c.profile_id WHERE c.imsi >= "
            ));
            restrict(&mut query, low, high, filter)?;
            query.push(" ORDER BY c.imsi LIMIT ").push_bind(left);
            let found = query.build().fetch_all(pool).await?;
            all.extend(readable("a credential", found.iter().map(|row| rows::credential(keys, row))));
            match found.last() {
                Some(last) if found.len() as u64 == u64::from(left) => {
                    low = last.try_get::<i64, _>(0)?.saturating_add(1);
                }
                _ => break,
            }
        }
    }
    Ok(all)
}

/// How many.
pub(super) async fn count(pool: &SqlitePool, filter: &CredentialFilter) -> Result<u64, StoreError> {
    let mut all = 0;
    for (low, high) in ranges(filter)? {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT count(*) FROM credential c JOIN profile p ON p.id = c.profile_id WHERE c.imsi >= ",
        );
        restrict(&mut query, low, high, filter)?;
        let (count,): (i64,) = query.build_query_as().fetch_one(pool).await?;
        all += count.cast_unsigned();
    }
    Ok(all)
}

/// The codes of IMSIs that begin with the prefix: a range for each number of digits, ascending.
fn ranges(filter: &CredentialFilter) -> Result<Vec<(i64, i64)>, StoreError> {
    let prefix = filter.prefix.as_deref().unwrap_or("");
    if prefix.len() > Imsi::MAX_DIGITS || !prefix.bytes().all(|c| c.is_ascii_digit()) {
        return Err(StoreError::Conflict(format!("prefix {prefix:?}: up to {} digits", Imsi::MAX_DIGITS)));
    }
    if prefix.is_empty() {
        return Ok(vec![(0, i64::MAX)]);
    }
    let start: i64 = format!("1{prefix}").parse().map_err(super::error::damaged)?;
    Ok((Imsi::MIN_DIGITS.max(prefix.len())..=Imsi::MAX_DIGITS)
        .map(|digits| {
            let scale = 10i64.pow((digits - prefix.len()) as u32);
            (start * scale, (start + 1) * scale - 1)
        })
        .collect())
}

fn restrict(
    query: &mut QueryBuilder<Sqlite>,
    low: i64,
    high: i64,
    filter: &CredentialFilter,
) -> Result<(), StoreError> {
    query.push_bind(low).push(" AND c.imsi <= ").push_bind(high);
    if let Some(state) = filter.state {
        query.push(" AND c.state = ").push_bind(rows::word(state)?);
    }
    if let Some(profile) = &filter.profile {
        query
            .push(" AND c.profile_id = (SELECT id FROM profile WHERE name = ")
            .push_bind(profile.clone())
            .push(")");
    }
    if let Some(batch) = &filter.batch {
        query.push(" AND c.batch = ").push_bind(batch.clone());
    }
    Ok(())
}

async fn for_change(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    imsi: Imsi,
    version: Option<i64>,
) -> Result<Credential, StoreError> {
    let Some(credential) = one(conn, keys, imsi).await? else {
        return Err(StoreError::NotFound(format!("credential {imsi}")));
    };
    check_version(imsi, credential.version, version)?;
    Ok(credential)
}

fn check_version(imsi: Imsi, stored: i64, wanted: Option<i64>) -> Result<(), StoreError> {
    match wanted {
        Some(wanted) if wanted != stored => Err(StoreError::Conflict(format!(
            "credential {imsi} has changed since it was read: it is at version {stored}, not {wanted}"
        ))),
        _ => Ok(()),
    }
}

/// The address of a credential that is to be deleted. Its keys need not open: that may be why.
async fn address_of(
    conn: &mut SqliteConnection,
    imsi: Imsi,
    version: Option<i64>,
) -> Result<Option<IpAddr>, StoreError> {
    let found: Option<(i64, Option<Vec<u8>>)> =
        sqlx::query_as("SELECT version, address FROM credential WHERE imsi = ?1")
            .bind(rows::code(imsi))
            .fetch_optional(conn)
            .await?;
    let (stored, address) = found.ok_or_else(|| StoreError::NotFound(format!("credential {imsi}")))?;
    check_version(imsi, stored, version)?;
    address.as_deref().map(rows::address).transpose()
}

/// Changes one.
pub(super) async fn update(
    conn: &mut SqliteConnection,
    keys: &Keyring,
    imsi: Imsi,
    version: Option<i64>,
    patch: CredentialPatch,
    send: &[Outgoing],
    now: Timestamp,
) -> Result<Credential, StoreError> {
    let mut c = for_change(&mut *conn, keys, imsi, version).await?;
    let before = c.address;
    let other_overrides = patch.overrides.is_some();
    patch.apply(&mut c);
    c.version += 1;
    c.updated_at = now;
    let Some((profile, _)) = profiles::by_name(&mut *conn, &c.profile).await? else {
        return Err(StoreError::NotFound(format!("profile {}", c.profile)));
    };
    if c.address != before
        && let Some(address) = c.address
    {
        check_address(&mut *conn, imsi, address).await?;
    }
    sqlx::query(
        "UPDATE credential SET state = ?2, profile_id = ?3, expires_at = ?4, attach_budget = ?5, address = ?6, \
         msisdn = ?7, updated_at = ?8, version = ?9, overrides = ?10 WHERE imsi = ?1",
    )
    .bind(rows::code(imsi))
    .bind(rows::word(c.state)?)
    .bind(profile)
    .bind(c.expires_at.map(|t| t.0))
    .bind(c.attach_budget)
    .bind(c.address.map(rows::address_blob))
    .bind(&c.msisdn)
    .bind(now.0)
    .bind(c.version)
    .bind(overrides(&c.overrides)?)
    .execute(&mut *conn)
    .await?;
    if c.address != before {
        if let Some(address) = before {
            addresses::free(&mut *conn, address).await?;
        }
        if let Some(address) = c.address {
            addresses::assigned(&mut *conn, address).await?;
        }
    }
    if other_overrides {
        addresses::set_of_apns(&mut *conn, imsi, &c.overrides).await?;
    }
    subjects::set_revoke_at(&mut *conn, imsi, c.state, c.expires_at).await?;
    finish(conn, imsi, "credential-changed", send, now).await?;
    Ok(c)
}

/// Deletes one; its sequence stays.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    imsi: Imsi,
    version: Option<i64>,
    send: &[Outgoing],
    now: Timestamp,
) -> Result<(), StoreError> {
    let address = address_of(&mut *conn, imsi, version).await?;
    for statement in [
        "DELETE FROM registration WHERE imsi = ?1",
        "DELETE FROM vector WHERE imsi = ?1 AND sealed IS NOT NULL",
        "DELETE FROM credential WHERE imsi = ?1",
    ] {
        sqlx::query(statement).bind(rows::code(imsi)).execute(&mut *conn).await?;
    }
    if let Some(address) = address {
        addresses::free(&mut *conn, address).await?;
    }
    finish(conn, imsi, "credential-deleted", send, now).await
}

/// Queues what is to be sent, and tells.
pub(super) async fn finish(
    conn: &mut SqliteConnection,
    imsi: Imsi,
    kind: &str,
    send: &[Outgoing],
    now: Timestamp,
) -> Result<(), StoreError> {
    for one in send {
        queue::push_effect(&mut *conn, one, now).await?;
    }
    let event = Event { kind: kind.to_owned(), imsi: Some(imsi), detail: json!({}) };
    queue::tell(conn, &[event], now).await
}
