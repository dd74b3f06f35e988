//! The subscribers whose registrations a commit changes: read in two queries, changed in memory in the
//! order of the operations, written in three.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use schemas::identity::Imsi;
use service::database::readable;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    error::json,
    rows::{self, select_registration},
};
use crate::{
    model::{CredentialState, NodeKind, NodeReport, Registration, Timestamp},
    store::{Op, StoreError},
};

/// What a commit knows of a credential.
struct Subject {
    address: Option<IpAddr>,
    attaches: u32,
    /// When the credential ends, 0 when it is not active.
    revoke_at: Option<i64>,
    changed: bool,
}

#[derive(Default)]
struct Slot {
    now: Option<Registration>,
    changed: bool,
}

/// The working set.
#[derive(Default)]
pub(super) struct Subjects {
    subjects: HashMap<Imsi, Subject>,
    /// Credentials that are there and cannot be read: what is to be done with them fails, and nothing else.
    unreadable: HashMap<Imsi, StoreError>,
    slots: HashMap<(Imsi, NodeKind), Slot>,
}

/// As a registration is written: imsi, kind, host, realm, visited_plmn, rat, address, imei, registered_at,
/// expires_at, purged, revoke_at; octets in hexadecimal.
type Line<'a> = (
    i64,
    String,
    &'a str,
    &'a str,
    String,
    u32,
    Option<String>,
    Option<&'a str>,
    i64,
    i64,
    bool,
    Option<i64>,
    Option<&'a NodeReport>,
);

impl Subjects {
    /// Reads those that `ops` need.
    pub(super) async fn load(conn: &mut SqliteConnection, ops: &[Op]) -> Result<Self, StoreError> {
        let needed: HashSet<Imsi> = ops.iter().filter_map(subject_of).collect();
        let mut all = Self::default();
        if needed.is_empty() {
            return Ok(all);
        }
        let codes = rows::codes(needed.into_iter());
        let found = sqlx::query(
            "SELECT c.imsi, c.address, c.attaches, c.state, c.expires_at \
             FROM json_each(?1) j CROSS JOIN credential c ON c.imsi = j.value",
        )
        .bind(&codes)
        .fetch_all(&mut *conn)
        .await?;
        for row in found {
            let imsi = rows::imsi(row.try_get(0)?)?;
            match subject(&row) {
                Ok(subject) => drop(all.subjects.insert(imsi, subject)),
                Err(error) => {
                    tracing::error!(%imsi, %error, "a credential cannot be read");
                    all.unreadable.insert(imsi, error);
                }
            }
        }
        let found = sqlx::query(select_registration!("WHERE r.imsi IN (SELECT value FROM json_each(?1))"))
            .bind(&codes)
            .fetch_all(&mut *conn)
            .await?;
        let found = found.iter().map(|row| rows::registration(row, 0));
        for registration in readable("a registration", found) {
            let key = (registration.imsi, registration.kind);
            all.slots.insert(key, Slot { now: Some(registration), changed: false });
        }
        Ok(all)
    }

    /// Why nothing can be done with a credential that is there.
    pub(super) fn unreadable(&self, imsi: Imsi) -> Option<&StoreError> {
        self.unreadable.get(&imsi)
    }

    /// The address of a credential, which may have none; `None` if it does not exist or was not read.
    pub(super) fn address(&self, imsi: Imsi) -> Option<Option<IpAddr>> {
        self.subjects.get(&imsi).map(|subject| subject.address)
    }

    /// Notes the address in use and another attach.
    pub(super) fn attach(&mut self, imsi: Imsi, address: Option<IpAddr>, count: bool) {
        if let Some(subject) = self.subjects.get_mut(&imsi) {
            subject.changed |= count || address != subject.address;
            subject.address = address;
            subject.attaches = subject.attaches.saturating_add(u32::from(count));
        }
    }

    /// The subscriber's registrations, as the operations before have left them.
    pub(super) fn registered(&self, imsi: Imsi) -> Vec<Registration> {
        let of = |kind| self.slots.get(&(imsi, kind)).and_then(|slot| slot.now.clone());
        [NodeKind::Mme, NodeKind::Sgsn].into_iter().filter_map(of).collect()
    }

    /// Replaces the registration of its kind.
    pub(super) fn put(&mut self, registration: Registration) {
        let key = (registration.imsi, registration.kind);
        self.slots.insert(key, Slot { now: Some(registration), changed: true });
    }

    /// Lets the registration last, if it is with `host`; whether it is.
    pub(super) fn renew(
        &mut self,
        imsi: Imsi,
        kind: NodeKind,
        host: &str,
        expires_at: Timestamp,
        imei: Option<&str>,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(&(imsi, kind)) else { return false };
        let Some(registration) = slot.now.as_mut().filter(|r| r.node.is(host) && !r.purged) else {
            return false;
        };
        registration.expires_at = expires_at;
        if let Some(imei) = imei {
            registration.imei = Some(imei.to_owned());
        }
        slot.changed = true;
        true
    }

    /// Marks what is with `host` purged; whether there was something.
    pub(super) fn purge(&mut self, imsi: Imsi, host: &str) -> bool {
        let mut any = false;
        for kind in [NodeKind::Mme, NodeKind::Sgsn] {
            let Some(slot) = self.slots.get_mut(&(imsi, kind)) else { continue };
            if let Some(registration) = slot.now.as_mut().filter(|r| r.node.is(host) && !r.purged) {
                registration.purged = true;
                slot.changed = true;
                any = true;
            }
        }
        any
    }

    /// Forgets the registration if it is with `host`; whether it was.
    pub(super) fn forget(&mut self, imsi: Imsi, kind: NodeKind, host: &str) -> bool {
        let Some(slot) = self.slots.get_mut(&(imsi, kind)) else { return false };
        if !slot.now.as_ref().is_some_and(|r| r.node.is(host)) {
            return false;
        }
        *slot = Slot { now: None, changed: true };
        true
    }

    /// Writes what has changed.
    pub(super) async fn save(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let credentials: Vec<(i64, u32, Option<String>)> = self
            .subjects
            .iter()
            .filter(|(_, s)| s.changed)
            .map(|(imsi, s)| (rows::code(*imsi), s.attaches, s.address.map(hex)))
            .collect();
        if !credentials.is_empty() {
            sqlx::query(
                "UPDATE credential SET attaches = j.value->>1, address = unhex(j.value->>2) \
                 FROM json_each(?1) j WHERE credential.imsi = j.value->>0",
            )
            .bind(json(&credentials)?)
            .execute(&mut *conn)
            .await?;
        }
        let (mut kept, mut gone) = (Vec::<Line<'_>>::new(), Vec::new());
        for ((imsi, kind), slot) in self.slots.iter().filter(|(_, slot)| slot.changed) {
            match &slot.now {
                Some(registration) => kept.push(self.line(registration)?),
                None => gone.push((rows::code(*imsi), rows::word(kind)?)),
            }
        }
        if !gone.is_empty() {
            sqlx::query(
                "DELETE FROM registration WHERE (imsi, kind) IN \
                 (SELECT value->>0, value->>1 FROM json_each(?1))",
            )
            .bind(json(&gone)?)
            .execute(&mut *conn)
            .await?;
        }
        if !kept.is_empty() {
            sqlx::query(
                "INSERT OR REPLACE INTO registration (imsi, kind, host, realm, visited_plmn, rat, address, imei, \
                 registered_at, expires_at, purged, revoke_at, node_report) \
                 SELECT value->>0, value->>1, value->>2, value->>3, unhex(value->>4), value->>5, unhex(value->>6), \
                 value->>7, value->>8, value->>9, value->>10, value->>11, value->>12 FROM json_each(?1)",
            )
            .bind(json(&kept)?)
            .execute(&mut *conn)
            .await?;
        }
        Ok(())
    }

    fn line<'a>(&self, r: &'a Registration) -> Result<Line<'a>, StoreError> {
        let ends = self.subjects.get(&r.imsi).and_then(|s| s.revoke_at);
        Ok((
            rows::code(r.imsi),
            rows::word(r.kind)?,
            &r.node.host,
            &r.node.realm,
            hex::encode(r.visited_plmn.octets()),
            r.rat.code(),
            r.address.map(hex),
            r.imei.as_deref(),
            r.registered_at.0,
            r.expires_at.0,
            r.purged,
            ends.filter(|_| !r.purged),
            Some(&r.report).filter(|report| **report != NodeReport::default()),
        ))
    }
}

/// The IMSI of the credential whose registrations an operation changes.
pub(super) fn subject_of(op: &Op) -> Option<Imsi> {
    match op {
        Op::Register { registration, .. } => Some(registration.imsi),
        Op::Renew { imsi, .. } | Op::Purge { imsi, .. } | Op::Deregister { imsi, .. } => Some(*imsi),
        _ => None,
    }
}

fn subject(row: &SqliteRow) -> Result<Subject, StoreError> {
    Ok(Subject {
        address: row.try_get::<Option<&[u8]>, _>(1)?.map(rows::address).transpose()?,
        attaches: row.try_get(2)?,
        revoke_at: revoke_at(rows::from_word(row.try_get(3)?)?, row.try_get(4)?),
        changed: false,
    })
}

fn hex(address: IpAddr) -> String {
    hex::encode(rows::address_blob(address))
}

/// When registrations of such a credential are to be cancelled.
pub(super) fn revoke_at(state: CredentialState, expires_at: Option<i64>) -> Option<i64> {
    if state == CredentialState::Active { expires_at } else { Some(0) }
}

/// Brings the registrations of a credential that was changed up to date.
pub(super) async fn set_revoke_at(
    conn: &mut SqliteConnection,
    imsi: Imsi,
    state: CredentialState,
    expires_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE registration SET revoke_at = iif(purged, NULL, ?2) WHERE imsi = ?1")
        .bind(rows::code(imsi))
        .bind(revoke_at(state, expires_at.map(|t| t.0)))
        .execute(conn)
        .await?;
    Ok(())
}
