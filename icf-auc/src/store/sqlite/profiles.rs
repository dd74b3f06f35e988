//! Profiles.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::json;
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{
    error::{damaged, json},
    queue,
};
use crate::{
    model::{Profile, Timestamp},
    store::{Event, Outgoing, StoreError},
};

/// Profiles by id and version: an id is never given out again, so that what is here never goes stale.
#[derive(Default)]
pub(super) struct Cache(RwLock<HashMap<i64, (i64, Arc<Profile>)>>);

impl Cache {
    /// The profile of this id, if it is here in this version.
    pub(super) fn get(&self, id: i64, version: i64) -> Option<Arc<Profile>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(&id).filter(|(v, _)| *v == version).map(|(_, profile)| Arc::clone(profile))
    }

    /// Keeps one.
    pub(super) fn put(&self, id: i64, profile: &Arc<Profile>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, (profile.version, Arc::clone(profile)));
    }
}

fn parse(name: String, body: &str, version: i64) -> Result<Profile, StoreError> {
    let mut profile: Profile =
        serde_json::from_str(body).map_err(|e| damaged(format!("profile {name}: {e}")))?;
    profile.name = name;
    profile.version = version;
    Ok(profile)
}

/// One by id.
pub(super) async fn by_id(db: impl SqliteExecutor<'_>, id: i64) -> Result<Profile, StoreError> {
    let (name, body, version): (String, String, i64) =
        sqlx::query_as("SELECT name, body, version FROM profile WHERE id = ?1")
            .bind(id)
            .fetch_one(db)
            .await?;
    parse(name, &body, version)
}

/// One by name, with its id.
pub(super) async fn by_name(
    db: impl SqliteExecutor<'_>,
    name: &str,
) -> Result<Option<(i64, Profile)>, StoreError> {
    let row: Option<(i64, String, String, i64)> =
        sqlx::query_as("SELECT id, name, body, version FROM profile WHERE name = ?1")
            .bind(name)
            .fetch_optional(db)
            .await?;
    row.map(|(id, name, body, version)| Ok((id, parse(name, &body, version)?))).transpose()
}

/// All by name.
pub(super) async fn all(db: impl SqliteExecutor<'_>) -> Result<Vec<Profile>, StoreError> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT name, body, version FROM profile ORDER BY name").fetch_all(db).await?;
    rows.into_iter().map(|(name, body, version)| parse(name, &body, version)).collect()
}

/// Creates or changes one.
pub(super) async fn put(
    conn: &mut SqliteConnection,
    mut profile: Profile,
    version: Option<i64>,
    send: &[Outgoing],
    now: Timestamp,
) -> Result<Profile, StoreError> {
    let name = profile.name.clone();
    let known = by_name(&mut *conn, &name).await?;
    check_version(&name, known.as_ref().map(|(_, p)| p.version), version)?;
    profile.version = known.as_ref().map_or(0, |(_, p)| p.version) + 1;
    sqlx::query(
        "INSERT INTO profile (name, body, version) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET body = excluded.body, version = excluded.version",
    )
    .bind(&name)
    .bind(json(&profile)?)
    .bind(profile.version)
    .execute(&mut *conn)
    .await?;
    for one in send {
        queue::push_effect(&mut *conn, one, now).await?;
    }
    tell(conn, "profile-changed", &name, now).await?;
    Ok(profile)
}

fn check_version(name: &str, known: Option<i64>, wanted: Option<i64>) -> Result<(), StoreError> {
    match (known, wanted) {
        (Some(_), Some(0)) => Err(StoreError::Conflict(format!("profile {name} exists already"))),
        (None, Some(v)) if v != 0 => Err(StoreError::NotFound(format!("profile {name}"))),
        (Some(k), Some(w)) if k != w => Err(StoreError::Conflict(format!(
            "profile {name} has changed since it was read: it is at version {k}, not {w}"
        ))),
        _ => Ok(()),
    }
}

/// Deletes one that no credential uses.
pub(super) async fn delete(
    conn: &mut SqliteConnection,
    name: &str,
    version: Option<i64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((id, profile)) = by_name(&mut *conn, name).await? else {
        return Err(StoreError::NotFound(format!("profile {name}")));
    };
    check_version(name, Some(profile.version), version)?;
    let (used,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM credential WHERE profile_id = ?1)")
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    if used {
        return Err(StoreError::Conflict(format!(
            "profile {name} is used by credentials; give them another profile first"
        )));
    }
    sqlx::query("DELETE FROM profile WHERE id = ?1").bind(id).execute(&mut *conn).await?;
    tell(conn, "profile-deleted", name, now).await
}

async fn tell(conn: &mut SqliteConnection, kind: &str, name: &str, now: Timestamp) -> Result<(), StoreError> {
    let event = Event { kind: kind.to_owned(), imsi: None, detail: json!({ "profile": name }) };
    queue::tell(conn, &[event], now).await
}
